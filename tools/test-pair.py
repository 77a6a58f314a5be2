#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference pair over real sockets: with each other, and each against a peer that this file plays.

usage: test-pair.py MAF-SERVER MAF-CLIENT [unittest arguments]
"""

import base64
import contextlib
import hashlib
import hmac
import mmap
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

for variable in ("MAF_USER", "MAF_PASSWORD"):
    os.environ.pop(variable, None)

SERVER, CLIENT = None, None
PATIENCE = 30

GREETING = bytes.fromhex("050108")
LIST = bytes.fromhex("01000000" "00000001" "00000001")
DO_HELLO = bytes.fromhex("03000000" "00000001" "00000005") + b"hello"
PROCESS_HELLO = bytes.fromhex("05000000" "00000001" "00000005") + b"hello"
WHAT_NEXT = bytes.fromhex("04000000")
SUCCESS = bytes.fromhex("00000000" "00000000" "00000000")
FAILURE = bytes.fromhex("FF000000" "FFFFFFFF" "00000000")
DO_FAILURE = bytes.fromhex("03000000" "FFFFFFFF" "00000000")
ACKNOWLEDGE = bytes.fromhex("06000000")
REPLY_OK = bytes.fromhex("0500000100000000" "0000")


def have_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Listener:
    """Accepts on a loopback address and runs `serve` for each connection in a thread of its own."""

    def __init__(self, serve, host="127.0.0.1"):
        self.serve = serve
        self.socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                                           backlog=128)
        self.port = self.socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(peer,), daemon=True).start()

    def run(self, peer):
        peer.settimeout(PATIENCE)
        with peer, contextlib.suppress(OSError):
            self.serve(peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def wait_until_heard(heard, count=1):
    """What a Listener's thread keeps of a connection, it keeps some time after the other end is done."""
    deadline = time.monotonic() + PATIENCE
    while len(heard) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def echo(peer):
    """Returns what it gets until the end of it."""
    while data := peer.recv(65536):
        peer.sendall(data)


def count_then_answer(peer):
    """Answers only once the peer has said everything: a half-close that got lost would hang here."""
    total = 0
    while data := peer.recv(65536):
        total += len(data)
    peer.sendall(b"%d" % total)


def receive(peer, count):
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise EOFError(f"{len(data)} of {count} octets")
        data += more
    return data


def receive_until_end(peer):
    """All octets, and whether they end in a reset."""
    data = b""
    try:
        while more := peer.recv(65536):
            data += more
    except ConnectionResetError:
        return data, True
    return data, False


def receive_all(peer):
    data = b""
    while more := peer.recv(65536):
        data += more
    return data


class Proxy:
    """A running maf-server."""

    def __init__(self, *options):
        self.process = subprocess.Popen([SERVER, "--port", "0", *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), (line, self.process.poll())
        self.address = line.split()[-1]
        host, _, port = self.address.rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)
        self.lines = []
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()

    def read_lines(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connect(self):
        peer = socket.create_connection((self.host, self.port), timeout=PATIENCE)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def authenticated(self):
        peer = self.connect()
        peer.sendall(GREETING + LIST + PROCESS_HELLO + WHAT_NEXT)
        expected = b"\x05\x08" + DO_HELLO + SUCCESS
        assert receive(peer, len(expected)) == expected
        return peer

    def wait_line(self, words):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.lines:
                if words in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"no line with {words!r} in {self.lines}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        assert status == 0, f"maf-server ended with {status}: {self.lines}"


def run_client(proxy, target, *options, data=b"", timeout=PATIENCE):
    address = proxy if isinstance(proxy, str) else proxy.address
    return subprocess.run([CLIENT, "--server", address, *options, target], input=data, capture_output=True,
                          timeout=timeout)


def binary(count):
    return random.Random(count).randbytes(count)


class PairTest(unittest.TestCase):
    def check_tunnel_outlives(self, *limit):
        """A tunnel goes on after a time that is shorter for whoever has not logged in."""
        with Proxy(*limit) as proxy, Listener(echo) as target, proxy.authenticated() as peer:
            peer.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack("!H", target.port))
            receive(peer, 10)
            time.sleep(2.5)
            peer.sendall(b"still here")
            self.assertEqual(receive(peer, 10), b"still here")

    def check_echo(self, proxy, target, *options, data=b"\0\r\n\xff\x04 octets", timeout=PATIENCE):
        result = run_client(proxy, target, *options, data=data, timeout=timeout)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertTrue(result.stdout == data, f"{len(result.stdout)} octets came back of {len(data)}")

    def check_refusal(self, result, status, words):
        self.assertEqual(result.returncode, status, result)
        self.assertEqual(result.stdout, b"")
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith(b"maf-client: "), result.stderr)
        self.assertIn(words, result.stderr)


class Together(PairTest):
    """maf-client through maf-server."""

    def test_ipv4(self):
        with Proxy() as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)

    def test_domain(self):
        with Proxy("--verbose") as proxy, Listener(echo) as target:
            self.check_echo(proxy, f"localhost:{target.port}")
            proxy.wait_line(f"connecting to localhost:{target.port}")

    @unittest.skipUnless(have_ipv6(), "no IPv6 loopback")
    def test_ipv6(self):
        with Proxy("--listen", "::1") as proxy, Listener(echo, "::1") as target:
            self.assertTrue(proxy.address.startswith("[::1]:"))
            self.check_echo(proxy, target.address)

    def test_one_octet_at_a_time(self):
        with Proxy("--write-size", "1") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, "--write-size", "1")

    def test_glued(self):
        with Proxy("--glue") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, "--glue")

    def test_255_methods(self):
        with Proxy("--verbose") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, "--offer", "00010000-000100FD,00000001")
            proxy.wait_line("received Sub-methods supported: 255")

    def test_methods_in_blocks(self):
        with Proxy("--verbose") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, "--offer", "00010000-00010200,00000001")
            proxy.wait_line("sent Request additional sub-methods")

    def test_too_many_blocks(self):
        with Proxy() as proxy:
            result = run_client(proxy, "127.0.0.1:9", "--offer", "00010000-0001FFFF")
            self.check_refusal(result, 1, b"authentication refused")
            proxy.wait_line("refused: no acceptable sub-method in the most lists")

    def test_one_octet_nmethods(self):
        with Proxy() as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, "--nmethods-width", "1")

    def test_private_socks_method(self):
        with Proxy("--socks-method", "0x80") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, "--socks-method", "0x80")
            self.check_echo(proxy, target.address, "--socks-method", "8,128")
            self.check_echo(proxy, target.address, "--socks-method", "8", "--socks-method", "128")
            self.check_refusal(run_client(proxy, target.address), 1, b"accepts no METHOD")

    def test_rounds_and_data(self):
        with Proxy("--rounds", "3", "--test-data", "", "--verbose") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)
            proxy.wait_line("closed")
            self.assertEqual(sum("sent Do: X'00000001' (0 octets)" in line for line in proxy.lines), 3)

    def test_no_maf(self):
        with Proxy("--allow-none") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, "--no-maf")
            self.check_echo(proxy, target.address)
        with Proxy() as proxy:
            self.check_refusal(run_client(proxy, "127.0.0.1:9", "--no-maf"), 1, b"accepts no METHOD")
            proxy.wait_line("refused: METHOD 08")

    def test_nothing_acceptable(self):
        with Proxy() as proxy:
            self.check_refusal(run_client(proxy, "127.0.0.1:9", "--offer", "00010000"), 1, b"no sub-method offered")
            proxy.wait_line("refused: no sub-method offered")

    def test_refused_target(self):
        with Proxy() as proxy:
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                result = run_client(proxy, f"127.0.0.1:{unused.getsockname()[1]}")
            self.check_refusal(result, 4, b"reply 05 (connection refused)")

    def test_unknown_domain(self):
        with Proxy() as proxy:
            self.check_refusal(run_client(proxy, "no-such-host.invalid:80"), 4, b"reply 04 (host unreachable)")

    def test_half_close(self):
        with Proxy() as proxy, Listener(count_then_answer) as target:
            result = run_client(proxy, target.address, data=binary(100000))
            self.assertEqual((result.returncode, result.stdout), (0, b"100000"))

    def test_target_speaks_first_and_closes(self):
        data = binary(300000)
        with Proxy() as proxy, Listener(lambda peer: peer.sendall(data)) as target:
            result = run_client(proxy, target.address)
            self.assertEqual(result.returncode, 0)
            self.assertTrue(result.stdout == data)

    def test_target_ends_first_but_listens_on(self):
        heard = []

        def serve(peer):
            peer.shutdown(socket.SHUT_WR)
            heard.append(len(receive_all(peer)))

        with Proxy() as proxy, Listener(serve) as target:
            result = run_client(proxy, target.address, data=binary(2000000))
            self.assertEqual((result.returncode, result.stdout), (0, b""))
            wait_until_heard(heard)
            self.assertEqual(heard, [2000000])

    def test_large_both_ways(self):
        with Proxy() as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, data=binary(10 * 1024 * 1024), timeout=120)

    def test_input_goes_on_while_output_is_full(self):
        """A caller that writes everything before it reads, and a target that floods before."""
        flood, data = binary(500000), binary(1000000)

        def serve(peer):
            peer.sendall(flood[:1000])
            time.sleep(0.2)
            flooding = threading.Thread(target=peer.sendall, args=(flood[1000:],), daemon=True)
            flooding.start()
            total = len(receive_all(peer))
            flooding.join()
            peer.sendall(b"%d" % total)

        with Proxy() as proxy, Listener(serve) as target:
            client = subprocess.Popen([CLIENT, "--server", proxy.address, target.address], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
            guard = threading.Timer(PATIENCE, client.kill)
            guard.start()
            time.sleep(1)  # until the flood has filled the client's output
            client.stdin.write(data)
            client.stdin.close()
            output = client.stdout.read()
            client.stdout.close()
            self.assertEqual(client.wait(PATIENCE), 0)
            guard.cancel()
            self.assertTrue(output == flood + b"1000000", len(output))

    def test_like_ssh(self):
        """Both ends take turns in lines and packets, with a pipe that stays open: nothing may be held back."""
        with Proxy() as proxy, Listener(echo) as target:
            client = subprocess.Popen([CLIENT, "--server", proxy.address, target.address], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
            guard = threading.Timer(PATIENCE, client.kill)
            guard.start()
            for packet in [b"SSH-2.0-x\r\n", *(binary(count) for count in range(1, 3000, 97))]:
                client.stdin.write(packet)
                client.stdin.flush()
                self.assertEqual(client.stdout.read(len(packet)), packet)
            client.stdin.close()
            self.assertEqual(client.stdout.read(), b"")
            client.stdout.close()
            self.assertEqual(client.wait(PATIENCE), 0)
            guard.cancel()

    def test_reset_is_not_an_end(self):
        """A target that resets must not look like one that has said everything."""
        def serve(peer):
            peer.sendall(b"part")
            peer.recv(4)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with Proxy() as proxy, Listener(serve) as target:
            result = run_client(proxy, target.address, data=b"more than four octets")
            self.assertEqual(result.returncode, 4, result)

    def test_50_at_once(self):
        data = binary(200000)
        with Proxy() as proxy, Listener(echo) as target:
            before = proxy.descriptors()
            clients = [subprocess.Popen([CLIENT, "--server", proxy.address, target.address], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE) for _ in range(50)]
            results = [None] * len(clients)

            def talk(i):
                results[i] = clients[i].communicate(data, timeout=120)[0] == data

            threads = [threading.Thread(target=talk, args=(i,)) for i in range(len(clients))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            self.assertTrue(all(results), results)
            self.assertTrue(all(client.returncode == 0 for client in clients))
            deadline = time.monotonic() + PATIENCE
            while proxy.descriptors() > before and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertLessEqual(proxy.descriptors(), before)

    def test_more_clients_than_descriptors(self):
        with Listener(echo) as target:
            command = f'ulimit -n 60; exec "{SERVER}" --port 0'
            process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            address = process.stdout.readline().split()[-1]
            clients = [subprocess.Popen([CLIENT, "--server", address, target.address], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE) for _ in range(40)]
            outputs = [client.communicate(b"x", timeout=PATIENCE)[0] for client in clients]
            process.terminate()
            errors = process.communicate(timeout=PATIENCE)[1]
            self.assertEqual(outputs, [b"x"] * len(clients))
            self.assertEqual(errors, "")


class ServerAgainstOthers(PairTest):
    """maf-server against clients that this file plays."""

    def request(self, octets):
        with Proxy() as proxy, proxy.authenticated() as peer:
            peer.sendall(octets)
            return receive_all(peer)

    def test_commands_not_supported(self):
        for command in b"\x02\x03\x00\x09":
            reply = self.request(b"\x05%c\x00\x01\x7f\x00\x00\x01\x00\x50" % command)
            self.assertEqual(reply, bytes.fromhex("05070001000000000000"))

    def test_address_type_not_supported(self):
        self.assertEqual(self.request(b"\x05\x01\x00\x02\x7f\x00\x00\x01"), bytes.fromhex("05080001000000000000"))

    def test_name_with_control_characters(self):
        with Proxy() as proxy, proxy.authenticated() as peer:
            peer.sendall(b"\x05\x01\x00\x03\x04a\x1bb\x00\x00\x50")
            self.assertEqual(receive_all(peer)[:2], b"\x05\x04")
            proxy.wait_line("the domain name has octets that no name has")

    def test_bound_address_in_the_reply(self):
        with Proxy() as proxy, Listener(lambda peer: peer.sendall(b"%d" % peer.getpeername()[1])) as target:
            with proxy.authenticated() as peer:
                peer.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack("!H", target.port))
                reply = receive(peer, 10)
                self.assertEqual(reply[:8], bytes.fromhex("050000017f000001"))
                self.assertEqual(receive_all(peer), b"%d" % struct.unpack("!H", reply[8:])[0])

    def test_everything_at_once(self):
        """Octets for the target that came with the request are not lost."""
        with Proxy() as proxy, Listener(echo) as target, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + PROCESS_HELLO + WHAT_NEXT + b"\x05\x01\x00\x01\x7f\x00\x00\x01" +
                         struct.pack("!H", target.port) + b"early")
            expected = b"\x05\x08" + DO_HELLO + SUCCESS
            self.assertEqual(receive(peer, len(expected)), expected)
            self.assertEqual(receive(peer, 10)[:2], b"\x05\x00")
            self.assertEqual(receive(peer, 5), b"early")

    def test_acknowledge_is_acknowledged(self):
        with Proxy() as proxy, proxy.authenticated() as peer:
            peer.sendall(ACKNOWLEDGE + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50")
            self.assertEqual(receive_all(peer)[:6], ACKNOWLEDGE + b"\x05\x07")

    def test_glue(self):
        for options, first in (((), b"\x05\x08"), (("--glue",), b"\x05\x08" + DO_HELLO)):
            with Proxy(*options, "--write-size", "0") as proxy, proxy.connect() as peer:
                peer.sendall(GREETING + LIST)
                got = peer.recv(100)
                if options:
                    self.assertEqual(got, first)
                else:
                    self.assertTrue(got.startswith(first))

    def test_write_size(self):
        with Proxy("--write-size", "1") as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST)
            pieces = []
            while sum(map(len, pieces)) < 2 + len(DO_HELLO):
                pieces.append(peer.recv(100))
            self.assertGreater(len(pieces), 8, pieces)

    def test_failed_echo(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + PROCESS_HELLO.replace(b"hello", b"HELLO") + WHAT_NEXT)
            self.assertEqual(receive_all(peer), b"\x05\x08" + DO_HELLO + FAILURE)
            proxy.wait_line("refused: the sub-method did not succeed")

    def test_what_next_without_process(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + WHAT_NEXT)
            self.assertEqual(receive_all(peer), b"\x05\x08" + DO_HELLO + FAILURE)

    def test_nothing_acceptable(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST[:-1] + b"\x09")
            self.assertEqual(receive_all(peer), b"\x05\x08" + DO_FAILURE)

    def test_the_last_word_arrives(self):
        """Octets that the server never reads must not make the kernel reset what it said last."""
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST[:-1] + b"\x09" + bytes(100000))
            time.sleep(0.3)
            self.assertEqual(receive_all(peer), b"\x05\x08" + DO_FAILURE)

    def test_misbehaviour_ends_one_connection_alone(self):
        long_data = bytes.fromhex("05000000" "00000001" "00100001")
        wrapping = bytes.fromhex("05000000" "00000001" "FFFFFFFF")
        cases = [
            (b"GET / HTTP/1.0\r\n\r\n", "expected a SOCKS 5 greeting: VER is 47, not 05"),
            (b"\x05\x00", "expected a SOCKS 5 greeting: NMETHODS is 0"),
            (b"\x05", "expected a SOCKS 5 greeting: the peer closed the connection inside a message"),
            (b"", "expected a SOCKS 5 greeting: the peer closed the connection"),
            (GREETING + b"\x1b[31mred", "expected a list of MAF sub-methods: VER is 5B, neither 00 nor 01 (INSTR 1B)"),
            (GREETING + b"\x08\x00", "expected a list of MAF sub-methods: INSTR is 08"),
            (GREETING + b"\x01\x00\x00\x00\x00\x00\x01\x00", "expected a list of MAF sub-methods: NMETHODS is 256"),
            (GREETING + b"\x01\x00\x00\x00\x00\x00\x00\x00", "expected a list of MAF sub-methods: NMETHODS is 0"),
            (GREETING + WHAT_NEXT, "expected a list of MAF sub-methods: got What next?"),
            (GREETING + LIST[:5], "expected a list of MAF sub-methods: the peer closed the connection inside"),
            (GREETING + LIST + LIST, "expected Process or What next?: got Sub-methods supported"),
            (GREETING + LIST + long_data, "expected Process or What next?: LEN is 1048577"),
            (GREETING + LIST + wrapping, "expected Process or What next?: LEN is 4294967295"),
            (GREETING + LIST + PROCESS_HELLO * 2, "expected Process or What next?: got Process after"),
            (GREETING + LIST + PROCESS_HELLO.replace(b"\x01", b"\x09"), "got Process for METHOD X'00000009'"),
            (GREETING + LIST + PROCESS_HELLO + WHAT_NEXT + b"\x04\x01", "expected a SOCKS 5 request: VER is 04"),
            (GREETING + LIST + PROCESS_HELLO + WHAT_NEXT + ACKNOWLEDGE * 2, "expected a SOCKS 5 request: VER is 06"),
        ]
        with Proxy() as proxy, Listener(echo) as target:
            before = proxy.descriptors()
            for octets, words in cases:
                with self.subTest(words), proxy.connect() as peer:
                    peer.sendall(octets)
                    peer.shutdown(socket.SHUT_WR)
                    receive_all(peer)
                    host, port = peer.getsockname()
                    line = proxy.wait_line(f"maf-server: {host}:{port}: ")
                    self.assertIn(words, line)
                    self.assertTrue(line.isprintable())
            self.check_echo(proxy, target.address)
            deadline = time.monotonic() + PATIENCE
            while proxy.descriptors() > before and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertLessEqual(proxy.descriptors(), before)
            self.assertEqual(len(proxy.lines), len(cases))

    def test_random_octets(self):
        chance = random.Random(5)
        starts = [b"", GREETING, GREETING + LIST, GREETING + LIST + PROCESS_HELLO + WHAT_NEXT]
        with Proxy() as proxy, Listener(echo) as target:
            for i in range(200):
                with proxy.connect() as peer, contextlib.suppress(ConnectionError):
                    peer.sendall(starts[i % 4] + chance.randbytes(chance.randrange(100)))
                    if i % 3:
                        peer.shutdown(socket.SHUT_WR)
                        receive_all(peer)
            self.check_echo(proxy, target.address)

    def test_timeout(self):
        for octets, state in ((b"", "a SOCKS 5 greeting"), (GREETING + LIST[:6], "a list of MAF sub-methods"),
                              (GREETING + LIST, "Process or What next?")):
            with Proxy("--timeout", "1") as proxy, proxy.connect() as peer:
                peer.sendall(octets)
                start = time.monotonic()
                receive_all(peer)
                self.assertLess(time.monotonic() - start, 10)
                proxy.wait_line(f"expected {state}: nothing within 1 s")

    def test_a_tunnel_outlives_the_timeout(self):
        self.check_tunnel_outlives("--timeout", "1")

    def test_clients_that_vanish(self):
        with Proxy() as proxy, Listener(echo) as target:
            for octets in (b"", GREETING, GREETING + LIST):
                peer = proxy.connect()
                peer.sendall(octets)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
            self.check_echo(proxy, target.address)


