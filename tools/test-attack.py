#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""maf-server under attack: by a crowd, by clients that are slow, silent, gone, senseless, too large or wrong.

usage: test-attack.py MAF-SERVER MAF-CLIENT [--short]

Beside each attack maf-client logs in again and again, with each mechanism and revision; every login must succeed,
within HONEST_SECONDS. After each, the server must have as many descriptors as before it, and its memory must be within
MEMORY_BOUND of what it was after the warm-up. No credential may be in its output. Prints a table of what was measured,
and ends with 0 if all of it was as it must be. --short: 40 clients, not 1,000, and a server that waits less for them.
"""

import argparse
import base64
import collections
import contextlib
import hashlib
import hmac
import os
import random
import re
import resource
import select
import selectors
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

HONEST_SECONDS = 20
MEMORY_BOUND = 4.0  # MiB
PATIENCE = 60
PASSWORD, WRONG = "correct horse battery staple", "Tr0ub4dor&3"

# What clients say, in both revisions

ITM, PLAIN, CRAM_MD5, SCRAM = 1, 0x101, 0x102, 0x103
GREETING = b"\x05\x01\x08"
MORE = 2


def frame(revision, instr, rest=b""):
    return struct.pack("!BBH", instr, revision, 0) + rest


def list_of(revision, *ids):
    if revision == 0:
        return frame(0, 1, struct.pack(f"!{1 + len(ids)}I", len(ids), *ids))
    return frame(1, 1, struct.pack(f"!BB{len(ids)}I", len(ids), 4, *ids) + b"\0")


def process(revision, method, data, length=None):
    length = len(data) if length is None else length
    if revision == 0:
        return frame(0, 5, struct.pack("!II", method, length) + data)
    return frame(1, 5, struct.pack("!BI3xI", 4, method, length) + data)


def oem(data):
    return frame(1, 7, struct.pack("!3xBII", 4, 0, len(data)) + data)


def request(address):
    host, port = address
    return b"\x05\x01\x00\x01" + socket.inet_aton(host) + struct.pack("!H", port)


def login(revision):
    """Up to the request, by the Internal Test Method."""
    return [GREETING, list_of(revision, ITM), process(revision, ITM, b"hello"), frame(revision, 4)]


def beginnings(revision, address):
    """What may have been said when something happens: each state of a login, and the midst of each message."""
    said = b""
    for message in (*login(revision), request(address)):
        for end in (0, 1, len(message) // 2, len(message) - 1):
            yield said + message[:end]
        said += message
    yield GREETING + list_of(revision, SCRAM) + process(revision, SCRAM, b"n,,n=alice,r=nonce")
    yield GREETING + list_of(revision, PLAIN) + process(revision, PLAIN, b"\0alice\0" + WRONG.encode())


def of_both(address):
    return [said for revision in (0, 1) for said in beginnings(revision, address)]


# Those whom the server connects its clients to


class Echo:
    """Returns what it gets."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.address = self.listener.getsockname()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        self.listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    with contextlib.suppress(OSError):
                        if key.fileobj is self.listener:
                            selector.register(self.listener.accept()[0], selectors.EVENT_READ)
                            continue
                    self.serve(selector, key.fileobj)

    def serve(self, selector, peer):
        data = b""
        with contextlib.suppress(OSError):
            data = peer.recv(65536)
            peer.sendall(data)
        if not data and peer is not self.listener:
            selector.unregister(peer)
            peer.close()


@contextlib.contextmanager
def unanswering():
    """The address of a target whose queue is full: connecting to it takes until it is gone."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()


def narrow(peer):
    """Lets the kernel keep little for it, so that it is soon the server that has to."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        peer.setsockopt(socket.SOL_SOCKET, option, 16384)


