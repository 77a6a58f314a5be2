# SPDX-License-Identifier: GPL-2.0-or-later
"""Command lines."""

import os
import re
import subprocess
import time

from pair import (CLIENT, Listener, PATIENCE, Proxy, ROOT, SERVER, count_then_answer, login, private_file)


class TestCommandLine:
    def run_tool(self, *arguments):
        return subprocess.run(arguments, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, text=True)

    def test_help_and_version(self):
        for tool, name in ((SERVER, "maf-server"), (CLIENT, "maf-client")):
            result = self.run_tool(tool, "--help")
            assert result.returncode == 0
            assert "--timeout" in result.stdout
            assert "--fault" in result.stdout
            result = self.run_tool(tool, "--version")
            assert result.returncode == 0
            assert re.search(rf"^{name} \d+\.\d+\.\d+\n$", result.stdout)

    def test_man_pages_have_every_option(self):
        for tool, name in ((SERVER, "maf-server"), (CLIENT, "maf-client")):
            options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", self.run_tool(tool, "--help").stdout, re.MULTILINE))
            with open(ROOT / "tools/pair" / (name + ".1"), encoding="utf-8") as page:
                described = set(re.findall(r"^\.BI? (?:-\w\\fR,.*?)?(--[a-z-]+)", page.read().replace("\\-", "-"), re.MULTILINE))
            assert options == described

    def test_the_example_configuration(self):
        example = ROOT / "tools/pair/maf-server.conf.example"
        with open(example, encoding="utf-8") as text, private_file(text.read()) as file, Proxy("--config", file) as proxy:
            assert login(proxy, "127.0.0.1:9", password="example").returncode == 4
            assert login(proxy, "127.0.0.1:9", "--offer", "102", password="example").returncode == 4
            assert b"Ask the help desk" in login(proxy, "127.0.0.1:9").stderr

    def test_usage(self):
        for arguments in ((CLIENT,), (CLIENT, "a:1", "b:2"), (CLIENT, "nowhere"), (CLIENT, "--no-such-option", "a:1"),
                          (CLIENT, "--timeout", "0", "a:1"), (CLIENT, "--timeout", "x", "a:1"),
                          (CLIENT, "--write-size", "-1", "a:1"), (CLIENT, "--nmethods-width", "2", "a:1"),
                          (CLIENT, "--offer", "0", "a:1"), (CLIENT, "--socks-method", "255", "a:1"),
                          (CLIENT, "--socks-method", "8,", "a:1"), (CLIENT, "--server", "a:", "a:1"),
                          (CLIENT, "--require", "PLAIN", "a:1"), (CLIENT, "--listen", "1081", "a:1"),
                          (CLIENT, "--listen", "host:1081"), (CLIENT, "--offer", "PLAINER", "a:1"), (SERVER, "--check"),
                          (CLIENT, "--revision", "2", "a:1"), (CLIENT, "--ids", "all", "a:1"),
                          (CLIENT, "--ids", "uuid", "a:1"), (CLIENT, "--ids", "none", "a:1"), (CLIENT, "--oem", "list", "a:1"),
                          (CLIENT, "--offer", "4a78553a-fb3c-4917-9c6c-6e302b6c482d", "a:1"),
                          (CLIENT, "--revision", "1", "--ids", "uuid", "--offer", "00010000", "a:1"),
                          (CLIENT, "--revision", "1", "--oem", "middle", "a:1"),
                          (CLIENT, "--revision", "1", "--oem", "list:x", "a:1"), (SERVER, "--oem", "end"), (SERVER, "--oem", ""),
                          (SERVER, "--revision", "-1"), (SERVER, "--revision", ""),
                          (CLIENT, "a:1", "--fault"), (SERVER, "argument"),
                          (SERVER, "--port", "65536"), (SERVER, "--listen", "localhost"),
                          (CLIENT, "--block", "256", "a:1"), (CLIENT, "--block", "0", "a:1"), (CLIENT, "--block", "-1", "a:1"),
                          (CLIENT, "--offer", "", "a:1"), (CLIENT, "--server", "::1:1081", "a:1"), (SERVER, "--listen", "::"),
                          (SERVER, "--rounds", "0"), (SERVER, "--rounds", "2", "--config", "x"),
                          (SERVER, "--test-data-size", "1048577"), (SERVER, "--test-data-size", "1", "--test-data", "x"),
                          (SERVER, "--socks-method", "0"), (SERVER, "--timeout", "0"),
                          (SERVER, "--connections", "0"), (SERVER, "--connections", "many"),
                          (SERVER, "--login-time", "-1"),
                          (SERVER, "--message-size", "4095")):
            result = self.run_tool(*arguments)
            assert (result.returncode, result.stdout) == (2, "")
            assert "--help" in result.stderr

    def test_usage_names_the_option(self):
        for tool, option, value in ((SERVER, "--listen", "70000"), (SERVER, "--socks-method", "0"),
                                    (CLIENT, "--socks-method", "0"), (CLIENT, "--offer", "zz"),
                                    (CLIENT, "--server", "192.0.2.1:"), (CLIENT, "TARGET:PORT", "192.0.2.1:")):
            arguments = [value] if option == "TARGET:PORT" else [option, value] + ["a:1"] * (tool == CLIENT)
            assert re.search(rf"^maf-\w+: {option}: '", self.run_tool(tool, *arguments).stderr)

    def test_closed_standard_streams(self):
        """What is opened in place of one, such as a socket, would be taken for it."""
        closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]

        def standard_streams(process_):
            try:
                return [os.readlink(f"/proc/{process_.pid}/fd/{fd}") for fd in range(3)]
            except FileNotFoundError:  # so far
                return []

        with Proxy() as proxy, Listener(count_then_answer) as target:
            client = subprocess.run([*closed, CLIENT, "--server", proxy.address, target.address], timeout=PATIENCE)
            assert client.returncode == 0
        server = subprocess.Popen([*closed, SERVER, "--port", "0"])
        deadline = time.monotonic() + PATIENCE
        while (opened := standard_streams(server)) != ["/dev/null"] * 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.terminate()
        server.wait(PATIENCE)
        assert opened == ["/dev/null"] * 3

    def test_port_in_use(self):
        with Proxy() as proxy:
            result = self.run_tool(SERVER, "--port", str(proxy.port))
            assert result.returncode == 4
            assert result.stderr.count("\n") == 1
            assert "cannot listen" in result.stderr
