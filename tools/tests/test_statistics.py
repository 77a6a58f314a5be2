# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of sessions, the counts and the response times: a filter chooses sessions and falsifies none."""
import re

import pytest

from logins import PLAIN, TEST, WHAT_NEXT, do, plain, process, records, three_users, write
from programs import SAMPLES
from wireshark import fields, tshark

ALICE = 'maf.sasl.plain.authcid == "alice"'
EARLY = "maf.instr == 1 && tcp.port == 40002"  # matches bob's first message only


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return write(tmp_path_factory.mktemp("statistics") / "three.pcap", three_users())


def statistic(capture, name, *options, filter=None):
    return tshark(capture, "-q", *options, "-z", name + (f",{filter}" if filter else "")).decode("utf-8")


def table(capture, *options, filter=None):
    """The rows of the table of sessions, by the names of its columns."""
    lines = [line.split(" |") for line in statistic(capture, "maf,sessions", *options, filter=filter).splitlines()]
    (at,) = [at for at, cells in enumerate(lines) if cells[0] == "Frame"]
    return [dict(zip(lines[at], cells)) for cells in lines[at + 1:] if len(cells) == len(lines[at])]


def counts(capture, *options, filter=None):
    """The counts of the tree, by the names of its nodes; those of zero are left out."""
    rows = re.findall(r"^ *(\S.*?)  +(\d+)  +", statistic(capture, "maf,tree", *options, filter=filter), re.MULTILINE)
    return {name: int(count) for name, count in rows if count != "0"}


def test_table(three):
    rows = table(three)
    assert [row["User"] for row in rows] == ["alice", "bob", "carol"]
    assert [row["Outcome"] for row in rows] == ["failed", "succeeded", "unfinished"]
    assert [row["Closed by"] for row in rows] == ["server", "", ""]
    assert [row["Target"] for row in rows] == ["", "example.org:80", ""]
    assert rows[0]["Sub-methods run"] == "SASL PLAIN (0x00000101)"


@pytest.mark.parametrize("passes", [[], ["-2"]], ids=["one-pass", "two-passes"])
@pytest.mark.parametrize("wanted, place", [(ALICE, 0), (EARLY, 1)])
def test_filtered_table(three, wanted, place, passes):
    assert table(three, *passes, filter=wanted) == [table(three, *passes)[place]]


def test_counts(three):
    for passes in ([], ["-2"]):
        count = counts(three, *passes)
        assert count["Sessions"] == 3
        assert count["Process"] == 3
        assert count["Do"] == 3
        assert count["SASL PLAIN"] == 2
        assert count["Unfinished"] == 1


def outcomes(capture, *options, filter=None):
    """How the runs of each sub-method ended, by the names of both; counts of zero are left out."""
    found, method, inside = {}, None, False
    for line in statistic(capture, "maf,tree", *options, filter=filter).splitlines():
        row = re.match(r"( *)(\S.*?)  +(\d+)  +", line)
        if not row:
            continue
        depth, name, count = len(row[1]), row[2], int(row[3])
        if depth == 0:
            inside = name == "Sub-methods run"
        elif inside and depth == 1:
            method = found.setdefault(name, {})
        elif inside and count:
            method[name] = count
    return found


@pytest.mark.parametrize("passes", [[], ["-2"]], ids=["one-pass", "two-passes"])
def test_how_sub_methods_end(three, tmp_path, passes):
    assert outcomes(three, *passes) == {"SASL PLAIN": {"Succeeded": 1, "Failed": 1}, "SASL SCRAM-SHA-256": {"Unfinished": 1}}
    rounds = plain(40001, b"alice", do(TEST, b"1"))  # in one packet: the end of a round, and all of the next
    rounds.client(process(TEST, b"1") + WHAT_NEXT).server(do(TEST, b"2") + do(PLAIN))
    capture = write(tmp_path / "rounds.pcap", [rounds])
    assert outcomes(capture, *passes) == {"SASL PLAIN": {"Passed (more required)": 1, "Unfinished": 1},
                                          "Internal Test Method": {"Passed (more required)": 1, "Unfinished": 1}}


def test_filtered_counts_on_two_passes(three):
    count = counts(three, "-2", filter=ALICE)
    assert (count["Sessions"], count["Messages by instruction"], count["Failed"]) == (1, 5, 1)
    assert "Unfinished" not in count
    count = counts(three, "-2", filter=EARLY)
    assert (count["Sessions"], count["Messages by instruction"], count["Succeeded"]) == (1, 5, 1)


def answers(capture, *options, filter=None):
    return re.findall(r"^ *\d+  (\S.*?)  +(\d+)  ", statistic(capture, "maf,srt", *options, filter=filter), re.MULTILINE)


def test_filtered_response_times_on_two_passes(three):
    whole = dict(answers(three))
    assert whole["SASL PLAIN"] == "2"
    chosen = dict(answers(three, "-2", filter=EARLY))
    assert (chosen["SASL PLAIN"], chosen["What next?"], chosen["Do"]) == ("1", "1", "1")


def test_a_filter_that_all_logins_match_early_changes_nothing(three):
    early = "maf.instr == 1"
    for passes in ([], ["-2"]):
        assert table(three, *passes, filter=early) == table(three, *passes)
        assert records(three, *passes, filter=early) == records(three, *passes)
    assert counts(three, "-2", filter=early) == counts(three, "-2")
    assert outcomes(three, "-2", filter=early) == outcomes(three, "-2")
    assert answers(three, "-2", filter=early) == answers(three, "-2")


def test_credentials(three):
    rows = [line.split() for line in statistic(three, "credentials").splitlines() if "MAF" in line]
    assert [row[1:] for row in rows] == [["MAF", "alice", "SASL", "PLAIN"], ["MAF", "bob", "SASL", "PLAIN"],
                                         ["MAF", "carol", "SASL", "SCRAM-SHA-256"]]


def test_expert_infos_without_the_fields_of_a_sub_method():
    """A filter or column by _ws.expert alone has the note on a cleartext password, and Expert Information lists MAF's
    infos as MAF's."""
    capture = SAMPLES / "sasl" / "plain-wrong.pcapng"
    note, message = "_ws.expert.severity == 0x400000", "Cleartext password: neither MAF nor TLS encrypts it"
    for passes in ((), ("-2",)):
        rows = fields(capture, ["frame.number", "_ws.expert.message"], *passes, "-Y", f"{note} && maf")
        assert rows[0] == {"frame.number": ["10"], "_ws.expert.message": [message]}
    listed = tshark(capture, "-q", "-z", "expert").decode()
    for said in (message, "Authentication failed after 1 round"):
        (line,) = (line for line in listed.splitlines() if said in line)
        assert line.split(said)[0].split()[-1] == "MAF"