@contextlib.contextmanager
def deaf():
    """The address of a target that accepts and never reads."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        narrow(listener)
        yield listener.getsockname()


# The server, and the honest client


class Server:
    def __init__(self, program, config, *options):
        self.process = subprocess.Popen([program, "--port", "0", "--verbose", "--config", config, *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        self.address = ("127.0.0.1", int(line.rpartition(":")[2]))
        self.output = [line.encode()]
        self.reader = threading.Thread(target=lambda: self.output.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self, field):
        """In MiB: VmRSS, what it is, or VmHWM, the most it was."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field + ":"))

    def forget_most(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as clear:
            clear.write("5")

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def limit_descriptors(self, limit):
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        return resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (limit, hard))

    def lines(self, words, since):
        """How many lines are like that, a regular expression."""
        return sum(bool(re.search(words, line)) for line in self.output[since:])

    def wait_lines(self, words, since, count):
        """The same; so many are waited for, a while."""
        deadline = time.monotonic() + 5
        while (found := self.lines(words, since)) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def end(self):
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return status


class Honest:
    """Logs in again and again, while it is told to."""

    def __init__(self, program, server, target):
        self.program, self.server, self.target = program, server, target
        self.seconds, self.failures = [], []
        self.ways = [(revision, method) for method in (SCRAM, CRAM_MD5, PLAIN) for revision in (0, 1)]
        self.next_way = 0

    def log_in(self):
        revision, method = self.ways[self.next_way % len(self.ways)]
        self.next_way += 1
        start = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            result = subprocess.run(
                [self.program, "--server", "%s:%d" % self.server.address, "--revision", str(revision), "--offer",
                 f"{method:x}", "%s:%d" % self.target.address], input=b"honest", capture_output=True, check=False,
                env={**os.environ, "MAF_USER": "alice", "MAF_PASSWORD": PASSWORD}, timeout=HONEST_SECONDS)
            if (result.returncode, result.stdout) != (0, b"honest"):
                self.failures.append(f"{method:x}: {result.stderr.decode().strip()}")
            self.seconds.append(time.monotonic() - start)
            return
        self.seconds.append(HONEST_SECONDS)
        self.failures.append(f"{method:x}: not within {HONEST_SECONDS} s")

    @contextlib.contextmanager
    def busy(self):
        over = threading.Event()

        def run():
            self.log_in()
            while not over.wait(0.02):
                self.log_in()

        self.seconds, self.failures = [], []
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


# The attackers


class Crowd:
    """Connections from many addresses, or from one."""

    def __init__(self, server, count, hosts):
        self.peers, self.start = [], time.monotonic()
        for i in range(count):
            peer = socket.create_connection(server.address, PATIENCE, (hosts[i % len(hosts)], 0))
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.peers.append(peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in self.peers:
            peer.close()

    def say(self, *messages):
        """Each in its turn says one of the messages."""
        for i, peer in enumerate(self.peers):
            with contextlib.suppress(OSError):
                peer.sendall(messages[i % len(messages)])

    def hear(self, count):
        """So many octets of each, or as many as come."""
        return [self.hear_one(peer, count) for peer in self.peers]

    def hear_one(self, peer, count):
        data = b""
        with contextlib.suppress(OSError):
            while len(data) < count:
                more = peer.recv(count - len(data))
                if not more:
                    break
                data += more
        return data

    def finish(self):
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_WR)

    def reset(self, which=slice(None)):
        for peer in self.peers[which]:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()

    def until_ended(self, seconds, talk=None, pause=0):
        """
        Reads till the server has ended all, for so many seconds at most; how many it has. `talk`, if given, is an
        octet string for each, said as fast as it is taken, or an octet in each `pause` seconds.
        """
        left = dict(enumerate(self.peers))
        said = collections.Counter()
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            poll = select.poll()
            for peer in left.values():
                peer.setblocking(False)
                poll.register(peer, select.POLLIN | (select.POLLOUT if talk and not pause else 0))
            poll.poll(1000 if not pause else 0)
            for i, peer in list(left.items()):
                try:
                    while (data := peer.recv(65536)):
                        pass
                    del left[i]
                    continue
                except BlockingIOError:
                    pass
                except OSError:
                    del left[i]
                    continue
                with contextlib.suppress(OSError):
                    if talk and said[i] < len(talk[i]):
                        said[i] += peer.send(talk[i][said[i]:said[i] + (1 if pause else 65536)])
            time.sleep(pause)
        return len(self.peers) - len(left)