class ClientAgainstOthers(PairTest):
    """maf-client against servers that this file plays."""

    def against(self, *turns, options=(), data=b""):
        """A server that, turn by turn, awaits so many octets and answers; all it heard, and the client's result."""
        heard = []

        def serve(peer):
            for expected, answer in turns:
                heard.append(receive(peer, len(expected)))
                peer.sendall(answer)
            with contextlib.suppress(OSError):
                receive_all(peer)

        with Listener(serve) as proxy:
            result = run_client(proxy.address, "127.0.0.1:9", *options, data=data)
            wait_until_heard(heard, len(turns))
        self.assertEqual(heard, [expected for expected, _ in turns])
        return result

    def test_login_octet_for_octet(self):
        request = bytes.fromhex("050100017f0000010009")
        result = self.against((GREETING, b"\x05\x08"), (LIST, DO_HELLO), (PROCESS_HELLO + WHAT_NEXT, SUCCESS),
                              (request, REPLY_OK + b"welcome"), (b"bye", b""), data=b"bye")
        self.assertEqual((result.returncode, result.stdout), (0, b"welcome"), result)

    def test_more_methods(self):
        offer = ("--offer", "00010000-000100FE,00000001", "--nmethods-width", "1")
        first = bytes.fromhex("01000000FF") + b"".join(struct.pack("!I", 0x10000 + i) for i in range(254)) + \
            bytes.fromhex("00000002")
        rest = bytes.fromhex("0100000002" "000100FE" "00000001")
        self.check_refusal(self.against((GREETING, b"\x05\x08"), (first, b"\x02\0\0\0"), (rest, FAILURE),
                                        options=offer), 1, b"Failure")
        self.check_refusal(self.against((GREETING, b"\x05\x08"), (first, b"\x02\0\0\1"), (first, FAILURE),
                                        options=offer), 1, b"Failure")
        self.check_refusal(self.against((GREETING, b"\x05\x08"), (LIST, b"\x02\0\0\0")), 3, b"no more were available")

    def test_method_it_cannot_run(self):
        offer = LIST[:-4] + bytes.fromhex("00010000")
        result = self.against((GREETING, b"\x05\x08"), (offer, DO_FAILURE.replace(b"\xff" * 4, b"\0\1\0\0")),
                              (WHAT_NEXT, FAILURE), options=("--offer", "00010000"))
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"cannot run it", result.stderr)

    def test_refusals(self):
        for octets in (FAILURE, DO_FAILURE):
            self.check_refusal(self.against((GREETING, b"\x05\x08"), (LIST, octets)), 1, b"authentication refused")
        self.check_refusal(self.against((GREETING, b"\x05\xff")), 1, b"authentication refused")

    def test_violations(self):
        cases = [
            (b"HTTP/1.1 400 Bad Request\r\n", b"VER is 48, not 05"),
            (b"\x1b[31mred", b"VER is 1B, not 05"),
            (b"\x05\x00", b"got METHOD 00, which was not offered"),
            (b"\x05\x08" + DO_HELLO.replace(b"\x01", b"\x09"), b"METHOD X'00000009', which was not offered"),
            (b"\x05\x08" + LIST, b"got Sub-methods supported"),
            (b"\x05\x08" + WHAT_NEXT, b"got What next?"),
            (b"\x05\x08" + PROCESS_HELLO, b"got Process"),
            (b"\x05\x08" + DO_HELLO[:8] + b"\xff" * 4, b"LEN is 4294967295"),
            (b"\x05\x08" + b"\x00\x00\x00\x00" + b"\xff" * 4 + b"\0" * 4, b"METHOD is not SUCCESS"),
            (b"\x05\x08" + SUCCESS + b"\x04\x00", b"expected a SOCKS 5 reply: VER is 04"),
            (b"\x05\x08" + SUCCESS + b"\x05\x00\x00\x02", b"ATYP is 02"),
        ]
        for octets, words in cases:
            with self.subTest(words):
                result = self.against((GREETING, octets))
                self.check_refusal(result, 3, words)
                self.assertTrue(result.stderr.decode().rstrip("\n").isprintable())

    def test_server_that_hangs_up(self):
        with Listener(lambda peer: receive(peer, 3)) as proxy:
            result = run_client(proxy.address, "127.0.0.1:9")
        self.check_refusal(result, 3, b"expected a METHOD selection: the peer closed the connection")

    def test_server_that_resets(self):
        def serve(peer):
            receive(peer, 3)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with Listener(serve) as proxy:
            result = run_client(proxy.address, "127.0.0.1:9")
        self.check_refusal(result, 4, b"onnection reset by peer")

    def test_timeout(self):
        self.check_refusal(self.against((GREETING, b"\x05"), options=("--timeout", "1")), 4, b"nothing within 1 s")

    def test_no_server(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            result = run_client(f"127.0.0.1:{unused.getsockname()[1]}", "127.0.0.1:9")
        self.check_refusal(result, 4, b"cannot reach the proxy")

    def test_glue(self):
        heard = []

        def serve(peer):
            heard.append(peer.recv(1000))
            peer.sendall(b"\x05\x08" + DO_HELLO)
            heard.append(peer.recv(1000))

        with Listener(serve) as proxy:
            run_client(proxy.address, "127.0.0.1:9", "--glue")
        self.assertEqual(heard, [GREETING + LIST, PROCESS_HELLO + WHAT_NEXT])

    def test_request_for_each_kind_of_target(self):
        for target, octets in (("192.0.2.1:80", "01c00002010050"), ("[2001:db8::1]:80", "04" "20010db8" + "00" * 11 + "010050"),
                               ("example.org:80", "030b" + b"example.org".hex() + "0050")):
            heard = []

            def serve(peer):
                receive(peer, len(GREETING + LIST))
                peer.sendall(b"\x05\x08" + SUCCESS)
                heard.append(receive(peer, 3 + len(octets) // 2))

            with Listener(serve) as proxy:
                run_client(proxy.address, target, "--glue")
            self.assertEqual(heard, [bytes.fromhex("050100" + octets)])


def list_of(*methods, count=None):
    return struct.pack(f"!II{len(methods)}I", 0x01000000, len(methods) if count is None else count, *methods)


def edited(octets, offset, replacement):
    return octets[:offset] + replacement + octets[offset + len(replacement):]


REQUEST_TO_9 = bytes.fromhex("050100017f0000010009")
REQUEST_MORE = bytes.fromhex("02000000")
SUCCESS_TO_FAILURE = edited(SUCCESS, 0, b"\xff")
UNHEARD_OF = bytes.fromhex("7FFFFFFF")
MORE_ON_OFFER = ("--offer", "00010000-000100FF,00000001")
LIST_WITH_MORE = list_of(*range(0x10000, 0x100FE), 2)
ROUND = PROCESS_HELLO + WHAT_NEXT

# name: the client's exit status with maf-server, what it says between its greeting and its request,
# or to its end; its options
CLIENT_FAULTS = {
    "version-list": (3, edited(LIST, 1, b"\2") + ROUND),
    "version-what-next": (3, LIST + PROCESS_HELLO + edited(WHAT_NEXT, 1, b"\2")),
    "flags-process": (0, LIST + edited(PROCESS_HELLO, 3, b"\1") + WHAT_NEXT),
    "flags-what-next": (0, LIST + PROCESS_HELLO + edited(WHAT_NEXT, 3, b"\1")),
    "instr-unknown": (3, LIST + PROCESS_HELLO + b"\x08\0\0\0" + WHAT_NEXT),
    "instr-oem": (3, LIST + PROCESS_HELLO + bytes.fromhex("07000000" "00000004" "00000001" "00000000") + WHAT_NEXT),
    "direction-do": (3, LIST + PROCESS_HELLO + bytes.fromhex("03000000" "00000001" "00000000") + WHAT_NEXT),
    "direction-success": (3, LIST + bytes.fromhex("00000000" "00000000" "00000000") + PROCESS_HELLO + WHAT_NEXT),
    "sequence-process": (3, bytes.fromhex("05000000" "00000001" "00000000") + LIST + ROUND),
    "sequence-what-next": (1, LIST + WHAT_NEXT + ROUND),
    "sequence-request": (4, LIST + ROUND + bytes.fromhex("050100017f0000010001")),
    "nmethods-0": (3, list_of() + ROUND),
    "nmethods-256": (3, list_of(1, *range(0x10001, 0x10100)) + ROUND),
    "nmethods-width": (0, LIST[:4] + b"\1" + LIST[8:] + ROUND),
    "duplicate-offer": (0, list_of(1, 1) + ROUND),
    "duplicate-offer-later": (0, LIST_WITH_MORE + list_of(0x10000, 0x100FE, 0x100FF, 1) + ROUND, *MORE_ON_OFFER),
    "reserved-offer-success": (0, list_of(0, 1) + ROUND),
    "reserved-offer-failure": (0, list_of(0xFFFFFFFF, 1) + ROUND),
    "more-not-last": (0, list_of(2, 1) + ROUND),
    "method-mismatch": (3, LIST + edited(PROCESS_HELLO, 4, UNHEARD_OF) + WHAT_NEXT),
    "length-max": (3, LIST + edited(PROCESS_HELLO, 8, b"\xff" * 4) + WHAT_NEXT),
    "length-limit": (3, LIST + edited(PROCESS_HELLO, 8, struct.pack("!I", 1024 * 1024 + 1)) + WHAT_NEXT),
    "truncated-fin": (4, LIST + PROCESS_HELLO[:8]),
    "truncated-rst": (4, LIST + PROCESS_HELLO[:8]),
    "truncated-list": (4, LIST[:6]),
    "after-end-what-next": (3, LIST + ROUND + WHAT_NEXT),
    "wrong-answer": (1, LIST + edited(PROCESS_HELLO, 11, b"\6") + b"!" + WHAT_NEXT),
}

# name: maf-client's exit status with the server, what a client that does not mind says after its greeting,
# what the server says after its selection; maf-client's options
SERVER_FAULTS = {
    "version-do": (3, LIST + ROUND, edited(DO_HELLO, 1, b"\2") + SUCCESS),
    "flags-do": (0, LIST + ROUND, edited(DO_HELLO, 2, b"\x80") + SUCCESS),
    "flags-request-more": (0, LIST_WITH_MORE + LIST + ROUND, edited(REQUEST_MORE, 3, b"\2") + DO_HELLO + SUCCESS,
                           *MORE_ON_OFFER),
    "instr-unknown": (3, LIST + ROUND, DO_HELLO + b"\x08\0\0\0" + SUCCESS),
    "direction-what-next": (3, LIST + ROUND, WHAT_NEXT + DO_HELLO + SUCCESS),
    "sequence-process": (3, LIST + ROUND, bytes.fromhex("05000000" "00000001" "00000000") + DO_HELLO + SUCCESS),
    "sequence-success": (4, LIST, DO_HELLO + SUCCESS),
    "not-offered": (3, LIST + WHAT_NEXT, edited(DO_HELLO, 4, UNHEARD_OF) + FAILURE),
    "not-a-method-success": (3, LIST + WHAT_NEXT, edited(DO_HELLO, 4, bytes(4)) + FAILURE),
    "not-a-method-more": (3, LIST + WHAT_NEXT, edited(DO_HELLO, 7, b"\2") + FAILURE),
    "result-mismatch-success": (3, LIST + ROUND, DO_HELLO + edited(SUCCESS, 7, b"\1")),
    "result-mismatch-failure": (1, LIST + ROUND, DO_HELLO + SUCCESS_TO_FAILURE),
    "no-more-available": (3, LIST + LIST + ROUND, REQUEST_MORE + DO_HELLO + SUCCESS),
    "success-without-method": (0, LIST, SUCCESS),
    "length-max": (3, LIST + ROUND, edited(DO_HELLO, 8, b"\xff" * 4) + SUCCESS),
    "length-limit": (3, LIST + ROUND, edited(DO_HELLO, 8, struct.pack("!I", 1024 * 1024 + 1)) + SUCCESS),
    "truncated-fin": (3, LIST + ROUND, DO_HELLO[:8]),
    "truncated-rst": (4, LIST + ROUND, DO_HELLO[:8]),
    "after-end-success": (3, LIST + ROUND, DO_HELLO + SUCCESS + SUCCESS),
    "after-end-failure": (1, LIST + ROUND, DO_HELLO + FAILURE + SUCCESS),
}


def padded(octets):
    return octets + bytes(-len(octets) % 4)


def in_01(instr, method=b"", data=None, ver=1, reserved=b""):
    """A frame of revision 01."""
    header = struct.pack("!BBH", instr, ver, 0) + reserved + (bytes([len(method)]) + method if method else b"")
    return header if data is None else padded(header) + struct.pack("!I", len(data)) + data


def groups(*ids):
    """A list of revision 01 with a group for each id."""
    return b"\1\1\0\0" + b"".join(b"\1" + bytes([len(id_)]) + id_ for id_ in ids) + b"\0"


def oem(id_, data=b"ping"):
    return in_01(7, id_, data, reserved=bytes(3))


def number(value):
    return struct.pack("!I", value)


TEST, TEST_UUID = number(1), bytes.fromhex("4a78553afb3c49179c6c6e302b6c482d")
UUID_UNHEARD_OF = bytes.fromhex("5f0e7c1a6d3b4f0c9a550c2d8e4b7f61")
LIST_01 = groups(TEST)
DO_01, PROCESS_01, WHAT_NEXT_01 = in_01(3, TEST), in_01(5, TEST, b"hello"), in_01(4)
SUCCESS_01, FAILURE_01, DO_FAILURE_01 = in_01(0, bytes(4)), in_01(0xFF, b"\xff" * 4), in_01(3, b"\xff" * 4)
ACKNOWLEDGE_01, REQUEST_MORE_01 = in_01(6), in_01(2)
NOT_RECOGNISED = oem(b"\xff" * 4, b"")
ROUND_01 = PROCESS_01 + WHAT_NEXT_01
ROUND_01_OF_SERVER = DO_01 + PROCESS_01
MORE_ON_OFFER_01 = ("--offer", "00010000,00000001", "--block", "1")
LIST_01_WITH_MORE = bytes.fromhex("01010000" "0204" "00010000" "00000002" "00")
REVISION_1 = ("--revision", "1")

# As CLIENT_FAULTS, but to its end if that comes before the Acknowledge
CLIENT_FAULTS_01 = {
    "version-what-next": (3, LIST_01 + PROCESS_01 + edited(WHAT_NEXT_01, 1, b"\2")),
    "version-old": (3, LIST_01 + PROCESS_01 + WHAT_NEXT),
    "flags-process": (0, LIST_01 + edited(PROCESS_01, 3, b"\1") + WHAT_NEXT_01),
    "flags-what-next": (0, LIST_01 + PROCESS_01 + edited(WHAT_NEXT_01, 3, b"\1")),
    "instr-unknown": (3, LIST_01 + PROCESS_01 + b"\x08\0\0\0" + WHAT_NEXT_01),
    "direction-do": (3, LIST_01 + PROCESS_01 + DO_01 + WHAT_NEXT_01),
    "direction-success": (3, LIST_01 + SUCCESS_01 + PROCESS_01 + WHAT_NEXT_01),
    "sequence-process": (3, in_01(5, TEST, b"") + LIST_01 + ROUND_01),
    "sequence-what-next": (1, LIST_01 + WHAT_NEXT_01 + ROUND_01),
    "nmethods-idlen": (3, edited(LIST_01, 5, b"\0") + ROUND_01),
    "duplicate-offer": (0, bytes.fromhex("01010000" "0204" "00000001" "00000001" "00") + ROUND_01),
    "duplicate-offer-later": (0, LIST_01_WITH_MORE + bytes.fromhex("01010000" "0204" "00010000" "00000001" "00") +
                              ROUND_01, *MORE_ON_OFFER_01),
    "reserved-offer-success": (0, bytes.fromhex("01010000" "0204" "00000000" "00000001" "00") + ROUND_01),
    "reserved-offer-failure": (0, bytes.fromhex("01010000" "0204" "FFFFFFFF" "00000001" "00") + ROUND_01),
    "method-mismatch": (3, LIST_01 + in_01(5, UNHEARD_OF, b"hello") + WHAT_NEXT_01),
    "method-mismatch-uuid": (3, LIST_01 + in_01(5, UUID_UNHEARD_OF, b"hello") + WHAT_NEXT_01),
    "length-max": (3, LIST_01 + edited(PROCESS_01, 12, b"\xff" * 4) + WHAT_NEXT_01),
    "length-limit": (3, LIST_01 + edited(PROCESS_01, 12, number(1024 * 1024 + 1)) + WHAT_NEXT_01),
    "truncated-fin": (4, LIST_01 + PROCESS_01[:10]),
    "truncated-rst": (4, LIST_01 + PROCESS_01[:10]),
    "truncated-list": (4, LIST_01[:5]),
    "truncated-pad": (4, LIST_01 + PROCESS_01[:11]),
    "after-end-acknowledged": (3, LIST_01 + ROUND_01 + ACKNOWLEDGE_01 + WHAT_NEXT_01),
    "reserved-oem": (0, edited(oem(bytes(4)), 6, b"\1") + LIST_01 + ROUND_01, "--oem", "list"),
    "wrong-answer": (1, LIST_01 + in_01(5, TEST, b"hello!") + WHAT_NEXT_01),
}

SERVER_FAULTS_01 = {
    "version-do": (3, LIST_01 + ROUND_01, edited(DO_01, 1, b"\2") + PROCESS_01 + SUCCESS_01),
    "version-old": (3, LIST_01 + ROUND_01, edited(DO_01, 1, b"\0") + PROCESS_01 + SUCCESS_01),
    "flags-do": (0, LIST_01 + ROUND_01, edited(DO_01, 2, b"\x80") + PROCESS_01 + SUCCESS_01),
    "flags-request-more": (0, LIST_01_WITH_MORE + LIST_01 + ROUND_01,
                           edited(REQUEST_MORE_01, 3, b"\2") + ROUND_01_OF_SERVER + SUCCESS_01, *MORE_ON_OFFER_01),
    "instr-unknown": (3, LIST_01 + ROUND_01, DO_01 + b"\x08\0\0\0" + PROCESS_01 + SUCCESS_01),
    "direction-what-next": (3, LIST_01 + ROUND_01, WHAT_NEXT_01 + ROUND_01_OF_SERVER + SUCCESS_01),
    "sequence-process": (3, LIST_01 + ROUND_01, in_01(5, TEST, b"") + ROUND_01_OF_SERVER + SUCCESS_01),
    "sequence-success": (3, LIST_01, ROUND_01_OF_SERVER + SUCCESS_01),
    "sequence-oem": (3, LIST_01 + ROUND_01, DO_01 + oem(bytes(4), b"") + PROCESS_01 + SUCCESS_01),
    "not-offered": (3, LIST_01 + WHAT_NEXT_01, in_01(3, UNHEARD_OF) + in_01(5, UNHEARD_OF, b"hello") + FAILURE_01),
    "not-offered-uuid": (3, LIST_01 + WHAT_NEXT_01,
                         in_01(3, UUID_UNHEARD_OF) + in_01(5, UUID_UNHEARD_OF, b"hello") + FAILURE_01),
    "not-a-method-success": (3, LIST_01 + WHAT_NEXT_01,
                             in_01(3, bytes(4)) + in_01(5, bytes(4), b"hello") + FAILURE_01),
    "not-a-method-more": (3, LIST_01 + WHAT_NEXT_01,
                          in_01(3, number(2)) + in_01(5, number(2), b"hello") + FAILURE_01),
    "result-mismatch-success": (3, LIST_01 + ROUND_01, ROUND_01_OF_SERVER + in_01(0, TEST)),
    "result-mismatch-failure": (1, LIST_01 + ROUND_01, ROUND_01_OF_SERVER + in_01(0xFF, bytes(4))),
    "no-more-available": (3, LIST_01 + LIST_01 + ROUND_01, REQUEST_MORE_01 + ROUND_01_OF_SERVER + SUCCESS_01),
    "success-without-method": (0, LIST_01, SUCCESS_01),
    "length-process": (3, LIST_01 + ROUND_01, DO_01 + edited(PROCESS_01, 12, b"\xff" * 4) + SUCCESS_01),
    "truncated-fin": (3, LIST_01 + ROUND_01, DO_01[:4]),
    "truncated-rst": (4, LIST_01 + ROUND_01, DO_01[:4]),
    "after-end-success": (3, LIST_01 + ROUND_01, ROUND_01_OF_SERVER + SUCCESS_01 + SUCCESS_01),
    "after-end-failure": (1, LIST_01 + ROUND_01, ROUND_01_OF_SERVER + FAILURE_01 + SUCCESS_01),
    "after-end-oem": (3, LIST_01 + ROUND_01 + ACKNOWLEDGE_01,
                      ROUND_01_OF_SERVER + SUCCESS_01 + oem(bytes(4), b"") + ACKNOWLEDGE_01),
    "reserved-oem": (0, oem(bytes(4)) + LIST_01 + ROUND_01,
                     edited(oem(bytes(4)), 6, b"\1") + ROUND_01_OF_SERVER + SUCCESS_01, "--oem", "list"),
    "oem-unanswered": (3, LIST_01 + ROUND_01 + oem(bytes(4)), ROUND_01_OF_SERVER + SUCCESS_01 + ACKNOWLEDGE_01,
                       "--oem", "end"),
    "success-ver-00": (0, LIST_01 + ROUND_01, ROUND_01_OF_SERVER + edited(SUCCESS_01, 1, b"\0")),
}



class EveryFault:
    """--fault NAME on either side of one revision: the one rule is broken, and the rest is right."""

    def heard_from_client(self, answer, *options):
        """All that a client says to a server that tells it everything at once."""
        heard = []

        def serve(peer):
            peer.sendall(b"\x05\x08" + answer + self.answers + REPLY_OK)
            heard.append(receive_until_end(peer))

        with Listener(serve) as proxy:
            run_client(proxy.address, "127.0.0.1:9", *self.revision, *options)
            wait_until_heard(heard)
        return heard[0]

    def test_of_the_client_on_the_wire(self):
        for name, (_, said, *options) in self.client_faults.items():
            answer = self.request_more if "--offer" in options else oem(bytes(4)) if options else b""
            request = b"" if name.startswith("truncated-") else REQUEST_TO_9
            if request and not name.startswith("after-end"):
                request = self.acknowledge + request
            for manner in ((), ("--write-size", "1"), ("--glue",)):
                with self.subTest(name, manner=manner):
                    if manner == ("--glue",) and (options or name == "truncated-list"):
                        continue  # the list goes with the greeting, and nothing is read before it
                    heard = self.heard_from_client(answer, "--fault", name, *options, *manner)
                    self.assertEqual(heard, (GREETING + said + request, name == "truncated-rst"))

    def test_of_the_server_on_the_wire(self):
        for name, (_, said, heard, *_) in self.server_faults.items():
            for manner in ((), ("--write-size", "1"), ("--glue",)):
                with self.subTest(name, manner=manner), Proxy("--fault", name, *manner) as proxy:
                    with proxy.connect() as peer:
                        peer.sendall(GREETING + said)
                        with contextlib.suppress(OSError):  # the server may have reset it already
                            peer.shutdown(socket.SHUT_WR)
                        self.assertEqual(receive_until_end(peer), (b"\x05\x08" + heard, name == "truncated-rst"))

    def check_end(self, result, status):
        self.assertEqual(result.returncode, status, result)
        self.assertEqual(result.stderr.count(b"\n"), 0 if status == 0 else 1, result.stderr)

    def test_of_the_client_with_the_server(self):
        with Proxy() as proxy, Listener(echo) as target:
            for name, (status, _, *options) in self.client_faults.items():
                with self.subTest(name):
                    self.check_end(run_client(proxy, target.address, *self.revision, "--fault", name, *options), status)
            self.check_echo(proxy, target.address, *self.revision)

    def test_of_the_server_with_the_client(self):
        with Listener(echo) as target:
            for name, (status, _, _, *options) in self.server_faults.items():
                with self.subTest(name), Proxy("--fault", name) as proxy:
                    for _ in range(2):  # each client is served its fault
                        self.check_end(run_client(proxy, target.address, *self.revision, *options), status)


class Faults(EveryFault, PairTest):
    """--fault NAME of revision 00, and what is the same for both."""

    revision, client_faults, server_faults = (), CLIENT_FAULTS, SERVER_FAULTS
    answers, acknowledge, request_more = DO_HELLO + SUCCESS, b"", REQUEST_MORE

    def listed(self, tool):
        result = subprocess.run([tool, "--fault", "help"], capture_output=True, timeout=PATIENCE, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = [line.split(None, 1) for line in result.stdout.splitlines()]
        self.assertTrue(all(len(line) == 2 for line in lines), lines)
        return [name for name, _ in lines]

    def test_help(self):
        self.assertEqual(set(self.listed(CLIENT)), CLIENT_FAULTS.keys() | CLIENT_FAULTS_01.keys() | {"oem-unanswered"})
        self.assertEqual(set(self.listed(SERVER)), SERVER_FAULTS.keys() | SERVER_FAULTS_01.keys())

    def test_unknown(self):
        for tool in (CLIENT, SERVER):
            for name in ("no-such-fault", "", "\x1b[31mred", "Version-do"):
                result = subprocess.run([tool, "--fault", name], capture_output=True, timeout=PATIENCE, text=True)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertEqual(result.stderr.count("\n"), 1)
                self.assertIn("--fault help", result.stderr)
                self.assertTrue(result.stderr.rstrip("\n").isprintable())

    def test_no_occasion(self):
        with Proxy("--fault", "flags-request-more") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)
            proxy.wait_line("no occasion came for --fault flags-request-more")
            result = run_client(proxy, target.address, "--fault", "duplicate-offer-later")
            self.assertEqual(result.returncode, 0)
            self.assertIn(b"no occasion came for --fault duplicate-offer-later", result.stderr)

    def test_a_full_list_takes_no_more(self):
        offer = ("--offer", "00010000-000100FD,00000001")
        full = list_of(*range(0x10000, 0x100FE), 1)
        for name in ("duplicate-offer", "more-not-last"):
            self.assertEqual(self.heard_from_client(b"", "--fault", name, *offer)[0],
                             GREETING + full + ROUND + REQUEST_TO_9)

    def test_once_in_a_session(self):
        with Proxy("--rounds", "2", "--fault", "flags-do") as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + ROUND + ROUND)
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(peer), b"\x05\x08" + edited(DO_HELLO, 2, b"\x80") + DO_HELLO + SUCCESS)

    def test_verbose_tells(self):
        with Proxy("--fault", "flags-do", "--verbose") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)
            proxy.wait_line("sent Do: X'00000001' (5 octets), as --fault has it")


