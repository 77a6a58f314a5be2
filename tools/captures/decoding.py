# SPDX-License-Identifier: GPL-2.0-or-later
"""How tshark decodes the SOCKS and MAF layers of a capture, and that as a text which does not vary from run to run."""
import dataclasses
import re
import subprocess

import catalogue

END = "\x1e"
LAYERS = ("Socks Protocol", "Multi-Authentication Framework", "[Multi-Authentication Framework", "MAF ")
PACKET_LINK = re.compile(r"(\[(?:Do in|Response (?:in|to)|First message in|Last message in): |\b(?:frame|packet) )(\d+)\b")
TCP_IN_SOCKS = re.compile(r" +((?:Retransmitted )?TCP (payload|segment data) \(|\[(Reassembled PDU in frame|PDU Size): )")
LONG_BYTES = re.compile(r'^( +[^:]+?)(?: \[(?:…|truncated)\])?: ([0-9a-f]{72}|"[^"]{72}).*$')  # cut here or there by version
VARIES = re.compile(r"^( +(?:Nonce \(r\)|Client proof \(p\)|Server signature \(v\)|Challenge|Digest)): .*$")
DATA = re.compile(r"^( +Data): .*$")
TCP_NOTES = re.compile(r"^(?:\[TCP [^]]*\] )+")  # a full window, say, which depends on the machine
TIME = re.compile(r"\b\d+\.\d+ (nano|micro|milli)?seconds\b")


@dataclasses.dataclass
class Packet:
    """A packet with a SOCKS or MAF layer: its number, its line, the expert infos it raises, its layers."""
    number: int
    protocol: str
    info: str
    raised: list
    shown: list

    @property
    def is_diagnosed(self):
        return any("[Expert Info (" in line for line in self.shown)


def arguments(capture, options, passes, experts=()):
    """tshark's. `experts` are fields: whether a packet raises them is in columns of their own."""
    columns = ["No.", "%m", "Protocol", "%p", "Info", "%i"]
    for expert in experts:
        columns += [expert, f"%Cus:{expert}"]
    return ["-n", "-r", str(capture), "-Y", "socks or maf", "-T", "tabs", "-P", "-V", "-S", END, *options,
            "-o", "gui.column.format:" + ",".join(f'"{column}"' for column in columns), *(["-2"] if passes == 2 else [])]


def packets(output, experts=()):
    """What tshark prints with these arguments, taken apart. Of what goes through the tunnel, only the packets that
    complete a message of it."""
    for packet in output.split(f"{END}\n"):
        lines = packet.rstrip("\n").split("\n")
        if lines == [""]:
            continue
        number, protocol, info, *raised = lines[0].split("\t")
        shown, wanted = [], False
        for line in lines[1:]:
            if line and not line.startswith(" "):
                wanted = line.startswith(LAYERS)
            if wanted and line and not TCP_IN_SOCKS.match(line):
                shown.append(line)
        if protocol.strip() in ("Socks", "SSL", "TCP") and all(line.startswith(("Socks", "    [")) for line in shown):
            continue
        if protocol.strip() == "TCP":  # ports and time stamps, before what MAF adds
            info = info[max(info.find("[MAF"), 0):]
        yield Packet(int(number), protocol.strip(), TCP_NOTES.sub("", info).rstrip(),
                     [expert for expert, value in zip(experts, raised) if value.strip()], shown)


def decode(capture, options=(), passes=2, tshark=catalogue.TSHARK):
    """The packets of a capture. Raises subprocess.CalledProcessError."""
    command = [str(tshark), *arguments(capture, options, passes)]
    return list(packets(subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout))


def text(decoded, as_it_is=False, violation=False):
    """A paragraph a packet: ordinal, protocol and Info, and below it the layers. `as_it_is`: with the capture's own
    packet numbers and times. `violation`: from the first packet with an expert info on, and only such packets have their
    layers; what comes before is as in an honest login."""
    ordinal = {packet.number: packet.number if as_it_is else index for index, packet in enumerate(decoded, 1)}
    times = r"\g<0>" if as_it_is else "<time>"
    out, begun = "", not violation

    def renumber(link):
        return link[1] + str(ordinal.get(int(link[2]), "?"))

    for packet in decoded:
        begun = begun or packet.is_diagnosed
        if not begun:
            continue
        out += f"{ordinal[packet.number]}  {packet.protocol}  {packet.info}".rstrip() + "\n"
        if violation and not packet.is_diagnosed:
            continue
        new_each_time = any(VARIES.match(line) for line in packet.shown)
        for line in packet.shown:
            line = VARIES.sub(r"\1: <varies>", line)
            if new_each_time:
                line = DATA.sub(r"\1: <varies>", line)
            line = TIME.sub(times, PACKET_LINK.sub(renumber, line))
            out += "    " + LONG_BYTES.sub(r"\1: \2…", line) + "\n"
        out += "\n"
    return out
