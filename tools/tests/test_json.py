# SPDX-License-Identifier: GPL-2.0-or-later
"""tshark -z maf,json and the fields of the whole login."""
import json
import os
import re
import shutil
import subprocess

import pytest

from logins import (CLIENT, CRAM_MD5, DO_FAILURE, PLAIN, SCRAM, SERVER, WHAT_NEXT, closes, connection, do, failure, offer,
                    plain, process, records, success, three_users, write)
from programs import SAMPLES
from wireshark import BUILD, ROOT, fields, tshark

FIELDS = ["maf.instr", "maf.user", "maf.session", "maf.session.outcome", "maf.session.first", "maf.session.last",
          "maf.session.closed_by"]


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return write(tmp_path_factory.mktemp("json") / "three.pcap", three_users())


def test_sessions(three):
    alice, bob, carol = [record for record in records(three) if record["type"] == "session"]
    assert [alice["user"], bob["user"], carol["user"]] == ["alice", "bob", "carol"]
    assert [alice["session"], bob["session"], carol["session"]] == [0, 1, 2]
    assert [alice["outcome"], bob["outcome"], carol["outcome"]] == ["failed", "succeeded", "unfinished"]
    assert [alice["closed_by"], bob["closed_by"], carol["closed_by"]] == ["server", None, None]
    assert alice["result"] == "Ask the help desk."
    assert (bob["target"], bob["reply"]) == ("example.org:80", 0)
    assert (carol["target"], carol["reply"]) == (None, None)
    assert alice["offered"] == [{"id": "0x00000101", "name": "SASL PLAIN"},
                                {"id": "0x00000001", "name": "Internal Test Method"}]
    assert [method["outcome"] for method in bob["methods"]] == ["succeeded"]
    assert carol["methods"] == [{"id": "0x00000103", "name": "SASL SCRAM-SHA-256", "outcome": "unfinished",
                                 "duration": None, "user": "carol"}]
    assert (alice["client"], alice["client_port"], alice["server_port"]) == ("10.0.0.1", 40001, 1080)


def test_times_have_nine_decimals(three):
    assert b'"start":1600000000.005000000,' in tshark(three, "-q", "-z", "maf,json").splitlines()[0]


def test_the_end_of_the_capture_is_known_in_one_pass_and_two(three):
    for passes in ([], ["-2"]):
        *_, cut = records(three, *passes)
        assert (cut["expert"], cut["from"], cut["severity"]) == ("maf.expert.truncated", "server", "error")
        assert cut["message"].startswith("The capture ends 20 bytes into the server's Process")
        assert "14 bytes of DATA missing" in cut["message"]


@pytest.mark.parametrize("wanted", ["maf.sasl.plain.authcid == \"alice\"", "maf.instr == 1 && tcp.port == 40001"])
def test_a_filter_chooses_and_falsifies_nothing(three, wanted):
    whole = [record for record in records(three) if record["session"] == 0]
    for passes in ([], ["-2"]):
        assert records(three, *passes, filter=wanted) == whole


def test_fields_are_on_every_message_on_the_second_pass(three):
    rows = [row for row in fields(three, FIELDS, "-2", "-Y", "maf.session == 0") if row["maf.instr"]]
    assert len(rows) == 5
    assert {tuple(row["maf.user"]) for row in rows} == {("alice",)}
    assert {tuple(row["maf.session.outcome"]) for row in rows} == {("2",)}
    assert {(row["maf.session.first"][0], row["maf.session.last"][0]) for row in rows} == {("6", "10")}
    assert [row["maf.session.closed_by"] for row in rows] == [[]] * 4 + [["server"]]


def test_what_is_known_later_is_absent_on_the_first_pass(three):
    rows = [row for row in fields(three, FIELDS, "-Y", "maf.session == 0") if row["maf.instr"]]
    assert [row["maf.user"] for row in rows] == [[], [], ["alice"], ["alice"], ["alice"]]
    assert [row["maf.session.outcome"] for row in rows] == [[], [], [], [], ["2"]]
    assert not any(row["maf.session.last"] or row["maf.session.closed_by"] for row in rows)


def test_each_of_two_users_is_found(tmp_path):
    login = plain(40001, b"alice", do(CRAM_MD5, b"<1.2@x>"))
    login.client(process(CRAM_MD5, b"bob " + b"0" * 32)).client(WHAT_NEXT).server(success())
    capture = write(tmp_path / "two.pcap", [login])
    users = [row["maf.user"][0] for row in fields(capture, FIELDS, "-2", "-Y", "maf")]
    assert users == ["alice"] * 4 + ["bob"] * 4


def test_hostile_text_is_json(tmp_path):
    names = [b'a"b\\c', b"new\nline\t\x01", b"\xff\xfe not utf-8", "Grüße".encode(), b"{}|,", b""]
    capture = write(tmp_path / "hostile.pcap", [plain(40000 + at, name, failure(b'"\n\xff'), closes(CLIENT, True))
                                                for at, name in enumerate(names)])
    for line in tshark(capture, "-q", "-z", "maf,json").splitlines():
        json.loads(line.decode("utf-8"))
    users = [record["user"] for record in records(capture) if record["type"] == "session"]
    assert users == ['a"b\\c', "new\nline\t\x01", "\ufffd\ufffd not utf-8", "Grüße", "{}|,", ""]


