# SPDX-License-Identifier: GPL-2.0-or-later
"""Where users, policies and passwords come from, and where passwords do not go."""

import base64
import contextlib
import mmap
import os
import shutil
import subprocess
import tempfile
import threading

import pytest

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
        salt = scram_secret("sesame").split(",")[1]
        cases = [
            ("", ": expected [step 1]"),
            ("methods=PLAIN\n", ":1: expected [group], key=value in a group, or # comment"),
            (step + "\n# fine\nsesame\n", ":5: expected [group]"),
            (step + "[user alice\n", ":3: expected [group]"),
            ("[step 2]\nmethods=internal-test\n", ": expected [step 1]"),
            (step + step.replace("1", "3"), ": expected [step 2]"),
            (step + step.replace("1", "01"), ": expected [step 2]"),
            (step + "[polcy]\n", ":3: [polcy] unknown group"),
            (step + "[policy]\nmor=relative\n", ":4: [policy] mor: unknown key"),
            (step + "[policy]\n\nmore = sesame\n", ":5: [policy] more: expected one of relative, absolute, never"),
            (step + "[policy]\nunacceptable=both\n", ":4: [policy] unacceptable: expected one of do, failure"),
            (step + "[policy]\nminimum-grade=-1\n", ":4: [policy] minimum-grade: expected a number from 0 to 1000000"),
            (step + "[policy]\nminimum-grade=2\n", ":4: [policy] minimum-grade: nobody can reach 2"),
            (step + "[policy]\nfailure-text=a\\b\n", ":4: [policy] failure-text: expected no single backslash"),
            (step + "[limits]\nconnections=1\n", ":3: [limits] unknown group"),
            (step + step, ":3: [step 1] is there twice"),
            (step + "on-failure=goto\n", ":3: [step 1] on-failure: expected one of stop, next"),
            (step + "grade=high\n", ":3: [step 1] grade: expected a number"),
            (step + "grades=1\n", ":3: [step 1] grades: unknown key"),
            ("[step 1]\ngrade=1\n", ":1: [step 1] methods: expected a sub-method"),
            ("[step 1]\nmethods=LOGIN\n", ":2: [step 1] methods: unknown sub-method 'LOGIN'"),
            ("[step 1]\nmethods=internal-test;Internal-Test\n", ":2: [step 1] methods: internal-test is there twice"),
            ("[step 1]\nmethods=PLAIN\n", ":2: [step 1] methods: no user has the scram= that PLAIN needs"),
            ("[step 1]\nmethods=CRAM-MD5\n" + user, ":2: [step 1] methods: no user has the password= that CRAM-MD5 needs"),
            (step + "[user alice]\n", ":3: [user alice] expected scram= or password="),
            (step + "[user ]\npassword=sesame\n", ":3: [user ] the name is empty"),
            (step + "[user a\x07]\npassword=sesame\n", ":3: [user a?] the name is empty or has characters"),
            (step + "[user \u00e9]\npassword=sesame\n[user e\u0301]\npassword=sesame\n", "the user is there already"),
            (step + "[user alice]\nsecret=sesame\n", ":4: [user alice] secret: unknown key"),
            (step + "[user alice]\npassword=\n", ":4: [user alice] password: the password is empty"),
            (step + "[user alice]\npassword=sesame\\q\n", ":4: [user alice] password: expected no single backslash"),
            (step + "[user alice]\npassword=sesame\\t\n", ":4: [user alice] password: the password is empty or has"),
            (step + "[user alice]\nscram=sesame\n", ":4: [user alice] scram: expected {SCRAM-SHA-256}iterations"),
            (step + "[user alice]\nscram={SCRAM-SHA-256}sesame\n", ":4: [user alice] scram: expected {SCRAM-SHA-256}"),
            (step + user.replace(salt, "****"), ":4: [user alice] scram: expected {SCRAM-SHA-256}"),
            (step + user.replace("4096", "4095"), ":4: [user alice] scram: expected 4096 to 1000000 iterations"),
            (step + "[user alice]\ncrypt=$6$sesame\n", ":4: [user alice] crypt: unknown key"),
        ]
        for text, words in cases:
            with private_file(text) as file:
                for check in ((), ("--check",)):
                    self.check_error(self.run_tool(SERVER, "--port", "0", "--config", file, *check), "maf-server",
                                     file + words if words.startswith(":") else words)

    def test_a_bad_line_in_each_place(self):
        lines = ["[step 1]", "methods=internal-test", "# " + "x" * 100, "", "", *(f"[user {name}]" for name in ("bob", "eve", "joe"))]
        for end in ("", "\n"):
            for n in range(len(lines) + 1):
                text = "\n".join([*lines[:n], "sesame", *lines[n:]]) + end
                with private_file(text) as file:
                    self.check_error(self.run_tool(SERVER, "--config", file), "maf-server", f"{file}:{n + 1}: ")

    def test_bytes_that_are_no_text(self):
        for added, words in ((b"password=sesame\xff\n", ":4: expected UTF-8"), (b"\0", "has a NUL byte")):
            with private_file("[step 1]\nmethods=internal-test\n[user alice]\n") as file:
                with open(file, "ab") as more:
                    more.write(added)
                self.check_error(self.run_tool(SERVER, "--config", file), "maf-server", words)

    def test_files_that_cannot_be_read(self):
        for tool, name, option in ((SERVER, "maf-server", "--config"), (CLIENT, "maf-client", "--credentials")):
            target = ["a:1"] if tool == CLIENT else []
            with tempfile.TemporaryDirectory() as directory, private_file("#" * 1024 * 1024) as long_file:
                for file, words in (("/no/such/file", "No such file"), (directory, "Is a directory"),
                                    (long_file, "exceeds the limit of 1048575 bytes")):
                    self.check_error(self.run_tool(tool, option, file, *target), name, file, words)

    def test_files_that_others_may_read(self):
        credentials = "[credentials]\nuser=alice\npassword=sesame\n"
        for mode in (0o604, 0o602, 0o644, 0o640):
            words = f"permissions too open ({mode:04o}): expected 0600"
            with private_file(steps(("internal-test",)), mode) as file:
                self.check_error(self.run_tool(SERVER, "--config", file), "maf-server", file, words)
            with private_file(credentials, mode) as file:
                self.check_error(self.run_tool(CLIENT, "--credentials", file, "a:1"), "maf-client", file, words)

    def test_check(self):
        with private_file(steps(("PLAIN;internal-test",), ("SCRAM-SHA-256",))) as file:
            result = self.run_tool(SERVER, "--check", "--config", file)
            assert (result.returncode, result.stdout) == (0, f"{file}: valid\n")
            assert result.stderr == (f"maf-server: warning: {file}:4: [step 1] internal-test beside passwords: "
                                     "anybody passes this step\n")

    def test_warnings_at_the_start(self):
        with private_file(steps(("PLAIN",))) as file:
            for options, words in ((("--listen", "0.0.0.0:0"), "warning: an open proxy"),
                                   (("--listen", "0.0.0.0:0", "--allow-none", "--config", file), "warning: an open proxy"),
                                   (("--allow-none", "--config", file), "warning: --allow-none with --config")):
                with Proxy(*options) as proxy:
                    proxy.wait_line(words)
            with Proxy("--listen", "0.0.0.0:0", "--config", file) as proxy, contextlib.suppress(OSError):
                login(proxy, "127.0.0.1:9", password="wrong")
                proxy.wait_line("login failed")
                assert not any("warning" in line for line in proxy.lines)

    def test_users_made_by_gsasl(self):
        gsasl = shutil.which("gsasl")
        if not gsasl:
            pytest.skip("gsasl is not installed")
        made = self.run_tool(gsasl, "--mkpasswd", "--mechanism", "SCRAM-SHA-256", "--password", "sesame").stdout
        with private_file(f"[step 1]\nmethods=PLAIN\n[step 2]\nmethods=SCRAM-SHA-256\n[user carol]\nscram={made}") as file, \
                Proxy("--config", file) as proxy:
            check_login(proxy, user="carol", password="sesame", grade=2)
            check_refused(proxy, user="carol", password="sesam")

    def test_errors_of_the_credentials(self):
        cases = [("", ": expected [credentials]"), ("[credential]\n", ":1: [credential] unknown group"),
                 ("[credentials]\nuser=alice\n", ":1: [credentials] expected both user and password"),
                 ("[credentials]\npassword=sesame\n", ":1: [credentials] expected both user and password"),
                 ("[credentials]\nuser=alice\npassword=\n", ":1: [credentials] expected both user and password"),
                 ("[credentials]\nuser=alice\npasswort=sesame\n", ":3: [credentials] passwort: unknown key"),
                 ("[credentials]\nuser=alice\nsesame\n", ":3: expected [group]"),
                 ("[credentials]\nuser=alice\npassword=sesame\\!\n", ":3: [credentials] password: ")]
        for text, words in cases:
            with private_file(text) as file:
                self.check_error(self.run_tool(CLIENT, "--credentials", file, "a:1"), "maf-client", file + words)
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

    def test_passwords_are_not_logged(self):
        said = []
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with configured((mechanism,)) as proxy:
                for password in (PASSWORD, "open sesame"):
                    result = login(proxy, "127.0.0.1:9", "--verbose", password=password)
                    assert result.returncode in (1, 4)
                    said.append(result.stdout.decode() + result.stderr.decode())
                proxy.wait_line("login failed")
                said += proxy.lines
        for words in (PASSWORD, "sesame", *(base64.b64encode(w.encode()).decode() for w in (PASSWORD, "open sesame"))):
            assert words not in "\n".join(said)
