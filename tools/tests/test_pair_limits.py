# SPDX-License-Identifier: GPL-2.0-or-later
"""What clients may take of the server."""

import contextlib
import select
import socket
import struct
import subprocess
import time

import pytest

from pair import (GREETING, LIST, Listener, PATIENCE, PLAIN, Proxy, ROUND, SERVER, WHAT_NEXT, check_echo,
                  check_refusal, check_tunnel_outlives, configured, echo, have_ipv6, list_of, login, oem,
                  private_file, process, receive, receive_all, receive_until_end)


class TestLimits:
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
                assert self.crowd(proxy, *["127.0.0.2"] * 4, "127.0.0.3") == [True, True, False, False, True]
                check_echo(proxy, target.address)
            proxy.wait_line("closed at once: there are 2 connections from this address")
            assert proxy.wait_line("closed at once").startswith("maf-server: 127.0.0.2:")

    def test_connections(self):
        with Proxy("--connections", "3") as proxy, Listener(echo) as target:
            assert self.crowd(proxy, *(f"127.0.0.{i}" for i in range(2, 7))) == [True] * 3 + [False] * 2
            proxy.wait_line("closed at once: there are 3 connections")
            check_echo(proxy, target.address)

    @pytest.mark.skipif(not have_ipv6(), reason="no IPv6 loopback")
    def test_ipv4_in_ipv6(self):
        with Proxy("--listen", "::", "--connections-per-address", "1") as proxy:
            proxy.host = "127.0.0.1"
            assert self.crowd(proxy, "127.0.0.2", "127.0.0.3", "127.0.0.2") == [True, True, False]

    def test_lines_are_bounded(self):
        """Ten lines in each second, and the others counted, however many seconds it takes."""
        with Proxy("--connections", "1") as proxy, proxy.connect() as first:
            first.sendall(GREETING)
            assert self.is_let_in(first)
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
            assert told + untold == 200, proxy.lines
            assert told <= 10 * (1 + time.monotonic() - start)

    def test_login_time(self):
        """A client may not stay by being always almost there."""
        with Proxy("--login-time", "1") as proxy, proxy.connect() as peer:
            start = time.monotonic()
            with contextlib.suppress(ConnectionError):
                for payload in (GREETING, *[oem(bytes(4))] * 100):
                    peer.sendall(payload[:-1])
                    time.sleep(0.05)
                    peer.sendall(payload[-1:])
                receive_all(peer)
            assert time.monotonic() - start < 5
            proxy.wait_line("not logged in within 1 s")

    def test_login_time_is_over_with_the_request(self):
        check_tunnel_outlives("--login-time", "1")

    def test_message_size(self):
        most, more = (oem(bytes(4), bytes(size - len(oem(bytes(4), b"")))) for size in (10000, 10001))
        with Proxy("--message-size", "10000") as proxy:
            for question, answer in ((most, most), (more, b"")):
                with proxy.connect() as peer:
                    peer.sendall(GREETING + question)
                    with contextlib.suppress(OSError):
                        peer.shutdown(socket.SHUT_WR)
                    assert receive_until_end(peer)[0] == b"\x05\x08" + answer
            proxy.wait_line("expected a list of MAF sub-methods: a message of more than 10000 bytes")

    def test_long_test_data_goes_before(self):
        with Proxy("--message-size", "4096", "--test-data-size", "100000") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)

    def test_limits_of_the_configuration(self):
        limits = "[limits]\nconnections=3\nconnections-per-address=1\nlogin-time=30\nmessage-size=5000\n"
        for options, count in (((), 3), (("--connections", "2"), 2)):
            with configured(("internal-test",), policy=limits, options=options) as proxy:
                let_in = self.crowd(proxy, "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
                assert let_in == [True, False] + [True] * (count - 1) + [False] * (4 - count)

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
                with self.many_passwords_to_check(proxy) as peers:
                    check_refusal(login(proxy, "127.0.0.1:1", "--offer", offer, password="sesame"), 4, b"reply 05")
                    waiting = len(peers) - len(select.select(peers, [], [], 0)[0])
                    assert waiting > 0

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
                check_echo(proxy, target.address)
            full.close()
            check_echo(proxy, target.address)
            deadline = time.monotonic() + PATIENCE
            while proxy.descriptors() > before and time.monotonic() < deadline:
                time.sleep(0.05)
            assert proxy.descriptors() <= before
