# SPDX-License-Identifier: GPL-2.0-or-later
"""maf-lint, over the sample captures and over captures of its own in which every packet is known."""

import collections
import fcntl
import gzip
import ipaddress
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from programs import BUILD, CAPTURES, SAMPLES, TOOLS, TSHARK

ENVIRONMENT = dict(os.environ, TSHARK=TSHARK, MAF_BUILD_DIR=str(BUILD))

LIST = "01000000 00000001 00000001"
DO = "03000000 00000001 00000000"
PROCESS = "05000000 00000001 00000000"
WHAT_NEXT = "04000000"
SUCCESS = "00000000 00000000 00000000"
FAILURE = "ff000000 ffffffff 00000000"
SYN, RST, FIN, PUSH, ACK = 2, 4, 1, 8, 16


class Capture:
    """A capture file in the making: a frame every millisecond."""

    def __init__(self):
        self.frames = []

    def add(self, source, destination, sequence, acknowledged, flags, octets):
        (address, port), (to_address, to_port) = source, destination
        tcp = struct.pack(">HHIIBBHHH", port, to_port, sequence, acknowledged, 0x50, flags, 65535, 0, 0) + octets
        ends = ipaddress.ip_address(address).packed + ipaddress.ip_address(to_address).packed
        if ":" in address:
            ip = b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + ends
        else:
            ip = b"\x08\x00" + struct.pack(">BBHIBBH", 0x45, 0, 20 + len(tcp), 0, 64, 6, 0) + ends
        self.frames.append(bytes(12) + ip + tcp)

    def octets(self):
        header = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        return header + b"".join(struct.pack("<IIII", 10**9, 1000 * number, len(frame), len(frame)) + frame
                                 for number, frame in enumerate(self.frames, 1))


class Connection:
    """A TCP connection to a SOCKS server, in which MAF has been selected: five frames."""

    def __init__(self, capture, client=("10.0.0.1", 40000), server=("10.0.0.2", 1080), sequence=1000):
        self.capture, self.sides, self.sequence = capture, (client, server), [sequence, sequence]
        self.send(0, SYN)
        self.send(1, SYN | ACK)
        self.send(0, ACK)
        self.client("05 01 08").server("05 08")

    def send(self, side, flags, text=""):
        octets = bytes.fromhex(text)
        self.capture.add(self.sides[side], self.sides[1 - side], self.sequence[side], self.sequence[1 - side], flags,
                         octets)
        self.sequence[side] += len(octets) + (1 if flags & (SYN | FIN) else 0)
        return self

    def client(self, *texts):
        return self.send(0, PUSH | ACK, "".join(texts))

    def server(self, *texts):
        return self.send(1, PUSH | ACK, "".join(texts))


def lint(*arguments, octets=b"", environment=None):
    """What maf-lint prints, what it complains of, and its exit status."""
    done = subprocess.run([str(TOOLS / "maf-lint"), *map(str, arguments)], input=octets, env=environment or ENVIRONMENT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=300)
    return done.stdout.decode().splitlines(), done.stderr.decode().splitlines(), done.returncode


def test_samples(same_as_expected):
    """What maf-lint prints of the sample captures, without what differs each time that they are made."""
    groups = collections.defaultdict(list)
    for capture in CAPTURES.values():
        groups[tuple(capture.options)].append(capture.path)
    text = []
    for options, paths in groups.items():
        lines, complaints, status = lint("-j", "0", *options, *paths)
        assert (complaints, status) == ([], int(any(": session: " not in line for line in lines)))
        text += lines
    text = "\n".join(text).replace(f"{SAMPLES}/", "") + "\n"
    text = re.sub(r"^(\S+\.pcapng:)\d+: ", r"\1 ", text, flags=re.MULTILINE)
    text = re.sub(r"\b(begins in (?:frame|packet)) \d+", r"\1 <number>", text)
    same_as_expected("maf-lint", re.sub(r"\d+\.\d+ s$", "<time>", text, flags=re.MULTILINE))


