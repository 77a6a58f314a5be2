# SPDX-License-Identifier: GPL-2.0-or-later
"""Every length and count of both revisions at its boundaries: what the dissector says of it, what follows, and what it costs.

Each case is a connection. A frame that is not believed raises its expert info, and the next segment is decoded all the
same; one that is believed and never comes is truncated; of all others nothing is said. tshark's memory stays flat.
"""
import dataclasses
import pathlib
import tempfile
import unittest

import sanitized
from messages import (DO, FAILURE, PROCESS, REQUEST_MORE, SUCCESS, WHAT_NEXT, aligned, compact, header, list_00, list_01, method_01,
                      method_data_00, oem_01, process_01, selected)
from packets import ACK, CLIENT, FIN, SERVER, write_pcap

MIB = 2**20
INT32_MAX = 2**31 - 1
LIST_MAX = 20480  # the plugin's own limit to a list of revision 01
EXPERTS = ("length", "nmethods", "truncated")
MEMORY_SPARE = 16  # MiB
METHOD = compact(1)


@dataclasses.dataclass
class Case:
    name: str
    before: list  # what is said before: side and octets
    side: int
    frame: bytes
    expert: str = ""  # "": none of EXPERTS

    def packets(self, port, frame=None):
        """The frame, something after it in a segment of its own, and the end."""
        revision = self.before[0][1][1] if self.before else self.frame[1]
        connection = selected(port)
        for side, octets in self.before:
            connection.say(side, octets)
        connection.say(self.side, frame or self.frame)
        connection.say(self.side, header(self.next_instr(), revision))
        connection.segment(self.side, flags=FIN | ACK)
        return connection.packets

    def next_instr(self):
        return WHAT_NEXT if self.side == CLIENT else REQUEST_MORE


def begun(revision, *more):
    return [(CLIENT, list_01((1, 4, METHOD)) if revision else list_00([METHOD])), *more]


def running(revision):
    return begun(revision, (SERVER, method_01(DO, METHOD) if revision else method_data_00(DO, METHOD)))


def layouts_with_data():
    """Name, what comes before, side, how to build the frame, and where its DATA begins."""
    for side in (CLIENT, SERVER):
        yield f"process 00 of {side}", running(0), side, lambda *a: method_data_00(PROCESS, METHOD, *a), 12
        yield f"process 01 of {side}", running(1), side, lambda *a: process_01(METHOD, *a), 16
        yield f"OEM of {side}", begun(1), side, lambda *a: oem_01(METHOD, *a), 16
    yield "process 01, UUID", running(1), CLIENT, lambda *a: process_01(bytes(16), *a), 28
    for name, instr, method in (("do", DO, METHOD), ("success", SUCCESS, compact(0)), ("failure", FAILURE, compact(0xFFFFFFFF))):
        yield f"{name} 00", begun(0), SERVER, lambda *a, i=instr, m=method: method_data_00(i, m, *a), 12


def lengths(limit):
    """LEN and DLEN. Their octets come if there are to be few."""
    for name, before, side, frame, begin in layouts_with_data():
        boundaries = {0, 1, limit - 1, limit, limit + 1, *range(2**31 - 2, 2**31 + 2), 2**32 - 1, 2**32 - 2}
        wraps = {power - begin + more for power in (2**31, 2**32) for more in (-1, 0, 1)}
        for length in sorted(value for value in boundaries | wraps if 0 <= value < 2**32):
            if length > limit or length > INT32_MAX - begin:
                yield Case(f"{name}, LEN {length}", before, side, frame(b"abcd", length), "length")
            elif length < 2 * MIB and (length < 100 or name.startswith("process")):
                yield Case(f"{name}, LEN {length}", before, side, frame(bytes(length)))
            else:
                yield Case(f"{name}, LEN {length}, not there", before, side, frame(b"abcd", length), "truncated")


def id_lengths():
    """MLEN and IDLEN of an OEM."""
    for length in (0, 1, 2, 3, 4, 5, 15, 16, 17, 127, 128, 254, 255):
        method = bytes([7]) * length
        for name, instr in (("do", DO), ("success", SUCCESS), ("failure", FAILURE)):
            yield Case(f"{name} 01, MLEN {length}", begun(1), SERVER, method_01(instr, method))
        for side in (CLIENT, SERVER):
            yield Case(f"process 01 of {side}, MLEN {length}", running(1), side, process_01(method, b"abcd"))
            yield Case(f"OEM of {side}, IDLEN {length}", begun(1), side, oem_01(method, b"abcd"))
        if length > 16:  # longer than what follows it
            yield Case(f"do 01, MLEN {length}, not there", begun(1), SERVER, method_01(DO, b"", length), "truncated")
            yield Case(f"process 01, MLEN {length}, not there", running(1), CLIENT, aligned(method_01(PROCESS, b"", length)),
                       "truncated")


def group(count, length):
    return count, length, bytes(range(1, 256)) * length if count == 255 else bytes(count * length)


