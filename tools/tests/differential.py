#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares what tshark with the plugin decodes with what maf_reader says, on honest sessions damaged as TCP damages
them.

What stock TCP gives its subdissector is asked of tshark without the plugin, where the same packets go to "data". By it
each session is one of these:
  exact    TCP delivers all bytes in sequence, and each side's messages where they were said: all must be equal
  crossed  in sequence for each side, but one side's messages come before those of the other that they answer: the
           messages must be equal, not the state
  late     TCP delivers all bytes, but some behind later ones of their side: the messages must be equal in two passes;
           in one pass some may be missing, none may be added
  torn     TCP delivers the end of a message before its beginning: nobody may be blamed
  dropped  TCP keeps bytes to itself ("spurious retransmission", or a byte that looks like a keep-alive), or its
           reassembly fails where segments overlap, or goes wrong where a part of a message comes twice
           (loses_after_copy, loses_first): nobody may be blamed
Nobody may be blamed in any of them, and both passes must say the same where it is exact.
"""
import argparse
import collections
import dataclasses
import functools
import pathlib
import random
import re
import struct
import sys
import tempfile

import honest
import maf_reader
from packets import ACK, CLIENT, PSH, SERVER, Conversation, Link, Quote, Segment, double, late, write_pcap
from wireshark import OUT_OF_ORDER, fields, reads_as_stock

OWN = ["maf.instr", "maf.ver", "maf.flags", "maf.nmethods", "maf.offered", "maf.offered.uuid", "maf.method",
       "maf.method.uuid", "maf.mlen", "maf.idlen", "maf.pad", "maf.len", "maf.data", "maf.oem", "maf.oem.uuid",
       "maf.reserved"]
STATE = ["maf.state", "maf.round"]
BLAME = ["maf.expert." + name for name in (
    "version flags instr direction sequence nmethods reserved_offer more_not_last not_offered not_a_method "
    "method_mismatch result_mismatch no_more_available success_without_method length truncated after_end "
    "oem_unanswered reserved").split()] + ["maf.undecoded"]
TUNNEL = ["socks.dstport", "socks.remote_name", "http.request.uri", "http.response.code"]
PASSES = ["maf.revision", "maf.from", "maf.do_in", "maf.response_to", "maf.method.name"]
MODES = {"default": (), "ooo": OUT_OF_ORDER, "no-analysis": ("-o", "tcp.analyze_sequence_numbers:FALSE"),
         "errors": ("-o", "tcp.no_subdissector_on_error:FALSE")}
MAF = OWN + STATE + BLAME + PASSES
# What is in the tunnel is stock SOCKS' doing, which, of reused ports, shows it as SOCKS with or without the plugin.
TUNNEL_UNSURE = {"ports reused", "ports reused later", "late", "overlapping"}
KEEP_ALIVE = "tcp.analysis.keep_alive"
REASSEMBLY = "_ws.malformed.reassembly"
GRADES = ("exact", "crossed", "late", "torn", "dropped")


@dataclasses.dataclass
class Trial:
    """One session, its packets in the order of the capture, and what is said in it."""
    said: list
    packets: list
    conversation: Conversation
    damage: list
    expected: maf_reader.Session | None  # None: an ordinary SOCKS session


# ---- damage

def glued(rng, said):
    """What a side says in a row, in one segment here and there."""
    pieces = []
    probability = rng.choice((0, 0.3, 1))
    for side, data in said:
        if pieces and pieces[-1][0] == side and rng.random() < probability:
            pieces[-1] = side, pieces[-1][1] + data
        else:
            pieces.append((side, data))
    return pieces


def send(rng, conversation, said, damage):
    """The conversation's packets as its sides sent them: cut, glued, with probes, keep-alives and repetitions. No probe
    is the first byte of a message: stock TCP takes the segment with all of it for a repetition, on the second pass."""
    conversation.open()
    sent = [b"", b""]
    busy = rng.choice((0, 0.1, 0.3))
    kinds = ["ack", "keep-alive", "probe", "repeated"] + ["overlapping"] * (rng.random() < 0.2)
    for side, data in glued(rng, said):
        begins = True
        while data:
            size = conversation.mss if rng.random() < 0.8 else rng.choice((1, 2, 3, 5, 11))
            piece, data = data[:size], data[size:]
            back = 0
            if rng.random() < busy:
                kind = rng.choice(kinds)
                damage.append(kind)
                if kind == "ack":
                    conversation.acknowledge(1 - side)
                elif kind == "keep-alive":
                    conversation.keep_alive(rng.randrange(2))
                elif kind == "probe" and sent[side] and not begins:
                    conversation.probe(side, piece[:1])
                elif kind == "repeated" and sent[side]:
                    last = min(len(sent[side]), conversation.mss)
                    back = rng.randint(1, last)
                    conversation.segment(side, sent[side][-back:], PSH | ACK, back)
                    back = 0
                elif kind == "overlapping":
                    back = min(rng.randint(1, 20), len(sent[side]))
            whole = sent[side] + piece
            conversation.segment(side, whole[len(sent[side]) - back:], PSH | ACK, back)
            sent[side] = whole
            begins = False
    if rng.random() < 0.8:
        conversation.close(rng.randrange(2))
    elif rng.random() < 0.5:
        conversation.reset(rng.randrange(2))


def disturb(rng, packets, damage):
    """The packets as they reach the capture: late, doubled, quoted by ICMP."""
    kinds = ["doubled", "quoted"] + ["late"] * rng.choice((0, 0, 1, 4))
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.choice(kinds)
        at = rng.randrange(2, len(packets))
        changed = None
        if kind == "late" and isinstance(packets[at], Segment) and packets[at].payload:
            changed = late(packets, at, rng.randint(1, 3))
        elif kind == "doubled":
            changed = double(packets, at, rng.randint(1, min(6, len(packets) - at)))
        elif kind == "quoted" and isinstance(packets[at], Segment):
            quote = Quote(packets[at], rng.choice((28, 48, 70, 1000)))
            place = rng.choice((0, at, at + 1, rng.randrange(len(packets))))
            changed = packets[:place] + [quote] + packets[place:]
        if changed:
            damage.append(kind)
            packets = changed
    return packets


def make_trial(rng, number):
    """The session of this number: of either revision, every eighth an ordinary one."""
    ordinary = rng.random() < 0.125
    said = honest.ordinary_session(rng) if ordinary else honest.random_session(rng, rng.randrange(2))
    hosts = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", "192.0.2.9" if ordinary else "192.0.2.1")
    damage = []
    if rng.random() < 0.2:
        hosts, damage = (f"2001:db8:1::{number & 0xFFFF:x}", "2001:db8:2::1"), ["IPv6"]
    if rng.random() < 0.25:
        damage.append("wrap")
        first = tuple(2**32 - rng.randrange(1, 200) for _ in range(2))
    else:
        first = tuple(rng.randrange(1, 2**31) for _ in range(2))
    link = Link(tuple(rng.sample(range(1, 4095), rng.choice((0, 0, 0, 0, 1, 2)))), rng.random() < 0.15)
    mss = rng.choice((65000, 65000, 1460, 536)) if sum(len(data) for _, data in said) > 3000 else \
        rng.choice((65000, 65000, 1460, 100, 17, 7, 1))
    if sum(len(data) for _, data in said) > 400 and mss < 100:
        mss = 100
    conversation = Conversation(rng.randrange(20000, 60000), hosts=hosts, first=first, mss=mss, link=link)
    send(rng, conversation, said, damage)
    packets = conversation.packets if rng.random() < 0.2 else disturb(rng, conversation.packets, damage)
    expected = None if ordinary else maf_reader.read_session(*honest.bytes_of(said))
    return Trial(said, packets, conversation, damage, expected)


def make_trials(seed, first, count):
    trials, kept = [], None
    for number in range(first, first + count):
        rng = random.Random(f"{seed}/{number}")
        trial = make_trial(rng, number)
        if kept and rng.random() < 0.1 and len(kept.addresses[0]) == len(trial.conversation.addresses[0]) \
                and kept.link == trial.conversation.link and kept.addresses[1] == trial.conversation.addresses[1]:
            trial.conversation.ports, trial.conversation.addresses = kept.ports, kept.addresses
            trial.damage.append("ports reused")
            trials[-1].damage.append("ports reused later")
        kept = trial.conversation
        trials.append(trial)
    return trials


def mixed(rng, trials):
    """All packets, those of a few sessions at a time mixed with one another: [(trial, packet)]."""
    capture, at = [], 0
    while at < len(trials):
        group = [trials[at]]
        for trial in trials[at + 1:at + rng.choice((1, 1, 3, 5))]:
            if "ports reused" in trial.damage:
                break
            group.append(trial)
        at += len(group)
        left = [[(trial, packet) for packet in trial.packets] for trial in group]
        while left:
            queue = rng.choice(left)
            capture.append(queue.pop(0))
            if not queue:
                left.remove(queue)
    return capture


# ---- what TCP delivers

def delivered(trial, frames, rows):
    """The bytes that TCP gives its subdissector, [(frame, side, start, end)], in the order of the capture. TCP may
    have cut them at the front, or put what it held behind them. What it takes for a keep-alive it does not give to
    whoever waits for the rest of a message."""
    chunks, streams, next_byte = [], honest.bytes_of(trial.said), [0, 0]
    for frame, packet in frames:
        if not isinstance(packet, Segment) or not packet.payload:
            continue
        data = bytes.fromhex("".join(rows[frame - 1]["data.data"]))
        if not data or any(rows[frame - 1][KEEP_ALIVE]):
            continue
        side, stream = packet.side, streams[packet.side]
        first = packet.seq - trial.conversation.first[side]
        end_aligned = first + len(packet.payload) - len(data)
        places = [end_aligned] if len(data) <= len(packet.payload) else [next_byte[side], first]
        start = next((place for place in [*places, stream.find(data, next_byte[side]), stream.find(data)]
                      if place >= 0 and stream[place:place + len(data)] == data), None)
        if start is None:
            raise AssertionError(f"frame {frame}: TCP delivers what was not sent")
        next_byte[side] = max(next_byte[side], start + len(data))
        chunks.append((frame, side, start, start + len(data)))
    return chunks


def grade(trial, chunks):
    """exact, crossed, late, torn or dropped, and whether something of MAF comes before the selection is whole."""
    next_byte, pieces, in_sequence = [0, 0], [[], []], True
    whole_at = {}  # of each message that was said, the frames of its first and last byte
    for frame, side, start, end in chunks:
        in_sequence &= start <= next_byte[side]
        next_byte[side] = max(next_byte[side], end)
        pieces[side].append((start, end, frame))
    for side, stream in enumerate(honest.bytes_of(trial.said)):
        covered = 0
        for start, end, _ in sorted(pieces[side]):
            if start > covered:
                break
            covered = max(covered, end)
        if covered < len(stream):
            return "dropped", False
    at = [0, 0]
    for number, (side, data) in enumerate(trial.said):
        first, last = at[side], at[side] + len(data) - 1
        at[side] += len(data)
        whole_at[number] = tuple(min(frame for start, end, frame in pieces[side] if start <= byte < end)
                                 for byte in (first, last))
        if whole_at[number][0] > whole_at[number][1]:
            return "torn", False
    early = any(whole_at[number][0] < whole_at[1][1] for number in whole_at if number not in (0, 1)) \
        or whole_at[0][1] > whole_at[1][0]
    if not in_sequence:
        return "late", early
    answers = [number for number in range(1, len(trial.said)) if trial.said[number][0] != trial.said[number - 1][0]]
    if any(whole_at[number][0] < whole_at[number - 1][1] for number in answers):
        return "crossed", early
    return "exact", early


def dns_arrives(sizes, order, *options):
    """Whether tshark, without the plugin, shows a DNS message that follows one of segments of these sizes, which come in
    this order."""
    message, login = struct.pack(">H", sum(sizes) - 2) + bytes(sum(sizes) - 2), Conversation(2000, 53).open()
    for at, size in enumerate(sizes):
        login.server(message[sum(sizes[:at]):][:size])
    login.packets[3:] = [login.packets[3 + at] for at in order]
    login.client(struct.pack(">H", 12) + bytes(12)).server(struct.pack(">H", 12) + bytes(12))
    with tempfile.TemporaryDirectory() as scratch:
        pathlib.Path(scratch).chmod(0o755)
        write_pcap(pathlib.Path(scratch, "dns.pcap"), login.packets)
        return bool(fields(pathlib.Path(scratch, "dns.pcap"), ["dns.id"], *options, plugin=False)[-1]["dns.id"])


@functools.cache
def loses_after_copy():
    """Since Wireshark 4.4, TCP with reassembly out of order gives nothing more once a part of a message has come again
    before the message is whole."""
    return not dns_arrives((100, 100, 100, 100), (0, 1, 2, 0, 3), *OUT_OF_ORDER)


@functools.cache
def loses_first():
    """Since Wireshark 4.6, TCP loses the first byte of a message if it is a segment by itself and comes again at once."""
    return not dns_arrives((1, 1, 98), (0, 0, 1, 2))


def copies(trial):
    """Of the parts of messages that come again before the message is whole: `within`, behind later ones, and `first`, at
    once and the first of the message."""
    begins, seen, found = [[0], [0]], [0, 0], set()
    for side, data in trial.said:
        begins[side].append(begins[side][-1] + len(data))
    for packet in trial.packets:
        if not isinstance(packet, Segment) or not packet.payload:
            continue
        begin, end = (at - trial.conversation.first[packet.side] for at in (packet.seq, packet.end))
        whole = next((one for one in begins[packet.side][1:] if one >= end), end)
        if end < seen[packet.side] < whole:
            found.add("within")
        if end == seen[packet.side] < whole and begin in begins[packet.side]:
            found.add("first")
        seen[packet.side] = max(seen[packet.side], end)
    return found


# ---- comparing

def expected_values(messages, side):
    values = collections.defaultdict(list)
    for message in messages:
        if message.side == side:
            for name, of_it in message.values.items():
                values[name] += of_it
    return values


def states(session):
    return {"maf.state": [str(message.state) for message in session.messages],
            "maf.round": [str(message.round) for message in session.messages if message.round]}


def decoded_values(rows, names):
    return {name: [value for row in rows for value in row[name]] for name in names}


def differences(trial, kind, early, rows, passes):
    """What is wrong with a decoding of the trial: a list of texts. `rows`: [(packet, its fields)]."""
    lost = ("maf.expert.truncated", "maf.undecoded") if kind in ("torn", "dropped") else ()
    wrong = [f"blamed: {name}" for name in BLAME for packet, row in rows
             if row[name] and name not in lost and (name != "maf.undecoded" or isinstance(packet, Segment))]
    rows = [(packet, row) for packet, row in rows if isinstance(packet, Segment)]
    if lost:
        return wrong
    for side in (CLIENT, SERVER):
        said = expected_values(trial.expected.messages, side)
        read = decoded_values([row for packet, row in rows if packet.side == side], OWN)
        for name in OWN:
            if passes == 1 and (kind == "late" or early):
                same = not collections.Counter(read[name]) - collections.Counter(said[name])
            elif kind == "late":
                same = sorted(read[name]) == sorted(said[name])
            else:
                same = read[name] == said[name]
            if not same:
                wrong.append(f"{name} of {('client', 'server')[side]}: {read[name]}, expected {said[name]}")
    if kind == "exact" and not TUNNEL_UNSURE & set(trial.damage):
        read = decoded_values([row for _, row in rows], STATE + TUNNEL)
        # Since Wireshark 4.4 a reply has the URI of its request, too
        read |= decoded_values([row for packet, row in rows if packet.side == CLIENT], ["http.request.uri"])
        for name, of_it in (states(trial.expected) | tunnel_values(trial)).items():
            if read[name] != of_it:
                wrong.append(f"{name}: {read[name]}, expected {of_it}")
    return wrong


def tunnel_values(trial):
    """Of the SOCKS request and reply and the HTTP behind them, what the stock dissectors are to show."""
    client, server = honest.bytes_of(trial.said)
    after = client[trial.expected.after[CLIENT]:] if trial.expected.succeeded else b""
    requests = [name.decode() for name in re.findall(rb"GET (/[a-z0-9]+) HTTP/1\.[01]\r\n", after)]
    replies = server[trial.expected.after[SERVER]:].count(b" 200 OK\r\n") if requests else 0
    return {"http.request.uri": requests, "http.response.code": ["200"] * replies,
            "socks.remote_name": ["example.org"] if after[3:4] == b"\3" else []}


@dataclasses.dataclass
class Result:
    sessions: collections.Counter
    messages: int
    mismatches: list  # (trial, grade, texts)


def compare(trials, options=(), mixer=None, folder=None):
    """Decodes all trials in one capture, without the plugin, with it in one pass, and in two."""
    capture = mixed(mixer or random.Random(0), trials)
    result = Result(collections.Counter(), 0, [])
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pathlib.Path(scratch).chmod(0o755)
        path = pathlib.Path(scratch, "trials.pcap")
        write_pcap(path, [packet for _, packet in capture])
        tcp = fields(path, ["data.data", KEEP_ALIVE], "-d", "tcp.port==1080,data", *options, plugin=False)
        names = MAF + TUNNEL + [REASSEMBLY]
        once, twice = (fields(path, names, *passes, *options) for passes in ((), ("-2",)))
        # by themselves: stock SOCKS gives what is in a tunnel, of MAF too, a tcp.stream of its own
        plain = [packet for trial, packet in capture if not trial.expected]
        write_pcap(pathlib.Path(scratch, "ordinary.pcap"), plain)
        ordinary = reads_as_stock(pathlib.Path(scratch, "ordinary.pcap"), *options) if plain else None
        if ordinary:
            result.mismatches.append((None, "ordinary", [ordinary]))
    frames = collections.defaultdict(list)
    for number, (trial, packet) in enumerate(capture, 1):
        frames[id(trial)].append((number, packet))
    for trial in trials:
        of_it = frames[id(trial)]
        if not trial.expected:
            result.sessions["ordinary"] += 1
            seen = [name for number, _ in of_it for name in OWN if twice[number - 1][name]]
            if seen:
                result.mismatches.append((trial, "ordinary", [f"{seen[0]} in an ordinary session"]))
            continue
        kind, early = grade(trial, delivered(trial, of_it, tcp))
        if any(once[number - 1][REASSEMBLY] for number, _ in of_it) or \
                options == OUT_OF_ORDER and "within" in copies(trial) and loses_after_copy():
            kind = "dropped"
        if "first" in copies(trial) and loses_first():  # what is read then is not what was said
            result.sessions["dropped"] += 1
            continue
        result.sessions[kind] += 1
        result.messages += len(trial.expected.messages)
        wrong = []
        for passes, rows in ((1, once), (2, twice)):
            wrong += [f"pass {passes}: {text}" for text in differences(
                trial, kind, early, [(packet, rows[number - 1]) for number, packet in of_it], passes)]
        if kind == "exact" and not wrong and not early:
            wrong += [f"frame {number}: the passes differ: {once[number - 1]} {twice[number - 1]}"
                      for number, _ in of_it if any(once[number - 1][name] != twice[number - 1][name] for name in MAF)]
        if wrong:
            result.mismatches.append((trial, kind, wrong))
    return result


def keep(trial, kind, wrong, options, folder, name):
    """Stores the capture of one session that is read wrong, by itself if it is wrong by itself, and what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    alone = compare([trial], options).mismatches
    if alone:
        wrong = alone[0][2]
        trial = shrink(trial, options)
    write_pcap(folder / f"{name}.pcap", trial.packets)
    (folder / f"{name}.txt").write_text("\n".join(
        [f"{kind}, damage: {' '.join(trial.damage)}; {'by itself' if alone else 'only among others'}", *wrong]) + "\n")


