# SPDX-License-Identifier: GPL-2.0-or-later
"""MAF messages byte by byte, for packets.py to send. A message is honest unless its length or count is given. SOCKS is
RFC 1928; Subnegotiation of either draft is the rest."""
import struct

from packets import Conversation

SUCCESS, LIST, REQUEST_MORE, DO, WHAT_NEXT, PROCESS, ACKNOWLEDGE, OEM, FAILURE = 0, 1, 2, 3, 4, 5, 6, 7, 255
GREETING, SELECTION = bytes((5, 1, 8)), bytes((5, 8))
REQUEST, REPLY = bytes.fromhex("05010001 7f000001 0050"), bytes.fromhex("05000001 7f000001 0050")


def compact(number):
    return struct.pack(">I", number)


def header(instr, ver, flags=0):
    return struct.pack(">BBH", instr, ver, flags)


def counted(data, size, count=None):
    """Bytes after their number, which is a field of `size` bytes."""
    return (len(data) if count is None else count).to_bytes(size, "big") + data


def aligned(data):
    return data + bytes(-len(data) % 4)


def list_00(ids, count=None, width=4):
    return header(LIST, 0) + (len(ids) if count is None else count).to_bytes(width, "big") + b"".join(ids)


def list_01(*groups, end=b"\0"):
    """Groups of COUNT, IDLEN and the bytes of all ids."""
    return header(LIST, 1) + b"".join(bytes((count, length)) + ids for count, length, ids in groups) + end


def method_data_00(instr, method, data=b"", length=None):
    return header(instr, 0) + method + counted(data, 4, length)


def method_01(instr, method, length=None, ver=1):
    return header(instr, ver) + counted(method, 1, length)


def process_01(method, data=b"", length=None, method_length=None):
    return aligned(method_01(PROCESS, method, method_length)) + counted(data, 4, length)


def oem_01(oem, data=b"", length=None, id_length=None, reserved=0):
    return aligned(header(OEM, 1) + reserved.to_bytes(3, "big") + counted(oem, 1, id_length)) + counted(data, 4, length)


def selected(port):
    """A connection in which MAF has been selected."""
    return Conversation(port).open().client(GREETING).server(SELECTION)