def hostile_logins():
    """Names, results and targets of bytes that end lines, strings or UTF-8, or mean something to a terminal."""
    foreign = [b'a"b\\c', b"new\nline\r\t\x01\x1b[2J\x7f", b"\xff\xfe\xc3", b"nul\0nul", b"\xed\xa0\x80 \xf4\x90\x80\x80",
               "\u2028\ufeff\U0001f600".encode(), b"{}|,=", b""]
    for at, text in enumerate(foreign):
        yield plain(40000 + at, text, failure(text), closes(CLIENT, True))
        for method, first in ((SCRAM, b"n,,n=" + text + b",r=x"), (CRAM_MD5, text + b" " + b"0" * 32)):
            login = connection(41000 + 100 * at + method).client(offer(method, 0x200)).server(do(method, b"<1.2@x>"))
            yield login.client(process(method, first)).client(WHAT_NEXT).server(do(0x200, text)).client(process(0x200, text))
        reaches = plain(42000 + at, text, success(text))
        yield reaches.client(b"\5\1\0\3" + bytes((len(text),)) + text + b"\0\120").server(b"\5\0\0\1" + bytes(6))


NAMED = ("-o", r'uat:maf_methods:"200","q\x22u\x5co\x0at\xffe\x01",""')  # of the method that all are to run


@pytest.mark.parametrize("program", ("tshark", "tshark -2", "maf-lint"))
def test_python_and_jq_read_every_line(tmp_path, program):
    capture = write(tmp_path / "hostile.pcap", list(hostile_logins()))
    if program == "maf-lint":
        capture = capture.rename(tmp_path / os.fsdecode(b'n"e\nw\xff.pcap'))
        environment = os.environ | {"TSHARK": str(ROOT / "tools/dev/tshark-maf"), "MAF_BUILD_DIR": str(BUILD)}
        output = subprocess.run([ROOT / "tools/maf-lint", "--json", *NAMED, capture], capture_output=True, check=False,
                                env=environment).stdout
    else:
        output = tshark(capture, "-q", "-z", "maf,json", *NAMED, *program.split()[1:])
    lines = output.decode("utf-8").split("\n")[:-1]
    read = [json.loads(line) for line in lines]
    sessions = [record for record in read if record["type"] == "session"]
    assert len(sessions) == 8 * 4
    assert {"nul", 'a"b\\c', "new\nline\r\t\x01\x1b[2J\x7f"} <= {session["user"] for session in sessions}
    assert 'a"b\\c:80' in {session["target"] for session in sessions}
    assert any('q"u\\o' in method["name"] for session in sessions for method in session["methods"])
    assert all(set(record) == set(of_type[0]) for of_type in (sessions, [one for one in read if one not in sessions])
               for record in of_type)
    if shutil.which("jq"):
        again = subprocess.run(["jq", "-c", "."], input=output, capture_output=True, check=True).stdout
        assert len(again.splitlines()) == len(lines)


def test_scram_name_is_decoded(tmp_path):
    login = connection(40001).client(offer(SCRAM)).server(do(SCRAM)).client(process(SCRAM, b"n,,n=a=2Cb=3Dc,r=x"))
    assert records(write(tmp_path / "scram.pcap", [login]))[0]["user"] == "a,b=c"


def test_who_closed(tmp_path):
    ends = [(SERVER, False), (CLIENT, False), (SERVER, True), (CLIENT, True)]
    capture = write(tmp_path / "closed.pcap", [plain(40000 + at, b"u", b"", closes(*how))
                                               for at, how in enumerate(ends)])
    assert [record["closed_by"] for record in records(capture) if record["type"] == "session"] == [
        "server", "client", "server reset", "client reset"]


def test_info_names_what_is_offered_and_why(tmp_path):
    many = connection(40001).client(offer(*range(0x101, 0x104), *range(0x10000, 0x10000 + 252))).server(DO_FAILURE)
    refused = plain(40002, b"alice", failure(b"Ask the help desk."))
    capture = write(tmp_path / "info.pcap", [many, refused])
    info = [row["_ws.col.Info"][0] for row in fields(capture, ["_ws.col.Info"], "-Y", "maf")]
    assert info[0].endswith("SASL PLAIN, SASL CRAM-MD5, SASL SCRAM-SHA-256 and 252 more")
    assert info[1] == "Do: FAILURE (nothing acceptable)"
    assert info[-1] == "Failure, user alice: Ask the help desk."


def test_truncation_says_who_how_and_what(tmp_path):
    message = process(PLAIN, b"\0alice\0secret")
    capture = write(tmp_path / "cut.pcap", [
        (lambda login: closes(CLIENT)(login) and login)(connection(40001).client(offer(PLAIN)).server(do(PLAIN))
                                                         .client(message[:15])),
    ])
    cut = [record for record in records(capture) if record.get("expert") == "maf.expert.truncated"]
    assert len(cut) == 1
    assert cut[0]["message"].startswith("The client closed (FIN) 15 bytes into its Process, which begins in frame 8: "
                                        "10 bytes of DATA missing")


def keys_of(value):
    """All keys of an object and of those in it."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield key
        yield from keys_of(inner)


@pytest.mark.parametrize("sample", ("revision-00/login", "revision-01/login", "sasl/composite-3",
                                    "violations/00/duplicate_offer"))
def test_no_key_depends_on_the_data(sample):
    keys = set()
    for packet in json.loads(tshark(SAMPLES / f"{sample}.pcapng", "-2", "-T", "json", "-Y", "maf")):
        for layer, content in packet["_source"]["layers"].items():
            keys |= set(keys_of(content)) if layer.startswith("maf") else set()
    assert keys & {"maf.group", "maf.methods"}
    assert [key for key in keys if not re.fullmatch(r"(maf|_ws)\.[a-z0-9_.]+", key)] == []
