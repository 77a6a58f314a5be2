# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration profile: Wireshark takes all of it, each rule and button finds what it is for, and one can read it."""

import csv
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from logins import DO_FAILURE, PLAIN, TEST, WHAT_NEXT, connection, do, failure, offer, process, write
from programs import CAPTURES, ROOT, SAMPLES, TSHARK

PROFILE = ROOT / "plugin/profile"
FILES = ("colorfilters", "dfilter_buttons", "maf_methods", "preferences", "recent")

# For each colouring rule a sample capture, and how the Info of a frame begins that must have this colour.
COLOURED = {
    "MAF: error": ("violations/00/length", "Process"),
    "MAF: warning": ("violations/00/not_offered", "Do"),
    "MAF: success": ("sasl/composite-3", "Success"),
    "MAF: failure": ("sasl/plain-wrong", "Failure"),
    "MAF: note": ("sasl/composite-3", "Process: SASL PLAIN"),
    "MAF: a round begins": ("sasl/composite-3", "Do: SASL CRAM-MD5"),
    "MAF": ("sasl/composite-3", "What next?"),
    "TCP: lost, late or sent again": ("revision-00/login-retransmitted", "[TCP Retransmission]"),
    "TCP: reset": ("violations/00/after_end", "49152"),
    "SOCKS and what it carries": ("sasl/composite-3", "GET /"),
    "TCP": ("sasl/composite-3", "49152"),
}

# For each filter button a sample capture, and how many frames of it the button leaves.
FILTERED = {
    "MAF": ("sasl/composite-3", 14),
    "Logins": ("sasl/composite-3", 1),
    "Refused": ("sasl/plain-wrong", 1),
    "Sub-methods": ("sasl/composite-3", 3),
    "Slow": ("sasl/composite-3, an hour between its packets", 11),
    "Violations": ("violations/00/not_offered", 1),
    "Cleartext password": ("sasl/composite-3", 1),
}

COLUMNS = ("No.", "Time", "Stream", "From", "User", "Round", "Sub-method", "Response (s)", "Duration (s)", "Info", "Expert info",
           "Source", "Destination", "Protocol", "Instruction")
UP_TO_INFO, UP_TO_EXPERT = COLUMNS[:10], COLUMNS[:11]

# In pixels, as Wireshark has them with DejaVu Sans Mono of 10 points at 96 dpi: a character, what a cell keeps free,
# and at the right of a packet list that is longer than the window the scroll bar with its overview.
CHARACTER, MARGIN, SCROLL_BAR = 7.83, 6, 51


def lines_of(name):
    return [line for line in (PROFILE / name).read_text().splitlines() if line and not line.startswith("#")]


def colouring_rules():
    """Name, filter, background and foreground; a colour is three numbers up to 65535."""
    for line in lines_of("colorfilters"):
        name, expression, colours = re.fullmatch(r"@([^@]+)@([^@]+)@(.*)", line).groups()
        background, foreground = ([int(part) for part in colour.split(",")]
                                  for colour in re.fullmatch(r"\[([\d,]+)\]\[([\d,]+)\]", colours).groups())
        yield name, expression, background, foreground


def buttons():
    """Label and filter."""
    for shown, label, expression, _ in csv.reader(lines_of("dfilter_buttons")):
        assert shown == "TRUE"
        yield label, expression.replace(r"\x22", '"')


