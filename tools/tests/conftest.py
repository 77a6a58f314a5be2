# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests of tools/ have in common: they run beside this folder's helpers."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
