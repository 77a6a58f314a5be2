# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference pair for its tests: a server, a client, peers that a test plays, and what they say."""

import base64
import contextlib
import hashlib
import hmac
import os
import pathlib
import random
import socket
import struct
import subprocess
import tempfile
import threading
import time

for variable in ("MAF_USER", "MAF_PASSWORD"):
    os.environ.pop(variable, None)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MAF_BUILD_DIR") or ROOT / "build/check").absolute()
SERVER, CLIENT = str(BUILD / "tools/maf-server"), str(BUILD / "tools/maf-client")
PATIENCE = 30

GREETING = bytes.fromhex("050108")
LIST = bytes.fromhex("01000000" "00000001" "00000001")
DO_HELLO = bytes.fromhex("03000000" "00000001" "00000005") + b"hello"
PROCESS_HELLO = bytes.fromhex("05000000" "00000001" "00000005") + b"hello"
WHAT_NEXT = bytes.fromhex("04000000")
SUCCESS = bytes.fromhex("00000000" "00000000" "00000000")
FAILURE = bytes.fromhex("FF000000" "FFFFFFFF" "00000000")
DO_FAILURE = bytes.fromhex("03000000" "FFFFFFFF" "00000000")
ACKNOWLEDGE = bytes.fromhex("06000000")
REPLY_OK = bytes.fromhex("0500000100000000" "0000")


