# SPDX-License-Identifier: GPL-2.0-or-later
"""Honest sessions of which the capture lacks something, or has it late or twice: nobody is to blame."""
import pathlib
import subprocess
import tempfile
import unittest

from messages import (ACKNOWLEDGE, DO, FAILURE, GREETING, PROCESS, REPLY, REQUEST, REQUEST_MORE, SELECTION, SUCCESS, WHAT_NEXT, compact,
                      header, list_00, list_01, method_01, method_data_00, oem_01, process_01)
from packets import CLIENT, SERVER, Conversation, double, lose, late, write_pcap
from programs import TSHARK

TEST, PLAIN, MORE, NONE = compact(1), compact(0x101), compact(2), compact(2**32 - 1)
UUID = bytes.fromhex("2770736fc71045e98ae4af735a319ded")
IN_TUNNEL = [(CLIENT, b"GET / HTTP/1.0\r\n\r\n"), (SERVER, b"HTTP/1.0 200 OK\r\n\r\n")]
BEGIN, TUNNEL = [(CLIENT, GREETING), (SERVER, SELECTION)], [(CLIENT, REQUEST), (SERVER, REPLY), *IN_TUNNEL]

LOGIN_00 = [
    (CLIENT, list_00([TEST, PLAIN, MORE])),
    (SERVER, method_data_00(DO, TEST, b"abc")), (CLIENT, method_data_00(PROCESS, TEST, b"abc")),
    (CLIENT, header(WHAT_NEXT, 0)),
    (SERVER, header(REQUEST_MORE, 0)), (CLIENT, list_00([compact(0x10203)])),
    (SERVER, method_data_00(DO, PLAIN)), (CLIENT, method_data_00(PROCESS, PLAIN, b"\0alice\0secret")),
    (SERVER, method_data_00(PROCESS, PLAIN, b"ok")), (CLIENT, header(WHAT_NEXT, 0))]
LOGIN_01 = [
    (CLIENT, list_01((3, 4, TEST + PLAIN + MORE), (1, 16, UUID))),
    (SERVER, method_01(DO, UUID)), (CLIENT, process_01(UUID, b"\0alice\0secret")), (CLIENT, header(WHAT_NEXT, 1)),
    (SERVER, header(REQUEST_MORE, 1, 1)), (CLIENT, list_01((2, 4, TEST + PLAIN))),
    (SERVER, oem_01(compact(0x10000), b"hello")), (CLIENT, oem_01(NONE)),
    (SERVER, method_01(DO, TEST)), (SERVER, process_01(TEST, b"0123456789")),
    (CLIENT, process_01(TEST, b"0123456789")), (CLIENT, header(WHAT_NEXT, 1))]
ACKNOWLEDGES = [(CLIENT, header(ACKNOWLEDGE, 1)), (SERVER, header(ACKNOWLEDGE, 1))]
LOGINS = {
    "00": LOGIN_00 + [(SERVER, method_data_00(SUCCESS, compact(0)))] + TUNNEL,
    "00, refused": LOGIN_00 + [(SERVER, method_data_00(FAILURE, NONE))],
    "01": LOGIN_01 + [(SERVER, method_01(SUCCESS, compact(0)))] + ACKNOWLEDGES + TUNNEL,
    "01, refused": LOGIN_01 + [(SERVER, method_01(FAILURE, NONE))] + ACKNOWLEDGES,
}


def glued(story):
    """What a side says in a row in one segment."""
    said = []
    for side, octets in story:
        if said and said[-1][0] == side:
            said[-1] = side, said[-1][1] + octets
        else:
            said.append((side, octets))
    return said


STORIES = {}
for name, login in LOGINS.items():
    STORIES[name] = BEGIN + login
    STORIES[name + ", glued"] = glued(BEGIN + login)
    STORIES[name + ", early list"] = [(CLIENT, GREETING + login[0][1]), BEGIN[1], *login[1:]]


class Mishaps(unittest.TestCase):
    def check(self, mishaps, size=65000, options=()):
        """`mishaps` gives what a session's packets may become. Each of these is a connection of its own."""
        packets, names = [], {}
        for name, story in STORIES.items():
            count = len(self.packets(story, size, 1))
            for which in range(count):
                port = 2000 + len(names)
                packets_now = mishaps(self.packets(story, size, port), which)
                if packets_now is None:
                    break
                names[str(port)] = f"{name}, {which}"
                packets += packets_now
        with tempfile.TemporaryDirectory() as scratch:
            pathlib.Path(scratch).chmod(0o755)
            capture = pathlib.Path(scratch, "mishaps.pcapng")
            write_pcap(capture, packets)
            capture.chmod(0o644)
            for passes in (), ("-2",):
                told = subprocess.run([TSHARK, "-n", "-r", capture, *passes, *options, "-T", "fields",
                                       "-e", "tcp.port", "-e", "_ws.expert.message", "-Y", "maf && _ws.expert"],
                                      check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.splitlines()
                self.assertTrue(any("Authentication " in line for line in told))
                blamed = [f"{names[port]}: {said}" for ports, said in (line.split("\t") for line in told)
                          for port in ports.split(",") if port in names and "; expected" in said
                          and "expected the rest" not in said and "expected more of it" not in said]
                self.assertEqual(blamed, [])

    @staticmethod
    def packets(story, size, port):
        return Conversation(port, first=(1000 + port, 2**32 - 1000 - port), mss=size).open().say_all(story).close().packets

    def test_lost(self):
        for size in (65000, 11):
            self.check(lose, size)

    def test_late(self):
        self.check(late)
        self.check(late, options=("-o", "tcp.reassemble_out_of_order:TRUE"))

    def test_twice(self):
        self.check(lambda packets, n: double(packets, n, 3))

    def test_one_direction(self):
        self.check(lambda packets, side: [packet for packet in packets if packet.side == side] if side < 2 else None)

    def test_begun_before_the_capture(self):
        self.check(lambda packets, n: packets[n:])