class Field:
    """What an attack has: the server, how many clients, and what must be so."""

    def __init__(self, server, clients, hosts, target, limits):
        self.server, self.clients, self.hosts, self.target, self.limits = server, clients, hosts, target, limits
        self.chance = random.Random(7)
        self.faults, self.note, self.lines = [], "", 0

    def crowd(self, count=0):
        return Crowd(self.server, count or self.clients, self.hosts)

    def must(self, truth, words):
        if not truth:
            self.faults.append(words)

    def must_let_in(self, crowd, bound):
        """So many, if nobody has had the time to go."""
        crowd.say(GREETING)
        let_in = sum(data == b"\x05\x08" for data in crowd.hear(2))
        self.note = f"{let_in} let in of {len(crowd.peers)}"
        self.must(let_in == bound or let_in > bound and time.monotonic() > crowd.start + self.limits["timeout"] / 2,
                  f"{let_in} let in, not {bound}")

    def must_all_end(self, crowd, seconds, *talk):
        ended = crowd.until_ended(seconds + PATIENCE / 2, *talk)
        self.must(ended == len(crowd.peers), f"{len(crowd.peers) - ended} connections were not ended in time")


def crowd(field):
    """all at once, each through to its target"""
    message = b"".join(login(0)) + request(field.target.address) + b"octet"
    with field.crowd() as peers:
        peers.say(message)
        heard = peers.hear(2 + len(process(0, ITM, b"hello") + process(0, 0, b"grade=1")) + 10 + len(b"octet"))
        through = sum(data.endswith(b"octet") for data in heard)
        field.note = f"{through} tunnels at once"
        field.must(through == field.clients, f"{through} of {field.clients} came through")


def silent(field):
    """silent in each state"""
    with field.crowd() as peers:
        peers.say(*of_both(field.target.address))
        field.must_all_end(peers, field.limits["timeout"])


def slow(field):
    """an octet now and then"""
    kinds = [GREETING + oem(b"") * 100, GREETING + list_of(0, *range(0x10000, 0x100FF)),
             GREETING + list_of(1, ITM) + oem(b"") * 100]
    pause = field.limits["timeout"] / 30
    with field.crowd() as peers:
        start = time.monotonic()
        field.must_all_end(peers, field.limits["login-time"], [kinds[i % len(kinds)] for i in range(field.clients)],
                           pause)
        field.note = f"one in {pause:.1f} s, ended after {time.monotonic() - start:.0f} s"


def half_closed(field):
    """half-closed in each state"""
    with field.crowd() as peers:
        peers.say(*of_both(field.target.address))
        peers.finish()
        field.must_all_end(peers, field.limits["timeout"])


def reset(field):
    """reset in each state"""
    with unanswering() as address:
        states = of_both(field.target.address) + [b"".join(login(0)) + request(address)]
        for _ in range(2):
            with field.crowd() as peers:
                peers.say(*states)
                peers.reset(slice(0, None, 2))
                time.sleep(0.2)
                peers.reset(slice(1, None, 2))


def garbage(field):
    """random octets in each state"""
    states = of_both(field.target.address)
    with field.crowd() as peers:
        peers.say(*(states[i % len(states)] + field.chance.randbytes(field.chance.randrange(1, 200))
                    for i in range(field.clients)))
        field.must_all_end(peers, field.limits["timeout"])


