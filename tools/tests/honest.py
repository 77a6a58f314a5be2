# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sides of an honest session say: greeting to tunnel, each message for itself, of both revisions."""
import struct
import uuid

CLIENT, SERVER = 0, 1
SUCCESS, LIST, REQUEST_MORE, DO, WHAT_NEXT, PROCESS, ACKNOWLEDGE, OEM, FAILURE = 0, 1, 2, 3, 4, 5, 6, 7, 255
GREETING, SELECTION = bytes((5, 2, 0, 8)), bytes((5, 8))
SOCKS_REQUEST, SOCKS_REPLY = bytes.fromhex("05010001 0a000003 0050"), bytes.fromhex("05000001 0a000003 0050")
GET, OK = b"GET /a HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def compact(number):
    return struct.pack(">I", number)


TEST, MORE, ACCEPTED, NONE = compact(1), compact(2), compact(0), compact(0xFFFFFFFF)


def header(instr, revision, flags=0):
    return struct.pack(">BBH", instr, revision, flags)


def aligned(message):
    return message + bytes(-len(message) % 4)


def with_length(data, size=4):
    return len(data).to_bytes(size, "big") + data


def offer(revision, ids, width=4):
    """A list. In revision 01 ids of one size in a row become a group."""
    if revision == 0:
        return header(LIST, 0) + len(ids).to_bytes(width, "big") + b"".join(ids)
    message, at = header(LIST, 1), 0
    while at < len(ids):
        end = at + 1
        while end < len(ids) and len(ids[end]) == len(ids[at]) and end - at < 255:
            end += 1
        message += bytes((end - at, len(ids[at]))) + b"".join(ids[at:end])
        at = end
    return message + b"\0"


def do(revision, method, data=b""):
    return method_message(DO, revision, method, data)


def method_message(instr, revision, method, data=b"", ver=None):
    """do, success or failure. Data is in revision 00 only."""
    head = header(instr, revision if ver is None else ver)
    return head + (method + with_length(data) if revision == 0 else with_length(method, 1))


def process(revision, method, data=b""):
    if revision == 0:
        return header(PROCESS, 0) + method + with_length(data)
    return aligned(header(PROCESS, 1) + with_length(method, 1)) + with_length(data)


def oem(oem_id, data=b""):
    return aligned(header(OEM, 1) + bytes(3) + with_length(oem_id, 1)) + with_length(data)


def login(revision, refused=False):
    """A small session that has every kind of message: [(side, bytes)], one entry a message."""
    other = compact(0x10203) if revision == 0 else uuid.UUID(int=0x2770736fc71045e98ae4af735a319ded).bytes
    said = [(CLIENT, GREETING), (SERVER, SELECTION), (CLIENT, offer(revision, [TEST, compact(0x30000), MORE]))]
    if revision == 0:
        said += [(SERVER, do(0, TEST, b"abc")), (CLIENT, process(0, TEST, b"abc"))]
    else:
        said += [(SERVER, do(1, TEST)), (SERVER, process(1, TEST, b"abcde")), (CLIENT, process(1, TEST, b"abcde"))]
    said += [(CLIENT, header(WHAT_NEXT, revision)), (SERVER, header(REQUEST_MORE, revision)),
             (CLIENT, offer(revision, [other]))]
    if revision == 1:
        said += [(SERVER, oem(compact(0x10000), b"hello")), (CLIENT, oem(NONE))]
    said += [(SERVER, do(revision, other)), (CLIENT, process(revision, other, b"first")),
             (SERVER, process(revision, other, b"second!")), (CLIENT, header(WHAT_NEXT, revision))]
    said += [(SERVER, method_message(FAILURE, revision, NONE) if refused else
              method_message(SUCCESS, revision, ACCEPTED))]
    if revision == 1:
        said += [(CLIENT, header(ACKNOWLEDGE, 1)), (SERVER, header(ACKNOWLEDGE, 1))]
    return said if refused else said + [(CLIENT, SOCKS_REQUEST), (SERVER, SOCKS_REPLY), (CLIENT, GET), (SERVER, OK)]


