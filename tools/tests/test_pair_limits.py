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

    def test_the_oldest_makes_room(self):
        """At the limit, the oldest connection that is not logged in is closed for the newcomer; a tunnel stays."""
        with Proxy("--connections", "3") as proxy, Listener(echo) as target, proxy.authenticated() as tunnel:
            tunnel.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack("!H", target.port))
            receive(tunnel, 10)
            with contextlib.ExitStack() as stack:
                idle = []
                for i in range(6):
                    idle.append(stack.enter_context(self.connect_from(proxy, f"127.0.0.{i + 2}")))
                    assert self.is_let_in(idle[i])
                assert [self.is_let_in(peer) for peer in idle[:4]] == [False] * 4
                proxy.wait_line("closed to make room for another connection")
                check_echo(proxy, target.address)
                tunnel.sendall(b"still here")
                assert receive(tunnel, 10) == b"still here"

    def test_tunnels_stay(self):
        with Proxy("--connections", "2") as proxy, contextlib.ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(proxy.authenticated())
            with proxy.connect() as peer, contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b""
            proxy.wait_line("closed: all 2 connections are logged in")

    def test_no_more_connections_than_descriptors(self):
        """With 60 descriptors there is room for 22 connections and their targets, and the server stays whole."""
        with Listener(echo) as target, Proxy(command=["sh", "-c", 'ulimit -n 60; exec "$@"', "sh"]) as proxy, \
                contextlib.ExitStack() as stack:
            for _ in range(22):
                peer = stack.enter_context(proxy.authenticated())
                peer.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack("!H", target.port))
                assert receive(peer, 10)[:2] == b"\x05\x00"
            with proxy.connect() as peer, contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b""
            proxy.wait_line("closed: all 22 connections are logged in")

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
