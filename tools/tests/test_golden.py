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
LATER = re.compile(r"^ *\[(?:Response in|Round duration): .*\n", re.MULTILINE)


def with_text(capture):
    return capture.text.exists()


def text(capture, packets):
    return decoding.text(packets, violation=capture.is_violation)


def assert_same(expected, now, name):
    assert now == expected, f"if this is right: tools/captures/golden --update {name}" + programs.difference(expected, now)


@pytest.mark.captures(which=with_text)
@pytest.mark.parametrize("passes", (1, 2))
def test_golden(capture, passes, decoded):
    expected = capture.text.read_text(encoding="utf-8")
    now = text(capture, decoded(capture, passes))
    if passes == 1:
        expected = LATER.sub("", expected)
        if "--glue" in capture.client:  # a list with the greeting: SOCKS, until the selection has been seen
            assert expected.startswith("1  MAF  ") and now.startswith("1  Socks  ")
            expected, now = (whole.partition("\n\n")[2] for whole in (expected, now))
    assert_same(expected, now, capture.name)


@pytest.mark.captures(which=lambda capture: capture.has_maf and (capture.made or capture.raises))
@pytest.mark.parametrize("passes", (1, 2))
def test_raises(capture, passes, decoded):
    """Besides how the session ended, a capture raises the expert info that it is for, and no other."""
    raised = {expert.removeprefix("maf.expert.") for packet in decoded(capture, passes) for expert in packet.raised}
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


@pytest.mark.captures(which=lambda capture: capture.made)
def test_made_now(capture, tmp_path):
    """The same segments, or, where keys or nonces are in them, the same text."""
    programs.run(programs.TOOLS / "captures/make-captures", "--out", tmp_path, capture.name)
    made = tmp_path / f"{capture.name}.pcapng"
    if programs.segments(made) == programs.segments(capture.path):
        return
    assert capture.has_maf or capture.tls is not None, "other segments"
    assert_same(capture.text.read_text(encoding="utf-8"), text(capture, decoding.decode(made, capture.options)), capture.name)


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
