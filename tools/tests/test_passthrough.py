# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic that selects no MAF is shown as without the plugin, byte for byte."""
import programs
import pytest


@pytest.mark.captures(which=lambda capture: capture.made and not capture.has_maf and capture.name != "no-maf/heuristic-none")
@pytest.mark.parametrize("passes", ([], ["-2"]), ids=("one pass", "two passes"))
def test_passthrough(capture, passes):
    for form in ("-V",), ("-T", "json", "-x"):
        ours, stock = (programs.of_capture(capture.name, *form, *passes, plugin=plugin) for plugin in (True, False))
        assert stock
        assert ours == stock, programs.difference(stock, ours)


def test_no_heuristic_unless_enabled():
    capture = programs.CAPTURES["revision-00/heuristic-login"]
    assert capture.options == ["--enable-heuristic", "maf_socks_tcp"]
    assert programs.tshark("-n", "-r", capture.path, "-Y", "maf or socks") == ""
