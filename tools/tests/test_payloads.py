# SPDX-License-Identifier: GPL-2.0-or-later
"""DATA that the pair never sends: what the dissector says of them, in one pass and in two."""
import pathlib
import re
import subprocess
import tempfile
import unittest

from messages import DO, PROCESS, WHAT_NEXT, compact, header, list_00, method_data_00, selected
from packets import CLIENT, SERVER, write_pcap
from programs import TSHARK



class Payloads(unittest.TestCase):
    def tshark(self, packets, *options):
        with tempfile.TemporaryDirectory() as scratch:
            pathlib.Path(scratch).chmod(0o755)
            capture = pathlib.Path(scratch, "payloads.pcapng")
            write_pcap(capture, packets)
            capture.chmod(0o644)
            once, twice = (subprocess.run([TSHARK, "-n", "-r", capture, "-Y", "maf", *passes, *options],
                                          check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
                           for passes in ((), ("-2",)))
        self.assertEqual(once, twice)
        self.assertTrue(once.strip(), "no MAF in it")
        return once


class InternalTest(Payloads):
    """The client is to return what the server sent; of several, nobody knows which."""
    METHOD = compact(1)

    def returned(self, *said):
        """What is said of the client's answers; the same if each frame has a segment of its own."""
        glued, apart = (selected(port).say(CLIENT, list_00([self.METHOD])) for port in (40000, 40001))
        for side, *frames in [*said, (CLIENT, header(WHAT_NEXT, 0))]:
            glued.say(side, b"".join(frames))
            for frame in frames:
                apart.say(side, frame)
        told = [re.findall("returned [a-z]+", self.tshark(connection.packets)) for connection in (glued, apart)]
        self.assertEqual(*told)
        return told[0]

    def do(self, data):
        return method_data_00(DO, self.METHOD, data)

    def process(self, data):
        return method_data_00(PROCESS, self.METHOD, data)

    def test_one(self):
        self.assertEqual(self.returned((SERVER, self.do(b"abc")), (CLIENT, self.process(b"abc"))), ["returned unchanged"])
        self.assertEqual(self.returned((SERVER, self.do(b"abc")), (CLIENT, self.process(b"abd"))), ["returned changed"])

    def test_two_at_once(self):
        self.assertEqual(self.returned((SERVER, self.do(b"abc"), self.process(b"xyz")),
                                       (CLIENT, self.process(b"abc"), self.process(b"xyz"))), [])

    def test_two_in_turn(self):
        self.assertEqual(self.returned((SERVER, self.do(b"abc")), (CLIENT, self.process(b"abc")),
                                       (SERVER, self.process(b"xyz")), (CLIENT, self.process(b"xyz"))), ["returned unchanged"])

    def test_two_rounds_at_once(self):
        self.assertEqual(self.returned((SERVER, self.do(b"abc")),
                                       (CLIENT, self.process(b"abc"), header(WHAT_NEXT, 0)),
                                       (SERVER, self.do(b"xyz"), self.process(b"")),
                                       (CLIENT, self.process(b"xyz"))), ["returned unchanged"] * 2)


class Scram(Payloads):
    """SCRAM-SHA-256: the server's first message."""
    METHOD = compact(0x103)

    def of_iterations(self, text):
        """What `i=` is shown as: iterations, other attributes."""
        connection = selected(40000).say(CLIENT, list_00([self.METHOD]))
        for side, frame in ((SERVER, method_data_00(DO, self.METHOD)),
                            (CLIENT, method_data_00(PROCESS, self.METHOD, b"n,,n=u,r=abc")),
                            (SERVER, method_data_00(PROCESS, self.METHOD, b"r=abcdef,s=QQ==,i=" + text))):
            connection.say(side, frame)
        fields = ["-T", "fields", "-e", "maf.sasl.scram.iterations", "-e", "maf.sasl.scram.other"]
        return tuple(self.tshark(connection.packets, *fields).splitlines()[-1].split("\t"))

    def test_iterations(self):
        for number in ("1", "4096", "4294967295"):
            self.assertEqual(self.of_iterations(number.encode()), (number, ""))

    def test_iterations_that_are_no_number(self):
        for text in ("4294967296", "4294971392", "99999999999999999999", "-1", "+1", "abc", "4096x", ""):
            self.assertEqual(self.of_iterations(text.encode()), ("", f"i={text}"))