class FaultsOfRevision01(EveryFault, PairTest):
    """--fault NAME of revision 01."""

    revision, client_faults, server_faults = REVISION_1, CLIENT_FAULTS_01, SERVER_FAULTS_01
    answers = ROUND_01_OF_SERVER + SUCCESS_01 + ACKNOWLEDGE_01
    acknowledge, request_more = ACKNOWLEDGE_01, REQUEST_MORE_01

    def test_client_that_does_not_answer_oem(self):
        with Proxy("--oem", "list") as proxy:
            self.check_refusal(run_client(proxy, "127.0.0.1:9", *REVISION_1, "--fault", "oem-unanswered"), 3,
                               b"closed the connection")
            proxy.wait_line("expected OEM in answer to OEM: got What next?")
        heard, _ = self.heard_from_client(oem(bytes(4)), "--fault", "oem-unanswered")
        self.assertEqual(heard, GREETING + LIST_01 + WHAT_NEXT_01 + ROUND_01 + ACKNOWLEDGE_01 + REQUEST_TO_9)

    def test_only_in_their_revision(self):
        with Proxy("--fault", "length-process") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)
            proxy.wait_line("no occasion came for --fault length-process")
            result = run_client(proxy, target.address, "--fault", "version-old")
            self.assertEqual(result.returncode, 0)
            self.assertIn(b"no occasion came for --fault version-old", result.stderr)
        with Proxy() as proxy, Listener(echo) as target:
            result = run_client(proxy, target.address, *REVISION_1, "--fault", "nmethods-0")
            self.assertEqual(result.returncode, 0)
            self.assertIn(b"no occasion came for --fault nmethods-0", result.stderr)

    def test_empty_lists_have_nothing_to_spoil(self):
        for name in ("duplicate-offer", "nmethods-idlen", "reserved-offer-success"):
            self.assertTrue(self.heard_from_client(b"", "--fault", name, "--ids", "none")[0].startswith(GREETING + groups()))


