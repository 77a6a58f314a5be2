# SPDX-License-Identifier: GPL-2.0-or-later
"""The source is configured, built and installed where there is no git, and where there is no GNU SASL."""
import os

import programs
import pytest

INSTALLED = {"maf.so", "maf-server", "maf-client", "maf-lint", "maf.7", "README.md"}


def test_source_tarball(tmp_path):
    """What git archive packs."""
    if not (programs.ROOT / ".git").exists():
        pytest.skip("not a git checkout: no tarball to make")
    source, build, programs_first, destination = (tmp_path / name for name in ("source", "build", "bin", "destination"))
    source.mkdir()
    programs.run("bash", "-o", "pipefail", "-c", 'git -C "$0" archive HEAD | tar -C "$1" -xf -', programs.ROOT, source)
    programs_first.mkdir()
    git = programs_first / "git"
    git.write_text(f"#!/bin/sh\ntouch '{tmp_path}/called'\nexit 127\n")
    git.chmod(0o755)
    environment = {"PATH": f"{programs_first}:{os.environ['PATH']}", "DESTDIR": str(destination)}
    for command in (["-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DMAF_WERROR=ON"],
                    ["--build", build, "--target", "maf-plugin", "maf-server", "maf-client"],
                    ["--install", build]):
        programs.run("cmake", *command, environment=environment)
    assert INSTALLED <= {path.name for path in destination.rglob("*")}
    assert not (tmp_path / "called").exists()


def test_plugin_only(tmp_path):
    """Where GNU SASL is too old or missing, the plugin and maf-lint can still be built and installed."""
    build, destination = tmp_path / "build", tmp_path / "destination"
    hidden = tmp_path / "pkg-config"
    hidden.mkdir()
    (hidden / "libgsasl.pc").write_text("Name: libgsasl\nDescription: too old\nVersion: 0\n")
    environment = {"PKG_CONFIG_PATH": str(hidden), "DESTDIR": str(destination)}
    configure = ["-S", programs.ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug"]
    assert programs.run("cmake", *configure, environment=environment, check=False).returncode, "the pair needs libgsasl"
    for command in ([*configure, "-DMAF_PLUGIN_ONLY=ON"], ["--build", build, "--target", "maf-plugin"], ["--install", build]):
        programs.run("cmake", *command, environment=environment)
    installed = {path.name for path in destination.rglob("*")}
    assert {"maf.so", "maf.7", "maf-lint", "maf-lint.1"} <= installed and "maf-server" not in installed
