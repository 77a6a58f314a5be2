# SPDX-License-Identifier: GPL-2.0-or-later
"""captures.toml, read: what the sample captures are, and the options that tshark needs to read each."""
import dataclasses
import os
import pathlib
import re
import shlex
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SAMPLES = ROOT / "test-captures"
BUILD = pathlib.Path(os.environ.get("MAF_BUILD_DIR") or ROOT / "build/check").absolute()
TSHARK = ROOT / "tools/dev/tshark-maf"
TLS_PORT = 1443
IN_TLS = f"-d tcp.port=={TLS_PORT},tls -d tls.port=={TLS_PORT},socks"

FOLDERS = {
    "revision-00": "Logins of revision 00 of the draft",
    "revision-01": "Logins of revision 01",
    "sasl": "Logins by the SASL sub-methods, alone and in sequence",
    "tls": "SOCKS in TLS; the captures contain the keys",
    "partial": "Captures that start mid-session",
    "partial/field": "Cases from public bug reports about SOCKS and TCP captures, made packet by packet; "
                     "`tools/tests/test_field.py` has the expected results",
    "no-maf": "No MAF is selected: the plugin changes nothing",
    "violations/00": "Violations of revision 00: `maf.expert.NAME` is raised by `NAME` and by `NAME-VARIANT`",
    "violations/01": "Violations of revision 01, named in the same way",
}


@dataclasses.dataclass(frozen=True)
class Capture:
    """An entry of captures.toml, whose first lines explain the keys."""
    name: str
    shows: str
    server: str = ""
    client: str = ""
    status: int = 0
    target: str = "127.0.0.1:80"
    runs: tuple = ("",)
    curl: bool = False
    tls: dict | None = None
    dialect: str = ""
    port: int = 1080
    of: str = ""
    from_segment: int = 0
    vlan: int = 0
    twice: bool = False
    tshark: str = ""
    expert: str | None = None
    maf: bool = True
    made: bool = True

    @property
    def folder(self):
        return self.name.rpartition("/")[0]

    @property
    def is_violation(self):
        return self.folder.startswith("violations/")

    @property
    def has_maf(self):
        return self.maf and self.folder != "no-maf"

    @property
    def raises(self):
        """The name behind maf.expert. that it raises, besides success and failure; None if there is none."""
        return self.name.rpartition("/")[2].partition("-")[0] if self.is_violation else self.expert

    @property
    def options(self):
        """Options of tshark."""
        return shlex.split(self.tshark or (IN_TLS if self.tls is not None else ""))

    @property
    def path(self):
        return SAMPLES / f"{self.name}.pcap{'ng' if self.made else ''}"

    @property
    def text(self):
        """Where its golden text is."""
        return self.path.with_suffix(".txt")


def load_all():
    """All captures by name, in the order of the file. A key that is none raises TypeError."""
    with open(HERE / "captures.toml", "rb") as file:
        return {name: Capture(name, **entry) for name, entry in tomllib.load(file).items()}


def load():
    """Those that make-captures makes."""
    return {name: capture for name, capture in load_all().items() if capture.made}


def of_path(path):
    """The sample capture that a file is, or None."""
    try:
        name = pathlib.Path(path).resolve().relative_to(SAMPLES).with_suffix("").as_posix()
    except ValueError:
        return None
    return load_all().get(name)


def program(name):
    """maf-server or maf-client, just built."""
    for folder in ("tools/pair", "tools"):
        if (BUILD / folder / name).is_file():
            return str(BUILD / folder / name)
    raise FileNotFoundError(f"no {name} in {BUILD}: run tools/check, or set MAF_BUILD_DIR")


def readme():
    """The text of test-captures/README.md."""
    captures = load_all().values()
    text = ("# Sample captures\n\nMost are of real programs over real sockets. NAME.txt beside NAME.pcapng is its decoding, "
            "as printed by `tools/captures/golden`.\nThis page is made from `tools/captures/captures.toml` by "
            "`tools/captures/make-captures --readme`; `tools/README.md` says how to add a capture.\n")
    for folder, title in FOLDERS.items():
        text += f"\n## {folder}/\n\n{title}.\n\n| capture | shows | options of tshark |\n|---|---|---|\n"
        for capture in captures:
            if capture.folder == folder:
                options = f"`{shlex.join(capture.options)}`" if capture.options else ""
                shows = re.sub(r"((?:revision-0[01]|partial)/[\w-]+)", r"`\1`", capture.shows)
                text += f"| [{capture.name.rpartition('/')[2]}]({capture.path.relative_to(SAMPLES)}) | {shows} | {options} |\n"
    return text
