# SPDX-License-Identifier: GPL-2.0-or-later
"""--fault NAME on either side: the one rule is broken, and the rest is right."""

import contextlib
import socket
import struct
import subprocess

from pair import (ACKNOWLEDGE_01, CLIENT, DO_01, DO_HELLO, FAILURE, FAILURE_01, GREETING, LIST, LIST_01,
                  LIST_01_WITH_MORE, LIST_WITH_MORE, Listener, MORE_ON_OFFER, MORE_ON_OFFER_01, PATIENCE, PROCESS_01,
                  PROCESS_HELLO, Proxy, REPLY_OK, REQUEST_MORE, REQUEST_MORE_01, REQUEST_TO_9, REVISION_1, ROUND,
                  ROUND_01, ROUND_01_OF_SERVER, SERVER, SUCCESS, SUCCESS_01, SUCCESS_TO_FAILURE, TEST, UNHEARD_OF,
                  UUID_UNHEARD_OF, WHAT_NEXT, WHAT_NEXT_01, check_echo, check_refusal, echo, edited, groups, in_01,
                  list_of, number, oem, receive_all, receive_until_end, run_client, wait_until_heard)


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

    def sent_by_client(self, answer, *options):
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
            for options_ in ((), ("--write-size", "1"), ("--glue",)):
                if options_ == ("--glue",) and (options or name == "truncated-list"):
                    continue  # the list goes with the greeting, and nothing is read before it
                heard = self.sent_by_client(answer, "--fault", name, *options, *options_)
                assert heard == (GREETING + said + request, name == "truncated-rst")

    def test_of_the_server_on_the_wire(self):
        for name, (_, said, heard, *_) in self.server_faults.items():
            for options_ in ((), ("--write-size", "1"), ("--glue",)):
                with Proxy("--fault", name, *options_) as proxy:
                    with proxy.connect() as peer:
                        peer.sendall(GREETING + said)
                        with contextlib.suppress(OSError):  # the server may have reset it already
                            peer.shutdown(socket.SHUT_WR)
                        assert receive_until_end(peer) == (b"\x05\x08" + heard, name == "truncated-rst")

    def check_end(self, result, status):
        assert result.returncode == status, result
        assert result.stderr.count(b"\n") == (0 if status == 0 else 1), result.stderr

    def test_of_the_client_with_the_server(self):
        with Proxy() as proxy, Listener(echo) as target:
            for name, (status, _, *options) in self.client_faults.items():
                self.check_end(run_client(proxy, target.address, *self.revision, "--fault", name, *options), status)
            check_echo(proxy, target.address, *self.revision)

    def test_of_the_server_with_the_client(self):
        with Listener(echo) as target:
            for name, (status, _, _, *options) in self.server_faults.items():
                with Proxy("--fault", name) as proxy:
                    for _ in range(2):  # each client is served its fault
                        self.check_end(run_client(proxy, target.address, *self.revision, *options), status)


