# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs what is tested: tshark with the plugin just built, and the scripts in tools/."""
import difflib
import functools
import os
import pathlib
import re
import struct
import subprocess

import catalogue
import pytest

ROOT, SAMPLES, BUILD, TSHARK = catalogue.ROOT, catalogue.SAMPLES, catalogue.BUILD, str(catalogue.TSHARK)
TOOLS = ROOT / "tools"
EXPECTED = pathlib.Path(__file__).resolve().parent / "expected"
CAPTURES = catalogue.load()


def run(*command, environment=None, check=True, **options):
    """A program's end, with what it printed as text. Fails the test if it fails, unless not `check`; skips it at 77."""
    done = subprocess.run([str(word) for word in command], env=os.environ | {"MAF_BUILD_DIR": str(BUILD)} | (environment or {}),
                          **{"stdin": subprocess.DEVNULL, "capture_output": True, "encoding": "utf-8", "errors": "replace",
                             "check": False} | options)
    if check and done.returncode == 77:
        pytest.skip((done.stdout or "") + (done.stderr or ""))
    if check and done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
    return done


def tshark(*arguments, plugin=True, config=None):
    """What tshark prints."""
    return run(TSHARK, *([] if plugin else ["--without"]), *arguments,
               environment={"MAF_CONFIG_DIR": str(config)} if config else None).stdout


def of_capture(name, *arguments, plugin=True):
    """What tshark prints of a sample capture, read with its options."""
    capture = CAPTURES[name]
    return tshark("-r", capture.path, *capture.options, *arguments, plugin=plugin)


@functools.cache
def glossary(what):
    """What tshark -G prints, as rows of cells."""
    return [line.split("\t") for line in tshark("-G", what).splitlines()]


def our_fields():
    """The rows of the plugin's fields, expert infos among them."""
    return [row for row in glossary("fields") if row[0] == "F" and row[2].startswith("maf.")]


def experts():
    """The names of the expert infos maf.expert.*, complete."""
    return tuple(sorted(row[2] for row in our_fields() if row[2].startswith("maf.expert.")))


def difference(expected, now):
    return "\n" + "".join(difflib.unified_diff(expected.splitlines(True), now.splitlines(True), "expected", "now"))


def segments(path):
    """Ports and data of each TCP segment with data in a pcapng file of Ethernet packets, in order."""
    data, at, found = pathlib.Path(path).read_bytes(), 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 6:
            packet = data[at + 28:at + 28 + struct.unpack_from("<I", data, at + 20)[0]]
            while packet[12:14] == b"\x81\x00":
                packet = packet[:12] + packet[16:]
            if packet[12:14] == b"\x86\xdd":
                tcp, end = 54, 54 + int.from_bytes(packet[18:20], "big")
            else:
                tcp, end = 14 + packet[14] % 16 * 4, 14 + int.from_bytes(packet[16:18], "big")
            payload = packet[tcp + packet[tcp + 12] // 16 * 4:end]
            if payload:
                found.append((packet[tcp:tcp + 4], payload))
        at += size
    return found


def without_times(text):
    return re.sub(r"\b[0-9]+\.[0-9]{6,9}\b", "<time>", text)
