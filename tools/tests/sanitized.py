# SPDX-License-Identifier: GPL-2.0-or-later
"""tshark with the sanitized plugin: running it on a capture, and telling what is wrong with how it went."""
import dataclasses
import os
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MAF_BUILD_DIR") or ROOT / "build/check").resolve()
PLUGINS = BUILD / "sanitized"
MEMORY_MAX = 1024  # MiB resident, in which AddressSanitizer's own share is some 100

SEPARATOR = "--- next frame ---"  # which no capture has in its Info
COLUMNS = 'gui.column.format:"No.","%m","Protocol","%p","Info","%i"'
LATER = re.compile(r"    \[(?:Response in|Round duration|Last message in|Outcome|User|Closed by)(?: \[(?:truncated|…)\])?: ")
OUR_LAYERS = ("Multi-Authentication Framework", "[Multi-Authentication Framework", "MAF ")
REPORT = re.compile(r"ERROR: \w+Sanitizer.*|runtime error: .*")
# SOCKS gives the tunnel to TCP a second time, which goes wrong in the latter's reassembly of segments out of order.
WIRESHARKS_OWN = re.compile(r".*Dissector bug, protocol Socks.*epan/reassemble\.c:.*\n?")
BUG = re.compile(r"\[Dissector bug.*")
MALFORMED = re.compile(r"\[Malformed Packet: MAF.*")
TCP_MALFORMED = re.compile(r"^\[Malformed Packet: TCP.*", re.MULTILINE)
TCP = re.compile(r"^(?P<header>Transmission Control Protocol.*)\n(?:    .*\n)*?    \[Stream index: (?P<stream>\d+)\]", re.MULTILINE)


@dataclasses.dataclass
class Run:
    command: list
    out: str
    err: str
    status: int
    timed_out: bool
    memory: int  # MiB resident at most, or the caller's own if that is more

    def findings(self):
        """What must not be: the kind, and a line that shows it."""
        out, err = (WIRESHARKS_OWN.sub("", text) for text in (self.out, self.err))
        for kind, pattern in (("bugs", BUG), ("malformed", MALFORMED)):
            for match in set(pattern.findall(out)):
                yield kind, match
        reports = REPORT.findall(self.err)
        if reports:
            yield "sanitizer reports", reports[0]
        if self.timed_out:
            yield "hangs", "not done in time"
        elif self.status and not reports:
            how = signal.strsignal(-self.status) if self.status < 0 else f"ended with {self.status}"
            yield "crashes", "; ".join([how, *self.err.splitlines()[:1]])
        elif err.strip() and not reports:
            yield "warnings", err.strip().splitlines()[0]
        if self.memory > MEMORY_MAX:
            yield "too much memory", f"{self.memory} MiB resident"


def tshark(arguments, plugins=PLUGINS, allocator="simple", timeout=300, without=False):
    """Wireshark's memory checks are `allocator`, one of wmem's; `plugins` as MAF_BUILD_DIR without a sanitizer."""
    command = [str(ROOT / "tools/dev/tshark-maf"), *(["--without"] if without else [])]
    if plugins == PLUGINS:
        library = subprocess.run(["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE, check=True,
                                 encoding="ascii").stdout.strip()
        command += ["--program", "env", f"LD_PRELOAD={library}", "G_SLICE=always-malloc",
                    f"WIRESHARK_DEBUG_WMEM_OVERRIDE={allocator}", "UBSAN_OPTIONS=print_stacktrace=1",
                    f"ASAN_OPTIONS=detect_leaks=0:hard_rss_limit_mb={2 * MEMORY_MAX}", "tshark"]
    command += arguments
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   env={**os.environ, "MAF_BUILD_DIR": str(plugins)})
        late = threading.Event()

        def stop():
            late.set()
            process.kill()

        timer = threading.Timer(timeout, stop)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        shown = [f"MAF_BUILD_DIR={plugins}", *command]
        return Run(shown, out.read(), err.read(), process.returncode, late.is_set(), usage.ru_maxrss // 1024)


def tcp_malformed(run):
    return TCP_MALFORMED.findall(run.out)


def arguments(capture, options=(), passes=1, tree=False):
    """tshark's, for one line per frame, or for a line and the tree."""
    return ["-n", "-r", str(capture), "-o", COLUMNS, *options, *(["-2"] if passes == 2 else []),
            *(["-P", "-V", "-S", SEPARATOR] if tree else [])]


def maf_lines(run):
    """By frame number: its line, if MAF is what it shows, without what TCP and SOCKS may add the next time."""
    lines = re.findall(r"^ *(\d+) MAF +(.*)", run.out, re.MULTILINE)
    return {int(number): re.sub(r"(?<=Version: 5)(, Remote Port: \d+|[^,]+)| \[TCP [^]]*\]", "", info) for number, info in lines}


# What is shown of a frame whose rest the capture lacks, which is known when all has been read.
LACKING = re.compile(r"^\[Multi-.*Incomplete message\]\n +\[Expert Info .*: The capture ends .*\n(?: {8}.*\n)*", re.MULTILINE)
# A gap that late segments fill is none on the second pass.
FILLED = re.compile(r"^\[Multi-.*, Missing segment\]\n(?: +.*\n)*", re.MULTILINE)
# On the second pass a failure also has the user who is named behind it.
USER = re.compile(r"(?<=^Multi-Authentication Framework, Failure), user [^:]*|(?<= and disconnect), user [^:]*")


def maf_trees(run):
    """By frame number: what TCP makes of it, its stream, and what the tree has of MAF but what only later frames tell."""
    trees = {}
    for frame in FILLED.sub("", LACKING.sub("", run.out)).split(SEPARATOR + "\n"):
        number, tcp = re.search(r"^Frame (\d+): ", frame, re.MULTILINE), TCP.search(frame)
        ours, wanted = [], False
        for line in frame.split("\n"):
            if line and not line.startswith(" "):
                wanted = line.startswith(OUR_LAYERS)
            if wanted and not LATER.match(line):
                ours.append(USER.sub("", line))
        if number and tcp:
            trees[int(number[1])] = tcp["header"], int(tcp["stream"]), ours
    return trees


def disordered_frames(capture):
    """Those of connections with segments lost, late or sent again: TCP itself may see them otherwise the second time."""
    problems = ("lost_segment", "ack_lost_segment", "out_of_order", "retransmission", "fast_retransmission")
    fields = [word for problem in problems for word in ("-e", "tcp.analysis." + problem)]
    run = tshark(["-n", "-r", str(capture), "-T", "fields", "-e", "frame.number", "-e", "tcp.stream", *fields])
    frames = [line.split("\t") for line in run.out.splitlines()]
    streams = {stream for _, stream, *problems in frames if any(problems)}
    return {int(number) for number, stream, *_ in frames if stream in streams}


def quoted(run):
    return shlex.join(run.command)
