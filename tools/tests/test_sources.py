# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources, scripts and manual pages: formatted, analysed, and in step with what they describe."""
import os
import re
import shutil

import catalogue
import programs
import pytest

ROOT, TOOLS = programs.ROOT, programs.TOOLS


def files():
    for folder in (ROOT / "tools", ROOT / "plugin", ROOT / ".ci", ROOT / "test-captures"):
        yield from (path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("check", ("format", "cppcheck", "analyzer", "conventions"))
def test_lint(check):
    programs.run(TOOLS / "dev/lint", check)


def test_shellcheck():
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck")
    scripts = [path for path in files() if re.match(rb"#!.*sh\n", path.read_bytes()[:100])]
    assert TOOLS / "check" in scripts
    programs.run("shellcheck", "--external-sources", *scripts, cwd=ROOT)


@pytest.mark.parametrize("page", [path for path in sorted(files()) if re.fullmatch(r"\.[17]", path.suffix)], ids=lambda path: path.name)
def test_manual_page(page):
    if not shutil.which("groff"):
        pytest.skip("no groff")
    done = programs.run("groff", "-t", "-man", "-Tutf8", "-wall", "-z", page)
    assert done.stdout + done.stderr == ""


def test_manuals(request):
    """The reference in maf(7) is what tshark prints of the plugin, and each option of --help is in its program's page."""
    update = ["--accept"] if request.config.getoption("--update") else []
    programs.run(TOOLS / "dev/manuals", *update, catalogue.program("maf-server"), catalogue.program("maf-client"), TOOLS / "maf-lint")


def test_size_of_files():
    """A person who looks for a thing finds it in a file that can be read."""
    assert len([path for path in TOOLS.iterdir() if path.suffix not in (".c", ".h") and not path.name.startswith("maf-")
                and path.name != "attack"]) <= 16
    own = [path for path in (TOOLS / "tests").glob("*.py")] + [path for path in (TOOLS / "captures").glob("*.py")]
    assert [path.name for path in own if len(path.read_text(encoding="utf-8").splitlines()) > 500] == []


def test_calls_go_down():
    """A source of the plugin includes what is at its place or below in the list of plugin/README.md."""
    plugin = ROOT / "plugin"
    listed = re.findall(r"^\| `([\w/-]+)\.c`", (plugin / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(str(path.relative_to(plugin).with_suffix("")) for path in plugin.rglob("*.c")
                                    if "tests" not in path.parts)
    upward = set()
    for place, name in enumerate(listed):
        for suffix in (".c", ".h"):
            source = plugin / (name + suffix)
            included = re.findall(r'^#include "([\w/-]+)\.h"', source.read_text(), re.MULTILINE) if source.exists() else ()
            upward |= {(name, other) for other in included if other in listed[:place]}
    assert upward == set()


def test_lib():
    """What the scripts share does not depend on who calls them from where."""
    done = programs.run("bash", "-c", '. tools/lib.sh; echo "$root:$MAF_USER:$MAF_PASSWORD"', cwd=ROOT,
                        environment={"CDPATH": ".", "MAF_USER": "alice", "MAF_PASSWORD": "secret"})
    assert done.stdout == f"{ROOT}::\n"


def test_packages_that_are_missing(tmp_path):
    """Those that are held or there twice are not; those that are removed or unknown are."""
    if not shutil.which("dpkg-query"):
        pytest.skip("no dpkg-query")
    architecture = programs.run("dpkg", "--print-architecture").stdout.strip()
    for folder in ("info", "updates"):
        (tmp_path / folder).mkdir()
    (tmp_path / "status").write_text("".join(
        f"Package: {package}\nStatus: {status}\nMulti-Arch: same\nArchitecture: {where}\nVersion: 1\nMaintainer: x\nDescription: x\n\n"
        for package, where, status in (("held", architecture, "hold ok installed"), ("twice", architecture, "install ok installed"),
                                       ("twice", "hurd-i386", "install ok installed"),
                                       ("removed", architecture, "deinstall ok config-files"))))
    for program in ("apt-get", "sudo"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    done = programs.run("bash", "-c", f". '{TOOLS}/lib.sh'; packages=(held twice removed unknown); install_packages",
                        environment={"MAF_INSTALL": "", "DPKG_ADMINDIR": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.stderr == "Installing removed unknown\n"
