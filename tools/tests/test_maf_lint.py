# SPDX-License-Identifier: GPL-2.0-or-later
"""maf-lint: its lines, its options and its exit status."""
import json
import os
import pty
import re
import subprocess

import pytest

from logins import connection, plain, success, three_users, write
from packets import lose
from programs import SAMPLES
from wireshark import BUILD, ROOT

LINT = ROOT / "tools" / "maf-lint"
ENVIRONMENT = dict(os.environ, TSHARK=str(ROOT / "tools/dev/tshark-maf"), MAF_BUILD_DIR=str(BUILD))


def lint(*arguments, **options):
    return subprocess.run([str(LINT), *map(str, arguments)], env=ENVIRONMENT, capture_output=True, check=False,
                          **{"stdin": subprocess.DEVNULL} | options)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return write(tmp_path_factory.mktemp("lint") / "three.pcap", three_users())


def test_text(three):
    found = lint(three)
    lines = found.stdout.decode().splitlines()
    assert found.returncode == 1
    assert re.fullmatch(re.escape(f"{three}:6: session: 10.0.0.1:40001 to 10.0.0.2:1080, user alice, revision 0, 1 round, "
                                  "SASL PLAIN (0x00000101), failed (Ask the help desk.), ") + r"0\.004000 s, closed by server",
                        lines[0])
    assert lines[1].startswith(f"{three}:8: note: maf.sasl.expert.cleartext (client): Cleartext password")
    assert lines[-1].endswith("(draft-00, Subnegotiation, the diagrams)")


def test_json_adds_the_file(three):
    records = [json.loads(line) for line in lint("--json", three).stdout.splitlines()]
    assert {record["file"] for record in records} == {str(three)}
    assert [record["user"] for record in records if record["type"] == "session"] == ["alice", "bob", "carol"]


def test_a_pipe_a_file_and_a_directory_say_the_same(three):
    with open(three, "rb") as capture:
        from_file = lint(stdin=capture)
    piped = lint("-", stdin=None, input=three.read_bytes())
    assert piped.stdout == from_file.stdout != b""
    assert lint("-j", 2, three.parent).stdout.replace(str(three).encode(), b"-") == piped.stdout


@pytest.mark.parametrize("content", [b"", b"junk\n", bytes(range(1, 200))])
def test_what_is_no_capture_is_2(tmp_path, content):
    path = write(tmp_path / "x.pcap", [])
    path.write_bytes(content)
    assert lint(path).returncode == 2
    assert lint(stdin=None, input=content).returncode == 2


def test_require_session(tmp_path):
    nothing = write(tmp_path / "nothing.pcap", [])
    clean = write(tmp_path / "clean.pcap", [connection(40001)])
    assert lint(nothing).returncode == 0
    assert lint("--require-session", nothing).returncode == 1
    assert lint("--require-session", clean).returncode == 1
    some = write(tmp_path / "some.pcap", [plain(40001, b"u", success())])
    assert b"user u" in lint("--require-session", some).stdout


def test_jobs_are_no_fewer_than_none(three):
    found = lint("-j", "-1", three)
    assert (found.returncode, found.stdout) == (2, b"") and b"--jobs: expected 0 or more" in found.stderr
    assert lint("-j", "0", three).stdout == lint(three).stdout


def test_version_is_the_projects():
    project = re.search(r"MAF_VERSION (\S+)\)", (ROOT / "plugin/version.cmake").read_text())[1]
    assert lint("--version").stdout.decode() == f"maf-lint {project}\n"


def test_no_arguments_on_a_terminal_print_usage():
    ours, theirs = pty.openpty()
    found = lint(stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert found.returncode == 2
    assert found.stderr.startswith(b"usage: maf-lint")


def test_options_are_tsharks(tmp_path):
    path = write(tmp_path / "port.pcap", [plain(40001, b"u", success())])
    moved = path.read_bytes().replace((1080).to_bytes(2, "big"), (9999).to_bytes(2, "big"))
    path.write_bytes(moved)
    assert lint(path).stdout == b""
    assert b"user u" in lint("-d", "tcp.port==9999,socks", "-o", "tcp.check_checksum:FALSE", path).stdout


@pytest.mark.parametrize("sample, status, said", (
    ("sasl/plain-wrong", 0, b": note: maf.sasl.expert.cleartext (client): "),
    ("revision-00/failure", 0, b": note: maf.test.expert."),
    ("violations/00/nmethods_width", 1, b": note: maf.expert.nmethods_width (client): "),
    ("violations/00/not_offered", 1, b": warning: maf.expert.not_offered (server): ")))
def test_only_a_violation_is_1(sample, status, said):
    """Of any severity; a refused login is none, nor is what a sub-method notes."""
    for options in ((), ("--json",)):
        found = lint(*options, SAMPLES / f"{sample}.pcapng")
        assert found.returncode == status
        assert options or said in found.stdout


def test_missing_segment_is_no_violation(tmp_path):
    login = plain(40001, b"u", success())
    login.packets = lose(login.packets, login.with_data()[4])
    found = lint(write(tmp_path / "gap.pcap", [login]))
    assert b": note: maf.expert.gap (client): " in found.stdout
    assert found.returncode == 0


def test_without_the_plugin_it_says_so(three, tmp_path):
    """Also where it is installed, which root's tshark would find."""
    tshark = tmp_path / "tshark"
    tshark.write_text(f'#!/bin/sh\nexec "{LINT.parent}/dev/tshark-maf" --without "$@"\n')
    tshark.chmod(0o755)
    environment = ENVIRONMENT | {"TSHARK": str(tshark)}
    found = subprocess.run([str(LINT), str(three)], env=environment, capture_output=True, check=False)
    assert found.returncode == 2
    assert b"has no MAF plugin" in found.stderr
