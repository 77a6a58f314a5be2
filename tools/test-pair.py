#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference pair over real sockets: with each other, and each against a peer that this file plays.

usage: test-pair.py MAF-SERVER MAF-CLIENT [unittest arguments]
"""

import contextlib
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

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
            deadline = time.monotonic() + PATIENCE
            while not heard and time.monotonic() < deadline:
                time.sleep(0.01)
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
            (GREETING + b"\x1b[31mred", "expected a list of MAF sub-methods: VER is 5B, not 00 (INSTR 1B)"),
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
        with Proxy("--timeout", "1") as proxy, Listener(echo) as target, proxy.authenticated() as peer:
            peer.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack("!H", target.port))
            receive(peer, 10)
            time.sleep(2.5)
            peer.sendall(b"still here")
            self.assertEqual(receive(peer, 10), b"still here")

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
        self.assertEqual(heard, [expected for expected, _ in turns[:len(heard)]])
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
    "flags-what-next": (0, LIST + PROCESS_HELLO + edited(WHAT_NEXT, 3, b"\1")),
    "instr-unknown": (3, LIST + PROCESS_HELLO + b"\x08\0\0\0" + WHAT_NEXT),
    "instr-oem": (3, LIST + PROCESS_HELLO + bytes.fromhex("07000000" "00000004" "00000001" "00000000") + WHAT_NEXT),
    "direction-do": (3, LIST + PROCESS_HELLO + bytes.fromhex("03000000" "00000001" "00000000") + WHAT_NEXT),
    "sequence-process": (3, bytes.fromhex("05000000" "00000001" "00000000") + LIST + ROUND),
    "sequence-what-next": (1, LIST + WHAT_NEXT + ROUND),
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


class Faults(PairTest):
    """--fault NAME on either side: the one rule is broken, and the rest is right."""

    def listed(self, tool):
        result = subprocess.run([tool, "--fault", "help"], capture_output=True, timeout=PATIENCE, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = [line.split(None, 1) for line in result.stdout.splitlines()]
        self.assertTrue(all(len(line) == 2 for line in lines), lines)
        return [name for name, _ in lines]

    def test_help(self):
        self.assertEqual(sorted(self.listed(CLIENT)), sorted(CLIENT_FAULTS))
        self.assertEqual(sorted(self.listed(SERVER)), sorted(SERVER_FAULTS))

    def test_unknown(self):
        for tool in (CLIENT, SERVER):
            for name in ("no-such-fault", "", "\x1b[31mred", "Version-do"):
                result = subprocess.run([tool, "--fault", name], capture_output=True, timeout=PATIENCE, text=True)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertEqual(result.stderr.count("\n"), 1)
                self.assertIn("--fault help", result.stderr)
                self.assertTrue(result.stderr.rstrip("\n").isprintable())

    def heard_from_client(self, answer, *options):
        """All that a client says to a server that tells it everything at once."""
        heard = []

        def serve(peer):
            peer.sendall(b"\x05\x08" + answer + DO_HELLO + SUCCESS + REPLY_OK)
            heard.append(receive_until_end(peer))

        with Listener(serve) as proxy:
            run_client(proxy.address, "127.0.0.1:9", *options)
            deadline = time.monotonic() + PATIENCE
            while not heard and time.monotonic() < deadline:
                time.sleep(0.01)
        return heard[0]

    def test_of_the_client_on_the_wire(self):
        for name, (_, said, *options) in CLIENT_FAULTS.items():
            answer = REQUEST_MORE if options else b""
            request = b"" if name.startswith("truncated-") else REQUEST_TO_9
            for manner in ((), ("--write-size", "1"), ("--glue",)):
                with self.subTest(name, manner=manner):
                    if options and manner == ("--glue",):
                        continue  # no answer to the greeting's list is awaited: the lists differ
                    heard = self.heard_from_client(answer, "--fault", name, *options, *manner)
                    self.assertEqual(heard, (GREETING + said + request, name == "truncated-rst"))

    def test_of_the_server_on_the_wire(self):
        for name, (_, said, heard, *_) in SERVER_FAULTS.items():
            for manner in ((), ("--write-size", "1"), ("--glue",)):
                with self.subTest(name, manner=manner), Proxy("--fault", name, *manner) as proxy:
                    with proxy.connect() as peer:
                        peer.sendall(GREETING + said)
                        peer.shutdown(socket.SHUT_WR)
                        self.assertEqual(receive_until_end(peer), (b"\x05\x08" + heard, name == "truncated-rst"))

    def check_end(self, result, status):
        self.assertEqual(result.returncode, status, result)
        self.assertEqual(result.stderr.count(b"\n"), 0 if status == 0 else 1, result.stderr)

    def test_of_the_client_with_the_server(self):
        with Proxy() as proxy, Listener(echo) as target:
            for name, (status, _, *options) in CLIENT_FAULTS.items():
                with self.subTest(name):
                    self.check_end(run_client(proxy, target.address, "--fault", name, *options), status)
            self.check_echo(proxy, target.address)

    def test_of_the_server_with_the_client(self):
        with Listener(echo) as target:
            for name, (status, _, _, *options) in SERVER_FAULTS.items():
                with self.subTest(name), Proxy("--fault", name) as proxy:
                    for _ in range(2):  # each client is served its fault
                        self.check_end(run_client(proxy, target.address, *options), status)

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

    def test_usage(self):
        for arguments in ((CLIENT,), (CLIENT, "a:1", "b:2"), (CLIENT, "nowhere"), (CLIENT, "--no-such-option", "a:1"),
                          (CLIENT, "--timeout", "0", "a:1"), (CLIENT, "--timeout", "x", "a:1"),
                          (CLIENT, "--write-size", "-1", "a:1"), (CLIENT, "--nmethods-width", "2", "a:1"),
                          (CLIENT, "--offer", "0", "a:1"), (CLIENT, "--socks-method", "255", "a:1"),
                          (CLIENT, "--socks-method", "8,", "a:1"), (CLIENT, "--server", "a", "a:1"),
                          (CLIENT, "--no-maf", "--socks-method", "8", "a:1"), (CLIENT, "a:1", "--fault"), (SERVER, "argument"),
                          (SERVER, "--port", "65536"), (SERVER, "--port", "http"), (SERVER, "--listen", "localhost"),
                          (SERVER, "--rounds", "0"), (SERVER, "--socks-method", "0"), (SERVER, "--timeout", "0")):
            with self.subTest(arguments):
                result = self.run_tool(*arguments)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertIn("--help", result.stderr)

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