def bombs(field):
    """data bombs"""
    limit = field.limits["message-size"]
    itm = [GREETING + list_of(revision, ITM) for revision in (0, 1)]
    mib = 1024 * 1024
    kinds = [
        itm[0] + process(0, ITM, b"x" * limit, 0xFFFFFFFF),
        itm[1] + process(1, ITM, b"x" * limit, 0xFFFFFFFF),
        itm[0] + process(0, ITM, b"x" * mib, mib),
        itm[1] + process(1, ITM, b"x" * mib, mib),
        itm[0] + process(0, ITM, b"x" * (limit - 100), limit - 20),
        itm[1] + process(1, ITM, b"x" * (limit - 100), limit - 20),
        GREETING + frame(1, 1, (b"\x01\xff" + b"i" * 255) * 4000),
        GREETING + frame(1, 1, (b"\xff\x01" + b"i" * 255) * 4000),
        GREETING + list_of(0, *range(0x10000, 0x100FE), MORE) * 1000,
        GREETING + list_of(1, *range(0x10000, 0x100FE), MORE) * 1000,
        GREETING + oem(b"o" * (limit - 100)) * 300,
        GREETING + oem(b"") * 50000,
        itm[0] + process(0, ITM, b"hello") * 50000,
        itm[1] + oem(b"o" * 1000) * 1000,
    ]
    with field.crowd() as peers:
        field.must_all_end(peers, field.limits["timeout"], [kinds[i % len(kinds)] for i in range(field.clients)])


def unread(field):
    """talking, and never reading"""
    limit = field.limits["message-size"]
    with deaf() as address, field.crowd() as peers:
        for peer in peers.peers:
            narrow(peer)
            peer.setblocking(False)
        kinds = [GREETING + oem(b"o" * (limit - 100)) * 100,
                 b"".join(login(0)) + request(address) + b"flood" * 1024 * 1024]
        for i, peer in enumerate(peers.peers):
            octets, said = kinds[i % 2], 0
            with contextlib.suppress(OSError):
                while said < len(octets):
                    said += peer.send(octets[said:said + 65536])
        time.sleep(2)