class Lint(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.clean = SAMPLES / "revision-00/login.pcapng"
        self.noted = SAMPLES / "revision-00/nmethods-1.pcapng"

    def write(self, name, octets):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets if isinstance(octets, bytes) else octets.octets())
        return path

    def expect(self, capture, status, *expected):
        """The lines, each given by its beginning and its end."""
        lines, complaints, actual = lint(self.write("x.pcap", capture))
        shown = [line.replace(f"{self.folder}/x.pcap:", "") for line in lines]
        self.assertEqual(len(shown), len(expected), shown)
        for line, (begin, end) in zip(shown, expected):
            self.assertTrue(line.startswith(begin) and line.endswith(end), line)
        self.assertEqual((complaints, actual), ([], status))

    def test_refused_by_the_rules(self):
        capture = Capture()
        Connection(capture).client(LIST).server(DO).client(PROCESS, WHAT_NEXT).server(FAILURE)
        self.expect(capture, 0, ("6: session: 10.0.0.1:40000 to 10.0.0.2:1080, revision 0, 1 round, ",
                                 ", Internal Test Method (0x00000001), failed, 0.003000 s"))

    def test_many_in_one_segment(self):
        capture = Capture()
        Connection(capture, ("fe80::1", 40000), ("fe80::2", 1080)).client(LIST).server(
            "03000000 00010009 00000000", "05010000 00010009 00000000", "05000000 00000007 00000000").client(
            "04000001").server("00000000 00000001 00000000", FAILURE)
        self.expect(capture, 1,
                    ("6: session: [fe80::1]:40000 to [fe80::2]:1080, revision 0, 1 round, ",
                     "(0x00010009), succeeded, 0.003000 s"),
                    ("7: warning: maf.expert.not_offered: ", ""),
                    ("7: warning: maf.expert.version: ", ""),
                    ("7: warning: maf.expert.method_mismatch: ", ""),
                    ("8: warning: maf.expert.flags: ", ""),
                    ("9: warning: maf.expert.result_mismatch: ", ""),
                    ("9: warning: maf.expert.after_end: ", ""))

    def test_port_used_again(self):
        capture = Capture()
        Connection(capture).client(LIST).server(DO).client(PROCESS)
        Connection(capture, sequence=10**8).client(LIST).server(DO).client(WHAT_NEXT).server(DO).client(
            WHAT_NEXT).server(SUCCESS)
        Connection(capture, sequence=10**9).client(LIST).server(FAILURE)
        self.expect(capture, 0,
                    ("6: session: ", ", 1 round, Internal Test Method (0x00000001), unfinished, 0.002000 s"),
                    ("14: session: ", " 2 rounds, Internal Test Method (0x00000001) 2 times, succeeded, 0.005000 s"),
                    ("25: session: ", ", 0 rounds, no sub-method, failed, 0.001000 s"))

    def test_long_lists(self):
        methods = [f"{0x10000 + number:08x}" for number in range(70)]
        capture = Capture()
        connection = Connection(capture).client("01000000 00000046", *methods)
        for method in methods:
            connection.server("03000000", method, "00000000").client(WHAT_NEXT)
        connection.server("00000000 00000000 00000005 6f6b7c6f6b")
        lines, _, status = lint("--json", self.write("x.pcap", capture))
        record = json.loads(lines[0])
        self.assertEqual([method["id"] for method in record["offered"]], ["0x" + method for method in methods[:64]])
        self.assertEqual(record["methods"], record["offered"])
        self.assertEqual((record["rounds"], record["result"], status), (70, "ok|ok", 0))

    def test_closed_inside_a_frame(self):
        for by, flags in (0, FIN | ACK), (1, RST | ACK):
            with self.subTest(flags=flags):
                capture = Capture()
                Connection(capture).client("01000000 00").send(by, flags)
                self.expect(capture, 1, ("7: session: 10.0.0.1:40000 to 10.0.0.2:1080, ", ", no sub-method, unfinished, 0.000000 s"),
                            ("7: error: maf.expert.truncated: ", ""))

    def test_begun_before_the_capture(self):
        for early in (["05 01 08" + LIST], ["05 01 08", LIST]):
            for selected in (["05 08" + DO], ["05 08", DO]):
                with self.subTest(early=early, selected=selected):
                    capture = Capture()
                    connection = Connection(capture)
                    capture.frames.clear()
                    for text in early:
                        connection.client(text)
                    for text in selected:
                        connection.server(text)
                    connection.client(PROCESS, WHAT_NEXT).server(SUCCESS)
                    self.expect(capture, 0, (f"{len(early) + len(selected)}: session: 10.0.0.1:40000 to 10.0.0.2:1080, ",
                                             "Internal Test Method (0x00000001), succeeded, 0.002000 s"))

    def test_closed_before_what_comes_late(self):
        capture = Capture()
        connection = Connection(capture).client(LIST).server(DO[:17])
        connection.sequence[1] += 4
        connection.send(1, FIN | ACK)
        connection.sequence[1] -= 5
        connection.send(1, ACK, DO[17:]).client(PROCESS, WHAT_NEXT)
        self.expect(capture, 0, ("6: session: 10.0.0.1:40000 to 10.0.0.2:1080, ",
                                 ", unfinished, 0.004000 s"))

    def test_sides(self):
        capture = Capture()
        Connection(capture, ("10.0.0.1", 1000)).server(WHAT_NEXT)
        self.expect(capture, 1, ("6: session: 10.0.0.1:1000 to 10.0.0.2:1080, ", ""),
                    ("6: warning: maf.expert.direction: ", ""))

    def test_pipe(self):
        octets = self.noted.read_bytes()
        named = lint(self.noted)
        self.assertEqual(named[1:], ([], 1))
        for arguments, given in ((), octets), (("-",), gzip.compress(octets)):
            lines, complaints, status = lint(*arguments, octets=given)
            self.assertEqual([re.sub("^-:", f"{self.noted}:", line) for line in lines], named[0])
            self.assertEqual((complaints, status), ([], 1))

    def test_interrupted_pipe(self):
        """^C, which all of `tcpdump | maf-lint` gets: tcpdump writes what it still has, and ends."""
        octets = self.noted.read_bytes()
        with subprocess.Popen([str(TOOLS / "maf-lint")], env=ENVIRONMENT, start_new_session=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(octets[:-500])
            process.stdin.flush()
            while process.poll() is None and fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)) != bytes(4):
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            lines, _ = process.communicate(octets[-500:], 60)
        self.assertEqual((lines.decode().replace("-:", f"{self.noted}:").splitlines(), process.returncode),
                         lint(self.noted)[::2])

    def test_directory(self):
        octets = self.clean.read_bytes()
        for name in "b/y.pcap", "b.cap", "a.pcapng.gz", "D.PCAPNG", "E.Cap.GZ", "b/README", "c.pcapng.txt", "c.gz":
            self.write(name, gzip.compress(octets) if name.lower().endswith(".gz") else octets)
        os.mkfifo(self.folder / "fifo.pcap")
        (self.folder / "link.pcap").symlink_to(self.clean)
        lines, complaints, status = lint(self.folder, self.clean)
        self.assertEqual([line.split(":")[0] for line in lines],
                         [str(self.folder / name) for name in ("D.PCAPNG", "E.Cap.GZ", "a.pcapng.gz", "b.cap",
                                                               "b/y.pcap", "link.pcap")] + [str(self.clean)])
        self.assertEqual((complaints, status), ([], 0))
        (self.folder / "gone.pcap").symlink_to("nowhere")
        lines_now, complaints, status = lint(self.folder, self.clean)
        self.assertEqual(lines_now, lines)
        self.assertEqual((complaints, status), ([f"maf-lint: {self.folder}/gone.pcap: No such file or directory"], 2))

    def test_compressed(self):
        """What is seen to be compressed is given to tshark, with its options, whether or not this one can read it."""
        octets = (SAMPLES / "revision-00/login-port-9050.pcapng").read_bytes()
        self.write("x.options", b"-d tcp.port==9050,socks")
        for suffix in ".gz", ".zst", ".lz4", ".ZST":
            path = self.write(f"x.pcapng{suffix}", octets)  # Wireshark goes by the contents
            lines, complaints, status = lint(self.folder)
            self.assertEqual(([line.split(":")[0] for line in lines], complaints, status), ([str(path)], [], 0))
            path.unlink()

    def test_refused_options(self):
        """A mistake on the command line or in an options file, and no capture's fault."""
        for option, why in (("-d tcp.port==9050,sox", 'Unknown protocol -- "sox"'),
                            ("-d tcp.port=9050,sox", 'Unknown protocol -- "sox"'),
                            ("-d ash.pcapng", 'Parameter "ash.pcapng" doesn\'t follow the template'),
                            ("-o maf.nosuch:1", '-o flag "maf.nosuch:1" specifies unknown preference')):
            lines, complaints, status = lint("-j", "2", "-o", "maf.desegment:TRUE", *option.split(), self.noted,
                                             self.clean)
            self.assertEqual((lines, [line.startswith("maf-lint: ") for line in complaints].count(True), status),
                             ([], 1, 2))
            self.assertTrue(complaints[-1].startswith(f"maf-lint: error: {option}: {why}"), complaints)
            self.write("x.options", f"-o maf.desegment:TRUE {option}".encode())
            lines, complaints, status = lint(self.write("x.pcapng", self.clean.read_bytes()), self.clean)
            self.assertEqual((lines, len(complaints), status), (lint(self.clean)[0], 1, 2))
            self.assertTrue(complaints[0].startswith(f"maf-lint: {self.folder}/x.options: {option}: {why}"), complaints)
        self.assertEqual(lint("-d", "tcp.port=1080,socks", self.clean), lint(self.clean))
        lines, complaints, status = lint("-d", "tcp.port==9050,socks", self.folder / "none", self.clean)
        self.assertEqual((lines, len(complaints), status), (lint(self.clean)[0], 1, 2))

    def test_odd_names(self):
        for name, shown in (b"new\nline", "new\\nline"), (b"\xff", "\\udcff"), \
                           ("\x1b[31m\u202eü".encode(), "\\x1b[31m\\u202eü"):
            with self.subTest(shown=shown):
                path = os.path.join(os.fsencode(self.folder), name + b".pcapng")
                for octets, told in (self.noted.read_bytes(), 0), (b"no capture", 1):
                    with open(path, "wb") as file:
                        file.write(octets)
                    for argument in path, self.folder:
                        argument = os.fsdecode(argument)
                        records = lint(argument)
                        self.assertTrue(records[told])
                        for line in records[told]:
                            self.assertIn(f"{self.folder}/{shown}.pcapng:", line)
                        for line in lint("--json", argument)[0]:
                            self.assertEqual(os.fsencode(json.loads(line)["file"]), path)
                os.unlink(path)

    def test_options(self):
        octets = (SAMPLES / "revision-00/login-port-9050.pcapng").read_bytes()
        path = self.write("x.pcapng.gz", gzip.compress(octets))
        rule = "-d tcp.port==9050,socks"
        self.assertEqual(lint(path), ([], [], 0))
        by_hand = lint(*rule.split(), path)
        self.assertIn("127.0.0.1:9050", by_hand[0][0])
        self.write("x.options", (rule + "\n").encode())
        self.assertEqual(lint(path), by_hand)
        self.assertEqual(lint("-o", "maf.socks_methods:128", path), ([], [], 0))
        for forbidden in "-w /dev/null", "-o tls.debug_file:x", "-d":
            self.write("x.options", forbidden.encode())
            lines, complaints, status = lint(path)
            self.assertEqual((lines, len(complaints), status), ([], 1, 2))
            self.assertIn(forbidden, complaints[0])
        options = self.write("x.options", b"-o \xff")
        lines, complaints, status = lint(path)
        self.assertEqual((lines, len(complaints), status), ([], 1, 2))
        self.assertTrue(complaints[0].startswith(f"maf-lint: {options}: "), complaints)

    def test_unusable_among_good(self):
        (self.folder / "empty").mkdir()
        whole = self.clean.read_bytes()
        bad = [self.folder / "missing.pcap", self.write("text.pcap", b"not a capture\n"), self.folder / "empty",
               self.write("cut.pcapng", whole[:-10])]
        lines, complaints, status = lint(bad[0], self.noted, *bad[1:], self.clean)
        self.assertEqual([line.split(" ")[0] for line in complaints], ["maf-lint:"] * 4)
        self.assertEqual(sorted(line.split(":")[1].strip() for line in complaints), sorted(map(str, bad)))
        self.assertEqual([line for line in lines if str(bad[3]) not in line],
                         lint(self.noted)[0] + lint(self.clean)[0])
        self.assertEqual([line for line in lines if str(bad[3]) in line],
                         [line.replace(str(self.clean), str(bad[3])) for line in lint(self.clean)[0]])
        self.assertEqual(status, 2)

    def test_tshark_without_the_plugin(self):
        wrapper = self.write("tshark", f"#!/bin/sh\nexec '{TSHARK}' --without \"$@\"\n".encode())
        wrapper.chmod(0o755)
        for tshark, expected in (str(wrapper), "has no MAF plugin"), (str(self.folder / "none"), "no such program"):
            lines, complaints, status = lint(self.clean, self.clean, environment=dict(ENVIRONMENT, TSHARK=tshark))
            self.assertEqual((lines, status), ([], 2))
            self.assertIn(expected, complaints[-1])

    def test_what_the_system_refuses(self):
        """Is told in one line, and is no broken rule."""
        broken = self.write("tshark", b"\x7fELF")
        broken.chmod(0o755)
        for out, tshark, reason in (("/dev/full", ENVIRONMENT["TSHARK"], "No space left on device"),
                                    ("/dev/null", str(broken), f"{broken}: Exec format error")):
            with open(out, "wb") as stdout:
                done = subprocess.run([str(TOOLS / "maf-lint"), str(self.clean)], env=dict(ENVIRONMENT, TSHARK=tshark),
                                      stdout=stdout, stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.stderr.decode(), done.returncode), (f"maf-lint: {reason}\n", 2))

    def test_json(self):
        captures = [self.noted, SAMPLES / "revision-00/login-rounds.pcapng", SAMPLES / "revision-00/login-ipv6.pcapng"]
        text, _, status = lint(*captures)
        lines, complaints, status_json = lint("--json", *captures)
        self.assertEqual((complaints, status_json), ([], status))
        records = [json.loads(line) for line in lines]
        self.assertEqual(len(records), len(text))
        for record, line in zip(records, text):
            where = f"{record['file']}:{record['frame']}: "
            if record["type"] == "diagnosis":
                self.assertEqual(line, where + f"{record['severity']}: {record['expert']}: {record['message']}")
                keys = "type file frame stream time severity expert message"
            else:
                client, server = (f"[{side}]" if ":" in side else side for side in (record["client"], record["server"]))
                self.assertTrue(line.startswith(f"{where}session: {client}:{record['client_port']} to "
                                                f"{server}:{record['server_port']}, revision {record['revision']}, "
                                                f"{record['rounds']} round"), line)
                self.assertTrue(line.endswith(f", {record['outcome']}, {record['duration']:.6f} s"), line)
                self.assertEqual([method["id"] for method in record["methods"]], ["0x00000001"] * record["rounds"])
                self.assertIn(f"{record['methods'][0]['name']} (0x00000001)", line)
                keys = "type file frame stream start client client_port server server_port revision offered methods " \
                    "rounds result outcome duration"
            self.assertEqual(list(record), keys.split())
        self.assertEqual([record["type"] for record in records], ["session", "diagnosis", "session", "session"])

    def test_exported_pdus(self):
        exported = self.folder / "exported.pcapng"
        with exported.open("wb") as out:
            subprocess.run([ENVIRONMENT["TSHARK"], "-r", str(self.noted), "-U", "MAF", "-w", "-"], stdout=out, check=True)
        lines, complaints, status = lint("--json", exported)
        records = [json.loads(line) for line in lines]
        self.assertEqual([(record["type"], record["frame"]) for record in records], [("session", 1), ("diagnosis", 1)])
        self.assertEqual((records[1]["stream"], complaints, status), (None, [], 1))

    def test_jobs(self):
        names = ["revision-00/login", "revision-00/nmethods-1", "no-such", "violations/00/truncated", "sasl/composite-3", "no-maf/http"] * 3
        captures = [SAMPLES / f"{name}.pcapng" for name in names]
        for form in (), ("--json",):
            one = lint(*form, *captures)
            self.assertEqual((len(one[1]), one[2]), (3, 2))
            for jobs in "2", "7", "0":
                self.assertEqual(lint(*form, "-j", jobs, *captures), one)
        for wrong in "-1", "two":
            self.assertEqual(lint("-j", wrong, self.clean)[::2], ([], 2))

    def test_progress(self):
        """A line that is written over on a terminal, and nothing in a pipe."""
        captures = [str(self.clean), str(self.noted)]
        ours, theirs = pty.openpty()
        with subprocess.Popen([str(TOOLS / "maf-lint"), *captures], env=ENVIRONMENT, stdout=subprocess.PIPE,
                              stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            while not shown.endswith(b"2 of 2 captures: 2 sessions, 1 diagnoses\r\x1b[K"):
                shown += os.read(ours, 1000)
            lines = process.stdout.read().decode().splitlines()
            os.close(ours)
        self.assertEqual((lines, [], process.returncode), lint(*captures))
