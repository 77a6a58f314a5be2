# SPDX-License-Identifier: GPL-2.0-or-later
"""A short run of the fuzzers: the dissector with sanitizers over hostile captures, the pair's codec over hostile bytes; and
the guard over what the dissector may cost. tools/tests/fuzz/ and tools/dev/bench run longer."""
import sys

import programs
import pytest


def test_dissector():
    if not (programs.BUILD / "sanitized/plugins").is_dir():
        pytest.skip("no sanitized plugin was built")
    programs.run(sys.executable, "-B", programs.TOOLS / "tests/fuzz/fuzz.py", "--seed", "2", "--rounds", "2", "--jobs", "2")


def test_codec():
    programs.run(programs.TOOLS / "tests/fuzz/fuzz-codec", "5")


def test_costs():
    programs.run(sys.executable, "-B", programs.TOOLS / "dev/bench", "--guard")
