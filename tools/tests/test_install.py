# SPDX-License-Identifier: GPL-2.0-or-later
"""An installation goes where it should, whoever configures, however often and from whatever path; cmake --install puts all of
it below DESTDIR, where tshark loads the plugin from; uninstall takes it away and leaves no empty folder."""
import os
import subprocess

import programs

NAMES = ("maf.so", "maf-server", "maf-client", "maf-lint", "maf-server.1", "maf-client.1", "maf-lint.1", "maf.7",
         "maf-server.conf.example", "profiles/MAF/colorfilters", "README.md")


def plugin_folder():
    return programs.run("pkg-config", "--variable=plugindir", "wireshark").stdout.strip()


SYSTEM = plugin_folder()
VERSION = os.path.basename(SYSTEM)
# Where the plugin, the profile and the programs go
EVERYONE = (os.path.dirname(os.path.dirname(os.path.dirname(SYSTEM))),
            programs.run("pkg-config", "--variable=prefix", "wireshark").stdout.strip() + "/share/wireshark/profiles", "/usr/local/bin")
ELSEWHERE = ("/else/lib", "/else/share/wireshark/profiles", "/else/bin")
ALICE = ("/home/alice/.local/lib", "/home/alice/.config/wireshark/profiles", "/home/alice/.local/bin")
XDG = (ALICE[0], "/xdg/wireshark/profiles", ALICE[2])

# In the same build tree, in this sequence: whose configuration it is, with what, and where it all goes
CONFIGURATIONS = (
    (0, {}, [], EVERYONE),
    (0, {}, [], EVERYONE),
    (0, {}, ["-DCMAKE_INSTALL_PREFIX=/else"], ELSEWHERE),
    (1000, {"HOME": ""}, [], ELSEWHERE),
    (1000, {}, ["-UCMAKE_INSTALL_PREFIX"], ALICE),
    (1000, {"XDG_CONFIG_HOME": ""}, [], ALICE),
    (1000, {"XDG_CONFIG_HOME": "/xdg"}, [], XDG),
    (1000, {}, ["-DCMAKE_INSTALL_PREFIX=/else"], ELSEWHERE),
    (1000, {"HOME": ""}, ["-UCMAKE_INSTALL_PREFIX"], None),
    (1000, {}, [], ALICE))


def configure(folder, uid, variables, options, source=programs.ROOT):
    """cmake, run by a user of that number."""
    identity = folder / "bin/id"
    identity.parent.mkdir(exist_ok=True)
    identity.write_text(f"#!/bin/sh\necho {uid}\n")
    identity.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in ("XDG_CONFIG_HOME", "DESTDIR")}
    environment |= {"HOME": "/home/alice", "PATH": f"{identity.parent}:{os.environ['PATH']}"} | variables
    return subprocess.run(["cmake", "-G", "Ninja", "-S", source, "-B", folder / "build", *options], env=environment, capture_output=True,
                          encoding="utf-8", check=False)


def test_where(tmp_path):
    for uid, variables, options, where in CONFIGURATIONS:
        done = configure(tmp_path, uid, variables, options)
        if where is None:
            assert done.returncode and "HOME is not set" in done.stderr
            continue
        assert done.returncode == 0, done.stderr
        lines = [line.removeprefix("-- ").split(": ", 1) for line in done.stdout.splitlines()]
        goes = dict(line for line in lines if line[0] in ("Plugin", "Profile", "Programs"))
        plugin, profile, bin_folder = where
        assert goes == {"Plugin": f"{plugin}/wireshark/plugins/{VERSION}/epan", "Profile": f"{profile}/MAF", "Programs": bin_folder}
    done = programs.run("cmake", "--build", tmp_path / "build", "--target", "uninstall", check=False)
    assert done.returncode, "uninstalls what was never installed"


def everything_in(folder):
    return {path for path in folder.rglob("*")}


def test_install_and_uninstall(readable):
    """Beside what others have installed, which stays."""
    destination = readable / "destination"
    others = destination / "usr/local/bin/other"
    others.parent.mkdir(parents=True)
    others.write_text("")
    before = everything_in(destination)
    environment = {"DESTDIR": str(destination)}
    programs.run("cmake", "--install", programs.BUILD, environment=environment)
    installed = {f"/{path.relative_to(destination)}" for path in everything_in(destination) - before if path.is_file()}
    manifest = (programs.BUILD / "install_manifest.txt").read_text(encoding="utf-8").splitlines()
    assert installed == set(manifest), "not all is below DESTDIR"
    for name in NAMES:
        assert any(path.endswith(f"/{name}") for path in installed), name
    (plugin,) = [f"{destination}{path}" for path in installed if path.endswith("/maf.so")]
    for folder in everything_in(destination):
        folder.chmod(0o755)
    shown = programs.run(programs.TSHARK, "-G", "plugins", environment={"MAF_BUILD_DIR": plugin.partition("/plugins/")[0]}).stdout
    assert plugin in shown
    programs.run("cmake", "--build", programs.BUILD, "--target", "uninstall", environment=environment)
    left = everything_in(destination)
    assert others in left
    assert [path for path in left - before if path.is_file() or not any(path.iterdir())] == []


def test_odd_clone_path(tmp_path):
    """A clone in such a path is built and installed by its own scripts. (A path with a double quote can be built in, but CMake
    cannot install from it.)"""
    clone = tmp_path / "it's $HOME odd" / "clone"
    clone.mkdir(parents=True)
    programs.run("bash", "-c", 'tar -C "$0" --exclude=./.git --exclude="./build*" --exclude=./test-captures -cf - . | tar -C "$1" -xf -',
                 programs.ROOT, clone)
    script = '. "$0/tools/lib.sh" && configure -DCMAKE_BUILD_TYPE=Debug && cmake --build "$build" --target maf-plugin --parallel 2'
    environment = {"MAF_BUILD_DIR": "", "HOME": str(tmp_path)}
    programs.run("bash", "-c", script, clone, environment=environment)
    assert list(clone.glob("build/check/plugins/*/epan/maf.so"))
    programs.run("cmake", "--install", clone / "build/check", "--component", "plugin",
                 environment=environment | {"DESTDIR": str(tmp_path / "destination")})
    assert list(tmp_path.glob("destination/**/maf.so"))
