# SPDX-License-Identifier: GPL-2.0-or-later
"""maf-server against clients that the test plays."""

import contextlib
import random
import socket
import struct
import time

from pair import (ACKNOWLEDGE, DO_FAILURE, DO_HELLO, FAILURE, GREETING, LIST, Listener, PATIENCE, PROCESS_HELLO,
                  Proxy, SUCCESS, WHAT_NEXT, check_echo, check_tunnel_outlives, echo, receive, receive_all)


class TestServerAgainstOthers:
    """maf-server against clients that this file plays."""

    def request(self, payload):
        with Proxy() as proxy, proxy.authenticated() as peer:
            peer.sendall(payload)
            return receive_all(peer)

    def test_commands_not_supported(self):
        for command in b"\x02\x03\x00\x09":
            reply = self.request(b"\x05%c\x00\x01\x7f\x00\x00\x01\x00\x50" % command)
            assert reply == bytes.fromhex("05070001000000000000")

    def test_address_type_not_supported(self):
        assert self.request(b"\x05\x01\x00\x02\x7f\x00\x00\x01") == bytes.fromhex("05080001000000000000")

    def test_name_with_control_characters(self):
        with Proxy() as proxy, proxy.authenticated() as peer:
            peer.sendall(b"\x05\x01\x00\x03\x04a\x1bb\x00\x00\x50")
            assert receive_all(peer)[:2] == b"\x05\x04"
            proxy.wait_line("characters that no host name has")

    def test_bound_address_in_the_reply(self):
        with Proxy() as proxy, Listener(lambda peer: peer.sendall(b"%d" % peer.getpeername()[1])) as target:
            with proxy.authenticated() as peer:
                peer.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack("!H", target.port))
                reply = receive(peer, 10)
                assert reply[:8] == bytes.fromhex("050000017f000001")
                assert receive_all(peer) == b"%d" % struct.unpack("!H", reply[8:])[0]

    def test_everything_at_once(self):
        """Bytes for the target that came with the request are not lost."""
        with Proxy() as proxy, Listener(echo) as target, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + PROCESS_HELLO + WHAT_NEXT + b"\x05\x01\x00\x01\x7f\x00\x00\x01" +
                         struct.pack("!H", target.port) + b"early")
            expected = b"\x05\x08" + DO_HELLO + SUCCESS
            assert receive(peer, len(expected)) == expected
            assert receive(peer, 10)[:2] == b"\x05\x00"
            assert receive(peer, 5) == b"early"

    def test_acknowledge_is_acknowledged(self):
        with Proxy() as proxy, proxy.authenticated() as peer:
            peer.sendall(ACKNOWLEDGE + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50")
            assert receive_all(peer)[:6] == ACKNOWLEDGE + b"\x05\x07"

    def test_glue(self):
        for options, first in (((), b"\x05\x08"), (("--glue",), b"\x05\x08" + DO_HELLO)):
            with Proxy(*options, "--write-size", "0") as proxy, proxy.connect() as peer:
                peer.sendall(GREETING + LIST)
                got = peer.recv(100)
                if options:
                    assert got == first
                else:
                    assert got.startswith(first)

    def test_write_size(self):
        with Proxy("--write-size", "1") as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST)
            pieces = []
            while sum(map(len, pieces)) < 2 + len(DO_HELLO):
                pieces.append(peer.recv(100))
            assert len(pieces) > 4, pieces

    def test_failed_echo(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + PROCESS_HELLO.replace(b"hello", b"HELLO") + WHAT_NEXT)
            assert receive_all(peer) == b"\x05\x08" + DO_HELLO + FAILURE
            proxy.wait_line("the sub-method failed")

    def test_what_next_without_process(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + WHAT_NEXT)
            assert receive_all(peer) == b"\x05\x08" + DO_HELLO + FAILURE

    def test_nothing_acceptable(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST[:-1] + b"\x09")
            assert receive_all(peer) == b"\x05\x08" + DO_FAILURE

    def test_the_last_word_arrives(self):
        """Bytes that the server never reads must not make the kernel reset what it said last."""
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST[:-1] + b"\x09" + bytes(100000))
            time.sleep(0.3)
            assert receive_all(peer) == b"\x05\x08" + DO_FAILURE

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
            (GREETING + LIST + PROCESS_HELLO * 2, "expected What next?: got Process after"),
            (GREETING + LIST + PROCESS_HELLO.replace(b"\x01", b"\x09"), "got Process for X'00000009'"),
            (GREETING + LIST + PROCESS_HELLO + WHAT_NEXT + b"\x04\x01", "expected a SOCKS 5 request: VER is 04"),
            (GREETING + LIST + PROCESS_HELLO + WHAT_NEXT + ACKNOWLEDGE * 2, "expected a SOCKS 5 request: VER is 06"),
        ]
        with Proxy() as proxy, Listener(echo) as target:
            before = proxy.descriptors()
            for payload, words in cases:
                last = "expected" if "a SOCKS 5 request" in words else "login failed: "
                with proxy.connect() as peer:
                    peer.sendall(payload)
                    peer.shutdown(socket.SHUT_WR)
                    receive_all(peer)
                    host, port = peer.getsockname()
                    line = proxy.wait_line(f"Z {host}:{port}: {last}")
                    assert words in line
                    assert line.isprintable()
            check_echo(proxy, target.address)
            deadline = time.monotonic() + PATIENCE
            while proxy.descriptors() > before and time.monotonic() < deadline:
                time.sleep(0.05)
            assert proxy.descriptors() <= before
            failed = [line for line in proxy.lines if "login failed" in line]
            assert len(failed) == sum("a SOCKS 5 request" not in words for _, words in cases)

    def test_random_bytes(self):
        chance = random.Random(5)
        starts = [b"", GREETING, GREETING + LIST, GREETING + LIST + PROCESS_HELLO + WHAT_NEXT]
        with Proxy() as proxy, Listener(echo) as target:
            for i in range(200):
                with proxy.connect() as peer, contextlib.suppress(ConnectionError):
                    peer.sendall(starts[i % 4] + chance.randbytes(chance.randrange(100)))
                    if i % 3:
                        peer.shutdown(socket.SHUT_WR)
                        receive_all(peer)
            check_echo(proxy, target.address)

    def test_timeout(self):
        for payload, state in ((b"", "a SOCKS 5 greeting"), (GREETING + LIST[:6], "a list of MAF sub-methods"),
                              (GREETING + LIST, "Process or What next?")):
            with Proxy("--timeout", "1") as proxy, proxy.connect() as peer:
                peer.sendall(payload)
                start = time.monotonic()
                receive_all(peer)
                assert time.monotonic() - start < 10
                proxy.wait_line(f"expected {state}: nothing within 1 s")

    def test_a_tunnel_outlives_the_timeout(self):
        check_tunnel_outlives("--timeout", "1")

    def test_clients_that_vanish(self):
        with Proxy() as proxy, Listener(echo) as target:
            for payload in (b"", GREETING, GREETING + LIST):
                peer = proxy.connect()
                peer.sendall(payload)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
            check_echo(proxy, target.address)
