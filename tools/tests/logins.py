# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of logins that tests know every message of."""
import json
import struct

from packets import CLIENT, FIN, RST, SERVER, ACK, Conversation, write_pcap
from wireshark import tshark

PLAIN, CRAM_MD5, SCRAM, TEST = 0x101, 0x102, 0x103, 1


def do(method, data=b""):
    return struct.pack(">BBHII", 3, 0, 0, method, len(data)) + data


def process(method, data):
    return struct.pack(">BBHII", 5, 0, 0, method, len(data)) + data


def offer(*methods):
    return struct.pack(">BBHI", 1, 0, 0, len(methods)) + b"".join(struct.pack(">I", method) for method in methods)


WHAT_NEXT = bytes((4, 0, 0, 0))
DO_FAILURE = do(0xFFFFFFFF)


def success(data=b""):
    return struct.pack(">BBHII", 0, 0, 0, 0, len(data)) + data


def failure(data=b""):
    return struct.pack(">BBHII", 0xFF, 0, 0, 0xFFFFFFFF, len(data)) + data


def connection(port):
    """A connection on which MAF has been selected."""
    return Conversation(port).open().client(b"\5\1\10").server(b"\5\10")


def plain(port, user, result, *rest):
    """A login by SASL PLAIN."""
    login = connection(port).client(offer(PLAIN, TEST)).server(do(PLAIN))
    login.client(process(PLAIN, b"\0" + user + b"\0secret")).client(WHAT_NEXT).server(result)
    for packet in rest:
        packet(login)
    return login


def closes(side, reset=False):
    return lambda login: login.segment(side, flags=(RST if reset else FIN) | ACK)


def three_users():
    """alice is refused and closed by the server, bob succeeds and reaches a host, carol is cut by the capture's end."""
    alice = plain(40001, b"alice", failure(b"Ask the help desk."), closes(SERVER))
    bob = plain(40002, b"bob", success(b"grade=1"))
    bob.client(b"\5\1\0\3\13example.org\0\120").server(b"\5\0\0\1\0\0\0\0\0\0")
    carol = connection(40003).client(offer(SCRAM)).server(do(SCRAM))
    carol.client(process(SCRAM, b"n,,n=carol,r=abc")).server(process(SCRAM, b"r=abcdef,s=QQ==,i=4096")[:20])
    return [alice, bob, carol]


def write(path, conversations):
    """Stores the packets of these connections, one connection after the other."""
    write_pcap(path, [packet for conversation in conversations for packet in conversation.packets])
    path.chmod(0o644)
    for folder in path.parents:
        if folder.parts[:2] == ("/", "tmp") and len(folder.parts) > 2:
            folder.chmod(0o755)  # tshark is not run as root
    return path


def records(capture, *options, filter=None):
    """The objects of -z maf,json."""
    output = tshark(capture, "-q", "-z", "maf,json" + (f",{filter}" if filter else ""), *options)
    return [json.loads(line) for line in output.decode("utf-8").splitlines()]
