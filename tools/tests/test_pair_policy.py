# SPDX-License-Identifier: GPL-2.0-or-later
"""What a policy asks, and what a login is worth."""

import contextlib
import socket
import threading

from pair import (CRAM_MD5, DO_FAILURE, GREETING, LIST, Listener, PATIENCE, PLAIN, REQUEST_MORE, SCRAM, check_login,
                  check_refused, configured, edited, frame, list_of, receive_all, wait_until_heard)


class TestPolicy:
    """What a policy asks, and what a login is worth."""

    def test_composite_login_is_worth_more(self):
        with configured(("PLAIN", "1", "next"), ("SCRAM-SHA-256", "2", "next")) as proxy:
            check_login(proxy, grade=3)
            check_login(proxy, "--offer", "101", grade=1)
            check_login(proxy, "--offer", "103", grade=2)

    def test_composite_of_three(self):
        with configured(("internal-test", "1"), ("PLAIN", "2"), ("SCRAM-SHA-256", "4")) as proxy:
            check_login(proxy, grade=7)
            check_refused(proxy, password="wrong")
            check_refused(proxy, "--offer", "1,101", words=b"no sub-method offered is acceptable")

    def test_order_of_preference_is_the_servers(self):
        for methods, chosen in (("PLAIN;SCRAM-SHA-256", "SASL PLAIN"), ("SCRAM-SHA-256, PLAIN", "SASL SCRAM-SHA-256")):
            with configured((methods,)) as proxy:
                check_login(proxy, grade=1)
                check_login(proxy)
                proxy.wait_line(f"sent Do: {chosen}")

    def test_failed_and_stop(self):
        with configured(("PLAIN", "1", "stop"), ("internal-test",)) as proxy:
            check_refused(proxy, password="wrong", words=b"the server sent Failure")
            proxy.wait_line("the sub-method failed")
            assert not any("Internal Test Method" in line for line in proxy.lines)

    def test_failed_and_another(self):
        with configured(("SCRAM-SHA-256", "4", "next"), ("internal-test", "1")) as proxy:
            check_refused(proxy, password="wrong", status=3, words=b"has not completed")
            assert proxy.wait_line("login succeeded").endswith("grade 1")
        with configured(("SCRAM-SHA-256;internal-test", "4", "next")) as proxy:
            check_login(proxy, "--require", "internal-test", password="wrong", grade=4)
            check_refused(proxy, "--offer", "103", password="wrong")
            proxy.wait_line("the sub-method failed")

    def test_minimum_grade(self):
        with configured(("PLAIN", "1", "next"), ("internal-test", "2", "next"), policy="minimum-grade=3") as proxy:
            check_login(proxy, grade=3)
            check_refused(proxy, "--offer", "1", words=b"no sub-method offered is acceptable")
            check_refused(proxy, password="wrong", words=b"the server sent Failure")
            proxy.wait_line("the grade is too low")

    def test_more_relative(self):
        with configured(("PLAIN",), ("internal-test",)) as proxy:
            check_login(proxy, "--block", "1", grade=2)
            check_login(proxy, "--block", "2")
            check_login(proxy, "--block", "3", "--offer", "103,102,1,101")
            check_login(proxy, "--block", "254")

    def test_more_on_the_wire(self):
        blocks = [list_of(SCRAM, 2), list_of(CRAM_MD5, 2), list_of(PLAIN, 2), list_of(1)]
        relative, absolute = REQUEST_MORE, edited(REQUEST_MORE, 3, b"\1")
        cases = {"relative": [(blocks[0], relative), (blocks[1], relative), (blocks[2], b"")],
                 "absolute": [(blocks[0], absolute), (blocks[0], relative), (blocks[1], relative), (blocks[2], b"")]}
        for more, turns in cases.items():
            with configured(("PLAIN",), policy=f"more={more}") as proxy:
                heard = []
                with Listener(lambda peer: heard.append(self.record(peer, proxy))) as between:
                    check_login(between.address, "--block", "1")
                wait_until_heard(heard)
                said, answered = heard[0]
                assert said.startswith(GREETING + b"".join(turn for turn, _ in turns)), said
                assert answered.startswith(b"\x05\x08" + b"".join(turn for _, turn in turns) + frame(3, PLAIN))

    def record(self, peer, proxy):
        """Passes bytes between the client and the proxy, and returns what each said."""
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
            check_login(proxy)
            check_refused(proxy, "--block", "1", words=b"no sub-method offered is acceptable")

    def test_more_for_a_later_step(self):
        with configured(("SCRAM-SHA-256",), ("internal-test",)) as proxy:
            check_login(proxy, "--block", "2", grade=2)

    def test_a_client_that_always_has_more(self):
        with configured(("PLAIN",), policy="more=absolute") as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + list_of(SCRAM, 2) * 20)
            heard = receive_all(peer)
            assert heard == b"\x05\x08" + edited(REQUEST_MORE, 3, b"\1") + REQUEST_MORE * 14 + DO_FAILURE

    def test_nothing_acceptable(self):
        for unacceptable, instr in (("do", 3), ("failure", 0xFF)):
            for text in (b"", b"Come back with a password."):
                policy = f"unacceptable={unacceptable}\n" + (f"failure-text={text.decode()}" if text else "")
                with configured(("PLAIN",), policy=policy) as proxy, proxy.connect() as peer:
                    peer.sendall(GREETING + LIST)
                    assert receive_all(peer) == b"\x05\x08" + frame(instr, 0xFFFFFFFF, text)
                    check_refused(proxy, "--offer", "1", words=text or b"authentication refused")

    def test_failure_text(self):
        with configured(("PLAIN",), policy="failure-text=No\\\\no\\tno.") as proxy:
            check_refused(proxy, password="wrong", words=b"the server sent Failure: No\\no?no.")
