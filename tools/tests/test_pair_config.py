# SPDX-License-Identifier: GPL-2.0-or-later
"""Where users, policies and passwords come from, and where passwords do not go."""

import base64
import contextlib
import mmap
import os
import subprocess
import tempfile
import termios
import threading
import time

from pair import (CLIENT, Listener, PASSWORD, PATIENCE, Proxy, SERVER, check_echo, check_login, check_refused,
                  configured, echo, login, private_file, receive_all, run_client, scram_secret, steps)


class TestSecrets:
    """Where users, policies and passwords come from, and where passwords do not go."""

    def run_tool(self, *arguments, data="", env=None):
        return subprocess.run(arguments, capture_output=True, input=data, timeout=PATIENCE, text=True,
                              env={**os.environ, **(env or {})})

    def check_error(self, result, tool, *words):
        assert (result.returncode, result.stdout) == (2, ""), result
        assert result.stderr.count("\n") == 1, result.stderr
        assert result.stderr.startswith(f"{tool}: "), result.stderr
        for word in words:
            assert word in result.stderr
        assert "sesame" not in result.stderr
        assert result.stderr.rstrip("\n").isprintable()

    def test_errors_of_the_configuration(self):
        step = "[step 1]\nmethods=internal-test\n"
        user = f"[user alice]\nscram={scram_secret('sesame')}\n"
        scram = scram_secret("sesame").split("$")
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
            with private_file(text) as file:
                self.check_error(self.run_tool(SERVER, "--port", "0", "--config", file), "maf-server",
                                 f"{file}: {words}" if not words.startswith("there") else words)

    def test_a_bad_line_in_each_place(self):
        lines = ["[step 1]", "methods=internal-test", "# " + "x" * 100, "", "", *["[user bob]"] * 20]
        for end in ("", "\n"):
            for n in range(len(lines) + 1):
                text = "\n".join([*lines[:n], "sesame", *lines[n:]]) + end
                with private_file(text) as file:
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
                                    (long_file, "is longer than 1048576 bytes")):
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
            with private_file(text) as file:
                self.check_error(self.run_tool(CLIENT, "--credentials", file, "a:1"), "maf-client", f"{file}: {words}")
        for env in ({"MAF_USER": "alice"}, {"MAF_PASSWORD": "sesame"}, {"MAF_USER": "alice", "MAF_PASSWORD": ""},
                    {"MAF_USER": "\x07", "MAF_PASSWORD": "sesame"}):
            self.check_error(self.run_tool(CLIENT, "a:1", env=env), "maf-client", "MAF_USER and MAF_PASSWORD: ")

    def test_credentials_of_a_file(self):
        text = f"# mine\n[credentials]\nuser=alice\npassword={PASSWORD}\n"
        with configured(("SCRAM-SHA-256",)) as proxy, private_file(text) as file, Listener(echo) as target:
            for env in ({}, {"MAF_USER": "bob", "MAF_PASSWORD": "sesame"}, {"MAF_USER": "bob"}):
                result = self.run_tool(CLIENT, "--server", proxy.address, "--credentials", file, target.address,
                                       data="bytes", env=env)
                assert (result.returncode, result.stdout, result.stderr) == (0, "bytes", "")

    def test_without_credentials(self):
        with configured(("PLAIN;internal-test",)) as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)
            result = run_client(proxy, target.address, "--offer", "101")
            assert result.returncode == 1
            assert b"offered SASL PLAIN, but cannot run it" in result.stderr

    def test_the_environment_is_wiped(self):
        listening = threading.Event()
        with Listener(lambda peer: (listening.set(), receive_all(peer))) as proxy:
            client = subprocess.Popen([CLIENT, "--server", proxy.address, "127.0.0.1:9"], stdin=subprocess.DEVNULL,
                                      env={"MAF_USER": "alice", "MAF_PASSWORD": "sesame"})
            assert listening.wait(PATIENCE)
            with open(f"/proc/{client.pid}/environ", "rb") as environ:
                assert b"sesame" not in environ.read()
            client.terminate()
            client.wait(PATIENCE)

    @staticmethod
    def page(memory, address):
        """Its bytes; nothing of one that guards a stack, which nobody may read."""
        try:
            return os.pread(memory.fileno(), mmap.PAGESIZE, address)
        except OSError:
            return b""

    def copies_in_memory(self, process_, payload):
        """How often they are in what the process may write to."""
        count = 0
        with open(f"/proc/{process_.pid}/maps", encoding="utf-8") as maps, \
                open(f"/proc/{process_.pid}/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(address, 16) for address in line.split()[0].split("-"))
                if line.split()[1].startswith("rw"):
                    pages = (self.page(memory, address) for address in range(start, end, mmap.PAGESIZE))
                    count += b"".join(pages).count(payload)
        return count

    def test_messages_with_passwords_do_not_stay_in_memory(self):
        """
        Neither with the client nor with the server. The name is long because free() overwrites a beginning, and What
        next? does not fit into the power of two in which the password does.
        """
        user, secret = "alice" * 8, "sesame" * 12
        message = b"alice\0sesame"
        text = f"[step 1]\nmethods=PLAIN\n[user {user}]\nscram={scram_secret(secret)}\n"
        with private_file(text) as file, Proxy("--config", file) as proxy, \
                Listener(lambda peer: (peer.sendall(b"welcome"), receive_all(peer))) as target:
            for options in ((), ("--glue",), ("--write-size", "1")):
                client = subprocess.Popen([CLIENT, "--server", proxy.address, "--offer", "101", *options, target.address],
                                          env={**os.environ, "MAF_USER": user, "MAF_PASSWORD": secret},
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                assert client.stdout.read(7) == b"welcome"
                copies = [self.copies_in_memory(process_, message) for process_ in (client, proxy.process)]
                client.communicate(timeout=PATIENCE)
                assert copies == [0, 0]

    def test_passwords_are_not_told(self):
        said = []
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with configured((mechanism,)) as proxy:
                for password in (PASSWORD, "open sesame"):
                    result = login(proxy, "127.0.0.1:9", "--verbose", password=password)
                    assert result.returncode in (1, 4)
                    said.append(result.stdout.decode() + result.stderr.decode())
                proxy.wait_line("refused: ")
                said += proxy.lines
        for words in (PASSWORD, "sesame", *(base64.b64encode(w.encode()).decode() for w in (PASSWORD, "open sesame"))):
            assert words not in "\n".join(said)

    def test_make_user(self):
        for data in ("sesame\n", "sesame", "sesame\r\nmore\n"):
            result = self.run_tool(SERVER, "--make-user", "carol", data=data)
            assert (result.returncode, result.stderr) == (0, "")
            group, scram, crypt_hash, rest = result.stdout.split("\n")
            assert (group, rest) == ("[user carol]", "")
            iterations, salt = scram.split("$")[1].split(":")
            assert scram == "scram=" + scram_secret("sesame", base64.b64decode(salt), int(iterations))
            assert crypt_hash.startswith("crypt=$")
            for known in (scram, crypt_hash):
                for mechanism in ("PLAIN", "SCRAM-SHA-256") if known == scram else ("PLAIN",):
                    text = f"[step 1]\nmethods={mechanism}\n{group}\n{known}\n"
                    with private_file(text) as file, Proxy("--config", file) as proxy:
                        check_login(proxy, user="carol", password="sesame")
                        check_refused(proxy, user="carol", password="sesam")

    def test_make_user_of_nothing(self):
        for name, data in (("", "sesame\n"), ("a]b", "sesame\n"), ("a\x07", "sesame\n"), ("carol", ""), ("carol", "\n"),
                           ("carol", "sesame\x07\n"), ("carol", "sesame" * 200)):
            self.check_error(self.run_tool(SERVER, "--make-user", name, data=data), "maf-server", "--make-user: ")

    def test_make_user_where_nothing_can_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([SERVER, "--make-user", "carol"], input="sesame", stdout=full, stderr=subprocess.PIPE,
                                    timeout=PATIENCE, text=True)
        assert result.returncode == 2
        assert result.stderr == "maf-server: --make-user: No space left on device\n"

    def test_make_user_at_a_terminal(self):
        """The password is asked for, and not shown."""
        leader, follower = os.openpty()
        process_ = subprocess.Popen([SERVER, "--make-user", "carol"], stdin=follower, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)
        assert process_.stderr.read(len("Password: ")) == "Password: "
        deadline = time.monotonic() + PATIENCE
        while termios.tcgetattr(follower)[3] & termios.ECHO and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(leader, b"sesame\n")
        output, _ = process_.communicate(timeout=PATIENCE)
        assert process_.returncode == 0
        assert "[user carol]" in output
        assert termios.tcgetattr(follower)[3] & termios.ECHO
        os.set_blocking(leader, False)
        with contextlib.suppress(BlockingIOError):
            assert b"sesame" not in os.read(leader, 1000)
        os.close(leader)
        os.close(follower)