def groups():
    """COUNT and IDLEN, and what they come to."""
    big = group(80, 255)
    for name, frame, expert in (
            ("none", list_01(), ""),
            ("1 of 0", list_01((1, 0, b"")), "nmethods"),
            ("255 of 0", list_01((255, 0, b"")), "nmethods"),
            ("1 of 4, 1 of 0", list_01(group(1, 4), (1, 0, b"")), "nmethods"),
            ("1 of 1", list_01(group(1, 1)), ""),
            ("1 of 255", list_01(group(1, 255)), ""),
            ("255 of 1", list_01(group(255, 1)), ""),
            ("254 of 16, 255 of 4", list_01(group(254, 16), group(255, 4)), ""),
            ("255 of 255", list_01((255, 255, bytes(100))), "length"),
            ("LIST_MAX - 1", list_01(big, group(71, 1)), ""),
            ("LIST_MAX", list_01(big, group(72, 1)), ""),
            ("LIST_MAX + 1", list_01(big, group(73, 1)), "length"),
            ("80 of 255, not there", list_01((80, 255, bytes(100)), end=b""), "truncated"),
            ("COUNT alone", list_01(end=b"\1"), "truncated"),
            ("empty groups without end", list_01(*[group(1, 1)] * (LIST_MAX // 3 + 2), end=b""), "length")):
        yield Case(f"groups: {name}", [], CLIENT, frame, expert)


def counts(width, values):
    """NMETHODS, followed by as many METHODS if it is to be believed, else by one."""
    for count in values:
        believed = 1 <= count <= 255
        frame = list_00([METHOD] * (count if believed else 1), count, width)
        yield Case(f"NMETHODS {count} in {width}", [], CLIENT, frame, "" if believed else "nmethods")
    yield Case(f"NMETHODS 255 in {width}, not there", [], CLIENT, list_00([METHOD], 255, width), "truncated")


class HostileLengths(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        pathlib.Path(scratch.name).chmod(0o755)
        self.capture = pathlib.Path(scratch.name, "lengths.pcapng")

    def check(self, cases, *options):
        cases = list(cases)
        write_pcap(self.capture, (packet for port, case in enumerate(cases, 10000) for packet in case.packets(port)))
        fields = [word for expert in EXPERTS for word in ("-e", f"maf.expert.{expert}")]
        run = sanitized.tshark(["-n", "-r", str(self.capture), *options, "-Y", "maf", "-T", "fields", "-e", "tcp.port", "-e",
                                "maf.instr", *fields])
        self.assertEqual(list(run.findings()), [])
        told = {port: ([], set()) for port in range(10000, 10000 + len(cases))}
        for line in run.out.splitlines():
            ports, instrs, *raised = line.split("\t")
            decoded, experts = told[max(map(int, ports.split(",")))]
            decoded += map(int, instrs.split(",")) if instrs else []
            experts.update(expert for expert, text in zip(EXPERTS, raised) if text)
        for port, case in enumerate(cases, 10000):
            with self.subTest(case.name, options=options):
                decoded, experts = told[port]
                self.assertEqual(experts, {case.expert} - {""})
                self.assertEqual(case.next_instr() in decoded, case.expert != "truncated", "what follows is decoded")

    def test_lengths(self):
        self.check(lengths(MIB))

    def test_lengths_small_limit(self):
        self.check(lengths(64), "-o", "maf.max_length:64")

    def test_lengths_no_limit(self):
        self.check(lengths(2**32 - 1), "-o", f"maf.max_length:{2**32 - 1}")

    def test_ids(self):
        self.check(id_lengths())

    def test_groups(self):
        self.check(groups())

    def test_counts(self):
        self.check(counts(4, (0, 1, 2, 254, 255, 256, 257, 65535, 65536, 2**24 - 1)))
        self.check(counts(4, (0, 1, 255, 256, 2**30 - 1, 2**30, 2**30 + 1, 2**31 - 1, 2**31, 2**32 - 1)),
                   "-o", "maf.nmethods_width:4")
        self.check(counts(1, (0, 1, 2, 127, 128, 254, 255)), "-o", "maf.nmethods_width:1")

    def test_memory(self):
        """As many connections with a frame of a few octets in each take as much."""
        cases = [case for case in [*lengths(MIB), *id_lengths(), *groups()] if len(case.frame) < 1000] * 20
        used = []
        for frame in (header(WHAT_NEXT, 0) + bytes(16), None):
            write_pcap(self.capture, (packet for port, case in enumerate(cases, 10000) for packet in case.packets(port, frame)))
            run = sanitized.tshark(["-n", "-r", str(self.capture), "-2", "-q", "-z", "expert"], plugins=sanitized.BUILD)
            self.assertIn("MAF", run.out)
            self.assertEqual(list(run.findings()), [])
            used.append(run.memory)
        print(f"{len(cases)} connections: {used[0]} MiB with honest lengths, {used[1]} MiB with hostile ones")
        self.assertLess(used[1], used[0] + MEMORY_SPARE)
