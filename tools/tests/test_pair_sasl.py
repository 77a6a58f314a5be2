# SPDX-License-Identifier: GPL-2.0-or-later
"""The SASL sub-methods, against each other and against RFC 4616, 2195 and 5802 as this file has them."""

import base64
import contextlib
import hashlib
import hmac
import re

from pair import (CRAM_MD5, FAILURE, GREETING, Listener, PASSWORD, PLAIN, Proxy, REPLY_OK, REQUEST_TO_9, SALT, SCRAM,
                  SUCCESS, WHAT_NEXT, check_echo, check_login, check_refusal, check_refused, configured, echo, frame,
                  hmac_sha256, list_of, login, private_file, process, read_message, receive, receive_all, scram_keys,
                  scram_secret)


class TestSasl:
    """The SASL sub-methods, against each other and against RFC 4616, 2195 and 5802 as this file has them."""

    def test_each_mechanism(self):
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            for options_ in ((), ("--write-size", "1"), ("--glue",)):
                with configured((mechanism,), options=options_) as proxy:
                    check_login(proxy, *options_)
                    check_login(proxy, *options_, user="bob", password="bob's")
                    check_refused(proxy, *options_, password="pencil")
                    check_refused(proxy, *options_, user="bob")
                    check_refused(proxy, *options_, user="carol")

    def test_unicode(self):
        """SASLprep makes one of what looks the same, on either side."""
        users = "[user j\u00f6rg]\nscram=%s\npassword=cafe\u0301\n" % scram_secret("caf\u00e9")
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with private_file(f"[step 1]\nmethods={mechanism}\n{users}") as file, Proxy("--config", file) as proxy:
                check_login(proxy, user="jo\u0308rg", password="caf\u00e9")
                check_login(proxy, user="j\u00f6rg", password="cafe\u0301")

    def test_names_with_commas(self):
        users = f"[user a=b,c]\nscram={scram_secret(PASSWORD)}\n"
        with private_file(f"[step 1]\nmethods=SCRAM-SHA-256\n{users}") as file, Proxy("--config", file) as proxy:
            check_login(proxy, user="a=b,c")

    def test_unknown_users_look_like_known_ones(self):
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with configured((mechanism,)) as proxy:
                seen = []
                for user in ("alice", "carol"):
                    check_refused(proxy, user=user, password="wrong")
                    proxy.wait_line("login failed")
                    seen.append([line.split(": ", 2)[2].replace(user, "USER") for line in proxy.lines])
                    proxy.lines.clear()
                assert seen[0] == seen[1]

    def server_first(self, proxy, user):
        with proxy.connect() as peer:
            peer.sendall(GREETING + list_of(SCRAM) + process(SCRAM, b"n,,n=%s,r=nonce" % user))
            assert receive(peer, 2) == b"\x05\x08"
            assert read_message(peer) == (3, SCRAM, b"")
            instr, method, data = read_message(peer)
        assert (instr, method) == (5, SCRAM)
        nonce, rest = data.split(b",", 1)
        assert nonce.startswith(b"r=nonce") and len(nonce) > 20
        return rest

    def test_unknown_users_keep_their_salt(self):
        """Across restarts and edits: they come from the configuration's secret."""
        with configured(("SCRAM-SHA-256",), policy="secret=one") as proxy, \
                configured(("SCRAM-SHA-256;PLAIN",), policy="secret=one\nmore=never") as again, \
                configured(("SCRAM-SHA-256",), policy="secret=another") as other:
            known = self.server_first(proxy, b"alice")
            assert known == b"s=%s,i=4096" % base64.b64encode(SALT)
            unknown = self.server_first(proxy, b"carol")
            assert unknown == self.server_first(proxy, b"carol")
            assert unknown == self.server_first(again, b"carol")
            assert unknown != self.server_first(other, b"carol")
            assert len(unknown) == len(known)
            assert unknown != self.server_first(proxy, b"dave")

    def test_server_byte_for_byte(self):
        with configured(("PLAIN",), ("CRAM-MD5",), ("SCRAM-SHA-256",)) as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + list_of(PLAIN, CRAM_MD5, SCRAM))
            assert receive(peer, 2) == b"\x05\x08"
            assert read_message(peer) == (3, PLAIN, b"")
            peer.sendall(process(PLAIN, b"\0alice\0" + PASSWORD.encode()) + WHAT_NEXT)
            instr, method, challenge = read_message(peer)
            assert (instr, method) == (3, CRAM_MD5)
            assert re.search(rb"^<[^<>]+>$", challenge)
            digest = hmac.new(PASSWORD.encode(), challenge, "md5").hexdigest().encode()
            peer.sendall(process(CRAM_MD5, b"alice " + digest) + WHAT_NEXT)
            assert read_message(peer) == (3, SCRAM, b"")
            first = b"n=alice,r=nonce"
            peer.sendall(process(SCRAM, b"n,," + first))
            server_first = read_message(peer)[2]
            without_proof = b"c=biws," + server_first.split(b",")[0]
            message = b",".join((first, server_first, without_proof))
            client_key, server_key = scram_keys(PASSWORD, SALT, 4096)
            signature = hmac_sha256(hashlib.sha256(client_key).digest(), message)
            proof = bytes(a ^ b for a, b in zip(client_key, signature))
            peer.sendall(process(SCRAM, without_proof + b",p=" + base64.b64encode(proof)))
            assert read_message(peer) == (5, SCRAM, b"v=" + base64.b64encode(hmac_sha256(server_key, message)))
            peer.sendall(WHAT_NEXT)
            assert read_message(peer) == (0, 0, b"grade=3")

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
                    with proxy.connect() as peer:
                        peer.sendall(GREETING + list_of(method) + process(method, data) + WHAT_NEXT)
                        heard = receive_all(peer)
                        assert heard.endswith(FAILURE), heard
                        assert (b"e=" in heard) == (method == SCRAM), heard

    def test_nothing_is_a_message_too(self):
        for method, word in ((PLAIN, "PLAIN"), (CRAM_MD5, "CRAM-MD5"), (SCRAM, "SCRAM-SHA-256")):
            with configured((word,)) as proxy, proxy.connect() as peer:
                peer.sendall(GREETING + list_of(method) + process(method, b"") * 2)
                receive_all(peer)
                proxy.wait_line("expected What next?: got Process after the sub-method's end")

    def test_nobody_acts_for_another(self):
        secret = PASSWORD.encode()
        with configured(("PLAIN",)) as proxy:
            for data, passes in ((b"alice\0alice\0" + secret, True), (b"bob\0alice\0" + secret, False)):
                with proxy.connect() as peer:
                    peer.sendall(GREETING + list_of(PLAIN) + process(PLAIN, data) + WHAT_NEXT)
                    receive(peer, 2)
                    read_message(peer)
                    assert read_message(peer)[0] == (0 if passes else 0xFF)

    def test_one_login_is_one_user(self):
        with configured(("PLAIN",), ("CRAM-MD5",)) as proxy, proxy.connect() as peer:
            peer.sendall(GREETING + list_of(PLAIN, CRAM_MD5) + process(PLAIN, b"\0alice\0" + PASSWORD.encode()) +
                         WHAT_NEXT)
            receive(peer, 2)
            read_message(peer)
            challenge = read_message(peer)[2]
            digest = hmac.new(b"bob's", challenge, "md5").hexdigest().encode()
            peer.sendall(process(CRAM_MD5, b"bob " + digest) + WHAT_NEXT)
            assert read_message(peer)[0] == 0xFF

    def scram_server(self, iterations=b"4096", nonce=None, final=None, instr=5):
        """maf-client against a server that is right but for what it is told to say."""
        def serve(peer):
            receive(peer, len(GREETING))
            peer.sendall(b"\x05\x08")
            receive(peer, len(list_of(SCRAM)))
            peer.sendall(frame(3, SCRAM))
            first = read_message(peer)[2].removeprefix(b"n,,")
            server_first = b"%s,s=%s,i=%s" % (nonce or first.split(b",")[1] + b"more", base64.b64encode(SALT), iterations)
            peer.sendall(process(SCRAM, server_first))
            client_final = read_message(peer)[2]
            message = b",".join((first, server_first, client_final.rpartition(b",p=")[0]))
            signature = hmac_sha256(scram_keys(PASSWORD, SALT, int(iterations))[1], message)
            peer.sendall(frame(instr, 0 if instr == 0 else SCRAM,
                               b"v=" + base64.b64encode(signature) if final is None else final))
            assert receive(peer, 4) == WHAT_NEXT
            peer.sendall(SUCCESS)
            receive(peer, len(REQUEST_TO_9))
            peer.sendall(REPLY_OK)

        def serve_to_its_end(peer):
            with contextlib.suppress(EOFError):  # the client has heard enough
                serve(peer)

        with Listener(serve_to_its_end) as proxy:
            return login(proxy.address, "127.0.0.1:9", "--offer", "SCRAM-SHA-256")

    def test_server_that_is_right(self):
        result = self.scram_server()
        assert (result.returncode, result.stderr) == (0, b"")

    def test_server_that_does_not_know_the_password(self):
        check_refusal(self.scram_server(final=b"v=" + base64.b64encode(bytes(32))), 3, b"the server did not prove")
        check_refusal(self.scram_server(final=b""), 3, b"SASL SCRAM-SHA-256: ")
        check_refusal(self.scram_server(instr=0, final=b""), 3, b"expected Process: got Success")
        check_refusal(self.scram_server(nonce=b"r=another"), 3, b"SASL SCRAM-SHA-256: ")

    def test_server_that_wants_too_little_or_too_much_work(self):
        check_refusal(self.scram_server(iterations=b"1"), 3, b"expected 4096 to 1000000 iterations, got 1")
        check_refusal(self.scram_server(iterations=b"4294967296"), 3, b"got 4294967296")

    def test_server_that_refuses_the_proof(self):
        check_refusal(self.scram_server(final=b"e=invalid-proof"), 3, b"has not completed: the server proved nothing")

    def test_data_of_100_kb(self):
        with Proxy("--test-data-size", "102400", "--verbose") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)
            proxy.wait_line("sent Do: Internal Test Method, 102400 bytes")
