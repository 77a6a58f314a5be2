# SPDX-License-Identifier: GPL-2.0-or-later
"""A second reader of MAF, written from the drafts and from nothing of the plugin: what an honest session says.

It is given all bytes of both sides at once. Who speaks next follows from the state, so it needs no packets.
"""
import dataclasses
import struct
import uuid

CLIENT, SERVER = 0, 1
SUCCESS, LIST, REQUEST_MORE, DO, WHAT_NEXT, PROCESS, ACKNOWLEDGE, OEM, FAILURE = 0, 1, 2, 3, 4, 5, 6, 7, 255
AWAITING_LIST, AWAITING_DECISION, AWAITING_MORE, EXECUTING, SUCCEEDED, FAILED = range(1, 7)
NO_METHOD = bytes.fromhex("ffffffff")


@dataclasses.dataclass
class Message:
    side: int
    start: int  # in the bytes of its side, like end
    end: int
    values: dict  # of each display filter field of the message itself, its values as tshark prints them
    state: int = 0  # after it
    round: int = 0

    @property
    def instr(self):
        return int(self.values["maf.instr"][0])


@dataclasses.dataclass
class Session:
    messages: list
    revision: int
    after: tuple  # where what follows MAF begins, in the bytes of each side
    succeeded: bool


class Broken(Exception):
    """The bytes are no honest session."""


class Cursor:
    def __init__(self, data, at):
        self.data, self.at = data, at

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        if len(piece) < size:
            raise Broken(f"{size} bytes at {self.at}: there are {len(piece)}")
        self.at += size
        return piece

    def number(self, size):
        return int.from_bytes(self.take(size), "big")


def _put(values, name, value):
    values.setdefault(name, []).append(str(value))


def _id(values, name, octets):
    """A METHOD or OEM id: a number of 4 bytes, a UUID of 16; others have no field of their own."""
    if len(octets) == 4:
        _put(values, name, f"0x{octets.hex()}")
    elif len(octets) == 16:
        _put(values, name + ".uuid", uuid.UUID(bytes=octets))


def _data(values, cursor):
    size = cursor.number(4)
    _put(values, "maf.len", size)
    if size:
        _put(values, "maf.data", cursor.take(size).hex())


def _pad(values, cursor, start):
    size = -(cursor.at - start) % 4
    if size:
        _put(values, "maf.pad", cursor.take(size).hex())


def _body_00(values, cursor, instr):
    if instr == LIST:
        wide = cursor.data[cursor.at:cursor.at + 1] == b"\0"
        count = cursor.number(4 if wide else 1)
        _put(values, "maf.nmethods", count)
        for _ in range(count):
            _id(values, "maf.offered", cursor.take(4))
    elif instr in (DO, PROCESS, SUCCESS, FAILURE):
        _id(values, "maf.method", cursor.take(4))
        _data(values, cursor)
    elif instr not in (REQUEST_MORE, WHAT_NEXT, ACKNOWLEDGE):
        raise Broken(f"INSTR {instr} in revision 00")


def _body_01(values, cursor, instr, start):
    if instr == LIST:
        while count := cursor.number(1):
            size = cursor.number(1)
            _put(values, "maf.nmethods", count)
            _put(values, "maf.idlen", size)
            for _ in range(count):
                _id(values, "maf.offered", cursor.take(size))
    elif instr in (DO, SUCCESS, FAILURE, PROCESS):
        size = cursor.number(1)
        _put(values, "maf.mlen", size)
        _id(values, "maf.method", cursor.take(size))
        if instr == PROCESS:
            _pad(values, cursor, start)
            _data(values, cursor)
    elif instr == OEM:
        _put(values, "maf.reserved", f"0x{cursor.take(3).hex()}")
        size = cursor.number(1)
        _put(values, "maf.idlen", size)
        _id(values, "maf.oem", cursor.take(size))
        _pad(values, cursor, start)
        _data(values, cursor)
    elif instr not in (REQUEST_MORE, WHAT_NEXT, ACKNOWLEDGE):
        raise Broken(f"INSTR {instr} in revision 01")


