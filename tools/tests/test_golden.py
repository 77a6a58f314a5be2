# SPDX-License-Identifier: GPL-2.0-or-later
"""Each sample capture decodes to its golden text, in one pass and in two, and so does one made now by the programs as they
are now. Violations raise their expert info and no other."""
import re

import catalogue
import decoding
import programs
import pytest

CAPTURES = catalogue.load()
# What is known only from later packets is not in what one pass shows.
LATER = re.compile(r"^ *\[(?:Response in|Round duration|Last message in|Outcome|User|Closed by): .*\n", re.MULTILINE)
CLOSED_BY = re.compile(r"^ *\[Closed by: .*\n", re.MULTILINE)
INFO = re.compile(r"^\d+  MAF  (.*)", re.MULTILINE)


def early(capture):
    """Whether greeting or selection are cut or on a port that nobody knows, or a list comes with the greeting."""
    options = f"{capture.server} {capture.client} {capture.tshark}"
    return any(word in options for word in ("--glue", "--write-size", "heuristic")) or "bytes" in capture.name \
        or "records" in capture.name


def with_text(capture):
    return capture.text.exists()


def text(capture, packets):
    return decoding.text(packets, violation=capture.is_violation)


def assert_same(expected, now, name):
    assert now == expected, f"if this is right: tools/captures/golden --update {name}" + programs.difference(expected, now)


@pytest.mark.captures(which=with_text)
def test_golden(capture, decoded):
    assert_same(capture.text.read_text(encoding="utf-8"), text(capture, decoded(capture, 2)), capture.name)


@pytest.mark.captures(which=lambda capture: with_text(capture) and capture.name.startswith(("revision-00/", "sasl/")))
def test_one_pass(capture, decoded):
    """What only later packets say is missing, and what comes before the selection is the SOCKS dissector's."""
    expected = LATER.sub("", capture.text.read_text(encoding="utf-8"))
    now = LATER.sub("", text(capture, decoded(capture, 1)))
    if early(capture):
        expected, now = INFO.findall(expected), INFO.findall(now)
        if "--glue" in capture.client:
            assert "supported" in expected.pop(0)
        expected, now = "\n".join(expected), "\n".join(now)
    assert_same(expected, now, capture.name)


@pytest.mark.captures(which=lambda capture: capture.has_maf and (capture.made or capture.raises))
def test_raises(capture, decoded):
    """Besides how the session ended, a capture raises the expert info that it is for, and no other."""
    raised = {expert.removeprefix("maf.expert.") for packet in decoded(capture, 2) for expert in packet.raised}
    if capture.name == "revision-00/login":
        assert "success" in raised
    if capture.name == "revision-00/failure":
        assert "failure" in raised
    if capture.made:
        assert raised - {"success", "failure"} == {capture.raises} - {None}
    assert capture.raises is None or capture.raises in raised


def test_every_expert_info_is_shown():
    shown = {capture.raises for capture in catalogue.load_all().values()} | {"success", "failure"}
    assert {expert.removeprefix("maf.expert.") for expert in programs.experts()} - shown == set()


@pytest.mark.captures(which=lambda capture: capture.made and capture.name.startswith(("revision-00/login", "revision-01/login",
                                                                                    "sasl/sc", "tls/login-1", "violations/00/un")))
def test_made_now(capture, tmp_path):
    """The same segments, or, where keys or nonces are in them, the same text; after a failure either side may close first."""
    programs.run(programs.TOOLS / "captures/make-captures", "--out", tmp_path, capture.name)
    made = tmp_path / f"{capture.name}.pcapng"
    if programs.segments(made) == programs.segments(capture.path):
        return
    assert capture.has_maf or capture.tls is not None, "other segments"
    expected = capture.text.read_text(encoding="utf-8")
    now = text(capture, decoding.decode(made, capture.options))
    assert_same(CLOSED_BY.sub("", expected), CLOSED_BY.sub("", now), capture.name)


def test_captures_are_listed():
    """Each capture has its entry, each entry its capture, and the page of the folder lists them all."""
    files = {path.relative_to(programs.SAMPLES).with_suffix("").as_posix() for path in programs.SAMPLES.rglob("*.pcap*")}
    assert files == set(catalogue.load_all())
    assert {capture.folder for capture in catalogue.load_all().values()} == set(catalogue.FOLDERS)
    assert [capture.name for capture in CAPTURES.values() if capture.has_maf and not with_text(capture)] == []
    texts = {path.relative_to(programs.SAMPLES).with_suffix("").as_posix() for path in programs.SAMPLES.rglob("*.txt")}
    assert texts - files == set()
    readme = (programs.SAMPLES / "README.md").read_text(encoding="utf-8")
    assert readme == catalogue.readme(), "out of date: tools/captures/make-captures --readme"
    assert len(list(programs.SAMPLES.iterdir())) <= 16