class _Maker:
    """One random session."""

    def __init__(self, random, revision):
        self.random, self.revision = random, revision
        self.said, self.offered, self.used, self.more = [], [], {TEST}, False

    def chance(self, probability):
        return self.random.random() < probability

    def data(self):
        size = self.random.choice((0, 1, 2, 3, 4, 5, 8, 17, 64, 100, 255, 700, 1460, 3000))
        if self.chance(0.01):
            size = self.random.choice((9000, 65536, 70000))
        return self.random.randbytes(size)

    def new_id(self):
        while True:
            kind = self.random.random()
            if self.revision == 1 and kind < 0.3:
                new = self.random.randbytes(16)
            elif self.revision == 1 and kind < 0.35:
                new = self.random.randbytes(self.random.choice((1, 2, 3, 5, 20)))
            else:
                ranges = (5, 0x100), (0x200, 0x10000), (0x10000, 0xFFFFFFFF)
                new = compact(self.random.randrange(*self.random.choice(ranges)))
            if new not in self.used and not 0x100 <= int.from_bytes(new[:4], "big") < 0x200:
                self.used.add(new)
                return new

    def say(self, side, message):
        self.said.append((side, message))

    def offer(self, first):
        count = self.random.choice((1, 1, 2, 3, 5)) if not self.chance(0.02) else self.random.randrange(6, 120)
        ids = [self.new_id() for _ in range(count)]
        if first and self.chance(0.7):
            ids.insert(self.random.randrange(len(ids) + 1), TEST)
        if self.revision == 1:
            ids.sort(key=len, reverse=self.chance(0.5))
        self.offered += ids
        self.more = self.chance(0.4)
        if self.more:  # last; in revision 01 anywhere
            ids.insert(len(ids) if self.revision == 0 else self.random.randrange(len(ids) + 1), MORE)
        self.say(CLIENT, offer(self.revision, ids, 1 if self.chance(0.05) else 4))

    def oems(self, first):
        """An OEM message and its answer; seldom the answer to the answer, and so on."""
        if self.revision == 0 or not self.chance(0.15):
            return
        side = first
        for _ in range(2 if self.chance(0.8) else 4):
            known = self.chance(0.5)
            name = compact(self.random.randrange(5, 0xFFFF)) if self.chance(0.7) else self.random.randbytes(16)
            self.say(side, oem(name, self.data()) if known or side == first else oem(NONE))
            side = 1 - side

    def round(self):
        method = self.random.choice([offered for offered in self.offered if len(offered) in (4, 16)])
        data = self.data() if self.revision == 0 and (method == TEST or self.chance(0.5)) else b""
        self.say(SERVER, do(self.revision, method, data))
        if method == TEST:
            if self.revision == 1:
                data = self.data()
                self.say(SERVER, process(1, TEST, data))
            self.say(CLIENT, process(self.revision, TEST, data))
        else:
            for turn in range(self.random.choice((0, 1, 1, 2, 3, 6))):
                self.say(turn % 2, process(self.revision, method, self.data()))
        self.oems(CLIENT)
        self.say(CLIENT, header(WHAT_NEXT, self.revision))

    def session(self):
        methods = [8, *self.random.sample((0, 1, 2, 0x80), self.random.randrange(4))]
        self.random.shuffle(methods)
        self.say(CLIENT, bytes((5, len(methods), *methods)))
        self.say(SERVER, SELECTION)
        self.oems(CLIENT)
        self.offer(True)
        rounds = 0
        for _ in range(self.random.choice((1, 1, 2, 3, 5))):
            self.oems(SERVER)
            if self.more and self.chance(0.5) or not any(len(offered) in (4, 16) for offered in self.offered):
                if not self.more:
                    break
                absolute = self.chance(0.3)
                self.say(SERVER, header(REQUEST_MORE, self.revision, int(absolute)))
                if absolute:
                    self.offered = []
                self.offer(False)
            else:
                self.round()
                rounds += 1
        self.oems(SERVER)
        succeeded = rounds and self.chance(0.8)
        self.result(succeeded)
        acknowledged = self.revision == 1 and self.chance(0.95)
        if self.revision == 1:
            self.oems(CLIENT)
        if acknowledged:
            self.say(CLIENT, header(ACKNOWLEDGE, 1))
        eager = succeeded and self.chance(0.3)
        if not eager and acknowledged:
            self.say(SERVER, header(ACKNOWLEDGE, 1))
        if succeeded:
            self.tunnel(eager and acknowledged)
        return self.said

    def result(self, succeeded):
        data = self.data() if self.chance(0.3) else b""
        ver = self.revision if self.chance(0.8) else 0
        if succeeded:
            self.say(SERVER, method_message(SUCCESS, self.revision, ACCEPTED, data, ver))
        elif self.chance(0.3):
            self.say(SERVER, do(self.revision, NONE))
        else:
            self.say(SERVER, method_message(FAILURE, self.revision, NONE, data, ver))

    def tunnel(self, eager):
        """The SOCKS request, which an eager client sends before it has seen the server's acknowledge."""
        address = self.random.choice((b"\1\x0a\0\0\3", b"\3\x0bexample.org", b"\4" + bytes(15) + b"\1"))
        port = self.random.choice((80, 80, 9999))
        self.say(CLIENT, b"\5\1\0" + address + struct.pack(">H", port))
        if eager:
            self.say(SERVER, header(ACKNOWLEDGE, 1))
        self.say(SERVER, b"\5\0\0\1\x0a\0\0\3" + struct.pack(">H", port))
        for number in range(self.random.choice((0, 1, 1, 2, 3))):
            if port == 80:
                body = self.random.randbytes(self.random.choice((0, 10, 2000)))
                self.say(CLIENT, f"GET /{number} HTTP/1.1\r\nHost: example.org\r\n\r\n".encode())
                self.say(SERVER, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            else:  # what could be taken for MAF, but is none
                self.say(CLIENT, process(self.revision, TEST, self.random.randbytes(20)))
                self.say(SERVER, self.random.choice((b"\5\x08", header(WHAT_NEXT, 0), self.random.randbytes(33))))


def random_session(random, revision):
    return _Maker(random, revision).session()


def ordinary_session(random):
    """A SOCKS session of another method, or one that the server refuses."""
    method = random.choice((0, 2, 0xFF))
    methods = random.choice((b"\0\2", b"\0\2\x08"))
    said = [(CLIENT, bytes((5, len(methods))) + methods), (SERVER, bytes((5, method)))]
    if method == 2:
        said += [(CLIENT, b"\1\5alice\6secret"), (SERVER, b"\1\0")]
    if method != 0xFF:
        said += [(CLIENT, SOCKS_REQUEST), (SERVER, SOCKS_REPLY), (CLIENT, GET), (SERVER, OK)]
    return said


def bytes_of(said):
    """All bytes of both sides."""
    return tuple(b"".join(data for speaker, data in said if speaker == side) for side in (CLIENT, SERVER))
