# SPDX-License-Identifier: GPL-2.0-or-later
"""Revision 01 of the draft, with each other and against peers that the test plays."""

import contextlib
import random
import socket

from pair import (ACKNOWLEDGE_01, DO_01, DO_FAILURE_01, DO_HELLO, FAILURE_01, GREETING, LIST, LIST_01, Listener,
                  MORE_ON_OFFER_01, NOT_RECOGNISED, PROCESS_01, Proxy, REPLY_OK, REQUEST_TO_9, REVISION_1, ROUND,
                  ROUND_01, ROUND_01_OF_SERVER, SUCCESS, SUCCESS_01, TEST, TEST_UUID, UUID_UNHEARD_OF, WHAT_NEXT_01,
                  check_echo, check_login, check_refusal, check_refused, configured, echo, edited, groups, in_01,
                  number, oem, receive_all, run_client, wait_until_heard)


class TestRevision01:
    """Revision 01 of the draft, with each other and against peers that this file plays."""

    def sent_by_client(self, answers, *options, status=None):
        """What a client says to a server that tells it everything at once, after the greeting."""
        heard = []

        def serve(peer):
            peer.sendall(b"\x05\x08" + answers)
            heard.append(receive_all(peer))

        with Listener(serve) as proxy:
            result = run_client(proxy.address, "127.0.0.1:9", *REVISION_1, *options)
            wait_until_heard(heard)
        if status is not None:
            assert result.returncode == status, result
        assert heard[0].startswith(GREETING)
        return heard[0][len(GREETING):]

    def sent_by_server(self, payload, *options):
        """What a server says to a client that tells it everything at once, after the selection."""
        with Proxy(*options) as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + payload)
            peer.shutdown(socket.SHUT_WR)
            heard = receive_all(peer)
        assert heard.startswith(b"\x05\x08")
        return heard[2:]

    def test_together(self):
        for ids in ("compact", "uuid", "both", "uuid-first"):
            for options_ in ((), ("--write-size", "1"), ("--glue",)):
                with Proxy(*options_) as proxy, Listener(echo) as target:
                    check_echo(proxy, target.address, *REVISION_1, "--ids", ids, *options_)

    def test_both_revisions_at_one_server(self):
        with Proxy("--rounds", "2", "--test-data", "", "--verbose") as proxy, Listener(echo) as target:
            for revision in ("1", "0", "1"):
                check_echo(proxy, target.address, "--revision", revision)
            assert sum("sent Acknowledge" in line for line in proxy.lines) == 2

    def test_one_revision_only(self):
        with Listener(echo) as target:
            for revision, other, words in (("0", "1", "VER is 01, not 00"), ("1", "0", "VER is 00, not 01")):
                with Proxy("--revision", revision) as proxy:
                    check_refusal(run_client(proxy, target.address, "--revision", other), 3, b"closed the connection")
                    proxy.wait_line("expected a list of MAF sub-methods: " + words)
                    check_echo(proxy, target.address, "--revision", revision)

    def test_client_byte_for_byte(self):
        for ids, offer, method in (("compact", groups(TEST), TEST), ("uuid", groups(TEST_UUID), TEST_UUID),
                                   ("both", groups(TEST, TEST_UUID), TEST_UUID),
                                   ("uuid-first", groups(TEST_UUID, TEST), TEST)):
            hello = in_01(5, method, b"hello")
            said = self.sent_by_client(in_01(3, method) + hello + SUCCESS_01 + ACKNOWLEDGE_01 + REPLY_OK,
                                       "--ids", ids, status=0)
            assert said == offer + hello + WHAT_NEXT_01 + ACKNOWLEDGE_01 + REQUEST_TO_9

    def test_server_byte_for_byte(self):
        for offer, method in ((groups(TEST), TEST), (groups(TEST_UUID, TEST), TEST_UUID), (groups(TEST, TEST_UUID), TEST),
                              (groups(b"x", b"y" * 255, bytes(16), number(2), TEST_UUID, b"z" * 17), TEST_UUID),
                              (bytes.fromhex("01010000" "0304" "00000002" "00010000" "00000001" "00"), TEST)):
            hello = in_01(5, method, b"hello")
            said = self.sent_by_server(offer + hello + WHAT_NEXT_01 + ACKNOWLEDGE_01)
            assert said == in_01(3, method) + hello + SUCCESS_01 + ACKNOWLEDGE_01

    def test_offer_by_uuid(self):
        uuid = "4a78553a-fb3c-4917-9c6c-6e302b6c482d"
        with Proxy() as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, *REVISION_1, "--offer", uuid)
            check_echo(proxy, target.address, *REVISION_1, "--offer", f"00010000-00010010,{uuid},00010011")
            check_echo(proxy, target.address, *REVISION_1, "--offer", f"00010000,{uuid}", "--ids", "uuid")
            check_echo(proxy, target.address, *REVISION_1, "--offer", f"00010000-000101FF,{uuid}")
            other = "5f0e7c1a-6d3b-4f0c-9a55-0c2d8e4b7f61"
            check_refusal(run_client(proxy, target.address, *REVISION_1, "--offer", other), 1, b"no sub-method offered")

    def test_long_lists(self):
        group = b"\xff\x10" + b"".join(UUID_UNHEARD_OF[:15] + bytes([i]) for i in range(255))
        end = b"\1\4" + TEST + b"\0"
        assert self.sent_by_server(b"\1\1\0\0" + group * 4 + end).startswith(DO_01)
        assert self.sent_by_server(b"\1\1\0\0" + group * 5 + end) == b""

    def test_no_acceptable_method(self):
        for offer in (groups(), groups(b"x"), groups(UUID_UNHEARD_OF, number(0x10000))):
            assert self.sent_by_server(offer + ACKNOWLEDGE_01) == DO_FAILURE_01 + ACKNOWLEDGE_01
        assert self.sent_by_client(DO_FAILURE_01 + ACKNOWLEDGE_01, "--ids", "none", status=1) == groups() + ACKNOWLEDGE_01
        with Proxy() as proxy:
            for options_ in ((), ("--glue",)):
                check_refusal(run_client(proxy, "127.0.0.1:9", *REVISION_1, "--ids", "none", *options_), 1,
                                   b"no sub-method offered is acceptable")

    def test_failure_is_acknowledged(self):
        wrong = in_01(5, TEST, b"HELLO")
        assert self.sent_by_server(LIST_01 + wrong + WHAT_NEXT_01 + ACKNOWLEDGE_01) == ROUND_01_OF_SERVER + FAILURE_01 + ACKNOWLEDGE_01
        assert self.sent_by_client(ROUND_01_OF_SERVER + FAILURE_01 + ACKNOWLEDGE_01, status=1) == LIST_01 + ROUND_01 + ACKNOWLEDGE_01

    def test_a_refusal_stands_without_acknowledges(self):
        """Whatever comes in their place, or does not come."""
        for rest in (b"", b"\x06", WHAT_NEXT_01, b"GET / HTTP/1.0"):
            with Proxy() as proxy, proxy.connect() as peer:
                peer.sendall(GREETING + groups() + rest)
                peer.shutdown(socket.SHUT_WR)
                assert receive_all(peer) == b"\x05\x08" + DO_FAILURE_01
                proxy.wait_line("no sub-method offered is acceptable")
                assert len(proxy.lines) == 1
        for rest in (SUCCESS_01, b"\x05\0", b"HTTP/1.1"):
            self.sent_by_client(ROUND_01_OF_SERVER + FAILURE_01 + rest, status=1)

    def test_success_without_acknowledges(self):
        """A client that does not acknowledge is served none the less; the other way round it is a violation."""
        request = b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50"
        said = self.sent_by_server(LIST_01 + ROUND_01 + request)
        assert said[:-10] == ROUND_01_OF_SERVER + SUCCESS_01
        self.sent_by_client(ROUND_01_OF_SERVER + SUCCESS_01 + REPLY_OK, status=3)

    def test_results_with_ver_00(self):
        for ver in (0, 1):
            self.sent_by_client(ROUND_01_OF_SERVER + in_01(0, bytes(4), ver=ver) + ACKNOWLEDGE_01 + REPLY_OK, status=0)
            self.sent_by_client(ROUND_01_OF_SERVER + in_01(0xFF, b"\xff" * 4, ver=ver) + ACKNOWLEDGE_01, status=1)
        self.sent_by_client(in_01(3, TEST, ver=0), status=3)

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
            for options_ in ((), ("--write-size", "1"), ("--glue",)):
                assert self.sent_by_client(answers, "--oem", place, *options_, status=0) == said + REQUEST_TO_9
        self.sent_by_client(rest, "--oem", "list", status=3)
        self.sent_by_client(ROUND_01_OF_SERVER + FAILURE_01 + NOT_RECOGNISED + ACKNOWLEDGE_01, "--oem", "end", status=1)

    def test_oem_from_the_server(self):
        question = oem(bytes(4))
        after_list = question + ROUND_01_OF_SERVER + SUCCESS_01
        after_what_next = ROUND_01_OF_SERVER + question + SUCCESS_01
        for options_ in ((), ("--write-size", "1"), ("--glue",)):
            assert self.sent_by_server(LIST_01 + question + ROUND_01, "--oem", "list", *options_) == after_list
            assert self.sent_by_server(LIST_01 + ROUND_01 + question, "--oem", "what-next", *options_) == after_what_next
        assert self.sent_by_server(LIST_01 + ROUND_01, "--oem", "list") == question
        assert self.sent_by_server(LIST + ROUND, "--oem", "list") == DO_HELLO + SUCCESS

    def test_oem_is_answered(self):
        answers = {bytes(4): b"ping", number(3): b"", number(4): None, number(5): None, b"\xff" * 4: None,
                   TEST_UUID: None, b"x" * 255: None}
        for id_, echoed in answers.items():
            asked = oem(id_, echoed or b"")
            answer = NOT_RECOGNISED if echoed is None else asked
            said = self.sent_by_server(asked + asked + LIST_01 + asked + PROCESS_01 + asked + WHAT_NEXT_01 + asked +
                                       ACKNOWLEDGE_01)
            assert said == answer * 2 + DO_01 + PROCESS_01 + answer * 2 + SUCCESS_01 + answer + ACKNOWLEDGE_01
            said = self.sent_by_client(asked + ROUND_01_OF_SERVER + asked + SUCCESS_01 + ACKNOWLEDGE_01 + REPLY_OK,
                                       status=0)
            assert said == LIST_01 + answer + ROUND_01 + answer + ACKNOWLEDGE_01 + REQUEST_TO_9

    def test_oem_where_it_may_not_be(self):
        self.sent_by_client(DO_01 + oem(bytes(4)), status=3)
        self.sent_by_client(ROUND_01_OF_SERVER + SUCCESS_01 + oem(bytes(4)), status=3)
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + edited(oem(bytes(4)), 1, b"\0"))
            receive_all(peer)
            proxy.wait_line("INSTR is 07, which revision 00 does not have")

    def test_oem_together(self):
        with Listener(echo) as target:
            for place in ("list", "what-next"):
                for id_ in ("", ":3", ":00010000", ":5f0e7c1a-6d3b-4f0c-9a55-0c2d8e4b7f61"):
                    with Proxy("--oem", place + id_, "--rounds", "2") as proxy:
                        check_echo(proxy, target.address, *REVISION_1)
                        check_echo(proxy, target.address, *REVISION_1, "--oem", "what-next" + id_)
                        check_echo(proxy, target.address, *REVISION_1, "--oem", "end" + id_, "--write-size", "1")
                        check_echo(proxy, target.address, *REVISION_1, "--oem", "list" + id_, *MORE_ON_OFFER_01)
                        check_echo(proxy, target.address)

    def test_a_peer_that_only_talks(self):
        """Its OEM messages are not read when it does not read the answers."""
        question = oem(bytes(4), bytes(50000))
        with Proxy("--timeout", "2") as proxy, Listener(echo) as target, proxy.connect() as peer:
            peer.sendall(GREETING)
            peer.settimeout(1)
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 200 * 1000 * 1000:
                    peer.sendall(question)
                    sent += len(question)
            assert sent < 100 * 1000 * 1000
            check_echo(proxy, target.address)
            proxy.wait_line("the peer does not read")

    def test_oem_without_end(self):
        with Proxy() as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + oem(bytes(4)) * 300)
            peer.shutdown(socket.SHUT_WR)
            assert receive_all(peer) == b"\x05\x08" + oem(bytes(4)) * 256
            proxy.wait_line("more OEM messages than the limit of 256")

    def test_sasl(self):
        with Listener(echo) as target:
            for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
                for ids in ("compact", "uuid"):
                    for options_ in ((), ("--write-size", "1"), ("--glue",)):
                        with configured((mechanism,)) as proxy:
                            check_login(proxy, *REVISION_1, "--ids", ids, *options_, grade=1)
                            check_refused(proxy, *REVISION_1, "--ids", ids, *options_, password="pencil")

    def test_policies(self):
        with configured(("PLAIN", "1", "next"), ("SCRAM-SHA-256", "2", "next")) as proxy:
            check_login(proxy, *REVISION_1, "--ids", "uuid-first", grade=3)
            check_login(proxy, *REVISION_1, "--offer", "101", grade=1)
            check_login(proxy, *REVISION_1, "--ids", "both", "--block", "2", grade=3)
        for more in ("relative", "absolute"):
            with configured(("PLAIN",), policy=f"more={more}\nfailure-text=No.") as proxy:
                check_login(proxy, *REVISION_1, "--ids", "uuid", "--block", "1")
                check_refused(proxy, *REVISION_1, "--ids", "uuid", "--block", "1", password="pencil")
        with configured(("PLAIN",), policy="unacceptable=failure") as proxy:
            check_refused(proxy, *REVISION_1, "--ids", "none", words=b"the server sent Failure")

    def test_random_bytes(self):
        chance = random.Random(6)
        starts = [b"", LIST_01, LIST_01 + ROUND_01, LIST_01 + ROUND_01 + ACKNOWLEDGE_01, oem(bytes(4))]
        with Proxy() as proxy, Listener(echo) as target:
            for i in range(200):
                with proxy.connect() as peer, contextlib.suppress(OSError):
                    payload = bytearray(chance.randbytes(chance.randrange(100)))
                    payload[:2] = bytes([chance.randrange(9), 1])
                    peer.sendall(GREETING + starts[i % 5] + payload)
                    if i % 3:
                        peer.shutdown(socket.SHUT_WR)
                        receive_all(peer)
            check_echo(proxy, target.address, *REVISION_1)
