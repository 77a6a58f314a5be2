# SPDX-License-Identifier: GPL-2.0-or-later
"""maf-client against servers that the test plays."""

import contextlib
import socket
import struct

from pair import (DO_FAILURE, DO_HELLO, FAILURE, GREETING, LIST, Listener, PROCESS_HELLO, REPLY_OK, SUCCESS,
                  WHAT_NEXT, check_refusal, receive, receive_all, run_client, wait_until_heard)


class TestClientAgainstOthers:
    """maf-client against servers that this file plays."""

    def against(self, *turns, options=(), data=b""):
        """A server that, turn by turn, awaits so many bytes and answers; all it heard, and the client's result."""
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
        assert heard == [expected for expected, _ in turns]
        return result

    def test_login_byte_for_byte(self):
        request = bytes.fromhex("050100017f0000010009")
        result = self.against((GREETING, b"\x05\x08"), (LIST, DO_HELLO), (PROCESS_HELLO + WHAT_NEXT, SUCCESS),
                              (request, REPLY_OK + b"welcome"), (b"bye", b""), data=b"bye")
        assert (result.returncode, result.stdout) == (0, b"welcome"), result

    def test_more_methods(self):
        offer = ("--offer", "00010000-000100FE,00000001", "--nmethods-width", "1")
        first = bytes.fromhex("01000000FF") + b"".join(struct.pack("!I", 0x10000 + i) for i in range(254)) + \
            bytes.fromhex("00000002")
        rest = bytes.fromhex("0100000002" "000100FE" "00000001")
        check_refusal(self.against((GREETING, b"\x05\x08"), (first, b"\x02\0\0\0"), (rest, FAILURE),
                                        options=offer), 1, b"Failure")
        check_refusal(self.against((GREETING, b"\x05\x08"), (first, b"\x02\0\0\1"), (first, FAILURE),
                                        options=offer), 1, b"Failure")
        check_refusal(self.against((GREETING, b"\x05\x08"), (LIST, b"\x02\0\0\0")), 3, b"no more were available")

    def test_method_it_cannot_run(self):
        offer = LIST[:-4] + bytes.fromhex("00010000")
        result = self.against((GREETING, b"\x05\x08"), (offer, DO_FAILURE.replace(b"\xff" * 4, b"\0\1\0\0")),
                              (WHAT_NEXT, FAILURE), options=("--offer", "00010000"))
        assert result.returncode == 1
        assert b"cannot run it" in result.stderr

    def test_refusals(self):
        for payload in (FAILURE, DO_FAILURE):
            check_refusal(self.against((GREETING, b"\x05\x08"), (LIST, payload)), 1, b"authentication refused")
        check_refusal(self.against((GREETING, b"\x05\xff")), 1, b"authentication refused")

    def test_violations(self):
        cases = [
            (b"HTTP/1.1 400 Bad Request\r\n", b"VER is 48, not 05"),
            (b"\x1b[31mred", b"VER is 1B, not 05"),
            (b"\x05\x00", b"got METHOD 00, which was not offered"),
            (b"\x05\x08" + DO_HELLO.replace(b"\x01", b"\x09"), b"got Do for X'00000009', which was not offered"),
            (b"\x05\x08" + LIST, b"got Sub-methods supported"),
            (b"\x05\x08" + WHAT_NEXT, b"got What next?"),
            (b"\x05\x08" + PROCESS_HELLO, b"got Process"),
            (b"\x05\x08" + DO_HELLO[:8] + b"\xff" * 4, b"LEN is 4294967295"),
            (b"\x05\x08" + b"\x00\x00\x00\x00" + b"\xff" * 4 + b"\0" * 4, b"METHOD is not SUCCESS"),
            (b"\x05\x08" + SUCCESS + b"\x04\x00", b"expected a SOCKS 5 reply: VER is 04"),
            (b"\x05\x08" + SUCCESS + b"\x05\x00\x00\x02", b"ATYP is 02"),
        ]
        for payload, words in cases:
            result = self.against((GREETING, payload))
            check_refusal(result, 3, words)
            assert result.stderr.decode().rstrip("\n").isprintable()

    def test_server_that_hangs_up(self):
        with Listener(lambda peer: receive(peer, 3)) as proxy:
            result = run_client(proxy.address, "127.0.0.1:9")
        check_refusal(result, 3, b"expected a METHOD selection: the peer closed the connection")

    def test_server_that_resets(self):
        def serve(peer):
            receive(peer, 3)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with Listener(serve) as proxy:
            result = run_client(proxy.address, "127.0.0.1:9")
        check_refusal(result, 4, b"onnection reset by peer")

    def test_timeout(self):
        check_refusal(self.against((GREETING, b"\x05"), options=("--timeout", "1")), 4, b"nothing within 1 s")

    def test_no_server(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            result = run_client(f"127.0.0.1:{unused.getsockname()[1]}", "127.0.0.1:9")
        check_refusal(result, 4, b"cannot reach the server")

    def test_glue(self):
        heard = []

        def serve(peer):
            heard.append(peer.recv(1000))
            peer.sendall(b"\x05\x08" + DO_HELLO)
            heard.append(peer.recv(1000))

        with Listener(serve) as proxy:
            run_client(proxy.address, "127.0.0.1:9", "--glue")
        assert heard == [GREETING + LIST, PROCESS_HELLO + WHAT_NEXT]

    def test_request_for_each_kind_of_target(self):
        for target, payload in (("192.0.2.1:80", "01c00002010050"), ("[2001:db8::1]:80", "04" "20010db8" + "00" * 11 + "010050"),
                               ("example.org:80", "030b" + b"example.org".hex() + "0050")):
            heard = []

            def serve(peer):
                receive(peer, len(GREETING + LIST))
                peer.sendall(b"\x05\x08" + SUCCESS)
                heard.append(receive(peer, 3 + len(payload) // 2))

            with Listener(serve) as proxy:
                run_client(proxy.address, target, "--glue")
            assert heard == [bytes.fromhex("050100" + payload)]
