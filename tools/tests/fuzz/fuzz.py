#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzzes the dissector: hostile captures through tshark with the plugin built with sanitizers.

Every other input is all sample captures with errors put in by editcap; the others are logins made up frame by frame
and then spoilt. Each is read in one pass and in two, with the tree and without, which must agree. What is found is kept
with the options it needs, to be tried again with --input.
"""
import argparse
import collections
import concurrent.futures
import itertools
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parents[2] / "captures")]

import catalogue
import sanitized
from messages import (ACKNOWLEDGE, DO, FAILURE, GREETING, LIST, OEM, PROCESS, REPLY, REQUEST, REQUEST_MORE, SELECTION, SUCCESS,
                      WHAT_NEXT, compact, header, list_00, list_01, method_01, method_data_00, oem_01, process_01)
from packets import ACK, CLIENT, FIN, PSH, RST, SERVER, Conversation, write_pcap

MODES = list(itertools.product((1, 2), (False, True)))  # passes, tree
STATISTICS = ["-q", "-z", "maf,tree", "-z", "maf,srt", "-z", "maf,sessions"]
FIGURES = ("sanitizer reports", "crashes", "bugs", "malformed", "hangs", "too much memory", "warnings", "differences")

# What a user may have set. Each input gets some of them.
OPTIONS = [option.split() for option in (
    "-o maf.revision:00", "-o maf.revision:01", "-o maf.nmethods_width:1", "-o maf.nmethods_width:4",
    "-o maf.max_length:16", "-o maf.max_length:4294967295", "-o maf.desegment:FALSE", "-o maf.dissect_socks:FALSE",
    "-o tcp.desegment_tcp_streams:FALSE", "-o tcp.reassemble_out_of_order:TRUE", "-o tcp.analyze_sequence_numbers:FALSE",
    "-o tcp.try_heuristic_first:TRUE", "-o tcp.relative_sequence_numbers:FALSE", "-d tcp.port==1080,maf",
    "-d tcp.port==80,socks", "-d maf.method==1,maf.sasl.plain")] + [["-o", 'uat:maf_methods:"2","Keys","json"']]

NUMBERS = (0, 1, 2, 3, 4, 5, 0x101, 0x102, 0x103, 0x200, 0x10000, 0xFFFFFFFF)
LENGTHS = (0, 1, 3, 4, 5, 15, 16, 17, 254, 255, 256, 2**20, 2**20 + 1, 2**31 - 13, 2**31 - 1, 2**31, 2**32 - 12, 2**32 - 1)
TEXTS = (b"", b"x", b"hello", b"\0alice\0secret", b"\0\0", b"n,,n=alice,r=abc", b"y,a=bob,n=alice,r=abc", b"p=x,,", b"=,,=,n=,r",
         b"r=abcdef,s=QUJD,i=4096", b"r=a,s=,i=99999999999999999999", b"c=biws,r=abcdef,p=UVE9", b"v=QUJD", b"e=other-error",
         b"<1896.697170952@postoffice.example>", b"alice " + b"0" * 32, b" " + b"0" * 32, b"grade=3", b"A" * 300, b"A" * 6000)


class Mutator:
    """Logins, and what becomes of them. Everything is drawn from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, of_100):
        return self.random.random() * 100 < of_100

    def octets(self, most):
        return self.random.randbytes(self.random.randint(0, most))

    def number(self):
        return compact(self.random.choice(NUMBERS))

    def id(self):
        return self.random.choice((self.number(), self.random.randbytes(16), self.octets(20)))

    def data(self):
        return self.random.choice((self.random.choice(TEXTS), self.octets(40)))

    # Frames: one of any kind

    def frame_00(self):
        instr = self.random.choice((SUCCESS, LIST, REQUEST_MORE, DO, WHAT_NEXT, PROCESS, ACKNOWLEDGE, OEM, FAILURE))
        if instr == LIST:
            return list_00([self.number() for _ in range(self.random.randint(1, 8))], width=self.random.choice((1, 4)))
        if instr in (SUCCESS, DO, PROCESS, FAILURE):
            return method_data_00(instr, self.number(), self.data())
        return header(instr, 0, self.random.choice((0, 0, 0, 1)))

    def group(self):
        count, length = self.random.randint(1, 5), self.random.choice((4, 4, 16, 1, 255))
        ids = (self.number() if length == 4 else self.random.randbytes(length) for _ in range(count))
        return count, length, b"".join(ids)

    def frame_01(self):
        instr = self.random.choice((SUCCESS, LIST, REQUEST_MORE, DO, WHAT_NEXT, PROCESS, ACKNOWLEDGE, OEM, FAILURE))
        if instr == LIST:
            return list_01(*(self.group() for _ in range(self.random.randint(0, 4))))
        if instr in (SUCCESS, DO, FAILURE):
            return method_01(instr, self.id(), ver=self.random.choice((0, 1)))
        if instr == PROCESS:
            return process_01(self.id(), self.data())
        if instr == OEM:
            return oem_01(self.id(), self.data(), reserved=self.random.choice((0, 0, 5)))
        return header(instr, 1, self.random.choice((0, 0, 0, 1)))

    # Conversations: who says what, in order

    def round(self, revision, method):
        if revision == 0:
            yield SERVER, method_data_00(DO, method, self.data())
        else:
            yield SERVER, method_01(DO, method)
        for side in (CLIENT, SERVER) * self.random.randint(0, 3) + (CLIENT,):
            yield side, (process_01 if revision else lambda *a: method_data_00(PROCESS, *a))(method, self.data())
        if revision and self.chance(20):
            yield from ((side, oem_01(self.number(), self.data())) for side in (CLIENT, SERVER))
        yield CLIENT, header(WHAT_NEXT, revision)

    def login(self, revision):
        methods = [self.number() for _ in range(self.random.randint(1, 5))]
        offer = list_01((len(methods), 4, b"".join(methods)), self.group()) if revision else list_00(methods)
        yield CLIENT, offer
        if self.chance(20):
            yield SERVER, header(REQUEST_MORE, revision, self.random.choice((0, 1)))
            yield CLIENT, offer
        for method in self.random.choices(methods, k=self.random.randint(0, 3)):
            yield from self.round(revision, method)
        result, number = (SUCCESS, 0) if self.chance(80) else (FAILURE, 0xFFFFFFFF)
        yield SERVER, method_01(result, compact(number)) if revision else method_data_00(result, compact(number))
        if revision:
            yield from ((side, header(ACKNOWLEDGE, 1)) for side in (CLIENT, SERVER))

    def noise(self, revision):
        for _ in range(self.random.randint(1, 25)):
            odd = self.chance(5)
            yield self.random.choice((CLIENT, SERVER)), self.frame_01() if revision != odd else self.frame_00()

    def conversation(self):
        revision = self.random.choice((0, 1))
        middle = list((self.login if self.chance(60) else self.noise)(revision))
        greeting = GREETING if self.chance(90) else self.random.choice((b"\5\3\0\2\x08", b"\5\1\0", b"\5\0", self.octets(6)))
        request = REQUEST if self.chance(80) else self.random.choice(
            (b"\5\1\0\3\x09localhost\0\x50", b"\5\1\0\4" + bytes(16) + b"\0\x50", b"\5\3\0\1" + bytes(6), b"\5\1\0\7" + bytes(6)))
        return [(CLIENT, greeting), (SERVER, SELECTION if self.chance(90) else self.octets(3)), *middle, (CLIENT, request),
                (SERVER, REPLY), (CLIENT, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (SERVER, b"HTTP/1.1 204 No\r\n\r\n")]

    # What goes wrong: in a frame, in the order of frames, in the segments

    def spoil_frame(self, frame):
        spoilt = bytearray(frame)
        at = self.random.randrange(len(spoilt))
        size = self.random.choice((1, 1, 4))
        how = self.random.choice(("field", "field", "cut", "grow", "bit"))
        if how == "field":
            spoilt[at:at + size] = (self.random.choice(LENGTHS) % 256**size).to_bytes(size, "big")
        elif how == "cut":
            del spoilt[at:]
        elif how == "grow":
            spoilt[at:at] = self.octets(300)
        else:
            spoilt[at] ^= 1 << self.random.randrange(8)
        return bytes(spoilt)

    def spoil_order(self, said):
        at, to = self.random.randrange(len(said)), self.random.randrange(len(said))
        how = self.random.choice(("drop", "repeat", "swap", "turn", "insert", "move"))
        if how == "drop":
            del said[at:at + self.random.randint(1, 3)]
        elif how == "repeat":
            said.insert(to, said[at])
        elif how == "swap":
            said[at], said[to] = said[to], said[at]
        elif how == "turn":
            said[at] = 1 - said[at][0], said[at][1]
        elif how == "insert":
            said.insert(at, (self.random.choice((CLIENT, SERVER)), self.random.choice((self.frame_00, self.frame_01))()))
        else:
            said.insert(to, said.pop(at))

    def segments(self, said):
        """The same octets, glued together and cut apart."""
        segments = []
        for side, octets in said:
            if segments and segments[-1][0] == side and self.chance(30):
                octets = segments.pop()[1] + octets
            sizes = (1, 2, 3, 7, 1400) if self.chance(35) else (65000,)
            while octets:
                size = self.random.choice(sizes)
                segments.append((side, octets[:size]))
                octets = octets[size:]
        return segments

    def connection(self):
        said = self.conversation()
        for _ in range(self.random.choice((0, 0, 1, 2, 5))):
            if said:
                self.spoil_order(said)
        for index, (side, octets) in enumerate(said):
            if octets and self.chance(8):
                said[index] = side, self.spoil_frame(octets)

        port = 40000 if self.chance(10) else self.random.randint(1024, 65535)
        hosts = self.random.choice((("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")))
        first = self.random.randint(1, 50000)
        connection = Conversation(port, hosts=hosts, first=(first, 2**32 - first))  # the server's numbers wrap soon
        if self.chance(90):
            connection.open()
        for side, octets in self.segments(said):
            connection.segment(side, octets, PSH | ACK, back=self.random.randint(1, 9) if self.chance(1) else 0)
        if self.chance(60):
            connection.segment(self.random.choice((CLIENT, SERVER)), self.octets(9) if self.chance(20) else b"",
                               self.random.choice((FIN | ACK, RST)))
        self.spoil_segments(connection.packets)
        return connection.packets

    def spoil_segments(self, packets):
        """Lost, late, or sent again."""
        while packets and self.chance(15):
            at = self.random.randrange(len(packets))
            packet = packets[at] if self.chance(50) else packets.pop(at)
            if self.chance(70):
                packets.insert(min(at + self.random.randint(-2, 5), len(packets)) % (len(packets) + 1), packet)

    def interleaved(self, count):
        connections = [collections.deque(self.connection()) for _ in range(count)]
        while connections:
            some = connections[:self.random.choice((1, 1, 2, 10))]
            while some:
                packets = self.random.choice(some)
                if packets:
                    yield packets.popleft()
                else:
                    some.remove(packets)
                    connections.remove(packets)

    # Inputs: a capture and tshark's options for it

    def options(self):
        return [word for option in OPTIONS if self.chance(6) for word in option]

    def craft(self, path, sessions):
        write_pcap(path, self.interleaved(sessions))
        if self.chance(20):
            self.edit(path, "-s", str(self.random.choice((40, 41, 45, 60, 100))))
        return self.options()

    def put_errors_in(self, path, samples):
        options, captures = self.random.choices(list(samples.items()), [len(captures) for captures in samples.values()])[0]
        subprocess.run(["mergecap", "-a", "-w", str(path), *map(str, captures)], check=True)
        headers = self.random.choice((66, 66, 66, 54, 0))  # Ethernet, IP and TCP with and without options
        self.edit(path, "-E", str(self.random.choice((0.001, 0.005, 0.02, 0.1))), "-o", str(headers),
                  "--seed", str(self.random.getrandbits(31)))
        return [*options, *self.options()]

    @staticmethod
    def edit(path, *how):
        """editcap, in the place of its input."""
        with tempfile.TemporaryDirectory() as scratch:
            edited = pathlib.Path(scratch, "edited.pcapng")
            subprocess.run(["editcap", *how, str(path), str(edited)], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            shutil.move(edited, path)


def sample_captures():
    """By the options they need: those with the same can be read as one. editcap takes none with keys for TLS."""
    groups = collections.defaultdict(list)
    for capture in catalogue.load().values():
        if capture.tls is None:
            groups[tuple(capture.options)].append(capture.path)
    return groups


class Fuzzer:
    def __init__(self, arguments):
        self.arguments = arguments
        self.figures = collections.Counter()
        self.samples = sample_captures()
        self.began = time.monotonic()

    def runs(self, capture, options, allocator):
        commands = [sanitized.arguments(capture, options, *mode) for mode in MODES]
        commands.append(sanitized.arguments(capture, [*options, *STATISTICS]))
        with concurrent.futures.ThreadPoolExecutor(self.arguments.jobs) as pool:
            return list(pool.map(lambda command: sanitized.tshark(command, allocator=allocator,
                                                                  timeout=self.arguments.timeout), commands))

    def compare(self, capture, runs):
        """One pass and two show the same tree of MAF, and lines are the same with the tree and without."""
        one, one_tree, two, two_tree, _ = runs
        first, second = sanitized.maf_trees(one_tree), sanitized.maf_trees(two_tree)
        self.figures["sessions"] += len({stream for _, stream, tree in first.values() if tree})
        self.figures["MAF frames"] += sum(line.startswith("Multi-Auth") for *_, tree in first.values() for line in tree)
        # what comes before the selection is MAF only once that has been seen
        different = [number for number, (tcp, _, tree) in first.items()
                     if tree and tcp == second[number][0] and tree != second[number][2]]
        disordered = sanitized.disordered_frames(capture) if different else ()
        for number in different:
            if number not in disordered:
                yield "differences", f"frame {number} in one pass and in two: {first[number][2]} | {second[number][2]}"
        for left, right in ((one, one_tree), (two, two_tree)):
            left, right = sanitized.maf_lines(left), sanitized.maf_lines(right)
            for number in sorted(left.keys() | right.keys()):
                if left.get(number) != right.get(number):
                    yield "differences", f"frame {number} without and with tree: {left.get(number)} | {right.get(number)}"

    @staticmethod
    def tcp_malformed(capture, run):
        """Before it is known whether a stream is MAF, what is malformed is TCP's; TCP's own is so without the plugin."""
        found = sanitized.tcp_malformed(run)
        if found and len(found) > len(sanitized.tcp_malformed(sanitized.tshark(["-r", str(capture), "-V"], without=True))):
            yield "malformed", f"{len(found)} times {found[0]}"

    def try_input(self, capture, options, allocator="simple"):
        runs = self.runs(capture, options, allocator)
        findings = [(*finding, sanitized.quoted(run)) for run in runs for finding in run.findings()]
        findings += [(*finding, sanitized.quoted(runs[1])) for finding in self.tcp_malformed(capture, runs[1])]
        if not any(run.status for run in runs):
            findings += [(*finding, sanitized.quoted(runs[1])) for finding in self.compare(capture, runs)]
        self.figures["inputs"] += 1
        self.figures["runs"] += len(runs)
        self.figures.update(kind for kind, *_ in findings)
        return findings

    def keep(self, capture, options, name, findings):
        kept = self.arguments.keep / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(capture, kept)
        kept.with_suffix(".options").write_text(shlex.join(options) + "\n")
        kept.with_suffix(".txt").write_text("".join(f"{kind}: {line}\n{command}\n" for kind, line, command in findings))
        print(f"{kept}: {findings[0][0]}: {findings[0][1][:200]}\n  again: tools/tests/fuzz/fuzz-dissector --input {kept}", flush=True)

    def round(self, number):
        mutator = Mutator(f"{self.arguments.seed} {number}")
        with tempfile.TemporaryDirectory() as scratch:
            pathlib.Path(scratch).chmod(0o755)
            capture = pathlib.Path(scratch, "input.pcapng")
            options = mutator.craft(capture, self.arguments.sessions) if number % 2 else \
                mutator.put_errors_in(capture, self.samples)
            findings = self.try_input(capture, options, mutator.random.choice(("simple", "simple", "strict")))
            if findings:
                self.keep(capture, options, f"seed-{self.arguments.seed}-round-{number}.pcapng", findings)

    def report(self):
        print(f"{time.monotonic() - self.began:.0f} s, seed {self.arguments.seed}: " +
              ", ".join(f"{self.figures[name]} {name}" for name in ("inputs", "runs", "sessions", "MAF frames", *FIGURES)))
        if not self.figures["MAF frames"]:
            print("no MAF frame in any input")
            return 1
        return 1 if any(self.figures[name] for name in FIGURES) else 0

    def fuzz(self):
        for number in itertools.count():
            if number == self.arguments.rounds or time.monotonic() - self.began > (self.arguments.seconds or 1e9):
                break
            self.round(number)

    def replay(self):
        for capture in self.arguments.input:
            options = capture.with_suffix(".options")
            for kind, line, command in self.try_input(capture, shlex.split(options.read_text()) if options.exists() else []):
                print(f"{capture}: {kind}: {line}\n  {command}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed makes the same inputs; 1")
    parser.add_argument("--rounds", type=int, metavar="N", help="an input each")
    parser.add_argument("--seconds", type=float, metavar="N", help="begin no round after so long; 60, without --rounds")
    parser.add_argument("--sessions", type=int, default=200, metavar="N", help="in a capture made up; 200")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="tsharks at a time; 1")
    parser.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="a tshark that takes longer hangs; 300")
    parser.add_argument("--keep", type=pathlib.Path, default=sanitized.BUILD / "fuzz", metavar="DIR",
                        help="for inputs with findings; fuzz/ in the build directory")
    parser.add_argument("--input", type=pathlib.Path, nargs="+", metavar="CAPTURE", help="try these again, instead")
    arguments = parser.parse_args()
    if not (arguments.rounds or arguments.seconds):
        arguments.seconds = 60

    fuzzer = Fuzzer(arguments)
    if arguments.input:
        fuzzer.replay()
    else:
        fuzzer.fuzz()
    sys.exit(fuzzer.report())


if __name__ == "__main__":
    main()