def shrink(trial, options, attempts=30):
    """The trial without packets that it is wrong without too: repetitions, acknowledgments, quotes. Data stays."""
    first = {}
    for packet in trial.packets:
        if isinstance(packet, Segment) and packet.payload:
            first.setdefault((packet.side, packet.seq, packet.payload), id(packet))
    needed = set(first.values())
    spare = [at for at, packet in enumerate(trial.packets) if id(packet) not in needed]
    size = len(spare)
    while size and attempts > 0:
        for begin in range(0, len(spare), size):
            without = set(spare[begin:begin + size])
            smaller = dataclasses.replace(trial, packets=[
                packet for at, packet in enumerate(trial.packets) if packet is not None and at not in without])
            attempts -= 1
            if attempts > 0 and compare([smaller], options).mismatches:
                trial = dataclasses.replace(trial, packets=[
                    None if at in without else packet for at, packet in enumerate(trial.packets)])
        size //= 2
    return dataclasses.replace(trial, packets=[packet for packet in trial.packets if packet is not None])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--mode", choices=MODES, default="default", help="preferences of tcp (%(default)s)")
    parser.add_argument("--keep", type=pathlib.Path, default=pathlib.Path("mismatches"), metavar="FOLDER",
                        help="where captures of mismatches go (%(default)s)")
    parser.add_argument("--most", type=int, default=10, help="captures to keep (%(default)s)")
    arguments = parser.parse_args()
    options = MODES[arguments.mode]
    sessions, messages, mismatches = collections.Counter(), 0, collections.Counter()
    for first in range(0, arguments.sessions, 300):
        trials = make_trials(arguments.seed, first, min(300, arguments.sessions - first))
        result = compare(trials, options, random.Random(f"{arguments.seed}/{first}"))
        sessions += result.sessions
        messages += result.messages
        for trial, kind, wrong in result.mismatches:
            mismatches[kind] += 1
            if sum(mismatches.values()) <= arguments.most:
                print(f"{kind}: {wrong[0]}"[:300], file=sys.stderr)
                if trial:
                    name = f"seed-{arguments.seed}-{first + trials.index(trial)}-{arguments.mode}"
                    keep(trial, kind, wrong, options, arguments.keep, name)
    by_kind = ", ".join(f"{sessions[kind]} {kind}" for kind in (*GRADES, "ordinary"))
    wrong = ", ".join(f"{mismatches[kind]} {kind}" for kind in mismatches)
    print(f"{sessions.total()} sessions ({by_kind}), {messages} messages, "
          f"{mismatches.total()} mismatches{f' ({wrong})' if wrong else ''}")
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
