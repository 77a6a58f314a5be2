# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures from the field, and each of their kinds made afresh: read right in one pass and in two, with TCP's own
reassembly of what is out of order and without."""
import collections
import dataclasses
import functools

import honest
import maf_reader
import pytest
from differential import BLAME, MODES, OWN, TUNNEL, Trial, compare, decoded_values, expected_values
from packets import ACK, CLIENT, PSH, SERVER, Conversation, Quote, cut, double, late, lose, write_pcap
from wireshark import OUT_OF_ORDER, ROOT, fields, reads_as_stock

FIELD = ROOT / "test-captures" / "partial" / "field"
PASSES = pytest.mark.parametrize("passes", ((), ("-2",)), ids=("one", "two"))
OOO = pytest.mark.parametrize("ooo", ((), OUT_OF_ORDER), ids=("", "ooo"))
BOTH_MODES = pytest.mark.parametrize("mode", ("default", "ooo"))
REVISIONS = pytest.mark.parametrize("revision", (0, 1))
DECODE_AS = ("-d", "tcp.port==1080,maf")
UNOFFERED = "maf.expert.unoffered_selection"


@functools.cache
def streams(capture):
    """All bytes of both sides in a capture of one connection, and of which side each frame is (None: a quote)."""
    rows = fields(capture, ["ip.proto", "icmp.type", "tcp.seq_raw", "tcp.payload", "tcp.dstport", "tcp.flags.syn"],
                  plugin=False)
    first, pieces, sides = {}, ({}, {}), []
    for row in rows:
        if row["icmp.type"]:
            sides.append(None)
            continue
        side = CLIENT if row["tcp.dstport"] == ["1080"] else SERVER
        sides.append(side)
        seq = int(row["tcp.seq_raw"][0])
        if row["tcp.flags.syn"] == ["1"]:
            first[side] = seq + 1
        for at, byte in enumerate(bytes.fromhex("".join(row["tcp.payload"]))):
            pieces[side][(seq - first[side]) % 2**32 + at] = byte
    for side in (CLIENT, SERVER):  # a capture may begin within; it has no gap
        assert sorted(pieces[side]) == list(range(min(pieces[side]), max(pieces[side]) + 1))
    return tuple(bytes(pieces[side][at] for at in sorted(pieces[side])) for side in (CLIENT, SERVER)), sides


def decode(capture, *options):
    return fields(capture, OWN + BLAME + TUNNEL + ["socks.version", "socks.command", "_ws.expert.message"], *options)


def blame(rows, *but):
    return {name for row in rows for name in BLAME if row[name] and name not in but}


def assert_decoded(rows, sides, session, *but):
    """All messages of the session in the rows, nobody blamed."""
    assert blame(rows, *but) == set()
    for side in (CLIENT, SERVER):
        said = expected_values(session.messages, side)
        read = decoded_values([row for row, of_side in zip(rows, sides, strict=True) if of_side == side], OWN)
        # what is late stands at a later frame than what follows it
        assert {name: sorted(of_it) for name, of_it in read.items()} == {name: sorted(said[name]) for name in OWN}


# ---- the captures

@PASSES
@OOO
@pytest.mark.parametrize("name", ("01-userpass-selection-lost", "02-icmp-quotes-greeting-nomaf", "06-greeting-split",
                                  "06-greeting-cut", "05-http-connect-plain"))
def test_as_stock(name, passes, ooo):
    assert reads_as_stock(FIELD / f"{name}.pcap", *passes, *ooo) is None


@PASSES
@pytest.mark.parametrize("name,options", (
    ("02-icmp-quotes-greeting", ()), ("02-icmp-quotes-greeting", OUT_OF_ORDER),
    ("icmp-first", ()),
    ("03-ooo-list-late", OUT_OF_ORDER), ("late-list-reassembled-ooo", OUT_OF_ORDER),
    ("greeting-split-after-selection", OUT_OF_ORDER),
    ("overlap-late-request", ()), ("overlap-late-request", OUT_OF_ORDER),
    ("overlap-late-request", MODES["no-analysis"]),
    ("zero-window-probe", ()), ("zero-window-probe", OUT_OF_ORDER)))
def test_all_messages(name, options, passes):
    capture = FIELD / f"{name}.pcap"
    both, sides = streams(capture)
    rows = decode(capture, *options, *passes)
    assert_decoded(rows, sides, maf_reader.read_session(*both))
    tunnel_is_http = name != "overlap-late-request"
    assert [code for row in rows for code in row["http.response.code"]] == ["200"] * tunnel_is_http


@PASSES
def test_quoted_before_syn_out_of_order(passes):
    """Stock TCP takes the quoted packet for the client's first, and then keeps all that the client sends for good: what
    the server sends is decoded, and nobody blamed."""
    capture = FIELD / "icmp-first.pcap"
    delivered = fields(capture, ["data.data", "tcp.dstport"], "-d", "tcp.port==1080,data", *OUT_OF_ORDER, *passes,
                       plugin=False)
    assert not [row for row in delivered if row["data.data"] and row["tcp.dstport"] == ["1080"]]
    both, sides = streams(capture)
    server = [message for message in maf_reader.read_session(*both).messages if message.side == SERVER]
    rows = decode(capture, *OUT_OF_ORDER, *passes)
    assert blame(rows) == set()
    assert decoded_values(rows, OWN) == {name: expected_values(server, SERVER)[name] for name in OWN}


@PASSES
def test_greeting_late(passes):
    """Behind list and selection: a selection alone in one pass, the whole in two."""
    capture = FIELD / "03-ooo-greeting-late.pcap"
    both, sides = streams(capture)
    rows = decode(capture, *OUT_OF_ORDER, *passes)
    session = maf_reader.read_session(*both)
    if not passes:  # the list comes before anything is known
        session.messages = [message for message in session.messages
                            if message.instr != maf_reader.LIST or any(row["maf.instr"] == ["1"] for row in rows)]
    assert_decoded(rows, sides, session)
    assert [code for row in rows for code in row["http.response.code"]] == ["200"]


@PASSES
@pytest.mark.parametrize("name", ("03-ooo-greeting-late", "03-ooo-list-late", "late-list-reassembled-ooo",
                                  "greeting-split-after-selection", "lost-request-tunnel-as-maf"))
def test_tcp_keeps_it_to_itself(name, passes):
    """Stock TCP drops what comes behind the answer to it: nobody is to blame, and nothing is invented."""
    capture = FIELD / f"{name}.pcap"
    if name == "lost-request-tunnel-as-maf":
        assert blame(decode(capture, *passes)) == set()
        return
    both, sides = streams(capture)
    rows = decode(capture, *passes)
    assert blame(rows) == set()
    session = maf_reader.read_session(*both)
    for side in (CLIENT, SERVER):
        read = decoded_values([row for row, of_side in zip(rows, sides) if of_side == side], OWN)
        said = expected_values(session.messages, side)
        for of_it in OWN:
            assert not collections.Counter(read[of_it]) - collections.Counter(said[of_it])


@PASSES
@OOO
def test_tunnel_behind_a_lost_request(passes, ooo):
    """After the server's SOCKS reply the client's side is not MAF any more."""
    rows = decode(FIELD / "lost-request-tunnel-as-maf.pcap", *passes, *ooo)
    assert not any(row["maf.instr"] or row["maf.undecoded"] for row in rows[22:])
    assert sum(len(row["maf.instr"]) for row in rows[:22]) >= 12


@PASSES
@OOO
def test_no_comparison_across_a_gap(passes, ooo):
    rows = decode(FIELD / "04-echo-do-lost.pcap", *passes, *ooo)
    assert blame(rows) == set()
    assert not [text for row in rows for text in row["_ws.expert.message"] if "other octets" in text
                or "other bytes" in text]
    assert sum(len(row["maf.instr"]) for row in rows) >= 7 or ooo


@PASSES
@OOO
def test_reply_short(passes, ooo):
    """Half a SOCKS reply is shown when the rest does not come: two bytes or more of it are SOCKS in some frame."""
    capture = FIELD / "06-reply-short.pcap"
    both, sides = streams(capture)
    rows = decode(capture, *passes, *ooo)
    assert_decoded(rows, sides, maf_reader.read_session(*both))
    assert any(row["socks.version"] for row in rows[14:])


@PASSES
@OOO
@pytest.mark.parametrize("decode_as", ((), DECODE_AS), ids=("", "decode-as"))
def test_unoffered_selection(passes, ooo, decode_as):
    capture = FIELD / "08-unoffered-selected.pcap"
    both, sides = streams(capture)
    rows = decode(capture, *passes, *ooo, *decode_as)
    size = 2 + both[CLIENT][1]
    session = maf_reader.read_session(b"\5\1\x08" + both[CLIENT][size:], both[SERVER])
    assert_decoded(rows, sides, session)
    warned = fields(capture, [UNOFFERED], *passes, *ooo, *decode_as)
    assert [number for number, row in enumerate(warned, 1) if row[UNOFFERED]] == [5]
    assert [code for row in rows for code in row["http.response.code"]] == ["200"]


@PASSES
def test_decode_as_from_the_selection_on(passes):
    """With OOO, TCP keeps all that comes behind the missing greeting to itself."""
    capture = FIELD / "07-decode-as-selection-first.pcap"
    both, sides = streams(capture)
    rows = decode(capture, *passes, *DECODE_AS)
    session = maf_reader.read_session(b"\5\1\x08" + both[CLIENT], both[SERVER])
    assert_decoded(rows, sides, session)
    assert [code for row in rows for code in row["http.response.code"]] == ["200"]


@PASSES
@OOO
def test_inside_http_connect(passes, ooo):
    """Found, or never worse than stock."""
    capture = FIELD / "05-http-connect-maf.pcap"
    rows = decode(capture, *passes, *ooo)
    assert blame(rows) == set()
    found = sum(len(row["maf.instr"]) for row in rows)
    assert found == 9 or reads_as_stock(capture, *passes, *ooo) is None


@PASSES
def test_inside_http_connect_decode_as(passes):
    """With Decode As on the port of SOCKS, which HTTP CONNECT goes by, it is no worse than stock."""
    capture = FIELD / "05-http-connect-plain.pcap"
    ours = fields(capture, TUNNEL + ["socks.version", "socks.command"], *DECODE_AS, *passes)
    stock = fields(capture, TUNNEL + ["socks.version", "socks.command"], *passes, plugin=False)
    assert ours == stock


# ---- each kind afresh

def base(revision, number, mode, refused=False):
    """A login with one message a segment. The server's sequence numbers wrap, but where TCP is not to analyse them: it
    then puts nothing together across the wrap."""
    said = honest.login(revision, refused)
    first = 1000 + number, 4000 if mode == "no-analysis" else 2**32 - 40
    return said, Conversation(2000 + number, first=first).open().say_all(said).close()


def trial(said, conversation, packets, what):
    return Trial(said, packets, conversation, [what], maf_reader.read_session(*honest.bytes_of(said)))


def of_each_message(revision, mode, *changes):
    """A trial for each segment with data and each change: what `change(packets, at)` makes of it; None for not
    possible."""
    trials = []
    for which, change in enumerate(changes):
        for number in range(len(honest.login(revision))):
            said, conversation = base(revision, len(trials), mode)
            packets = change(conversation.packets, conversation.with_data()[number])
            if packets:
                trials.append(trial(said, conversation, packets, f"change {which} of message {number}"))
    return trials


def assert_read(trials, mode):
    result = compare(trials, MODES[mode])
    assert [f"{one and one.damage}, {kind}: {texts[0]}" for one, kind, texts in result.mismatches] == []
    return result


@REVISIONS
@BOTH_MODES
def test_doubled(revision, mode):
    """Each message, the copy one to four packets later."""
    changes = [functools.partial(double, by=by) for by in (1, 2, 3, 4)]
    result = assert_read(of_each_message(revision, mode, *changes), mode)
    assert result.sessions["dropped"] == 0


@REVISIONS
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by", (1, 2, 3))
def test_late(revision, mode, by):
    """Late by one is also swapped with what comes next, of the same side or of the other."""
    assert_read(of_each_message(revision, mode, functools.partial(late, by=by)), mode)


@REVISIONS
@pytest.mark.parametrize("mode", MODES)
def test_swapped_with_the_other_side(revision, mode):
    def swap(packets, at):
        for other in range(at + 1, len(packets)):
            if packets[other].side != packets[at].side and packets[other].payload:
                changed = list(packets)
                changed[at], changed[other] = changed[other], changed[at]
                return changed
        return None

    assert_read(of_each_message(revision, mode, swap), mode)


@REVISIONS
@BOTH_MODES
@pytest.mark.parametrize("size", (28, 48, 1000))
def test_quoted(revision, mode, size):
    """Before the SYN, just before and after the message, and at the end."""
    def quote(packets, at, place):
        where = {"first": 0, "before": at, "after": at + 1, "end": len(packets)}[place]
        return packets[:where] + [Quote(packets[at], size)] + packets[where:]

    changes = [functools.partial(quote, place=place) for place in ("first", "before", "after", "end")]
    result = assert_read(of_each_message(revision, mode, *changes), mode)
    assert result.sessions["exact"] == result.sessions.total()


@REVISIONS
@pytest.mark.parametrize("mode", MODES)
def test_cut_at_each_byte(revision, mode):
    trials = []
    for message, (_, data) in enumerate(honest.login(revision)):
        for place in range(1, len(data)):
            said, conversation = base(revision, len(trials), mode)
            packets = cut(conversation.packets, conversation.with_data()[message], place)
            trials.append(trial(said, conversation, packets, f"message {message} at {place}"))
    result = assert_read(trials, mode)
    assert result.sessions["exact"] == len(trials) > 100


@REVISIONS
@BOTH_MODES
def test_greeting_glued_to_part_of_list(revision, mode):
    """Behind the selection: the greeting with the first bytes of the list, for each number of these."""
    said = honest.login(revision)
    (_, greeting), (_, selection), (_, messages) = said[:3]
    trials = []
    for place in range(1, len(messages)):
        conversation = Conversation(2000 + len(trials)).open()
        conversation.next[CLIENT] += len(greeting)  # the server has seen it, the capture has it later
        conversation.segment(SERVER, selection, PSH | ACK)
        conversation.next[CLIENT] -= len(greeting)
        conversation.say(CLIENT, greeting + messages[:place]).say(CLIENT, messages[place:])
        conversation.say_all(said[3:]).close(CLIENT)
        trials.append(trial(said, conversation, conversation.packets, f"at {place}"))
    assert_read(trials, mode)


def assert_incomplete(trials, tmp_path, mode, allowed=lambda one: ()):
    """Decoded are the messages of which `one.expected` says that they must be, nobody is blamed otherwise than
    allowed, and nothing is added."""
    tmp_path.chmod(0o755)
    path = tmp_path / "incomplete.pcap"
    write_pcap(path, [packet for one in trials for packet in one.packets])
    wrong = []
    for passes in ((), ("-2",)):
        rows = iter(decode(path, *passes, *MODES[mode]))
        for one in trials:
            of_it = [(packet, next(rows)) for packet in one.packets]
            found = blame([row for _, row in of_it], *allowed(one))
            if found:
                wrong.append((one.damage, passes, found))
            for side in (CLIENT, SERVER):
                read = decoded_values([row for packet, row in of_it if packet.side == side], ["maf.instr", "maf.data"])
                said = expected_values(one.expected.messages, side)
                for name, of_name in read.items():
                    if passes and one.damage != ["message 0"] and sorted(of_name) != sorted(said[name]) or \
                            collections.Counter(of_name) - collections.Counter(said[name]):
                        wrong.append((one.damage, passes, name, of_name, said[name]))
    assert wrong == []


@REVISIONS
@pytest.mark.parametrize("refused", (False, True), ids=("", "refused"))
def test_lost(revision, refused, tmp_path):
    """One message is lost: all others are decoded. Without the selection it is no MAF; without the greeting it may
    be."""
    trials = []
    count = len(honest.login(revision, refused)) - (0 if refused else 4)
    for number in range(count):
        said, conversation = base(revision, number, "default", refused)
        packets = lose(conversation.packets, conversation.with_data()[number])
        one = trial(said, conversation, packets, f"message {number}")
        of_side = [message for message in said[:number] if message[0] == said[number][0]]
        start = sum(len(data) for _, data in of_side)
        one.expected.messages = [] if number == 1 else [
            message for message in one.expected.messages if (message.side, message.start) != (said[number][0], start)]
        trials.append(one)
    assert_incomplete(trials, tmp_path, "default")


@PASSES
@pytest.mark.parametrize("result", ("000000000400000000", "ff00000004ffffffff"), ids=("success", "failure"))
def test_result_of_revision_01_without_its_list(result, passes, tmp_path):
    """Its VER may be 00, but MLEN is where revision 00 has METHOD."""
    conversation = Conversation(2000).open().say(CLIENT, b"\5\1\x08").say(SERVER, b"\5\x08")
    conversation.next[CLIENT] += 11  # the list is lost
    conversation.say(SERVER, bytes.fromhex(result)).close(SERVER)
    tmp_path.chmod(0o755)
    write_pcap(tmp_path / "result.pcap", conversation.packets)
    rows = decode(tmp_path / "result.pcap", *passes)
    assert blame(rows) == set()
    assert [length for row in rows for length in row["maf.mlen"]] == ["4"]


@REVISIONS
@BOTH_MODES
@pytest.mark.parametrize("end", ("FIN", "RST", "capture"))
def test_ends_at_each_byte(revision, mode, end, tmp_path):
    """The connection ends, or its capture, within each message: truncated is what is cut and nothing else."""
    trials = []
    said = honest.login(revision)
    for message, (side, data) in enumerate(said[:-4]):
        for place in range(len(data)):
            conversation = Conversation(2000 + len(trials)).open().say_all(said[:message]).say(side, data[:place])
            if end == "FIN":
                conversation.close(side)
            elif end == "RST":
                conversation.reset(side)
            one = trial(said, conversation, conversation.packets, f"message {message} at {place}")
            one.damage.append("cut" if place and message > 1 else "between")
            whole = [sum(len(spoken) for speaker, spoken in said[:message] if speaker == of) for of in (CLIENT, SERVER)]
            one.expected = dataclasses.replace(one.expected, messages=[] if message < 2 else [
                part for part in one.expected.messages if part.end <= whole[part.side]])
            trials.append(one)
    assert_incomplete_but_cut(trials, tmp_path, mode)


def assert_incomplete_but_cut(trials, tmp_path, mode):
    """A cut message may be shown as truncated, with the fields that are there."""
    def allowed(one):
        return ("maf.expert.truncated", "maf.undecoded") if "cut" in one.damage else ()

    whole = [one for one in trials if "cut" not in one.damage]
    assert_incomplete(whole, tmp_path, mode)
    path = tmp_path / "cut.pcap"
    cuts = [one for one in trials if "cut" in one.damage]
    write_pcap(path, [packet for one in cuts for packet in one.packets])
    rows = iter(decode(path, "-2", *MODES[mode]))
    wrong = []
    for one in cuts:
        of_it = [(packet, next(rows)) for packet in one.packets]
        found = blame([row for _, row in of_it], *allowed(one))
        for side in (CLIENT, SERVER):
            read = decoded_values([row for packet, row in of_it if packet.side == side], ["maf.instr"])["maf.instr"]
            said = expected_values(one.expected.messages, side)["maf.instr"]
            if found or read[:len(said)] != said or len(read) > len(said) + 1:
                wrong.append((one.damage, found, read, said))
    assert wrong == []