PASSWORD = "pencil & paper"
CRYPT_HASH = "$6$aoeuidhtns$iVUMvldr9hmD6Itsdpr/BH5l378CjX9QGbpSezClYf2oOp.OZBEEhOuoANc.NNx/JQLrJ.Zs67I.hNk9gLt8B0"
SALT = b"salt of alice"
PLAIN, CRAM_MD5, SCRAM = 0x101, 0x102, 0x103


def hmac_sha256(key, text):
    return hmac.digest(key, text, "sha256")


def scram_keys(password, salt, iterations):
    """ClientKey and ServerKey (RFC 5802, section 3)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    return hmac_sha256(salted, b"Client Key"), hmac_sha256(salted, b"Server Key")


def verifier(password, salt=SALT, iterations=4096):
    client_key, server_key = scram_keys(password, salt, iterations)
    parts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)]
    return "SCRAM-SHA-256$%d:%s$%s:%s" % (iterations, *parts)


USERS = f"""
[user alice]
scram={verifier(PASSWORD)}
crypt={CRYPT_HASH}
password={PASSWORD}

[user bob]
scram={verifier("bob's")}
password=bob's
"""


def steps(*steps, policy=""):
    """A configuration; each step is its sub-methods and perhaps its grade and what a failure leads to."""
    text = f"[policy]\n{policy}\n"
    for n, step in enumerate(steps, 1):
        text += f"[step {n}]\n" + "\n".join(map("=".join, zip(("methods", "grade", "on-failure"), step))) + "\n"
    return text + USERS


@contextlib.contextmanager
def private_file(text, mode=0o600):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        os.chmod(file.name, mode)
        yield file.name


@contextlib.contextmanager
def configured(*steps_, policy="", options=("--verbose",)):
    with private_file(steps(*steps_, policy=policy)) as file, Proxy("--config", file, *options) as proxy:
        yield proxy


def login(proxy, target, *options, user="alice", password=PASSWORD, data=b""):
    address = proxy if isinstance(proxy, str) else proxy.address
    return subprocess.run([CLIENT, "--server", address, *options, target], input=data, capture_output=True,
                          timeout=PATIENCE, env={**os.environ, "MAF_USER": user, "MAF_PASSWORD": password})


def frame(instr, method, data=b""):
    return struct.pack("!BxxxII", instr, method, len(data)) + data


def process(method, data):
    return frame(5, method, data)


def read_frame(peer):
    """INSTR, METHOD and DATA of a frame that has them."""
    instr, method, length = struct.unpack("!BxxxII", receive(peer, 12))
    return instr, method, receive(peer, length)


class LoginTest(PairTest):
    def check_login(self, proxy, *options, grade=None, **who):
        with Listener(echo) as target:
            result = login(proxy, target.address, *options, data=b"octets", **who)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"octets", b""))
        if grade is not None:
            self.assertTrue(proxy.wait_line("authenticated").endswith(f"grade={grade}"), proxy.lines)
            proxy.lines.clear()

    def check_refused(self, proxy, *options, words=b"authentication refused", status=1, **who):
        self.check_refusal(login(proxy, "127.0.0.1:9", *options, **who), status, words)


class Sasl(LoginTest):
    """The SASL sub-methods, against each other and against RFC 4616, 2195 and 5802 as this file has them."""

    def test_each_mechanism(self):
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            for manner in ((), ("--write-size", "1"), ("--glue",)):
                with self.subTest(mechanism, manner=manner), configured((mechanism,), options=manner) as proxy:
                    self.check_login(proxy, *manner)
                    self.check_login(proxy, *manner, user="bob", password="bob's")
                    self.check_refused(proxy, *manner, password="pencil")
                    self.check_refused(proxy, *manner, user="bob")
                    self.check_refused(proxy, *manner, user="carol")

    def test_unicode(self):
        """SASLprep makes one of what looks the same, on either side."""
        users = "[user j\u00f6rg]\nscram=%s\npassword=cafe\u0301\n" % verifier("caf\u00e9")
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with private_file(f"[step 1]\nmethods={mechanism}\n{users}") as file, Proxy("--config", file) as proxy:
                self.check_login(proxy, user="jo\u0308rg", password="caf\u00e9")
                self.check_login(proxy, user="j\u00f6rg", password="cafe\u0301")

    def test_names_with_commas(self):
        users = f"[user a=b,c]\nscram={verifier(PASSWORD)}\n"
        with private_file(f"[step 1]\nmethods=SCRAM-SHA-256\n{users}") as file, Proxy("--config", file) as proxy:
            self.check_login(proxy, user="a=b,c")

    def test_unknown_users_look_like_known_ones(self):
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with self.subTest(mechanism), configured((mechanism,)) as proxy:
                seen = []
                for user in ("alice", "carol"):
                    self.check_refused(proxy, user=user, password="wrong")
                    proxy.wait_line("refused:")
                    seen.append([line.split(": ", 2)[2] for line in proxy.lines])
                    proxy.lines.clear()
                self.assertEqual(seen[0], seen[1])

    def server_first(self, proxy, user):
        with proxy.connect() as peer:
            peer.sendall(GREETING + list_of(SCRAM) + process(SCRAM, b"n,,n=%s,r=nonce" % user))
            self.assertEqual(receive(peer, 2), b"\x05\x08")
            self.assertEqual(read_frame(peer), (3, SCRAM, b""))
            instr, method, data = read_frame(peer)
        self.assertEqual((instr, method), (5, SCRAM))
        nonce, rest = data.split(b",", 1)
        self.assertTrue(nonce.startswith(b"r=nonce") and len(nonce) > 20)
        return rest

    def test_unknown_users_keep_their_salt(self):
        with configured(("SCRAM-SHA-256",), options=()) as proxy, configured(("SCRAM-SHA-256",), options=()) as again:
            known = self.server_first(proxy, b"alice")
            self.assertEqual(known, b"s=%s,i=4096" % base64.b64encode(SALT))
            unknown = self.server_first(proxy, b"carol")
            self.assertEqual(unknown, self.server_first(proxy, b"carol"))
            self.assertEqual(unknown, self.server_first(again, b"carol"))
            self.assertEqual(len(unknown), len(known))
            self.assertNotEqual(unknown, self.server_first(proxy, b"dave"))

    def test_server_octet_for_octet(self):
        with configured(("PLAIN",), ("CRAM-MD5",), ("SCRAM-SHA-256",)) as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + list_of(PLAIN, CRAM_MD5, SCRAM))
            self.assertEqual(receive(peer, 2), b"\x05\x08")
            self.assertEqual(read_frame(peer), (3, PLAIN, b""))
            peer.sendall(process(PLAIN, b"\0alice\0" + PASSWORD.encode()) + WHAT_NEXT)
            instr, method, challenge = read_frame(peer)
            self.assertEqual((instr, method), (3, CRAM_MD5))
            self.assertRegex(challenge, rb"^<[^<>]+>$")
            digest = hmac.new(PASSWORD.encode(), challenge, "md5").hexdigest().encode()
            peer.sendall(process(CRAM_MD5, b"alice " + digest) + WHAT_NEXT)
            self.assertEqual(read_frame(peer), (3, SCRAM, b""))
            first = b"n=alice,r=nonce"
            peer.sendall(process(SCRAM, b"n,," + first))
            server_first = read_frame(peer)[2]
            without_proof = b"c=biws," + server_first.split(b",")[0]
            message = b",".join((first, server_first, without_proof))
            client_key, server_key = scram_keys(PASSWORD, SALT, 4096)
            signature = hmac_sha256(hashlib.sha256(client_key).digest(), message)
            proof = bytes(a ^ b for a, b in zip(client_key, signature))
            peer.sendall(process(SCRAM, without_proof + b",p=" + base64.b64encode(proof)))
            self.assertEqual(read_frame(peer), (5, SCRAM, b"v=" + base64.b64encode(hmac_sha256(server_key, message))))
            peer.sendall(WHAT_NEXT)
            self.assertEqual(read_frame(peer), (0, 0, b"grade=3"))

    def test_what_no_mechanism_says(self):
        cases = [(mechanism, data) for mechanism in (PLAIN, CRAM_MD5, SCRAM)
                 for data in (b"", b"\0", b"x" * 40, b"\xff" * 100, b"y" * 60000, b" " * 33)]
        cases += [(PLAIN, b"alice"), (PLAIN, b"\0alice\0"), (PLAIN, b"\0\0" + PASSWORD.encode()),
                  (PLAIN, b"\0alice\0" + PASSWORD.encode() + b"\0"), (SCRAM, b"n,,n=,r=nonce"),
                  (SCRAM, b"p=tls-unique,n=alice,r=nonce"), (CRAM_MD5, b"alice" + b"0" * 32),
                  (PLAIN, b"\0%s\0secret" % (b"\xf0\x9f\x98\x80" * 200))]
        words = {PLAIN: "PLAIN", CRAM_MD5: "CRAM-MD5", SCRAM: "SCRAM-SHA-256"}
        for method, word in words.items():
            with configured((word,)) as proxy:
                for data in (data for mechanism, data in cases if mechanism == method):
                    with self.subTest(word, data=data[:40]), proxy.connect() as peer:
                        peer.sendall(GREETING + list_of(method) + process(method, data) + WHAT_NEXT)
                        heard = receive_all(peer)
                        self.assertTrue(heard.endswith(FAILURE), heard)
                        self.assertEqual(b"e=" in heard, method == SCRAM, heard)

    def test_nothing_is_a_message_too(self):
        for method, word in ((PLAIN, "PLAIN"), (CRAM_MD5, "CRAM-MD5"), (SCRAM, "SCRAM-SHA-256")):
            with self.subTest(word), configured((word,)) as proxy, proxy.connect() as peer:
                peer.sendall(GREETING + list_of(method) + process(method, b"") * 2)
                receive_all(peer)
                proxy.wait_line("expected Process or What next?: got Process after the sub-method's end")

    def test_nobody_acts_for_another(self):
        secret = PASSWORD.encode()
        with configured(("PLAIN",)) as proxy:
            for data, passes in ((b"alice\0alice\0" + secret, True), (b"bob\0alice\0" + secret, False)):
                with proxy.connect() as peer:
                    peer.sendall(GREETING + list_of(PLAIN) + process(PLAIN, data) + WHAT_NEXT)
                    receive(peer, 2)
                    read_frame(peer)
                    self.assertEqual(read_frame(peer)[0], 0 if passes else 0xFF)

    def test_one_login_is_one_user(self):
        with configured(("PLAIN",), ("CRAM-MD5",)) as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + list_of(PLAIN, CRAM_MD5) + process(PLAIN, b"\0alice\0" + PASSWORD.encode()) +
                         WHAT_NEXT)
            receive(peer, 2)
            read_frame(peer)
            challenge = read_frame(peer)[2]
            digest = hmac.new(b"bob's", challenge, "md5").hexdigest().encode()
            peer.sendall(process(CRAM_MD5, b"bob " + digest) + WHAT_NEXT)
            self.assertEqual(read_frame(peer)[0], 0xFF)

    def scram_server(self, iterations=b"4096", nonce=None, final=None, instr=5):
        """maf-client against a server that is right but for what it is told to say."""
        def serve(peer):
            receive(peer, len(GREETING))
            peer.sendall(b"\x05\x08")
            receive(peer, len(list_of(1, 2, 3, 4)))
            peer.sendall(frame(3, SCRAM))
            first = read_frame(peer)[2].removeprefix(b"n,,")
            server_first = b"%s,s=%s,i=%s" % (nonce or first.split(b",")[1] + b"more", base64.b64encode(SALT), iterations)
            peer.sendall(process(SCRAM, server_first))
            client_final = read_frame(peer)[2]
            message = b",".join((first, server_first, client_final.rpartition(b",p=")[0]))
            signature = hmac_sha256(scram_keys(PASSWORD, SALT, int(iterations))[1], message)
            peer.sendall(frame(instr, 0 if instr == 0 else SCRAM,
                               b"v=" + base64.b64encode(signature) if final is None else final))
            self.assertEqual(receive(peer, 4), WHAT_NEXT)
            peer.sendall(SUCCESS)
            receive(peer, len(REQUEST_TO_9))
            peer.sendall(REPLY_OK)

        def serve_to_its_end(peer):
            with contextlib.suppress(EOFError):  # the client has heard enough
                serve(peer)

        with Listener(serve_to_its_end) as proxy:
            return login(proxy.address, "127.0.0.1:9")

    def test_server_that_is_right(self):
        result = self.scram_server()
        self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_server_that_does_not_know_the_password(self):
        self.check_refusal(self.scram_server(final=b"v=" + base64.b64encode(bytes(32))), 3, b"the server has not proved")
        self.check_refusal(self.scram_server(final=b""), 3, b"SASL SCRAM-SHA-256: ")
        self.check_refusal(self.scram_server(instr=0, final=b""), 3, b"expected Process: got Success")
        self.check_refusal(self.scram_server(nonce=b"r=another"), 3, b"SASL SCRAM-SHA-256: ")

    def test_server_that_wants_too_little_or_too_much_work(self):
        self.check_refusal(self.scram_server(iterations=b"1"), 3, b"1 iterations, not 4096 to 1000000")
        self.check_refusal(self.scram_server(iterations=b"4294967296"), 3, b"4294967296 iterations")

    def test_server_that_refuses_the_proof(self):
        result = self.scram_server(final=b"e=invalid-proof")
        self.assertEqual(result.returncode, 0, result)  # it asks what next, and was let in

    def test_data_of_100_kb(self):
        with Proxy("--test-data-size", "102400", "--verbose") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)
            proxy.wait_line("sent Do: X'00000001' (102400 octets)")


class Policy(LoginTest):
    """What a policy asks, and what a login is worth."""

    def test_composite_login_is_worth_more(self):
        with configured(("PLAIN", "1", "next"), ("SCRAM-SHA-256", "2", "next")) as proxy:
            self.check_login(proxy, grade=3)
            self.check_login(proxy, "--offer", "101", grade=1)
            self.check_login(proxy, "--offer", "103", grade=2)

    def test_composite_of_three(self):
        with configured(("internal-test", "1"), ("PLAIN", "2"), ("SCRAM-SHA-256", "4")) as proxy:
            self.check_login(proxy, grade=7)
            self.check_refused(proxy, password="wrong")
            self.check_refused(proxy, "--offer", "1,101", words=b"no sub-method offered is acceptable")

    def test_order_of_preference_is_the_servers(self):
        for methods, chosen in (("PLAIN;SCRAM-SHA-256", "00000101"), ("SCRAM-SHA-256, PLAIN", "00000103")):
            with configured((methods,)) as proxy:
                self.check_login(proxy, grade=1)
                self.check_login(proxy)
                proxy.wait_line(f"sent Do: X'{chosen}'")

    def test_failed_and_stop(self):
        with configured(("PLAIN", "1", "stop"), ("internal-test",)) as proxy:
            self.check_refused(proxy, password="wrong", words=b"the server sent Failure")
            proxy.wait_line("refused: the sub-method did not succeed")
            self.assertFalse(any("X'00000001'" in line for line in proxy.lines))

    def test_failed_and_another(self):
        with configured(("SCRAM-SHA-256", "4", "next"), ("internal-test", "1")) as proxy:
            self.check_login(proxy, password="wrong", grade=1)
        with configured(("SCRAM-SHA-256;internal-test", "4", "next")) as proxy:
            self.check_login(proxy, password="wrong", grade=4)
            self.check_refused(proxy, "--offer", "103", password="wrong")
            proxy.wait_line("refused: no sub-method succeeded")

    def test_minimum_grade(self):
        with configured(("PLAIN", "1", "next"), ("internal-test", "2", "next"), policy="minimum-grade=3") as proxy:
            self.check_login(proxy, grade=3)
            self.check_refused(proxy, "--offer", "1", words=b"no sub-method offered is acceptable")
            self.check_refused(proxy, password="wrong", words=b"the server sent Failure")
            proxy.wait_line("refused: the grade is too low")

    def test_more_relative(self):
        with configured(("PLAIN",), ("internal-test",)) as proxy:
            self.check_login(proxy, "--block", "1", grade=2)
            self.check_login(proxy, "--block", "2")
            self.check_login(proxy, "--block", "3", "--offer", "103,102,1,101")
            self.check_login(proxy, "--block", "254")

    def test_more_on_the_wire(self):
        blocks = [list_of(SCRAM, 2), list_of(CRAM_MD5, 2), list_of(PLAIN, 2), list_of(1)]
        relative, absolute = REQUEST_MORE, edited(REQUEST_MORE, 3, b"\1")
        cases = {"relative": [(blocks[0], relative), (blocks[1], relative), (blocks[2], b"")],
                 "absolute": [(blocks[0], absolute), (blocks[0], relative), (blocks[1], relative), (blocks[2], b"")]}
        for more, turns in cases.items():
            with self.subTest(more), configured(("PLAIN",), policy=f"more={more}") as proxy:
                heard = []
                with Listener(lambda peer: heard.append(self.record(peer, proxy))) as between:
                    self.check_login(between.address, "--block", "1")
                wait_until_heard(heard)
                said, answered = heard[0]
                self.assertTrue(said.startswith(GREETING + b"".join(turn for turn, _ in turns)), said)
                self.assertTrue(answered.startswith(b"\x05\x08" + b"".join(turn for _, turn in turns) + frame(3, PLAIN)))

    def record(self, peer, proxy):
        """Passes octets between the client and the proxy, and returns what each said."""
        said = [b"", b""]

        def copy(side, source, sink):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    said[side] += data
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        with proxy.connect() as other:
            back = threading.Thread(target=copy, args=(1, other, peer), daemon=True)
            back.start()
            copy(0, peer, other)
            back.join(PATIENCE)
        return said

    def test_more_never(self):
        with configured(("PLAIN",), policy="more=never") as proxy:
            self.check_login(proxy)
            self.check_refused(proxy, "--block", "1", words=b"no sub-method offered is acceptable")

    def test_more_for_a_later_step(self):
        with configured(("SCRAM-SHA-256",), ("internal-test",)) as proxy:
            self.check_login(proxy, "--block", "2", grade=2)

    def test_a_client_that_always_has_more(self):
        with configured(("PLAIN",), policy="more=absolute") as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + list_of(SCRAM, 2) * 20)
            heard = receive_all(peer)
            self.assertEqual(heard, b"\x05\x08" + edited(REQUEST_MORE, 3, b"\1") + REQUEST_MORE * 14 + DO_FAILURE)

    def test_nothing_acceptable(self):
        for unacceptable, instr in (("do", 3), ("failure", 0xFF)):
            for text in (b"", b"Come back with a password."):
                policy = f"unacceptable={unacceptable}\n" + (f"failure-text={text.decode()}" if text else "")
                with configured(("PLAIN",), policy=policy) as proxy, proxy.connect() as peer:
                    peer.sendall(GREETING + LIST)
                    self.assertEqual(receive_all(peer), b"\x05\x08" + frame(instr, 0xFFFFFFFF, text))
                    self.check_refused(proxy, "--offer", "1", words=text or b"authentication refused")

    def test_failure_text(self):
        with configured(("PLAIN",), policy="failure-text=No\\\\no\\tno.") as proxy:
            self.check_refused(proxy, password="wrong", words=b"the server sent Failure: No\\no?no.")


class Secrets(LoginTest):
    """Where users, policies and passwords come from, and where passwords do not go."""

    def run_tool(self, *arguments, data="", env=None):
        return subprocess.run(arguments, capture_output=True, input=data, timeout=PATIENCE, text=True,
                              env={**os.environ, **(env or {})})

    def check_error(self, result, tool, *words):
        self.assertEqual((result.returncode, result.stdout), (2, ""), result)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith(f"{tool}: "), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertNotIn("sesame", result.stderr)
        self.assertTrue(result.stderr.rstrip("\n").isprintable())

    def test_errors_of_the_configuration(self):
        step = "[step 1]\nmethods=internal-test\n"
        user = f"[user alice]\nscram={verifier('sesame')}\n"
        scram = verifier("sesame").split("$")
        cases = [
            ("", "[step 1] is not there"),
            ("methods=PLAIN\n", "line 1 "),
            (step + "\n# fine\nsesame\n", "line 5 "),
            (step + "[user alice\n", "line 3 "),
            ("[step 2]\nmethods=internal-test\n", "[step 1] is not there"),
            (step + step.replace("1", "3"), "[step 3] no such group"),
            (step + step.replace("1", "01"), "[step 01] no such group"),
            (step + "[polcy]\n", "[polcy] no such group"),
            (step + "[policy]\nmor=relative\n", "[policy] mor: no such key"),
            (step + "[policy]\nmore=sesame\n", "[policy] more: is none of relative, absolute, never"),
            (step + "[policy]\nunacceptable=both\n", "[policy] unacceptable: is none of do, failure"),
            (step + "[policy]\nminimum-grade=-1\n", "[policy] minimum-grade: is not a number of 0 to 1000000"),
            (step + "[policy]\nfailure-text=a\\b\n", "[policy] failure-text: "),
            (step + "[limits]\nconnection=1\n", "[limits] connection: no such key"),
            (step + "[limits]\nconnections=0\n", "[limits] connections: is not a number of 1 to 1000000"),
            (step + "[limits]\nlogin-time=soon\n", "[limits] login-time: is not a number of 1 to 86400"),
            (step + "[limits]\nmessage-size=4095\n", "[limits] message-size: is not a number of 4096 to 1052672"),
            (step + "on-failure=goto\n", "[step 1] on-failure: is none of stop, next"),
            (step + "grade=high\n", "[step 1] grade: is not a number"),
            (step + "grades=1\n", "[step 1] grades: no such key"),
            ("[step 1]\ngrade=1\n", "[step 1] methods: names no sub-method"),
            ("[step 1]\nmethods=LOGIN\n", "[step 1] methods: 'LOGIN' is no sub-method of this server"),
            ("[step 1]\nmethods=internal-test;Internal-Test\n", "[step 1] methods: internal-test is there twice"),
            ("[step 1]\nmethods=PLAIN\n", "[step 1] methods: no user has what PLAIN needs"),
            ("[step 1]\nmethods=CRAM-MD5\n" + user, "[step 1] methods: no user has what CRAM-MD5 needs"),
            (step + "[user alice]\n", "[user alice] none of scram, crypt and password"),
            (step + "[user ]\npassword=sesame\n", "[user ] the name is empty"),
            (step + "[user a\x07]\npassword=sesame\n", "line 3 "),
            (step + user + "[user \u00e9]\npassword=sesame\n[user e\u0301]\npassword=sesame\n", "there already"),
            (step + "[user alice]\nsecret=sesame\n", "[user alice] secret: no such key"),
            (step + "[user alice]\npassword=\n", "[user alice] password: is empty"),
            (step + "[user alice]\npassword=sesame\\q\n", "[user alice] password: is not UTF-8, or"),
            (step + "[user alice]\npassword=sesame\\t\n", "[user alice] password: is empty or has"),
            (step + "[user alice]\nscram=sesame\n", "[user alice] scram: does not begin with"),
            (step + f"[user alice]\nscram={scram[0]}$sesame\n", "[user alice] scram: is not SCRAM-SHA-256$"),
            (step + user.replace(scram[2], scram[2][4:]), "[user alice] scram: is not SCRAM-SHA-256$"),
            (step + user.replace("4096", "4095"), "[user alice] scram: its iterations are not 4096 to"),
            (step + "[user alice]\ncrypt=sesame sesame sesame\n", "[user alice] crypt: is not a hash"),
        ]
        for text, words in cases:
            with self.subTest(words), private_file(text) as file:
                self.check_error(self.run_tool(SERVER, "--port", "0", "--config", file), "maf-server",
                                 f"{file}: {words}" if not words.startswith("there") else words)

    def test_a_bad_line_in_each_place(self):
        lines = ["[step 1]", "methods=internal-test", "# " + "x" * 100, "", "", *["[user bob]"] * 20]
        for end in ("", "\n"):
            for n in range(len(lines) + 1):
                text = "\n".join([*lines[:n], "sesame", *lines[n:]]) + end
                with self.subTest(n, end=end), private_file(text) as file:
                    self.check_error(self.run_tool(SERVER, "--config", file), "maf-server", f"{file}: line {n + 1} ")

    def test_a_bad_line_after_many(self):
        with private_file("[step 1]\n" + "#\n" * 500000 + "sesame") as file:
            self.check_error(self.run_tool(SERVER, "--config", file), "maf-server", f"{file}: line 500002 ")

    def test_text_that_is_not_utf_8(self):
        with private_file("[step 1]\nmethods=internal-test\n[user alice]\n") as file:
            with open(file, "ab") as more:
                more.write(b"password=sesame\xff\n")
            self.check_error(self.run_tool(SERVER, "--config", file), "maf-server", "[user alice] password: is not UTF-8")

    def test_files_that_cannot_be_read(self):
        for tool, name, option in ((SERVER, "maf-server", "--config"), (CLIENT, "maf-client", "--credentials")):
            target = ["a:1"] if tool == CLIENT else []
            with tempfile.TemporaryDirectory() as directory, private_file("#" * 1024 * 1024) as long_file:
                for file, words in (("/no/such/file", "No such file"), (directory, "Is a directory"),
                                    (long_file, "is longer than 1048576 octets")):
                    self.check_error(self.run_tool(tool, option, file, *target), name, file, words)

    def test_files_that_others_may_read(self):
        credentials = "[credentials]\nuser=alice\npassword=sesame\n"
        for mode in (0o604, 0o602, 0o644):
            with private_file(steps(("internal-test",)), mode) as file:
                self.check_error(self.run_tool(SERVER, "--config", file), "maf-server", file, "everybody may")
            with private_file(credentials, mode) as file:
                self.check_error(self.run_tool(CLIENT, "--credentials", file, "a:1"), "maf-client", file, "everybody may")

    def test_errors_of_the_credentials(self):
        cases = [("", "[credentials] is not there"), ("[credential]\n", "[credentials] is not there"),
                 ("[credentials]\nuser=alice\n", "[credentials] user and password must both"),
                 ("[credentials]\npassword=sesame\n", "[credentials] user and password must both"),
                 ("[credentials]\nuser=alice\npassword=\n", "[credentials] user and password must both"),
                 ("[credentials]\nuser=alice\npasswort=sesame\n", "[credentials] passwort: no such key"),
                 ("[credentials]\nuser=alice\nsesame\n", "line 3 "),
                 ("[credentials]\nuser=alice\npassword=sesame\\!\n", "[credentials] password: ")]
        for text, words in cases:
            with self.subTest(words), private_file(text) as file:
                self.check_error(self.run_tool(CLIENT, "--credentials", file, "a:1"), "maf-client", f"{file}: {words}")
        for env in ({"MAF_USER": "alice"}, {"MAF_PASSWORD": "sesame"}, {"MAF_USER": "alice", "MAF_PASSWORD": ""},
                    {"MAF_USER": "\x07", "MAF_PASSWORD": "sesame"}):
            self.check_error(self.run_tool(CLIENT, "a:1", env=env), "maf-client", "MAF_USER and MAF_PASSWORD: ")

    def test_credentials_of_a_file(self):
        text = f"# mine\n[credentials]\nuser=alice\npassword={PASSWORD}\n"
        with configured(("SCRAM-SHA-256",)) as proxy, private_file(text) as file, Listener(echo) as target:
            for env in ({}, {"MAF_USER": "bob", "MAF_PASSWORD": "sesame"}, {"MAF_USER": "bob"}):
                result = self.run_tool(CLIENT, "--server", proxy.address, "--credentials", file, target.address,
                                       data="octets", env=env)
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "octets", ""))

    def test_without_credentials(self):
        with configured(("PLAIN;internal-test",)) as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)
            result = run_client(proxy, target.address, "--offer", "101")
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"offered METHOD X'00000101', but cannot run it", result.stderr)

    def test_the_environment_is_wiped(self):
        listening = threading.Event()
        with Listener(lambda peer: (listening.set(), receive_all(peer))) as proxy:
            client = subprocess.Popen([CLIENT, "--server", proxy.address, "127.0.0.1:9"], stdin=subprocess.DEVNULL,
                                      env={"MAF_USER": "alice", "MAF_PASSWORD": "sesame"})
            self.assertTrue(listening.wait(PATIENCE))
            with open(f"/proc/{client.pid}/environ", "rb") as environ:
                self.assertNotIn(b"sesame", environ.read())
            client.terminate()
            client.wait(PATIENCE)

    @staticmethod
    def page(memory, address):
        """Its octets; nothing of one that guards a stack, which nobody may read."""
        try:
            return os.pread(memory.fileno(), mmap.PAGESIZE, address)
        except OSError:
            return b""

    def copies_in_memory(self, process_, octets):
        """How often they are in what the process may write to."""
        count = 0
        with open(f"/proc/{process_.pid}/maps", encoding="utf-8") as maps, \
                open(f"/proc/{process_.pid}/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(address, 16) for address in line.split()[0].split("-"))
                if line.split()[1].startswith("rw"):
                    pages = (self.page(memory, address) for address in range(start, end, mmap.PAGESIZE))
                    count += b"".join(pages).count(octets)
        return count

    def test_messages_with_passwords_do_not_stay_in_memory(self):
        """
        Neither with the client nor with the server. The name is long because free() overwrites a beginning, and What
        next? does not fit into the power of two in which the password does.
        """
        user, secret = "alice" * 8, "sesame" * 12
        message = b"alice\0sesame"
        text = f"[step 1]\nmethods=PLAIN\n[user {user}]\nscram={verifier(secret)}\n"
        with private_file(text) as file, Proxy("--config", file) as proxy, \
                Listener(lambda peer: (peer.sendall(b"welcome"), receive_all(peer))) as target:
            for options in ((), ("--glue",), ("--write-size", "1")):
                with self.subTest(options):
                    client = subprocess.Popen([CLIENT, "--server", proxy.address, "--offer", "101", *options, target.address],
                                              env={**os.environ, "MAF_USER": user, "MAF_PASSWORD": secret},
                                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                    self.assertEqual(client.stdout.read(7), b"welcome")
                    copies = [self.copies_in_memory(process_, message) for process_ in (client, proxy.process)]
                    client.communicate(timeout=PATIENCE)
                    self.assertEqual(copies, [0, 0])

    def test_passwords_are_not_told(self):
        said = []
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with configured((mechanism,)) as proxy:
                for password in (PASSWORD, "open sesame"):
                    result = login(proxy, "127.0.0.1:9", "--verbose", password=password)
                    self.assertIn(result.returncode, (1, 4))
                    said.append(result.stdout.decode() + result.stderr.decode())
                proxy.wait_line("refused: ")
                said += proxy.lines
        for words in (PASSWORD, "sesame", *(base64.b64encode(w.encode()).decode() for w in (PASSWORD, "open sesame"))):
            self.assertNotIn(words, "\n".join(said))

    def test_make_user(self):
        for data in ("sesame\n", "sesame", "sesame\r\nmore\n"):
            result = self.run_tool(SERVER, "--make-user", "carol", data=data)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            group, scram, crypt_hash, rest = result.stdout.split("\n")
            self.assertEqual((group, rest), ("[user carol]", ""))
            iterations, salt = scram.split("$")[1].split(":")
            self.assertEqual(scram, "scram=" + verifier("sesame", base64.b64decode(salt), int(iterations)))
            self.assertTrue(crypt_hash.startswith("crypt=$"))
            for known in (scram, crypt_hash):
                for mechanism in ("PLAIN", "SCRAM-SHA-256") if known == scram else ("PLAIN",):
                    text = f"[step 1]\nmethods={mechanism}\n{group}\n{known}\n"
                    with private_file(text) as file, Proxy("--config", file) as proxy:
                        self.check_login(proxy, user="carol", password="sesame")
                        self.check_refused(proxy, user="carol", password="sesam")

    def test_make_user_of_nothing(self):
        for name, data in (("", "sesame\n"), ("a]b", "sesame\n"), ("a\x07", "sesame\n"), ("carol", ""), ("carol", "\n"),
                           ("carol", "sesame\x07\n"), ("carol", "sesame" * 200)):
            with self.subTest(name, data=data[:10]):
                self.check_error(self.run_tool(SERVER, "--make-user", name, data=data), "maf-server", "--make-user: ")

    def test_make_user_where_nothing_can_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([SERVER, "--make-user", "carol"], input="sesame", stdout=full, stderr=subprocess.PIPE,
                                    timeout=PATIENCE, text=True)
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "maf-server: --make-user: No space left on device\n")

    def test_make_user_at_a_terminal(self):
        """The password is asked for, and not shown."""
        leader, follower = os.openpty()
        process_ = subprocess.Popen([SERVER, "--make-user", "carol"], stdin=follower, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)
        self.assertEqual(process_.stderr.read(len("Password: ")), "Password: ")
        deadline = time.monotonic() + PATIENCE
        while termios.tcgetattr(follower)[3] & termios.ECHO and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(leader, b"sesame\n")
        output, _ = process_.communicate(timeout=PATIENCE)
        self.assertEqual(process_.returncode, 0)
        self.assertIn("[user carol]", output)
        self.assertTrue(termios.tcgetattr(follower)[3] & termios.ECHO)
        os.set_blocking(leader, False)
        with contextlib.suppress(BlockingIOError):
            self.assertNotIn(b"sesame", os.read(leader, 1000))
        os.close(leader)
        os.close(follower)


class Revision01(LoginTest):
    """Revision 01 of the draft, with each other and against peers that this file plays."""

    def said_by_client(self, answers, *options, status=None):
        """What a client says to a server that tells it everything at once, after the greeting."""
        heard = []

        def serve(peer):
            peer.sendall(b"\x05\x08" + answers)
            heard.append(receive_all(peer))

        with Listener(serve) as proxy:
            result = run_client(proxy.address, "127.0.0.1:9", *REVISION_1, *options)
            wait_until_heard(heard)
        if status is not None:
            self.assertEqual(result.returncode, status, result)
        self.assertTrue(heard[0].startswith(GREETING))
        return heard[0][len(GREETING):]

    def said_by_server(self, octets, *options):
        """What a server says to a client that tells it everything at once, after the selection."""
        with Proxy(*options) as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + octets)
            peer.shutdown(socket.SHUT_WR)
            heard = receive_all(peer)
        self.assertTrue(heard.startswith(b"\x05\x08"))
        return heard[2:]

    def test_together(self):
        for ids in ("compact", "uuid", "both", "uuid-first"):
            for manner in ((), ("--write-size", "1"), ("--glue",)):
                with self.subTest(ids, manner=manner), Proxy(*manner) as proxy, Listener(echo) as target:
                    self.check_echo(proxy, target.address, *REVISION_1, "--ids", ids, *manner)

    def test_both_revisions_at_one_server(self):
        with Proxy("--rounds", "2", "--test-data", "", "--verbose") as proxy, Listener(echo) as target:
            for revision in ("1", "0", "1"):
                self.check_echo(proxy, target.address, "--revision", revision)
            self.assertEqual(sum("sent Acknowledge" in line for line in proxy.lines), 2)

    def test_one_revision_only(self):
        with Listener(echo) as target:
            for revision, other, words in (("0", "1", "VER is 01, not 00"), ("1", "0", "VER is 00, not 01")):
                with Proxy("--revision", revision) as proxy:
                    self.check_refusal(run_client(proxy, target.address, "--revision", other), 3, b"closed the connection")
                    proxy.wait_line("expected a list of MAF sub-methods: " + words)
                    self.check_echo(proxy, target.address, "--revision", revision)

    def test_client_octet_for_octet(self):
        for ids, offer, method in (("compact", groups(TEST), TEST), ("uuid", groups(TEST_UUID), TEST_UUID),
                                   ("both", groups(TEST, TEST_UUID), TEST_UUID),
                                   ("uuid-first", groups(TEST_UUID, TEST), TEST)):
            with self.subTest(ids):
                hello = in_01(5, method, b"hello")
                said = self.said_by_client(in_01(3, method) + hello + SUCCESS_01 + ACKNOWLEDGE_01 + REPLY_OK,
                                           "--ids", ids, status=0)
                self.assertEqual(said, offer + hello + WHAT_NEXT_01 + ACKNOWLEDGE_01 + REQUEST_TO_9)

    def test_server_octet_for_octet(self):
        for offer, method in ((groups(TEST), TEST), (groups(TEST_UUID, TEST), TEST_UUID), (groups(TEST, TEST_UUID), TEST),
                              (groups(b"x", b"y" * 255, bytes(16), number(2), TEST_UUID, b"z" * 17), TEST_UUID),
                              (bytes.fromhex("01010000" "0304" "00000002" "00010000" "00000001" "00"), TEST)):
            with self.subTest(offer):
                hello = in_01(5, method, b"hello")
                said = self.said_by_server(offer + hello + WHAT_NEXT_01 + ACKNOWLEDGE_01)
                self.assertEqual(said, in_01(3, method) + hello + SUCCESS_01 + ACKNOWLEDGE_01)

    def test_offer_by_uuid(self):
        uuid = "4a78553a-fb3c-4917-9c6c-6e302b6c482d"
        with Proxy() as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address, *REVISION_1, "--offer", uuid)
            self.check_echo(proxy, target.address, *REVISION_1, "--offer", f"00010000-00010010,{uuid},00010011")
            self.check_echo(proxy, target.address, *REVISION_1, "--offer", f"00010000,{uuid}", "--ids", "uuid")
            self.check_echo(proxy, target.address, *REVISION_1, "--offer", f"00010000-000101FF,{uuid}")
            other = "5f0e7c1a-6d3b-4f0c-9a55-0c2d8e4b7f61"
            self.check_refusal(run_client(proxy, target.address, *REVISION_1, "--offer", other), 1, b"no sub-method offered")

    def test_long_lists(self):
        group = b"\xff\x10" + b"".join(UUID_UNHEARD_OF[:15] + bytes([i]) for i in range(255))
        end = b"\1\4" + TEST + b"\0"
        self.assertTrue(self.said_by_server(b"\1\1\0\0" + group * 4 + end).startswith(DO_01))
        self.assertEqual(self.said_by_server(b"\1\1\0\0" + group * 5 + end), b"")

    def test_no_acceptable_method(self):
        for offer in (groups(), groups(b"x"), groups(UUID_UNHEARD_OF, number(0x10000))):
            self.assertEqual(self.said_by_server(offer + ACKNOWLEDGE_01), DO_FAILURE_01 + ACKNOWLEDGE_01)
        self.assertEqual(self.said_by_client(DO_FAILURE_01 + ACKNOWLEDGE_01, "--ids", "none", status=1),
                         groups() + ACKNOWLEDGE_01)
        with Proxy() as proxy:
            for manner in ((), ("--glue",)):
                self.check_refusal(run_client(proxy, "127.0.0.1:9", *REVISION_1, "--ids", "none", *manner), 1,
                                   b"no sub-method offered is acceptable")

    def test_failure_is_acknowledged(self):
        wrong = in_01(5, TEST, b"HELLO")
        self.assertEqual(self.said_by_server(LIST_01 + wrong + WHAT_NEXT_01 + ACKNOWLEDGE_01),
                         ROUND_01_OF_SERVER + FAILURE_01 + ACKNOWLEDGE_01)
        self.assertEqual(self.said_by_client(ROUND_01_OF_SERVER + FAILURE_01 + ACKNOWLEDGE_01, status=1),
                         LIST_01 + ROUND_01 + ACKNOWLEDGE_01)

    def test_a_refusal_stands_without_acknowledges(self):
        """Whatever comes in their place, or does not come."""
        for rest in (b"", b"\x06", WHAT_NEXT_01, b"GET / HTTP/1.0"):
            with Proxy() as proxy, proxy.connect() as peer:
                peer.sendall(GREETING + groups() + rest)
                peer.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(peer), b"\x05\x08" + DO_FAILURE_01)
                proxy.wait_line("refused: no sub-method offered is acceptable")
                self.assertEqual(len(proxy.lines), 1)
        for rest in (SUCCESS_01, b"\x05\0", b"HTTP/1.1"):
            self.said_by_client(ROUND_01_OF_SERVER + FAILURE_01 + rest, status=1)

    def test_success_without_acknowledges(self):
        """A client that does not acknowledge is served none the less; the other way round it is a violation."""
        request = b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50"
        said = self.said_by_server(LIST_01 + ROUND_01 + request)
        self.assertEqual(said[:-10], ROUND_01_OF_SERVER + SUCCESS_01)
        self.said_by_client(ROUND_01_OF_SERVER + SUCCESS_01 + REPLY_OK, status=3)

    def test_results_with_ver_00(self):
        for ver in (0, 1):
            self.said_by_client(ROUND_01_OF_SERVER + in_01(0, bytes(4), ver=ver) + ACKNOWLEDGE_01 + REPLY_OK, status=0)
            self.said_by_client(ROUND_01_OF_SERVER + in_01(0xFF, b"\xff" * 4, ver=ver) + ACKNOWLEDGE_01, status=1)
        self.said_by_client(in_01(3, TEST, ver=0), status=3)

    def test_oem_from_the_client(self):
        echoed = oem(bytes(4))
        rest = ROUND_01_OF_SERVER + SUCCESS_01 + ACKNOWLEDGE_01 + REPLY_OK
        cases = {
            "list": (echoed + rest, echoed + LIST_01 + ROUND_01 + ACKNOWLEDGE_01),
            "what-next": (ROUND_01_OF_SERVER + echoed + SUCCESS_01 + ACKNOWLEDGE_01 + REPLY_OK,
                          LIST_01 + PROCESS_01 + echoed + WHAT_NEXT_01 + ACKNOWLEDGE_01),
            "end": (ROUND_01_OF_SERVER + SUCCESS_01 + echoed + ACKNOWLEDGE_01 + REPLY_OK,
                    LIST_01 + ROUND_01 + echoed + ACKNOWLEDGE_01),
        }
        for place, (answers, said) in cases.items():
            for manner in ((), ("--write-size", "1"), ("--glue",)):
                with self.subTest(place, manner=manner):
                    self.assertEqual(self.said_by_client(answers, "--oem", place, *manner, status=0), said + REQUEST_TO_9)
        self.said_by_client(rest, "--oem", "list", status=3)
        self.said_by_client(ROUND_01_OF_SERVER + FAILURE_01 + NOT_RECOGNISED + ACKNOWLEDGE_01, "--oem", "end", status=1)

    def test_oem_from_the_server(self):
        question = oem(bytes(4))
        after_list = question + ROUND_01_OF_SERVER + SUCCESS_01
        after_what_next = ROUND_01_OF_SERVER + question + SUCCESS_01
        for manner in ((), ("--write-size", "1"), ("--glue",)):
            self.assertEqual(self.said_by_server(LIST_01 + question + ROUND_01, "--oem", "list", *manner), after_list)
            self.assertEqual(self.said_by_server(LIST_01 + ROUND_01 + question, "--oem", "what-next", *manner),
                             after_what_next)
        self.assertEqual(self.said_by_server(LIST_01 + ROUND_01, "--oem", "list"), question)
        self.assertEqual(self.said_by_server(LIST + ROUND, "--oem", "list"), DO_HELLO + SUCCESS)

    def test_oem_is_answered(self):
        answers = {bytes(4): b"ping", number(3): b"", number(4): None, number(5): None, b"\xff" * 4: None,
                   TEST_UUID: None, b"x" * 255: None}
        for id_, echoed in answers.items():
            asked = oem(id_, echoed or b"")
            answer = NOT_RECOGNISED if echoed is None else asked
            with self.subTest(id_):
                said = self.said_by_server(asked + asked + LIST_01 + asked + PROCESS_01 + asked + WHAT_NEXT_01 + asked +
                                           ACKNOWLEDGE_01)
                self.assertEqual(said, answer * 2 + DO_01 + PROCESS_01 + answer * 2 + SUCCESS_01 + answer + ACKNOWLEDGE_01)
                said = self.said_by_client(asked + ROUND_01_OF_SERVER + asked + SUCCESS_01 + ACKNOWLEDGE_01 + REPLY_OK,
                                           status=0)
                self.assertEqual(said, LIST_01 + answer + ROUND_01 + answer + ACKNOWLEDGE_01 + REQUEST_TO_9)

    def test_oem_where_it_may_not_be(self):
        self.said_by_client(DO_01 + oem(bytes(4)), status=3)
        self.said_by_client(ROUND_01_OF_SERVER + SUCCESS_01 + oem(bytes(4)), status=3)
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + edited(oem(bytes(4)), 1, b"\0"))
            receive_all(peer)
            proxy.wait_line("INSTR is 07, which revision 00 does not have")

    def test_oem_together(self):
        with Listener(echo) as target:
            for place in ("list", "what-next"):
                for id_ in ("", ":3", ":00010000", ":5f0e7c1a-6d3b-4f0c-9a55-0c2d8e4b7f61"):
                    with Proxy("--oem", place + id_, "--rounds", "2") as proxy:
                        self.check_echo(proxy, target.address, *REVISION_1)
                        self.check_echo(proxy, target.address, *REVISION_1, "--oem", "what-next" + id_)
                        self.check_echo(proxy, target.address, *REVISION_1, "--oem", "end" + id_, "--write-size", "1")
                        self.check_echo(proxy, target.address, *REVISION_1, "--oem", "list" + id_, *MORE_ON_OFFER_01)
                        self.check_echo(proxy, target.address)

    def test_a_peer_that_only_talks(self):
        """Its OEM frames are not read when it does not read the answers."""
        question = oem(bytes(4), bytes(50000))
        with Proxy("--timeout", "2") as proxy, Listener(echo) as target, proxy.connect() as peer:
            peer.sendall(GREETING)
            peer.settimeout(1)
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 200 * 1000 * 1000:
                    peer.sendall(question)
                    sent += len(question)
            self.assertLess(sent, 100 * 1000 * 1000)
            self.check_echo(proxy, target.address)
            proxy.wait_line("nothing within 2 s")

    def test_oem_without_end(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + oem(bytes(4)) * 300)
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(peer), b"\x05\x08" + oem(bytes(4)) * 256)
            proxy.wait_line("got more OEM frames than this program's limit of 256")

    def test_sasl(self):
        with Listener(echo) as target:
            for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
                for ids in ("compact", "uuid"):
                    for manner in ((), ("--write-size", "1"), ("--glue",)):
                        with self.subTest(mechanism, ids=ids, manner=manner), configured((mechanism,)) as proxy:
                            self.check_login(proxy, *REVISION_1, "--ids", ids, *manner, grade=1)
                            self.check_refused(proxy, *REVISION_1, "--ids", ids, *manner, password="pencil")

    def test_policies(self):
        with configured(("PLAIN", "1", "next"), ("SCRAM-SHA-256", "2", "next")) as proxy:
            self.check_login(proxy, *REVISION_1, "--ids", "uuid-first", grade=3)
            self.check_login(proxy, *REVISION_1, "--offer", "101", grade=1)
            self.check_login(proxy, *REVISION_1, "--ids", "both", "--block", "2", grade=3)
        for more in ("relative", "absolute"):
            with configured(("PLAIN",), policy=f"more={more}\nfailure-text=No.") as proxy:
                self.check_login(proxy, *REVISION_1, "--ids", "uuid", "--block", "1")
                self.check_refused(proxy, *REVISION_1, "--ids", "uuid", "--block", "1", password="pencil")
        with configured(("PLAIN",), policy="unacceptable=failure") as proxy:
            self.check_refused(proxy, *REVISION_1, "--ids", "none", words=b"the server sent Failure")

    def test_random_octets(self):
        chance = random.Random(6)
        starts = [b"", LIST_01, LIST_01 + ROUND_01, LIST_01 + ROUND_01 + ACKNOWLEDGE_01, oem(bytes(4))]
        with Proxy() as proxy, Listener(echo) as target:
            for i in range(200):
                with proxy.connect() as peer, contextlib.suppress(OSError):
                    octets = bytearray(chance.randbytes(chance.randrange(100)))
                    octets[:2] = bytes([chance.randrange(9), 1])
                    peer.sendall(GREETING + starts[i % 5] + octets)
                    if i % 3:
                        peer.shutdown(socket.SHUT_WR)
                        receive_all(peer)
            self.check_echo(proxy, target.address, *REVISION_1)


class Limits(LoginTest):
    """What clients may take of the server."""

    def connect_from(self, proxy, host):
        peer = socket.create_connection((proxy.host, proxy.port), PATIENCE, (host, 0))
        peer.sendall(GREETING)
        return peer

    def is_let_in(self, peer):
        with contextlib.suppress(ConnectionResetError):
            return peer.recv(2) == b"\x05\x08"
        return False

    def crowd(self, proxy, *hosts):
        """Who is let in of clients from these addresses, one after the other; they are gone after that."""
        with contextlib.ExitStack() as stack:
            return [self.is_let_in(stack.enter_context(self.connect_from(proxy, host))) for host in hosts]

    def test_connections_per_address(self):
        with Proxy("--connections-per-address", "2") as proxy, Listener(echo) as target:
            for _ in range(3):  # places are given back
                self.assertEqual(self.crowd(proxy, *["127.0.0.2"] * 4, "127.0.0.3"), [True, True, False, False, True])
                self.check_echo(proxy, target.address)
            proxy.wait_line("closed at once: there are 2 connections from this address")
            self.assertTrue(proxy.wait_line("closed at once").startswith("maf-server: 127.0.0.2:"))

    def test_connections(self):
        with Proxy("--connections", "3") as proxy, Listener(echo) as target:
            self.assertEqual(self.crowd(proxy, *(f"127.0.0.{i}" for i in range(2, 7))), [True] * 3 + [False] * 2)
            proxy.wait_line("closed at once: there are 3 connections")
            self.check_echo(proxy, target.address)

    @unittest.skipUnless(have_ipv6(), "no IPv6 loopback")
    def test_ipv4_in_ipv6(self):
        with Proxy("--listen", "::", "--connections-per-address", "1") as proxy:
            proxy.host = "127.0.0.1"
            self.assertEqual(self.crowd(proxy, "127.0.0.2", "127.0.0.3", "127.0.0.2"), [True, True, False])

    def test_lines_are_bounded(self):
        """Ten lines in each second, and the others counted, however many seconds it takes."""
        with Proxy("--connections", "1") as proxy, proxy.connect() as first:
            first.sendall(GREETING)
            self.assertTrue(self.is_let_in(first))
            start = time.monotonic()
            for _ in range(200):
                with proxy.connect() as peer, contextlib.suppress(ConnectionResetError):
                    peer.recv(1)
            told = untold = 0
            while told + untold < 200 and time.monotonic() < start + PATIENCE:
                time.sleep(0.01)
                lines = proxy.lines.copy()
                told = sum("closed at once: " in line for line in lines)
                untold = sum(int(line.split()[1]) for line in lines if "more connections closed at once" in line)
            self.assertEqual(told + untold, 200, proxy.lines)
            self.assertLessEqual(told, 10 * (1 + time.monotonic() - start))

    def test_login_time(self):
        """A client may not stay by being always almost there."""
        with Proxy("--login-time", "1") as proxy, proxy.connect() as peer:
            start = time.monotonic()
            with contextlib.suppress(ConnectionError):
                for octets in (GREETING, *[oem(bytes(4))] * 100):
                    peer.sendall(octets[:-1])
                    time.sleep(0.05)
                    peer.sendall(octets[-1:])
                receive_all(peer)
            self.assertLess(time.monotonic() - start, 5)
            proxy.wait_line("not logged in within 1 s")

    def test_login_time_is_over_with_the_request(self):
        self.check_tunnel_outlives("--login-time", "1")

    def test_message_size(self):
        most, more = (oem(bytes(4), bytes(size - len(oem(bytes(4), b"")))) for size in (10000, 10001))
        with Proxy("--message-size", "10000") as proxy:
            for question, answer in ((most, most), (more, b"")):
                with self.subTest(len(question)), proxy.connect() as peer:
                    peer.sendall(GREETING + question)
                    with contextlib.suppress(OSError):
                        peer.shutdown(socket.SHUT_WR)
                    self.assertTrue(receive_until_end(peer)[0] == b"\x05\x08" + answer)
            proxy.wait_line("expected a list of MAF sub-methods: a message of more than 10000 octets")

    def test_long_test_data_goes_before(self):
        with Proxy("--message-size", "4096", "--test-data-size", "100000") as proxy, Listener(echo) as target:
            self.check_echo(proxy, target.address)

    def test_limits_of_the_configuration(self):
        limits = "[limits]\nconnections=3\nconnections-per-address=1\nlogin-time=30\nmessage-size=5000\n"
        for options, count in (((), 3), (("--connections", "2"), 2)):
            with configured(("internal-test",), policy=limits, options=options) as proxy:
                let_in = self.crowd(proxy, "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
                self.assertEqual(let_in, [True, False] + [True] * (count - 1) + [False] * (4 - count))

    @contextlib.contextmanager
    def many_passwords_to_check(self, proxy):
        """The sockets of 100 clients of one address whose passwords are wrong, and take long to check."""
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(self.connect_from(proxy, "127.0.0.2")) for _ in range(100)]
            for peer in peers:
                peer.sendall(list_of(PLAIN) + process(PLAIN, b"\0alice\0wrong") + WHAT_NEXT)
                receive(peer, 2 + len(process(PLAIN, b"")))
            yield peers

    def test_checks_of_passwords_keep_nobody_waiting(self):
        """Neither another sub-method, nor the same from another address."""
        made = subprocess.run([SERVER, "--make-user", "alice"], input="sesame", capture_output=True, timeout=PATIENCE,
                              text=True).stdout
        with private_file("[step 1]\nmethods=PLAIN;internal-test\n" + made) as file, Proxy("--config", file) as proxy:
            for offer in ("1", "101"):
                with self.subTest(offer), self.many_passwords_to_check(proxy) as peers:
                    self.check_refusal(login(proxy, "127.0.0.1:1", "--offer", offer, password="sesame"), 4, b"reply 05")
                    waiting = len(peers) - len(select.select(peers, [], [], 0)[0])
                    self.assertGreater(waiting, 0)

    def test_a_client_that_is_gone_before_its_target_answers(self):
        """What comes back for it must find nobody, and harm nobody."""
        with Proxy() as proxy, Listener(echo) as target, socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            host, port = full.getsockname()
            before = proxy.descriptors()
            with contextlib.ExitStack() as stack:
                for _ in range(3):  # its queue is full then, and who comes next waits
                    caller = stack.enter_context(socket.socket())
                    caller.setblocking(False)
                    caller.connect_ex((host, port))
                for _ in range(100):
                    peer = proxy.connect()
                    peer.sendall(GREETING + LIST + ROUND + b"\x05\x01\x00\x01\x7f\x00\x00\x01" +
                                 struct.pack("!H", port))
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    peer.close()
                self.check_echo(proxy, target.address)
            full.close()
            self.check_echo(proxy, target.address)
            deadline = time.monotonic() + PATIENCE
            while proxy.descriptors() > before and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertLessEqual(proxy.descriptors(), before)


class CommandLine(unittest.TestCase):
    def run_tool(self, *arguments):
        return subprocess.run(arguments, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, text=True)

    def test_help_and_version(self):
        for tool, name in ((SERVER, "maf-server"), (CLIENT, "maf-client")):
            result = self.run_tool(tool, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertIn("--timeout", result.stdout)
            self.assertIn("--fault", result.stdout)
            result = self.run_tool(tool, "--version")
            self.assertEqual(result.returncode, 0)
            self.assertRegex(result.stdout, rf"^{name} \d+\.\d+\.\d+\n$")

    def test_man_pages_have_every_option(self):
        for tool, name in ((SERVER, "maf-server"), (CLIENT, "maf-client")):
            options = set(re.findall(r"--[a-z-]+", self.run_tool(tool, "--help").stdout))
            with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".1"), encoding="utf-8") as page:
                described = set(re.findall(r"^\.BI? (--[a-z-]+)", page.read().replace("\\-", "-"), re.MULTILINE))
            self.assertEqual(options, described)

    def test_the_example_configuration(self):
        example = os.path.join(os.path.dirname(os.path.abspath(__file__)), "maf-server.conf.example")
        with open(example, encoding="utf-8") as text, private_file(text.read()) as file, Proxy("--config", file) as proxy:
            self.assertEqual(login(proxy, "127.0.0.1:9", password="example").returncode, 4)
            self.assertEqual(login(proxy, "127.0.0.1:9", "--offer", "102", password="example").returncode, 4)
            self.assertIn(b"Ask the help desk", login(proxy, "127.0.0.1:9").stderr)

    def test_usage(self):
        for arguments in ((CLIENT,), (CLIENT, "a:1", "b:2"), (CLIENT, "nowhere"), (CLIENT, "--no-such-option", "a:1"),
                          (CLIENT, "--timeout", "0", "a:1"), (CLIENT, "--timeout", "x", "a:1"),
                          (CLIENT, "--write-size", "-1", "a:1"), (CLIENT, "--nmethods-width", "2", "a:1"),
                          (CLIENT, "--offer", "0", "a:1"), (CLIENT, "--socks-method", "255", "a:1"),
                          (CLIENT, "--socks-method", "8,", "a:1"), (CLIENT, "--server", "a", "a:1"),
                          (CLIENT, "--revision", "2", "a:1"), (CLIENT, "--ids", "all", "a:1"),
                          (CLIENT, "--ids", "uuid", "a:1"), (CLIENT, "--ids", "none", "a:1"), (CLIENT, "--oem", "list", "a:1"),
                          (CLIENT, "--offer", "4a78553a-fb3c-4917-9c6c-6e302b6c482d", "a:1"),
                          (CLIENT, "--revision", "1", "--ids", "uuid", "--offer", "00010000", "a:1"),
                          (CLIENT, "--revision", "1", "--oem", "middle", "a:1"),
                          (CLIENT, "--revision", "1", "--oem", "list:x", "a:1"), (SERVER, "--oem", "end"), (SERVER, "--oem", ""),
                          (SERVER, "--revision", "-1"), (SERVER, "--revision", ""),
                          (CLIENT, "--no-maf", "--socks-method", "8", "a:1"), (CLIENT, "a:1", "--fault"), (SERVER, "argument"),
                          (SERVER, "--port", "65536"), (SERVER, "--port", "http"), (SERVER, "--listen", "localhost"),
                          (CLIENT, "--block", "255", "a:1"), (CLIENT, "--block", "-1", "a:1"),
                          (SERVER, "--rounds", "0"), (SERVER, "--rounds", "2", "--config", "x"),
                          (SERVER, "--test-data-size", "1048577"), (SERVER, "--test-data-size", "1", "--test-data", "x"),
                          (SERVER, "--socks-method", "0"), (SERVER, "--timeout", "0"),
                          (SERVER, "--connections", "0"), (SERVER, "--connections", "many"),
                          (SERVER, "--connections-per-address", "1000001"), (SERVER, "--login-time", "-1"),
                          (SERVER, "--message-size", "4095")):
            with self.subTest(arguments):
                result = self.run_tool(*arguments)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertIn("--help", result.stderr)

    def test_usage_names_the_option(self):
        for tool, option, value in ((SERVER, "--port", "70000"), (SERVER, "--socks-method", "0"),
                                    (CLIENT, "--socks-method", "0"), (CLIENT, "--offer", "zz"),
                                    (CLIENT, "--server", "192.0.2.1:"), (CLIENT, "HOST:PORT", "192.0.2.1:")):
            with self.subTest(option):
                arguments = [value] if option == "HOST:PORT" else [option, value] + ["a:1"] * (tool == CLIENT)
                self.assertRegex(self.run_tool(tool, *arguments).stderr, rf"^maf-\w+: {option}: '")

    def test_closed_standard_streams(self):
        """What is opened in place of one, such as a socket, would be taken for it."""
        closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]

        def standard_streams(process_):
            try:
                return [os.readlink(f"/proc/{process_.pid}/fd/{fd}") for fd in range(3)]
            except FileNotFoundError:  # so far
                return []

        with Proxy() as proxy, Listener(count_then_answer) as target:
            client = subprocess.run([*closed, CLIENT, "--server", proxy.address, target.address], timeout=PATIENCE)
            self.assertEqual(client.returncode, 0)
        server = subprocess.Popen([*closed, SERVER, "--port", "0"])
        self.addCleanup(server.wait, PATIENCE)
        self.addCleanup(server.terminate)
        deadline = time.monotonic() + PATIENCE
        while (opened := standard_streams(server)) != ["/dev/null"] * 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(opened, ["/dev/null"] * 3)

    def test_port_in_use(self):
        with Proxy() as proxy:
            result = self.run_tool(SERVER, "--port", str(proxy.port))
            self.assertEqual(result.returncode, 4)
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertIn("cannot listen", result.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    SERVER, CLIENT = map(os.path.abspath, sys.argv[1:3])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