def luminance(colour):
    """Relative luminance (WCAG 2.2)."""
    parts = [part / 65535 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


class ProfileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.config = pathlib.Path(cls.scratch.name)
        shutil.copytree(PROFILE, cls.config / "profiles" / "MAF", ignore=shutil.ignore_patterns("*.*"))
        for path in (cls.config, *cls.config.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def tshark(self, capture, *options, profile=True):
        """What tshark prints, line by line, with the profile; any warning is a failure."""
        chosen = ["-C", "MAF", "--color"] if profile else []
        path = capture if isinstance(capture, pathlib.Path) else SAMPLES / f"{capture}.pcapng"
        run = subprocess.run([TSHARK, *chosen, "-n", "-2", "-r", path, *options],
                             env=dict(os.environ, MAF_CONFIG_DIR=str(self.config)), capture_output=True,
                             encoding="utf-8", check=False)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout.splitlines()

    @functools.lru_cache
    def fields(self, capture, *names, profile=True):
        chosen = [argument for name in names for argument in ("-e", name)]
        return [tuple(line.split("\t")) for line in self.tshark(capture, "-T", "fields", *chosen, profile=profile)]

    def test_colours(self):
        self.assertEqual([name for name, *_ in colouring_rules()], list(COLOURED))
        for rule, (capture, begin) in COLOURED.items():
            with self.subTest(rule=rule):
                coloured = self.fields(capture, "frame.coloring_rule.name", "_ws.col.Info")
                self.assertTrue([info for name, info in coloured if name == rule and info.startswith(begin)])

    def slow(self):
        """composite-3, with an hour between its frames."""
        sample, slow = SAMPLES / "sasl/composite-3.pcapng", self.config / "slow.pcapng"
        count = len(self.tshark("sasl/composite-3"))
        pieces = [self.config / f"{number}.pcapng" for number in range(1, count + 1)]
        for number, piece in enumerate(pieces, 1):
            subprocess.run(["editcap", "-r", "-t", str(3600 * number), sample, piece, str(number)], check=True)
        subprocess.run(["mergecap", "-a", "-w", slow, *pieces], check=True)
        slow.chmod(0o644)
        return slow

    def test_buttons(self):
        self.assertEqual([label for label, _ in buttons()], list(FILTERED))
        for label, expression in buttons():
            capture, count = FILTERED[label]
            with self.subTest(button=label):
                left = self.tshark(self.slow() if label == "Slow" else capture, "-Y", expression)
                self.assertEqual(len(left), count)

    def test_buttons_of_broken_rules(self):
        """The button leaves what raises a diagnosis, and neither how a session ended nor what a sub-method remarks."""
        expression = dict(buttons())["Violations"]
        for capture in ("sasl/composite-3", "sasl/plain-wrong"):
            self.assertFalse(self.tshark(capture, "-Y", expression))
        for capture in ("violations/00/duplicate_offer", "violations/00/nmethods_width", "violations/00/length"):
            self.assertTrue(self.tshark(capture, "-Y", expression))

    def test_button_of_clear_text(self):
        """The button leaves no password that went in TLS."""
        options = CAPTURES["tls/sasl-plain"].options
        self.assertTrue(self.tshark("tls/sasl-plain", *options, "-Y", "maf.sasl.plain.password"))
        self.assertFalse(self.tshark("tls/sasl-plain", *options, "-Y", dict(buttons())["Cleartext password"]))

    def test_contrast(self):
        """Text is readable on its background, whatever the theme around it is (WCAG 2.2: 4.5 to 1)."""
        for rule, _, background, foreground in colouring_rules():
            with self.subTest(rule=rule):
                self.assertGreaterEqual(contrast(background, foreground), 4.5)

    def test_distinct_backgrounds(self):
        backgrounds = [background for _, _, background, _ in colouring_rules()]
        for number, one in enumerate(backgrounds):
            for other in backgrounds[number + 1:]:
                self.assertGreater(sum(abs(a - b) for a, b in zip(one, other)), 65535 / 8)

    def column_format(self):
        (text,) = re.findall(r"^gui\.column\.format:\n((?:\t.*\n)+)", (PROFILE / "preferences").read_text(), re.M)
        cells = re.findall(r'"([^"]*)"', text)
        return dict(zip(cells[::2], cells[1::2]))

    def test_columns(self):
        self.assertEqual(tuple(self.column_format()), COLUMNS)
        rows = self.tshark("sasl/composite-3", "-T", "tabs")
        cells = [[cell.strip() for cell in row.split("\t")] for row in rows]
        (do,) = [row for row in cells if "Do: SASL SCRAM-SHA-256" in row]
        self.assertEqual(do, ["13", "0.003084", "0", "Server", "alice", "2", "SASL SCRAM-SHA-256", "0.002292000", "0.005181000",
                              "Do: SASL SCRAM-SHA-256", "", "127.0.0.1", "→", "127.0.0.1", "MAF", "Do"])
        (success,) = [row for row in cells if "Success (7 bytes), grade=7" in row]
        self.assertEqual(success[2:11], ["0", "Server", "alice", "3", "SASL CRAM-MD5", "0.000093000", "0.007862000",
                                         "Success (7 bytes), grade=7", "Authentication succeeded after 3 rounds"])
        self.assertEqual(success[-1], "Success")

    def test_refused(self):
        """Who was refused, what was run last if anything was, and why; not the sub-method FAILURE."""
        two_rounds = connection(40001).client(offer(PLAIN, TEST)).server(do(TEST)).client(WHAT_NEXT)
        two_rounds.server(do(PLAIN)).client(process(PLAIN, b"\0mallory\0guess")).client(WHAT_NEXT).server(DO_FAILURE)
        nothing_run = connection(40002).client(offer(PLAIN)).server(failure(b"Closed on Sundays."))
        made = write(self.config / "refused.pcap", [two_rounds, nothing_run])
        wanted = ("User", "Sub-method", "Info")
        for capture, rows in (
                ("sasl/plain-wrong", [("alice", "SASL PLAIN", "Failure, user alice: Ask the help desk.")]),
                ("sasl/scram-unknown", [("mallory", "SASL SCRAM-SHA-256", "Failure, user mallory: Ask the help desk.")]),
                ("revision-00/nothing-acceptable", [("", "", "Do: FAILURE (nothing acceptable)")]),
                (made, [("mallory", "SASL PLAIN", "Do: FAILURE (nothing acceptable)"), ("", "", "Failure: Closed on Sundays.")])):
            with self.subTest(capture=capture):
                shown = self.rows(capture, dict(buttons())["Refused"])
                self.assertEqual([tuple(row[name] for name in wanted) for row in shown], rows)

    def test_two_messages_in_a_packet(self):
        """They are one side's, of one connection: that is said once."""
        (row,) = [row for row in self.rows("revision-00/login-glued", "maf") if "What next?" in row["Info"]]
        self.assertTrue(row["Info"].startswith("Process"))
        self.assertEqual([row[name] for name in ("Stream", "From", "Round", "Sub-method")],
                         ["0", "Client", "1", "Internal Test Method"])

    def widths(self):
        """Format and pixels of each column, in order."""
        (text,) = re.findall(r"^column\.width:\n((?:\t.*\n)+)", (PROFILE / "recent").read_text(), re.M)
        return [(form, int(width)) for form, width in re.findall(r'\t"([^"]+)", (\d+)(?::[LCR])?,?\n', text)]

    def test_widths(self):
        """Each column has a width, in the same order (from Wireshark 4.4 on, the order decides)."""
        formats = [form for form, _ in self.widths()]
        self.assertEqual(formats, [re.sub(r":-?\d:R$", "", form) for form in self.column_format().values()])

    def rows(self, capture, expression):
        """The packets that a filter leaves: what their cells say, by the names of the columns."""
        return [dict(zip(COLUMNS, (cell.strip() for cell in row.replace("\t→\t", "\t").split("\t"))))
                for row in self.tshark(capture, "-T", "tabs", "-Y", expression)]

    def room(self, pixels):
        """How many characters of each column can be read in a list this wide."""
        widths = [width for _, width in self.widths()]
        seen = [min(width, pixels - sum(widths[:number])) for number, width in enumerate(widths)]
        return {name: max(0, int((width - MARGIN) / CHARACTER)) for name, width in zip(COLUMNS, seen)}

    def test_story(self):
        """At 1280 pixels: who sent what, by which sub-method, and how long it took; at 1920 also the expert info."""
        for window, wanted in ((1280, UP_TO_INFO), (1920, UP_TO_EXPERT)):
            room = self.room(window - SCROLL_BAR)
            for capture, count in (("revision-00/login", 5), ("sasl/composite-3", 14), ("sasl/plain-wrong", 5),
                                   ("sasl/scram-unknown", 8)):
                frames = self.rows(capture, "maf")
                self.assertEqual(len(frames), count)
                for frame in frames:
                    for name in wanted:
                        if name == "Info" and frame["Instruction"] == "Sub-methods supported":
                            continue  # its length is the client's to choose
                        with self.subTest(window=window, capture=capture, column=name):
                            self.assertLessEqual(len(frame[name]), room[name], frame[name])

    def test_long_captures(self):
        """The number of the 999,999th packet, two hours after the first, in the 99,999th connection."""
        room = self.room(1280 - SCROLL_BAR)
        for name, cell in (("No.", "999999"), ("Time", "7200.123456"), ("Stream", "99999")):
            self.assertLessEqual(len(cell), room[name])

    def test_diagnosis(self):
        """How a diagnosis begins can be read."""
        for window, begin in ((1600, "The server's Do names General authentic"),
                              (1920, "The server's Do names General authentication method (X'7FFFFFFF'), which")):
            frames, room = self.rows("violations/00/not_offered", "maf"), self.room(window - SCROLL_BAR)
            with self.subTest(window=window):
                self.assertEqual(frames[-1]["Expert info"][:room["Expert info"]][:len(begin)], begin)

    def test_sub_methods(self):
        """The names are those that the plugin has itself, and its dissectors keep the DATA."""
        self.assertEqual(len(lines_of("maf_methods")), 8)
        for capture in ("revision-00/login", "sasl/composite-3", "revision-01/uuid", "sasl/composite-rev01"):
            with self.subTest(capture=capture):
                wanted = ("maf.method.name", "maf.offered", "frame.protocols", "_ws.col.Info")
                self.assertEqual(self.fields(capture, *wanted), self.fields(capture, *wanted, profile=False))


class InstallTest(unittest.TestCase):
    """cmake --install, for one user and for all."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.environment = dict(os.environ, HOME=str(self.scratch / "home"), DESTDIR="")
        self.environment.pop("XDG_CONFIG_HOME", None)

    def configure(self, *options):
        subprocess.run(["cmake", "-S", ROOT, "-B", self.scratch / "build", *options], env=self.environment, check=True,
                       capture_output=True)

    def install(self):
        script = self.scratch / "install.cmake"
        script.write_text(f'include("{self.scratch}/build/plugin/profile/cmake_install.cmake")\n'
                          'message(STATUS "To uninstall: ${CMAKE_INSTALL_MANIFEST_FILES}")\n')
        return subprocess.run(["cmake", "-P", script], check=True, env=self.environment, capture_output=True,
                              text=True).stdout

    def assert_installed(self, folder, but=()):
        self.assertEqual(sorted(path.name for path in folder.iterdir()), sorted(FILES))
        for name in FILES:
            same = (folder / name).read_bytes() == (PROFILE / name).read_bytes()
            self.assertEqual(same, name not in but, name)

    def test_for_all(self):
        self.configure(f"-DCMAKE_INSTALL_PREFIX={self.scratch}/usr")
        self.install()
        folder = self.scratch / "usr/share/wireshark/profiles/MAF"
        self.assert_installed(folder)
        (folder / "preferences").write_text("older\n")
        self.install()
        self.assert_installed(folder)

    def test_for_one_user(self):
        self.configure("-DMAF_PERSONAL=ON", f"-DMAF_PLUGIN_DIR={self.scratch}/plugin")
        folder = self.scratch / "home/.config/wireshark/profiles/MAF"
        self.assertNotIn("Kept", self.install())
        self.assert_installed(folder)
        self.assertNotIn("Kept", self.install())
        (folder / "colorfilters").write_text("@Mine@maf@[0,0,0][65535,65535,65535]\n")
        self.environment["XDG_CONFIG_HOME"] = ""
        self.configure()
        said = self.install()
        self.assertIn(f"Kept as it is: {folder}/colorfilters", said)
        self.assertIn("To uninstall: " + ";".join(str(folder / name) for name in FILES), said)
        self.assert_installed(folder, but=("colorfilters",))