def wrong(field, method, messages):
    with field.crowd() as peers:
        known = [b"alice" if i % 2 else b"mallory%d" % i for i in range(field.clients)]
        revision = [i // 2 % 2 for i in range(field.clients)]
        peers.say(*(GREETING + list_of(r, method) for r in revision))
        # the selection, Do and, of revision 01, Process with what the server says first
        challenges = [peers.hear_one(peer, 2 + (12 if r == 0 else 9)) for peer, r in zip(peers.peers, revision)]
        field.must(all(len(data) > 8 for data in challenges), "not everybody got as far as Do")
        for i, (peer, r, user) in enumerate(zip(peers.peers, revision, known)):
            with contextlib.suppress(OSError):
                messages(peers, peer, r, user, challenges[i])
        field.must_all_end(peers, max(field.limits["login-time"], field.limits["timeout"]))
        lines = (rb" 127\.1\..*: refused: ", rb" 127\.1\..*: not logged in within ")
        field.server.wait_lines(b"|".join(lines), field.lines, field.clients)
        wrongs, late = (field.server.lines(words, field.lines) for words in lines)
        field.note = f"{wrongs} refused" + (f", {late} out of time" if late else "")
        field.must(wrongs + late == field.clients, f"{wrongs} refused and {late} out of time of {field.clients}")


def end_of(revision):
    """What next?, and where a refusal is acknowledged, that."""
    return frame(revision, 4) + (frame(1, 6) if revision else b"")


def wrong_plain(field):
    """wrong credentials: PLAIN"""
    def messages(_, peer, revision, user, __):
        peer.sendall(process(revision, PLAIN, b"\0" + user + b"\0" + WRONG.encode()) + end_of(revision))

    wrong(field, PLAIN, messages)


def data_of_process(peers, peer, revision):
    head = peers.hear_one(peer, 12 if revision == 0 else 16)
    return peers.hear_one(peer, struct.unpack("!I", head[-4:])[0])


def wrong_cram(field):
    """wrong credentials: CRAM-MD5"""
    def messages(peers, peer, revision, user, challenge):
        text = peers.hear_one(peer, struct.unpack("!I", challenge[-4:])[0]) if revision == 0 else \
            data_of_process(peers, peer, 1)
        digest = hmac.new(WRONG.encode(), text, hashlib.md5).hexdigest().encode()
        peer.sendall(process(revision, CRAM_MD5, user + b" " + digest) + end_of(revision))

    wrong(field, CRAM_MD5, messages)


def wrong_scram(field):
    """wrong credentials: SCRAM-SHA-256"""
    def messages(peers, peer, revision, user, _):
        peer.sendall(process(revision, SCRAM, b"n,,n=" + user + b",r=" + b"nonce"))
        nonce = data_of_process(peers, peer, revision).partition(b",")[0]
        proof = base64.b64encode(field.chance.randbytes(32))
        peer.sendall(process(revision, SCRAM, b"c=biws," + nonce + b",p=" + proof) + end_of(revision))

    wrong(field, SCRAM, messages)


def one_address(field):
    """all from one address, beyond its bound"""
    bound = field.limits["connections-per-address"]
    count = min(bound + field.clients, 2 * bound)
    with Crowd(field.server, count, ["127.2.0.1"]) as peers:
        field.must_let_in(peers, bound)
    told = field.server.wait_lines(b": closed at once: ", field.lines, 1)
    field.must(told > 0, "nobody was told of")


def beyond_all(field):
    """from everywhere, beyond the bound of all"""
    bound = field.limits["connections"]
    count = bound + field.clients // 2
    with field.crowd(count) as peers:
        field.must_let_in(peers, bound)


def no_descriptors(field):
    """no file descriptors left"""
    limits = field.server.limit_descriptors(field.server.descriptors() + 4)
    start = field.server.processor_time()
    with field.crowd(min(field.clients, 100)) as peers:
        peers.say(GREETING)
        time.sleep(3)
        spent = field.server.processor_time() - start
        told = field.server.wait_lines(b"Too many open files", field.lines, 1)
        field.server.limit_descriptors(limits[0])
        served = sum(data == b"\x05\x08" for data in peers.hear(2))
        field.note = f"{spent:.2f} s of processor time in 3 s"
        field.must(served == len(peers.peers), f"{served} of {len(peers.peers)} were served when there were some again")
        field.must(0 < told <= 16, f"{told} lines about it")
        field.must(spent < 1, f"it kept the processor busy for {spent} s")


ATTACKS = [crowd, silent, slow, half_closed, reset, garbage, bombs, unread, wrong_plain, wrong_cram, wrong_scram,
           one_address, beyond_all, no_descriptors]
WARM_UP = [crowd, reset, bombs, unread, wrong_plain]
NOT_BESIDE = [beyond_all, no_descriptors]  # an honest client can do nothing but wait


# All together


def settle(server, descriptors, seconds):
    """Till the last connection is closed, and nothing is left to do, such as the check of a password."""
    deadline = time.monotonic() + seconds
    spent = -1
    while time.monotonic() < deadline and (server.descriptors() > descriptors or server.processor_time() > spent):
        spent = server.processor_time()
        time.sleep(0.5)


def attack(function, field, honest, base):
    server = field.server
    field.faults, field.note = [], ""
    field.lines = len(server.output)
    server.forget_most()
    start = time.monotonic()
    with contextlib.nullcontext() if function in NOT_BESIDE else honest.busy():
        function(field)
    seconds = time.monotonic() - start
    settle(server, base["descriptors"], field.limits["timeout"] + PATIENCE / 2)
    if function in NOT_BESIDE:
        honest.seconds, honest.failures = [], []
        honest.log_in()
        settle(server, base["descriptors"], PATIENCE / 2)
    after = server.descriptors()
    field.must(after <= base["descriptors"], f"{after} descriptors, not {base['descriptors']}")
    base["descriptors"] = after
    field.must(not honest.failures, f"the honest client failed: {honest.failures[:3]}")
    field.must(server.process.poll() is None, "the server is gone")
    return seconds


def make_configuration(program):
    made = subprocess.run([program, "--make-user", "alice"], input=PASSWORD + "\n", capture_output=True, check=True,
                          text=True).stdout
    secrets = [line.partition("=")[2] for line in made.splitlines()[1:]]
    return f"[step 1]\nmethods=SCRAM-SHA-256;CRAM-MD5;PLAIN;internal-test\n{made}password={PASSWORD}\n", secrets


def leaks(output, secrets):
    """The credentials that are in the output, in any of the forms in which they went by."""
    forms = set()
    for secret in secrets + [PASSWORD, WRONG]:
        octets = secret.encode()
        forms |= {octets, octets.hex().encode(), base64.b64encode(octets)}
        forms |= {part.encode() for part in re.split("[$:]", secret) if len(part) > len("SCRAM-SHA-256")}
    return [form for form in forms if form in output]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2].partition("\n")[0])
    parser.add_argument("server")
    parser.add_argument("client")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    clients = 40 if options.short else 1000
    hosts = [f"127.1.0.{i}" for i in range(1, 11 if options.short else 51)]
    limits = {"connections": 2000, "connections-per-address": 200, "login-time": 60, "message-size": 65536}
    if options.short:
        limits |= {"connections": 300, "connections-per-address": 40, "login-time": 8}
    given = [word for name, value in limits.items() for word in (f"--{name}", str(value))] if options.short else []
    limits["timeout"] = 2 if options.short else 30
    given += ["--timeout", str(limits["timeout"])] if options.short else []

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    text, secrets = make_configuration(options.server)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write(text)
        config.flush()
        server = Server(options.server, config.name, *given)
    target = Echo()
    honest = Honest(options.client, server, target)
    field = Field(server, clients, hosts, target, limits)
    base = {"descriptors": server.descriptors()}
    failed = []

    def report(name, seconds):
        logins = honest.seconds
        print(f"{name:<50.50} {seconds:6.1f} {len(logins):6} {statistics.median(logins):7.2f} {max(logins):6.2f}"
              f" {server.memory('VmHWM'):7.1f} {server.memory('VmRSS'):6.1f} {server.descriptors():5}  {field.note}",
              flush=True)
        failed.extend(f"{name}: {fault}" for fault in field.faults)

    print(f"{clients} clients in each attack from {len(hosts)} addresses; limits: " +
          ", ".join(f"{name} {value}" for name, value in limits.items()))
    print(f"{'':50} {'':6} {'honest logins, s':>21} {'memory, MiB':>14} {'fds':>5}")
    print(f"{'attack':50} {'s':>6} {'count':>6} {'median':>7} {'worst':>6} {'most':>7} {'after':>6} {'after':>5}")
    for function in WARM_UP:
        seconds = attack(function, field, honest, base)
        report("(warm-up) " + function.__doc__, seconds)
    base["memory"] = server.memory("VmRSS")
    for function in ATTACKS:
        seconds = attack(function, field, honest, base)
        after = server.memory("VmRSS")
        field.must(after <= base["memory"] + MEMORY_BOUND, f"{after:.1f} MiB, {base['memory']:.1f} after the warm-up")
        report(function.__doc__, seconds)

    field.must(server.end() == 0, "the server did not end as it should")
    output = b"".join(server.output)
    found = leaks(output, secrets)
    print(f"{len(server.output)} lines of output, {len(found)} credentials in them")
    failed += [f"credential in the output: {form}" for form in found]
    for words in failed:
        print(f"FAILED: {words}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
