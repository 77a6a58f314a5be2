# SPDX-License-Identifier: GPL-2.0-or-later
"""A login reads the same however it was cut into segments, put in TLS, tagged, sent twice or exported."""
import collections
import re

import programs
import pytest

MESSAGE = ("maf.instr", "maf.ver", "maf.flags", "maf.method", "maf.len", "maf.data")
EXPORTED = tuple("maf." + field for field in (
    "instr ver flags nmethods offered offered.uuid method method.uuid len data oem revision state round response_time "
    "session.rounds session.duration").split())
SAME_AS_LOGIN = [f"revision-00/{name}" for name in (
    "login-bytes login-glued login-ipv6 login-domain login-port-9050 greeting-split selection-split socks-method-80 login-vlan "
    "login-retransmitted heuristic-login").split()] + [
    "partial/no-syn", "partial/after-selection", "tls/login", "tls/login-1.2", "tls/login-bytes", "tls/login-records"]


def messages(name):
    """Who sent each MAF message, and all values of each field."""
    wanted = [word for field in ("tcp.srcport", *MESSAGE) for word in ("-e", field)]
    lines = programs.of_capture(name, "-n", "-2", "-Y", "maf", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator= ", *wanted)
    found = collections.defaultdict(list)
    for line in lines.splitlines():
        port, *values = line.split("\t")
        found["sender"] += ["client" if port == "49152" else "server"] * len(values[0].split(" "))
        for field, value in zip(MESSAGE, values):
            found[field] += value.split(" ") if value else []
    return found


@pytest.fixture(scope="module")
def login():
    found = messages("revision-00/login")
    assert {"client", "server"} == set(found["sender"])
    return found


@pytest.mark.parametrize("name", SAME_AS_LOGIN)
def test_same_as_login(name, login):
    assert messages(name) == login


def export(name, path):
    path.write_bytes(b"")
    with open(path, "wb") as out:
        programs.run(programs.TSHARK, "-n", "-r", programs.CAPTURES[name].path, *programs.CAPTURES[name].options, "-U", "MAF",
                     "-w", "-", stdout=out, capture_output=False)
    return path


def exported_fields(*arguments, fields=EXPORTED):
    return programs.tshark("-n", *arguments, "-T", "fields", "-E", "aggregator= ",
                           *[word for field in fields for word in ("-e", field)])


@pytest.mark.parametrize("name", ("sasl/composite-3", "sasl/composite-rev01", "revision-01/oem-bytes", "revision-00/login-bytes",
                                  "sasl/failed-then-another"))
def test_exported_messages(name, readable):
    """A file of exported messages says the same of each, without SOCKS or TCP around it."""
    capture = programs.CAPTURES[name]
    exported = export(name, readable / "exported.pcapng")
    expected = exported_fields("-r", capture.path, *capture.options, "-Y", "maf")
    assert expected
    assert exported_fields("-r", exported) == expected


def test_exported_message_alone(readable):
    """Who sends is known even of a message that stands alone."""
    exported = export("sasl/failed-then-another", readable / "exported.pcapng")
    senders = exported_fields("-r", exported, fields=["maf.from"]).splitlines()
    assert {"1", "2"} & set(senders) or len(set(senders)) == 2
    for number in (1, len(senders) // 2, len(senders)):
        alone = readable / f"{number}.pcapng"
        programs.run("editcap", "-r", exported, alone, number)
        assert exported_fields("-r", alone, fields=["maf.from"]).splitlines() == [senders[number - 1]]


def test_capture_ends_inside_a_message(readable):
    """It says so where the message begins, once all has been read, and only then."""
    whole, cut = programs.CAPTURES["revision-00/login-bytes"].path, readable / "cut.pcapng"
    do = programs.tshark("-r", whole, "-Y", "maf.instr == 3", "-T", "fields", "-e", "frame.number").split()[0]
    programs.run("editcap", "-r", whole, cut, f"1-{int(do) - 1}")

    def truncated(*arguments):
        return programs.tshark(*arguments, "-Y", "maf.expert.truncated", "-T", "fields", "-e", "frame.number", "-e",
                               "_ws.expert.message")

    assert truncated("-r", cut) == truncated("-2", "-r", whole) == ""
    number, said = truncated("-2", "-r", cut).rstrip("\n").split("\t")
    assert re.search(rf"The capture ends .* which begins in frame {number}\b", said)
