# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic that selects no MAF is shown as without the plugin, byte for byte."""
import programs
import pytest


def without_heuristic(options):
    return [] if options == ["--enable-heuristic", "maf_socks_tcp"] else options


@pytest.mark.captures(which=lambda capture: capture.made and not capture.has_maf)
@pytest.mark.parametrize("passes", ([], ["-2"]), ids=("one pass", "two passes"))
def test_passthrough(capture, passes):
    for form in ("-V",), ("-T", "json", "-x"):
        ours = programs.of_capture(capture.name, *form, *passes)
        stock = programs.tshark("-r", capture.path, *without_heuristic(capture.options), *form, *passes, plugin=False)
        assert stock
        assert ours == stock, programs.difference(stock, ours)


def test_no_heuristic_unless_enabled():
    capture = programs.CAPTURES["revision-00/heuristic-login"]
    assert capture.options == ["--enable-heuristic", "maf_socks_tcp"]
    assert programs.tshark("-n", "-r", capture.path, "-Y", "maf or socks") == ""
