# SPDX-License-Identifier: GPL-2.0-or-later
"""A short run of the differential test, and what it and its reader must be able to see. (Where TCP is told to analyse
nothing, or to go on behind errors, what it delivers is not always what was sent: those modes are for runs by hand.)"""
import random

import differential
import honest
import maf_reader
import pytest
from packets import CLIENT, SERVER

SEED = 1


@pytest.mark.parametrize("mode", ("default", "ooo"))
def test_short_run(mode):
    trials = differential.make_trials(f"{SEED}/{mode}", 0, 80)
    result = differential.compare(trials, differential.MODES[mode])
    assert result.sessions["exact"] > 10
    assert [f"{kind}: {texts[0]}"[:300] for _, kind, texts in result.mismatches] == []


@pytest.mark.parametrize("revision", (0, 1))
def test_reader_reads_what_was_said(revision):
    for seed in range(100):
        said = honest.random_session(random.Random(seed), revision)
        session = maf_reader.read_session(*honest.bytes_of(said))
        for side in (CLIENT, SERVER):
            stream = honest.bytes_of(said)[side]
            read = [stream[message.start:message.end] for message in session.messages if message.side == side]
            assert read == [data for speaker, data in said if speaker == side][1:len(read) + 1]
        assert session.revision == revision


def trial_and_rows():
    """A login without damage, and rows as tshark would print them, one packet a message."""
    said = honest.login(1)
    conversation = differential.Conversation(20000).open().say_all(said)
    expected = maf_reader.read_session(*honest.bytes_of(said))
    trial = differential.Trial(said, conversation.packets, conversation, [], expected)
    names = differential.OWN + differential.STATE + differential.BLAME + differential.TUNNEL
    rows = []
    for message in expected.messages:
        row = {name: [] for name in names} | message.values | {"maf.state": [str(message.state)]}
        row["maf.round"] = [str(message.round)] if message.round else []
        rows.append((differential.Segment(conversation, message.side, 0, 0, 0), row))
    end = {name: [] for name in names} | {name: list(of_it) for name, of_it in
                                          differential.tunnel_values(trial).items()}
    return trial, [*rows, (rows[0][0], end)]


def test_equal_is_equal():
    trial, rows = trial_and_rows()
    assert differential.differences(trial, "exact", False, rows, 1) == []


@pytest.mark.parametrize("kind", ("exact", "crossed", "late"))
@pytest.mark.parametrize("name,value", (("maf.instr", ["9"]), ("maf.data", ["00"]), ("maf.expert.sequence", ["1"])))
def test_a_difference_is_seen(kind, name, value):
    trial, rows = trial_and_rows()
    rows[3][1][name] = value
    assert differential.differences(trial, kind, False, rows, 2)


@pytest.mark.parametrize("kind", ("exact", "crossed", "late"))
def test_a_missing_message_is_seen(kind):
    trial, rows = trial_and_rows()
    del rows[4]
    assert differential.differences(trial, kind, False, rows, 2)


def test_a_wrong_state_is_seen():
    trial, rows = trial_and_rows()
    rows[4][1]["maf.state"] = ["1"]
    assert differential.differences(trial, "exact", False, rows, 1)
