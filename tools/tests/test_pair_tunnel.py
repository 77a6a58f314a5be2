# SPDX-License-Identifier: GPL-2.0-or-later
"""maf-client through maf-server: every kind of target, and bytes both ways."""

import socket
import struct
import subprocess
import threading
import time

import pytest

from pair import (CLIENT, Listener, PATIENCE, Proxy, SERVER, binary, check_echo, check_refusal, count_then_answer,
                  echo, have_ipv6, process, receive_all, run_client, wait_until_heard)


class TestTogether:
    """maf-client through maf-server."""

    def test_ipv4(self):
        with Proxy() as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)

    def test_domain(self):
        with Proxy("--verbose") as proxy, Listener(echo) as target:
            check_echo(proxy, f"localhost:{target.port}")
            proxy.wait_line(f"connecting to localhost, port {target.port}")

    @pytest.mark.skipif(not have_ipv6(), reason="no IPv6 loopback")
    def test_ipv6(self):
        with Proxy("--listen", "[::1]:0") as proxy, Listener(echo, "::1") as target:
            assert proxy.address.startswith("[::1]:")
            check_echo(proxy, target.address)

    def test_one_byte_at_a_time(self):
        with Proxy("--write-size", "1") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, "--write-size", "1")

    def test_glued(self):
        with Proxy("--glue") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, "--glue")

    def test_255_methods(self):
        with Proxy("--verbose") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, "--offer", "00010000-000100FD,00000001")
            proxy.wait_line("received Sub-methods supported: X'00010000', X'00010001', X'00010002' and 252 more")

    def test_methods_in_blocks(self):
        with Proxy("--verbose") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, "--offer", "00010000-00010200,00000001")
            proxy.wait_line("sent Request additional sub-methods")

    def test_too_many_blocks(self):
        with Proxy() as proxy:
            result = run_client(proxy, "127.0.0.1:9", "--offer", "00010000-0001FFFF")
            check_refusal(result, 1, b"authentication refused")
            proxy.wait_line("no acceptable sub-method in the most lists")

    def test_one_byte_nmethods(self):
        with Proxy() as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, "--nmethods-width", "1")

    def test_private_socks_method(self):
        with Proxy("--socks-method", "0x80") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, "--socks-method", "0x80")
            check_echo(proxy, target.address, "--socks-method", "128")
            check_refusal(run_client(proxy, target.address), 1, b"accepts no METHOD")

    def test_rounds_and_data(self):
        with Proxy("--rounds", "3", "--test-data", "", "--verbose") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address)
            proxy.wait_line("closed")
            assert sum("sent Do: Internal Test Method, 0 bytes" in line for line in proxy.lines) == 3

    def test_no_maf(self):
        with Proxy("--allow-none") as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, "--no-maf")
            check_echo(proxy, target.address)
        with Proxy() as proxy:
            check_refusal(run_client(proxy, "127.0.0.1:9", "--no-maf"), 1, b"accepts no METHOD")
            proxy.wait_line("METHOD 08 is not")

    def test_nothing_acceptable(self):
        with Proxy() as proxy:
            check_refusal(run_client(proxy, "127.0.0.1:9", "--offer", "00010000"), 1, b"no sub-method offered")
            proxy.wait_line("no sub-method offered")

    def test_refused_target(self):
        with Proxy() as proxy:
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                result = run_client(proxy, f"127.0.0.1:{unused.getsockname()[1]}")
            check_refusal(result, 4, b"reply 05 (connection refused)")

    def test_unknown_domain(self):
        with Proxy() as proxy:
            check_refusal(run_client(proxy, "no-such-host.invalid:80"), 4, b"reply 04 (host unreachable)")

    def test_half_close(self):
        with Proxy() as proxy, Listener(count_then_answer) as target:
            result = run_client(proxy, target.address, data=binary(100000))
            assert (result.returncode, result.stdout) == (0, b"100000")

    def test_target_speaks_first_and_closes(self):
        data = binary(300000)
        with Proxy() as proxy, Listener(lambda peer: peer.sendall(data)) as target:
            result = run_client(proxy, target.address)
            assert result.returncode == 0
            assert result.stdout == data

    def test_target_ends_first_but_listens_on(self):
        heard = []

        def serve(peer):
            peer.shutdown(socket.SHUT_WR)
            heard.append(len(receive_all(peer)))

        with Proxy() as proxy, Listener(serve) as target:
            result = run_client(proxy, target.address, data=binary(2000000))
            assert (result.returncode, result.stdout) == (0, b"")
            wait_until_heard(heard)
            assert heard == [2000000]

    def test_large_both_ways(self):
        with Proxy() as proxy, Listener(echo) as target:
            check_echo(proxy, target.address, data=binary(10 * 1024 * 1024), timeout=120)

    def test_input_goes_on_while_output_is_full(self):
        """A caller that writes everything before it reads, and a target that floods before."""
        flood, data = binary(500000), binary(1000000)

        def serve(peer):
            peer.sendall(flood[:1000])
            time.sleep(0.2)
            flooding = threading.Thread(target=peer.sendall, args=(flood[1000:],), daemon=True)
            flooding.start()
            total = len(receive_all(peer))
            flooding.join()
            peer.sendall(b"%d" % total)

        with Proxy() as proxy, Listener(serve) as target:
            client = subprocess.Popen([CLIENT, "--server", proxy.address, target.address], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
            guard = threading.Timer(PATIENCE, client.kill)
            guard.start()
            time.sleep(1)  # until the flood has filled the client's output
            client.stdin.write(data)
            client.stdin.close()
            output = client.stdout.read()
            client.stdout.close()
            assert client.wait(PATIENCE) == 0
            guard.cancel()
            assert output == flood + b"1000000", len(output)

    def test_like_ssh(self):
        """Both ends take turns in lines and packets, with a pipe that stays open: nothing may be held back."""
        with Proxy() as proxy, Listener(echo) as target:
            client = subprocess.Popen([CLIENT, "--server", proxy.address, target.address], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
            guard = threading.Timer(PATIENCE, client.kill)
            guard.start()
            for packet in [b"SSH-2.0-x\r\n", *(binary(count) for count in range(1, 3000, 97))]:
                client.stdin.write(packet)
                client.stdin.flush()
                assert client.stdout.read(len(packet)) == packet
            client.stdin.close()
            assert client.stdout.read() == b""
            client.stdout.close()
            assert client.wait(PATIENCE) == 0
            guard.cancel()

    def test_reset_is_not_an_end(self):
        """A target that resets must not look like one that has said everything."""
        def serve(peer):
            peer.sendall(b"part")
            peer.recv(4)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with Proxy() as proxy, Listener(serve) as target:
            result = run_client(proxy, target.address, data=b"more than four bytes")
            assert result.returncode == 4, result

    def test_50_at_once(self):
        data = binary(200000)
        with Proxy() as proxy, Listener(echo) as target:
            before = proxy.descriptors()
            clients = [subprocess.Popen([CLIENT, "--server", proxy.address, target.address], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE) for _ in range(50)]
            results = [None] * len(clients)

            def talk(i):
                results[i] = clients[i].communicate(data, timeout=120)[0] == data

            threads = [threading.Thread(target=talk, args=(i,)) for i in range(len(clients))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            assert all(results), results
            assert all(client.returncode == 0 for client in clients)
            deadline = time.monotonic() + PATIENCE
            while proxy.descriptors() > before and time.monotonic() < deadline:
                time.sleep(0.05)
            assert proxy.descriptors() <= before