def have_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Listener:
    """Accepts on a loopback address and runs `serve` for each connection in a thread of its own."""

    def __init__(self, serve, host="127.0.0.1"):
        self.serve = serve
        self.socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                                           backlog=128)
        self.port = self.socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(peer,), daemon=True).start()

    def run(self, peer):
        peer.settimeout(PATIENCE)
        with peer, contextlib.suppress(OSError):
            self.serve(peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def wait_until_heard(heard, count=1):
    """What a Listener's thread keeps of a connection, it keeps some time after the other end is done."""
    deadline = time.monotonic() + PATIENCE
    while len(heard) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def echo(peer):
    """Returns what it gets until the end of it."""
    while data := peer.recv(65536):
        peer.sendall(data)


def count_then_answer(peer):
    """Answers only once the peer has said everything: a half-close that got lost would hang here."""
    total = 0
    while data := peer.recv(65536):
        total += len(data)
    peer.sendall(b"%d" % total)


def receive(peer, count):
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise EOFError(f"{len(data)} of {count} bytes")
        data += more
    return data


def receive_until_end(peer):
    """All bytes, and whether they end in a reset."""
    data = b""
    try:
        while more := peer.recv(65536):
            data += more
    except ConnectionResetError:
        return data, True
    return data, False


def receive_all(peer):
    data = b""
    while more := peer.recv(65536):
        data += more
    return data


class Proxy:
    """A running maf-server."""

    def __init__(self, *options, command=(), **popen):
        self.process = subprocess.Popen([*command, SERVER, "--port", "0", *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **popen)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), (line, self.process.poll())
        self.address = line.split()[-1]
        host, _, port = self.address.rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)
        self.lines = []
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()

    def read_lines(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connect(self):
        peer = socket.create_connection((self.host, self.port), timeout=PATIENCE)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def authenticated(self):
        peer = self.connect()
        peer.sendall(GREETING + LIST + PROCESS_HELLO + WHAT_NEXT)
        expected = b"\x05\x08" + DO_HELLO + SUCCESS
        assert receive(peer, len(expected)) == expected
        return peer

    def wait_line(self, words):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.lines:
                if words in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"no line with {words!r} in {self.lines}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        assert status == 0, f"maf-server ended with {status}: {self.lines}"


def run_client(proxy, target, *options, data=b"", timeout=PATIENCE):
    address = proxy if isinstance(proxy, str) else proxy.address
    return subprocess.run([CLIENT, "--server", address, *options, target], input=data, capture_output=True,
                          timeout=timeout)


def binary(count):
    return random.Random(count).randbytes(count)


def list_of(*methods, count=None):
    return struct.pack(f"!II{len(methods)}I", 0x01000000, len(methods) if count is None else count, *methods)


def edited(payload, offset, replacement):
    return payload[:offset] + replacement + payload[offset + len(replacement):]


REQUEST_TO_9 = bytes.fromhex("050100017f0000010009")
REQUEST_MORE = bytes.fromhex("02000000")
SUCCESS_TO_FAILURE = edited(SUCCESS, 0, b"\xff")
UNHEARD_OF = bytes.fromhex("7FFFFFFF")
MORE_ON_OFFER = ("--offer", "00010000-000100FF,00000001")
LIST_WITH_MORE = list_of(*range(0x10000, 0x100FE), 2)
ROUND = PROCESS_HELLO + WHAT_NEXT


def padded(payload):
    return payload + bytes(-len(payload) % 4)


def in_01(instr, method=b"", data=None, ver=1, reserved=b""):
    """A message of revision 01."""
    header = struct.pack("!BBH", instr, ver, 0) + reserved + (bytes([len(method)]) + method if method else b"")
    return header if data is None else padded(header) + struct.pack("!I", len(data)) + data


def groups(*ids):
    """A list of revision 01 with a group for each id."""
    return b"\1\1\0\0" + b"".join(b"\1" + bytes([len(id_)]) + id_ for id_ in ids) + b"\0"


def oem(id_, data=b"ping"):
    return in_01(7, id_, data, reserved=bytes(3))


def number(value):
    return struct.pack("!I", value)


TEST, TEST_UUID = number(1), bytes.fromhex("4a78553afb3c49179c6c6e302b6c482d")
UUID_UNHEARD_OF = bytes.fromhex("5f0e7c1a6d3b4f0c9a550c2d8e4b7f61")
LIST_01 = groups(TEST)
DO_01, PROCESS_01, WHAT_NEXT_01 = in_01(3, TEST), in_01(5, TEST, b"hello"), in_01(4)
SUCCESS_01, FAILURE_01, DO_FAILURE_01 = in_01(0, bytes(4)), in_01(0xFF, b"\xff" * 4), in_01(3, b"\xff" * 4)
ACKNOWLEDGE_01, REQUEST_MORE_01 = in_01(6), in_01(2)
NOT_RECOGNISED = oem(b"\xff" * 4, b"")
ROUND_01 = PROCESS_01 + WHAT_NEXT_01
ROUND_01_OF_SERVER = DO_01 + PROCESS_01
MORE_ON_OFFER_01 = ("--offer", "00010000,00000001", "--block", "1")
LIST_01_WITH_MORE = bytes.fromhex("01010000" "0204" "00010000" "00000002" "00")
REVISION_1 = ("--revision", "1")


PASSWORD = "pencil & paper"
SALT = b"salt of alice"
PLAIN, CRAM_MD5, SCRAM = 0x101, 0x102, 0x103


def hmac_sha256(key, text):
    return hmac.digest(key, text, "sha256")


def scram_keys(password, salt, iterations):
    """ClientKey and ServerKey (RFC 5802, section 3)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    return hmac_sha256(salted, b"Client Key"), hmac_sha256(salted, b"Server Key")


def scram_secret(password, salt=SALT, iterations=4096):
    client_key, server_key = scram_keys(password, salt, iterations)
    parts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)]
    return "{SCRAM-SHA-256}%d,%s,%s,%s" % (iterations, *parts)


USERS = f"""
[user alice]
scram={scram_secret(PASSWORD)}
password={PASSWORD}

[user bob]
scram={scram_secret("bob's")}
password=bob's
"""


def steps(*steps, policy=""):
    """A configuration; each step is its sub-methods and perhaps its grade and what a failure leads to."""
    text = f"[policy]\n{policy}\n"
    for n, step in enumerate(steps, 1):
        text += f"[step {n}]\n" + "\n".join(map("=".join, zip(("methods", "grade", "on-failure"), step))) + "\n"
    return text + USERS


@contextlib.contextmanager
def private_file(text, mode=0o600):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        os.chmod(file.name, mode)
        yield file.name


@contextlib.contextmanager
def configured(*steps_, policy="", options=("--verbose",)):
    with private_file(steps(*steps_, policy=policy)) as file, Proxy("--config", file, *options) as proxy:
        yield proxy


def login(proxy, target, *options, user="alice", password=PASSWORD, data=b""):
    """maf-client as a user, offering all it can do unless told otherwise."""
    address = proxy if isinstance(proxy, str) else proxy.address
    offer = () if "--offer" in options else ("--offer", "SCRAM-SHA-256,CRAM-MD5,PLAIN,internal-test")
    return subprocess.run([CLIENT, "--server", address, *offer, *options, target], input=data, capture_output=True,
                          timeout=PATIENCE, env={**os.environ, "MAF_USER": user, "MAF_PASSWORD": password})


def frame(instr, method, data=b""):
    return struct.pack("!BxxxII", instr, method, len(data)) + data


def process(method, data):
    return frame(5, method, data)


def read_message(peer):
    """INSTR, METHOD and DATA of a message that has them."""
    instr, method, length = struct.unpack("!BxxxII", receive(peer, 12))
    return instr, method, receive(peer, length)



def check_tunnel_outlives(*limit):
    """A tunnel goes on after a time that is shorter for whoever has not logged in."""
    with Proxy(*limit) as proxy, Listener(echo) as target, proxy.authenticated() as peer:
        peer.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack("!H", target.port))
        receive(peer, 10)
        time.sleep(2.5)
        peer.sendall(b"still here")
        assert receive(peer, 10) == b"still here"


def check_echo(proxy, target, *options, data=b"\0\r\n\xff\x04 bytes", timeout=PATIENCE):
    result = run_client(proxy, target, *options, data=data, timeout=timeout)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == data, f"{len(result.stdout)} bytes came back of {len(data)}"


def check_refusal(result, status, words):
    assert result.returncode == status, result
    assert result.stdout == b""
    assert result.stderr.count(b"\n") == 1, result.stderr
    assert result.stderr.startswith(b"maf-client: "), result.stderr
    assert words in result.stderr


def check_login(proxy, *options, grade=None, **who):
    with Listener(echo) as target:
        result = login(proxy, target.address, *options, data=b"bytes", **who)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"bytes", b"")
    if grade is not None:
        assert proxy.wait_line("login succeeded").endswith(f"grade {grade}"), proxy.lines
        proxy.lines.clear()


def check_refused(proxy, *options, words=b"authentication refused", status=1, **who):
    check_refusal(login(proxy, "127.0.0.1:9", *options, **who), status, words)
