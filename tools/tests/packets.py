# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of TCP connections, with correct checksums, and captures of them.

A Conversation keeps the sequence numbers; its `packets` is a plain list that can be permuted, thinned and doubled
before `write_pcap` stores it.
"""
import dataclasses
import ipaddress
import struct

CLIENT, SERVER = 0, 1
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
IPV4, IPV6, VLAN_TAG, GRE_IP, TCP, ICMP, ICMPV6 = 0x0800, 0x86DD, 0x8100, 47, 6, 1, 58


def checksum(data):
    """The Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip_packet(source, target, protocol, payload):
    """An IPv4 or IPv6 packet, by the size of the addresses."""
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + source + target + payload
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol)
    return head + struct.pack(">H", checksum(head + bytes(2) + source + target)) + source + target + payload


def with_checksum(source, target, protocol, payload, at):
    """The payload with its checksum, which includes the pseudo header, filled in at `at`."""
    pseudo = source + target + struct.pack(">II", len(payload), protocol)
    return payload[:at] + struct.pack(">H", checksum(pseudo + payload)) + payload[at + 2:]


@dataclasses.dataclass(frozen=True)
class Link:
    """What carries the IP packets: Ethernet, with tags of these VLANs, and in GRE between two routers or not."""
    vlans: tuple = ()
    gre: bool = False

    def frame(self, packet):
        if self.gre:
            inner = IPV6 if packet[0] >> 4 == 6 else IPV4
            packet = ip_packet(bytes((172, 16, 0, 1)), bytes((172, 16, 0, 2)), GRE_IP,
                               struct.pack(">HH", 0, inner) + packet)
        frame = bytes.fromhex("020000000002 020000000001")
        for vlan in self.vlans:
            frame += struct.pack(">HH", VLAN_TAG, vlan)
        return frame + struct.pack(">H", IPV6 if packet[0] >> 4 == 6 else IPV4) + packet


@dataclasses.dataclass
class Segment:
    """One TCP segment of `conversation`, sent by `side`."""
    conversation: "Conversation" = dataclasses.field(repr=False)
    side: int
    seq: int
    ack: int
    flags: int
    payload: bytes = b""
    window: int = 0xFFFF

    def ip(self):
        source, target = self.conversation.addresses[self.side], self.conversation.addresses[1 - self.side]
        ports = self.conversation.ports
        tcp = struct.pack(">HHIIBBHHH", ports[self.side], ports[1 - self.side], self.seq % 2**32,
                          self.ack % 2**32 if self.flags & ACK else 0, 5 << 4, self.flags, self.window, 0, 0)
        return ip_packet(source, target, TCP, with_checksum(source, target, TCP, tcp + self.payload, 16))

    def frame(self):
        return self.conversation.link.frame(self.ip())

    @property
    def end(self):
        return self.seq + len(self.payload) + bool(self.flags & (SYN | FIN))


@dataclasses.dataclass
class Quote:
    """An ICMP error (host unreachable) of a router about a segment, which it quotes up to `size` bytes."""
    segment: Segment
    size: int = 1000

    def frame(self):
        quoted = self.segment.ip()
        target = self.segment.conversation.addresses[self.segment.side]
        if len(target) == 16:
            source = ipaddress.ip_address("2001:db8::fe").packed
            error = struct.pack(">BBHI", 1, 3, 0, 0) + quoted[:self.size]
            packet = ip_packet(source, target, ICMPV6, with_checksum(source, target, ICMPV6, error, 2))
        else:
            error = struct.pack(">BBHI", 3, 1, 0, 0) + quoted[:self.size]
            error = error[:2] + struct.pack(">H", checksum(error)) + error[4:]
            packet = ip_packet(bytes((10, 0, 0, 254)), target, ICMP, error)
        return self.segment.conversation.link.frame(packet)


class Conversation:
    """One TCP connection. `packets` are in the order in which they were sent; sequence numbers are not yet cut to 32
    bits in it, so that they can be compared."""

    def __init__(self, port, server_port=1080, hosts=("10.0.0.1", "10.0.0.2"), first=(1000, 5000), mss=65000,
                 link=Link()):
        self.ports = (port, server_port)
        self.addresses = [ipaddress.ip_address(host).packed for host in hosts]
        self.first = first  # sequence number of each side's first byte of data
        self.next = [first[0] - 1, first[1] - 1]
        self.mss, self.link = mss, link
        self.packets = []

    def segment(self, side, payload=b"", flags=ACK, back=0, window=0xFFFF):
        """Adds a segment that begins `back` bytes before what the side sends next."""
        segment = Segment(self, side, self.next[side] - back, self.next[1 - side], flags, payload, window)
        self.packets.append(segment)
        self.next[side] = max(self.next[side], segment.end)
        return segment

    def open(self):
        self.segment(CLIENT, flags=SYN)
        self.segment(SERVER, flags=SYN | ACK)
        self.segment(CLIENT)
        return self

    def say(self, side, data):
        for at in range(0, len(data), self.mss):
            self.segment(side, data[at:at + self.mss], PSH | ACK)
        return self

    def client(self, data):
        return self.say(CLIENT, data)

    def server(self, data):
        return self.say(SERVER, data)

    def say_all(self, said):
        for side, data in said:
            self.say(side, data)
        return self

    def acknowledge(self, side, window=0xFFFF):
        self.segment(side, window=window)
        return self

    def keep_alive(self, side):
        """A segment without data before the next byte, and the answer to it."""
        self.segment(side, back=1)
        self.segment(1 - side)
        return self

    def probe(self, side, byte):
        """The other side's window is full: one byte beyond it, not accepted, and the window that opens again."""
        self.segment(1 - side, window=0)
        before = self.next[side]
        self.segment(side, byte)
        self.next[side] = before
        self.segment(1 - side, window=0)
        self.segment(1 - side)
        return self

    def close(self, side=CLIENT):
        self.segment(side, flags=FIN | ACK)
        self.segment(1 - side, flags=FIN | ACK)
        self.segment(side)
        return self

    def reset(self, side):
        self.segment(side, flags=RST | ACK)
        return self

    def with_data(self):
        """Places in `packets` of the segments that carry data."""
        return [at for at, packet in enumerate(self.packets) if isinstance(packet, Segment) and packet.payload]


def lose(packets, at):
    return packets[:at] + packets[at + 1:]


def double(packets, at, by=1):
    """The packet comes again, `by` packets later."""
    return packets[:at + by] + packets[at:at + 1] + packets[at + by:]


def late(packets, at, by=1):
    """The packet comes behind the `by` packets that follow it; None if as many do not follow."""
    if at + by >= len(packets):
        return None
    return packets[:at] + packets[at + 1:at + by + 1] + packets[at:at + 1] + packets[at + by + 1:]


def cut(packets, at, place):
    """The segment in two."""
    first = packets[at]
    halves = [dataclasses.replace(first, payload=first.payload[:place]),
              dataclasses.replace(first, payload=first.payload[place:], seq=first.seq + place)]
    return packets[:at] + halves + packets[at + 1:]


def write_pcap(path, packets, step=1000):
    """Packets, anything with a frame() or bytes, `step` microseconds apart."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1))
        for number, packet in enumerate(packets):
            frame = packet if isinstance(packet, bytes) else packet.frame()
            time = number * step
            file.write(struct.pack("<IIII", 1_600_000_000 + time // 10**6, time % 10**6, len(frame), len(frame)))
            file.write(frame)