def read_message(side, data, at, revision):
    cursor = Cursor(data, at)
    instr, ver, flags = struct.unpack(">BBH", cursor.take(4))
    if ver != revision and not (revision == 1 and instr in (SUCCESS, FAILURE) and ver == 0):
        raise Broken(f"VER {ver} at {at}")
    values = {"maf.instr": [str(instr)], "maf.ver": [str(ver)], "maf.flags": [f"0x{flags:04x}"]}
    if revision == 0:
        _body_00(values, cursor, instr)
    else:
        _body_01(values, cursor, instr, at)
    return Message(side, at, cursor.at, values)


class _Sides:
    """What is left of both sides."""

    def __init__(self, client, server):
        self.data = (client, server)
        self.at = [0, 0]
        self.revision = 0
        self.messages = []

    def instr(self, side):
        """The INSTR of the side's next message, None at its end."""
        return self.data[side][self.at[side]] if self.at[side] < len(self.data[side]) else None

    def read(self, side, state, number, *allowed):
        if self.instr(side) not in allowed:
            raise Broken(f"INSTR {self.instr(side)} of {'server' if side else 'client'} in state {state}")
        message = read_message(side, self.data[side], self.at[side], self.revision)
        message.state, message.round = state, number
        self.at[side] = message.end
        self.messages.append(message)
        return message

    def oems(self, first, state, number):
        """OEM messages, each answered by the other side's. An answer may be answered again."""
        side = first
        while self.instr(side) == OEM:
            self.read(side, state, number, OEM)
            side = 1 - side


def _after_state(message):
    method = message.values.get("maf.method", [""])[0]
    if message.instr == DO:
        return FAILED if method == "0xffffffff" else EXECUTING
    return {SUCCESS: SUCCEEDED, FAILURE: FAILED, REQUEST_MORE: AWAITING_MORE}[message.instr]


def _round(sides, number):
    """All of a round behind its do, the what next included."""
    while True:
        if sides.instr(SERVER) == PROCESS:
            sides.read(SERVER, EXECUTING, number, PROCESS)
        elif sides.instr(CLIENT) == PROCESS:
            sides.read(CLIENT, EXECUTING, number, PROCESS)
        elif sides.instr(CLIENT) == OEM:
            sides.oems(CLIENT, EXECUTING, number)
        else:
            sides.read(CLIENT, AWAITING_DECISION, number, WHAT_NEXT)
            return


def read_session(client, server):
    """Greeting, selection and MAF of a session, of which each side's bytes are given. Raises Broken."""
    sides = _Sides(client, server)
    if client[:1] != b"\5" or 8 not in client[2:2 + client[1]] or server[:2] != b"\5\x08":
        raise Broken("MAF is not offered and selected")
    sides.at = [2 + client[1], 2]
    sides.revision = 1 if client[sides.at[CLIENT] + 1:][:1] == b"\1" else 0
    number = 0
    sides.oems(CLIENT, AWAITING_LIST, number)
    state = AWAITING_LIST
    while state not in (SUCCEEDED, FAILED):
        if state in (AWAITING_LIST, AWAITING_MORE):
            sides.read(CLIENT, AWAITING_DECISION, number, LIST)
            state = AWAITING_DECISION
        sides.oems(SERVER, AWAITING_DECISION, number)
        decision = sides.read(SERVER, 0, number, DO, REQUEST_MORE, SUCCESS, FAILURE)
        state = decision.state = _after_state(decision)
        if state == EXECUTING:  # a do that refuses runs nothing: no round
            number += 1
            decision.round = number
        if state == EXECUTING:
            _round(sides, number)
            state = AWAITING_DECISION
    if sides.revision == 1:
        sides.oems(CLIENT, state, number)
    for side in (CLIENT, SERVER):
        if sides.instr(side) == ACKNOWLEDGE:
            sides.read(side, state, number, ACKNOWLEDGE)
    return Session(sides.messages, sides.revision, tuple(sides.at), state == SUCCEEDED)
