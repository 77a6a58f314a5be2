# SPDX-License-Identifier: GPL-2.0-or-later
"""What README.md shows of a terminal is what its commands print, but for times; its scripts, filters and Lua work.

They are run in a folder with the sample captures, and with the programs just built in PATH."""
import re
import shutil

import programs
import pytest

README = (programs.ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for kind, text in BLOCK.findall(README) if kind == language]


def script(pattern):
    """The script of README.md with such a line."""
    (found,) = [text for text in blocks("sh") if re.search(pattern, text)] or [None]
    if found is None:
        pytest.skip(f"README.md has no script with {pattern}")
    return found


@pytest.fixture
def terminal(readable, monkeypatch):
    """A function: runs a command there; its output, and its exit status."""
    shutil.copytree(programs.SAMPLES, readable / "test-captures")
    (readable / "bin").mkdir()
    for name in ("maf-server", "maf-client"):
        (readable / "bin" / name).symlink_to(programs.catalogue.program(name))
    (readable / "bin/maf-lint").symlink_to(programs.TOOLS / "maf-lint")
    wrapper = readable / "bin/tshark"
    wrapper.write_text(f"#!/bin/sh\nPATH=${{PATH#*:}} exec '{programs.TSHARK}' \"$@\"\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{readable}/bin", prepend=":")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(readable)

    def execute(*command, **options):
        return programs.run(*command, check=False, **options)

    execute.folder = readable
    return execute


def sorted_out(text):
    return re.sub(r" +$", "", re.sub(r"\n+", "\n", programs.without_times(text)), flags=re.MULTILINE)


def test_terminals(terminal):
    if not shutil.which("jq"):
        pytest.skip("no jq: the terminals of README.md were not compared")
    shown = "".join(blocks("console"))
    commands = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
    assert commands
    seen = ""
    for command in commands:
        done = terminal("bash", "-c", f"({command}) 2>&1")
        assert done.returncode in (0, 1), f"{command}: {done.stdout}"
        seen += f"$ {command}\n{done.stdout}"
    assert sorted_out(seen) == sorted_out(shown), programs.difference(sorted_out(shown), sorted_out(seen))


def test_filters():
    (table,) = re.findall(r"^\| display filter.*?\n\n", README, re.MULTILINE | re.DOTALL)
    filters = [found for row in table.splitlines()[2:] for found in re.findall(r"`([^`]*)`", row.split(" | ")[0])]
    assert "maf" in filters
    programs.of_capture("revision-00/login", "-Y", " or ".join(f"({found})" for found in filters))


def test_lua(readable, monkeypatch):
    monkeypatch.delenv("WIRESHARK_DATA_DIR")  # init.lua is there
    (lua,) = blocks("lua") or [None]
    if lua is None:
        pytest.skip("README.md has no Lua")
    (readable / "badge.lua").write_text(lua)
    said = programs.of_capture("revision-00/proprietary", "-n", "-X", f"lua_script:{readable}/badge.lua", "-Y", "acme_badge",
                               "-T", "fields", *[word for field in ("maf.instr", "acme_badge.colour", "acme_badge.holder",
                                                                    "frame.protocols") for word in ("-e", field)])
    assert said == ("3\t104\tello\teth:ethertype:ip:tcp:maf:acme_badge\n"
                    "5\t104\tello\teth:ethertype:ip:tcp:maf:acme_badge\n")


@pytest.mark.parametrize("way", ("parallel -0 -k -n 8 maf-lint", "--sshlogin host1,host2",
                                 "maf-lint --json -j 3 test-captures >logins.jsonl"))
def test_many_captures(terminal, way, monkeypatch):
    """README.md's ways to read many captures, and maf-lint by itself, print the same. The hosts are this one; what stands
    in for ssh begins, as sshd does, at home and with a SHELL, for parallel relies on both."""
    if not shutil.which("parallel"):
        pytest.skip("no GNU parallel: captures were not read by it")
    folder = terminal.folder / "test-captures"
    for path in list(folder.rglob("*.pcap*")):
        if not re.search(r"/sasl/(composite-1|plain-wrong|scram|scram-unknown)\.pcapng|/00/not_offered\.", str(path)):
            path.unlink()
    ssh = terminal.folder / "bin/as-ssh"
    ssh.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\ncd\nSHELL=/bin/sh exec sh -c "$*"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PARALLEL_SSH", str(ssh))
    monkeypatch.setenv("HOME", str(terminal.folder))
    expected = terminal("maf-lint", "--json", "test-captures")
    assert expected.returncode == 1 and expected.stdout.count('"type":"session"') == 5
    text = way if way.startswith("maf-lint") else script(re.escape(way))
    done = terminal("sh", "-c", text)
    assert 0 < done.returncode < 100, done.stderr
    assert (terminal.folder / "logins.jsonl").read_text(encoding="utf-8") == expected.stdout
    (folder / "violations/00/not_offered.pcapng").unlink()
    assert terminal("sh", "-c", text).returncode == 0, "no rule is broken"


@pytest.mark.parametrize("server, client, status", (
    ("", "", 0), ("--fault not-offered", "", 1), ("", "--fault flags-what-next", 1), ("--allow-none", "--no-maf", 1)),
    ids=("a good login", "a violation by the server", "a violation by the client", "no MAF"))
def test_gate(terminal, server, client, status):
    gate = script("# gate PORT")
    (terminal.folder / "gate").write_text(gate)
    for own in ("unshare --net", "unshare --net --user --map-root-user"):
        if terminal(*own.split(), "sh", "-c", "ip link set lo up && dumpcap -D").returncode == 0:
            break
    else:
        pytest.skip("a network namespace to capture in is not permitted here: the gate was not run")
    done = terminal(*own.split(), "bash", "-c", f"""
        ip link set lo up
        exec 3< <(exec maf-server {server}); trap "kill $!" EXIT
        until read -r line <&3 && [[ $line == 'listening on '* ]]; do :; done
        sh gate 1080 maf-client --server 127.0.0.1:1080 {client} 127.0.0.1:9 </dev/null""")
    assert done.returncode == status, done.stdout + done.stderr