class Faults(EveryFault):
    """--fault NAME of revision 00, and what is the same for both."""

    revision, client_faults, server_faults = (), CLIENT_FAULTS, SERVER_FAULTS
    answers, acknowledge, request_more = DO_HELLO + SUCCESS, b"", REQUEST_MORE

    def listed(self, tool):
        result = subprocess.run([tool, "--fault", "help"], capture_output=True, timeout=PATIENCE, text=True)
        assert (result.returncode, result.stderr) == (0, "")
        lines = [line.split(None, 1) for line in result.stdout.splitlines()]
        assert all(len(line) == 2 for line in lines), lines
        return [name for name, _ in lines]

    def test_help(self):
        assert set(self.listed(CLIENT)) == CLIENT_FAULTS.keys() | CLIENT_FAULTS_01.keys() | {"oem-unanswered", "unoffered-selection"}
        assert set(self.listed(SERVER)) == SERVER_FAULTS.keys() | SERVER_FAULTS_01.keys() | {"unoffered-selection"}

    def test_unoffered_selection(self):
        """The client offers METHOD 00 alone, the server selects MAF; both go on. An honest one of them does not."""
        fault = ("--fault", "unoffered_selection")
        with Proxy(*fault) as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, *fault)
            check_refusal(run_client(proxy, target.address, "--no-maf"), 3, b"got METHOD 08, which was not offered")
            with proxy.connect() as peer:
                peer.sendall(b"\x05\x01\x00" + LIST)
                assert receive(peer, 2 + len(DO_HELLO)) == b"\x05\x08" + DO_HELLO
        with Proxy() as proxy:
            check_refusal(run_client(proxy, "127.0.0.1:9", *fault), 1, b"accepts no METHOD")
        with Proxy("--allow-none") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, *fault)

    def test_unknown(self):
        for tool in (CLIENT, SERVER):
            for name in ("no-such-fault", "", "\x1b[31mred", "Version-do"):
                result = subprocess.run([tool, "--fault", name], capture_output=True, timeout=PATIENCE, text=True)
                assert (result.returncode, result.stdout) == (2, "")
                assert result.stderr.count("\n") == 1
                assert "--fault help" in result.stderr
                assert result.stderr.rstrip("\n").isprintable()

    def test_that_does_not_apply(self):
        with Proxy("--fault", "flags-request-more") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)
            proxy.wait_line("--fault flags-request-more did not apply")
            result = run_client(proxy, target.address, "--fault", "duplicate-offer-later")
            assert result.returncode == 0
            assert b"--fault duplicate-offer-later did not apply" in result.stderr

    def test_a_full_list_takes_no_more(self):
        offer = ("--offer", "00010000-000100FD,00000001")
        full = list_of(*range(0x10000, 0x100FE), 1)
        for name in ("duplicate-offer", "more-not-last"):
            assert self.sent_by_client(b"", "--fault", name, *offer)[0] == GREETING + full + ROUND + REQUEST_TO_9

    def test_once_in_a_session(self):
        with Proxy("--rounds", "2", "--fault", "flags-do") as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + LIST + ROUND + ROUND)
            peer.shutdown(socket.SHUT_WR)
            assert receive_all(peer) == b"\x05\x08" + edited(DO_HELLO, 2, b"\x80") + DO_HELLO + SUCCESS

    def test_verbose_shows_it(self):
        with Proxy("--fault", "flags-do", "--verbose") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)
            proxy.wait_line("sent Do: Internal Test Method, 5 bytes, altered by --fault")


class FaultsOfRevision01(EveryFault):
    """--fault NAME of revision 01."""

    revision, client_faults, server_faults = REVISION_1, CLIENT_FAULTS_01, SERVER_FAULTS_01
    answers = ROUND_01_OF_SERVER + SUCCESS_01 + ACKNOWLEDGE_01
    acknowledge, request_more = ACKNOWLEDGE_01, REQUEST_MORE_01

    def test_client_that_does_not_answer_oem(self):
        with Proxy("--oem", "list") as proxy:
            check_refusal(run_client(proxy, "127.0.0.1:9", *REVISION_1, "--fault", "oem-unanswered"), 3,
                               b"closed the connection")
            proxy.wait_line("expected OEM: got What next?")
        heard, _ = self.sent_by_client(oem(bytes(4)), "--fault", "oem-unanswered")
        assert heard == GREETING + LIST_01 + WHAT_NEXT_01 + ROUND_01 + ACKNOWLEDGE_01 + REQUEST_TO_9

    def test_only_in_their_revision(self):
        with Proxy("--fault", "length-process") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)
            proxy.wait_line("--fault length-process did not apply")
            result = run_client(proxy, target.address, "--fault", "version-old")
            assert result.returncode == 0
            assert b"--fault version-old did not apply" in result.stderr
        with Proxy() as proxy, Listener(echo) as target:
            result = run_client(proxy, target.address, *REVISION_1, "--fault", "nmethods-0")
            assert result.returncode == 0
            assert b"--fault nmethods-0 did not apply" in result.stderr

    def test_empty_lists_have_nothing_to_spoil(self):
        for name in ("duplicate-offer", "nmethods-idlen", "reserved-offer-success"):
            assert self.sent_by_client(b"", "--fault", name, "--ids", "none")[0].startswith(GREETING + groups())
