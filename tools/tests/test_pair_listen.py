# SPDX-License-Identifier: GPL-2.0-or-later
"""maf-client --listen: ordinary programs through MAF."""

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import threading

import pytest

from pair import CLIENT, Listener, PASSWORD, PATIENCE, Proxy, binary, configured, echo, receive, receive_all


@contextlib.contextmanager
def listening(proxy, *options, user="alice", password=PASSWORD):
    """The address that a maf-client serves programs at."""
    process = subprocess.Popen([CLIENT, "-s", proxy.address, "-l", "0", *options], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "MAF_USER": user, "MAF_PASSWORD": password})
    try:
        host, _, port = process.stdout.readline().split()[-1].rpartition(":")
        yield host, int(port)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def ask(address, rest):
    peer = socket.create_connection(address, PATIENCE)
    peer.sendall(b"\x05\x01\x00" + rest)
    assert receive(peer, 2) == b"\x05\x00"
    return peer


def to(port):
    return b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big")


def test_bytes_both_ways():
    """What a program sends with its request is not lost, and many go at a time."""
    data = binary(500000)
    with configured(("SCRAM-SHA-256",)) as proxy, Listener(echo) as target, listening(proxy) as address:
        results = []

        def talk():
            with ask(address, to(target.port) + data[:100]) as peer:
                assert receive(peer, 10)[:2] == b"\x05\x00"
                sender = threading.Thread(target=lambda: (peer.sendall(data[100:]), peer.shutdown(socket.SHUT_WR)))
                sender.start()
                results.append(receive_all(peer) == data)
                sender.join()

        threads = [threading.Thread(target=talk) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert results == [True] * 10
        assert "user alice, sub-method SASL SCRAM-SHA-256" in proxy.wait_line("login succeeded")


def test_curl():
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("curl is not installed")

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"seen through MAF")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        with configured(("SCRAM-SHA-256",)) as proxy, listening(proxy) as (host, port):
            result = subprocess.run([curl, "-s", "--proxy", f"socks5h://{host}:{port}",
                                     f"http://localhost:{web.server_address[1]}/"], capture_output=True, timeout=PATIENCE)
        web.shutdown()
    assert (result.returncode, result.stdout) == (0, b"seen through MAF")


@pytest.mark.parametrize("password, request_, rep", [
    pytest.param("wrong", to(9), 2, id="login-refused"),
    pytest.param(PASSWORD, to(1), 5, id="target-refused"),
    pytest.param(PASSWORD, b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", 7, id="bind"),
    pytest.param(PASSWORD, b"\x05\x01\x00\x02\x7f\x00\x00\x01", 8, id="unknown-atyp"),
])
def test_replies(password, request_, rep):
    with configured(("SCRAM-SHA-256",)) as proxy, listening(proxy, password=password) as address:
        with ask(address, request_) as peer:
            assert receive_all(peer)[:2] == bytes([5, rep])


def test_programs_that_want_to_authenticate():
    with Proxy() as proxy, listening(proxy) as address, socket.create_connection(address, PATIENCE) as peer:
        peer.sendall(b"\x05\x01\x02")
        assert receive_all(peer) == b"\x05\xff"


def test_no_server():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = type("Nowhere", (), {"address": "127.0.0.1:%d" % unused.getsockname()[1]})
        with listening(nowhere) as address, ask(address, to(9)) as peer:
            assert receive_all(peer)[:2] == b"\x05\x01"
