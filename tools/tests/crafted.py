# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of whatever two sides could say: MAF frames octet by octet, TCP segment by segment, written by text2pcap.

A frame is honest unless its length or count is given. SOCKS is RFC 1928; Subnegotiation of either draft is the rest.
"""
import ipaddress
import struct
import subprocess
import tempfile

CLIENT, SERVER = 0, 1
SUCCESS, LIST, REQUEST_MORE, DO, WHAT_NEXT, PROCESS, ACKNOWLEDGE, OEM, FAILURE = 0, 1, 2, 3, 4, 5, 6, 7, 255
GREETING, SELECTION = bytes((5, 1, 8)), bytes((5, 8))
REQUEST, REPLY = bytes.fromhex("05010001 7f000001 0050"), bytes.fromhex("05000001 7f000001 0050")

SYN, RST, PUSH, ACK, FIN = 0x02, 0x04, 0x08, 0x10, 0x01


def compact(number):
    return struct.pack(">I", number)


def header(instr, ver, flags=0):
    return struct.pack(">BBH", instr, ver, flags)


def counted(octets, size, count=None):
    """Octets after their number, which is a field of `size` octets."""
    return (len(octets) if count is None else count).to_bytes(size, "big") + octets


def aligned(octets):
    return octets + bytes(-len(octets) % 4)


def list_00(ids, count=None, width=4):
    return header(LIST, 0) + (len(ids) if count is None else count).to_bytes(width, "big") + b"".join(ids)


def list_01(*groups, end=b"\0"):
    """Groups of COUNT, IDLEN and the octets of all ids."""
    return header(LIST, 1) + b"".join(bytes((count, length)) + ids for count, length, ids in groups) + end


def method_data_00(instr, method, data=b"", length=None):
    return header(instr, 0) + method + counted(data, 4, length)


def method_01(instr, method, length=None, ver=1):
    return header(instr, ver) + counted(method, 1, length)


def process_01(method, data=b"", length=None, method_length=None):
    return aligned(method_01(PROCESS, method, method_length)) + counted(data, 4, length)


def oem_01(oem, data=b"", length=None, id_length=None, reserved=0):
    return aligned(header(OEM, 1) + reserved.to_bytes(3, "big") + counted(oem, 1, id_length)) + counted(data, 4, length)


class Connection:
    """One TCP connection, as IP packets in the order in which they were sent."""

    def __init__(self, client_port, server_port=1080, version=4, first=1000):
        self.ports = (client_port, server_port)
        hosts = ("10.0.0.1", "10.0.0.2") if version == 4 else ("2001:db8::1", "2001:db8::2")
        self.hosts = [ipaddress.ip_address(host).packed for host in hosts]
        self.next = [first, 2**32 - first]  # sequence numbers; the server's wrap soon
        self.packets = []

    def packet(self, side, octets=b"", flags=PUSH | ACK, back=0):
        """A segment of at most 65,000 octets; `back`: from as many octets before what it should begin with."""
        self.packets.append(self._ip(side, struct.pack(
            ">HHIIBBHHH", self.ports[side], self.ports[1 - side], (self.next[side] - back) % 2**32,
            self.next[1 - side] if flags & ACK else 0, 5 << 4, flags, 0xFFFF, 0, 0) + octets))
        self.next[side] = (self.next[side] - back + len(octets) + bool(flags & (SYN | FIN))) % 2**32

    def _ip(self, side, tcp):
        addresses = self.hosts[side] + self.hosts[1 - side]
        if len(addresses) == 8:
            return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses + tcp
        return struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + addresses + tcp

    def open(self):
        self.packet(CLIENT, flags=SYN)
        self.packet(SERVER, flags=SYN | ACK)
        self.packet(CLIENT, flags=ACK)
        return self

    def say(self, side, octets, size=65000):
        for at in range(0, len(octets), size):
            self.packet(side, octets[at:at + size])
        return self

    def select_maf(self):
        return self.open().say(CLIENT, GREETING).say(SERVER, SELECTION)

    def close(self, side):
        self.packet(side, flags=FIN | ACK)


def write(packets, path):
    with tempfile.NamedTemporaryFile("w") as text:  # text2pcap maps it: a pipe will not do
        text.writelines(packet.hex() + "\n" for packet in packets)
        text.flush()
        subprocess.run(["text2pcap", "-q", "-l", "101", "-r", "^(?<data>[0-9a-f]+)$", text.name, str(path)],
                       check=True, stderr=subprocess.PIPE)
