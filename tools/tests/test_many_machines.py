# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/captures/many-machines: a Dask scheduler and two workers on the loopback, of which one is killed."""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("distributed", reason="no python3-distributed: captures were not spread over workers")

TOOLS = pathlib.Path(__file__).resolve().parents[1]
SAMPLES = TOOLS.parent / "test-captures"
RECIPE = TOOLS / "captures/many-machines"
NO_CAPTURE = b"no capture\n" * 10
SECONDS = 300  # more than any step takes


def until(happened):
    for _ in range(100 * SECONDS):
        if happened():
            return
        time.sleep(0.01)
    pytest.fail("waited in vain")


@contextlib.contextmanager
def running(module, *arguments, path=""):
    """A part of Dask in a group of processes of its own; nothing of the group outlives the test."""
    environment = dict(os.environ, PATH=f"{path}:{os.environ['PATH']}", TSHARK=str(next(TOOLS.rglob("tshark-maf"))))
    with subprocess.Popen([sys.executable, "-m", f"distributed.cli.{module}", *map(str, arguments)], env=environment,
                          stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def scheduler(tmp_path):
    """Its address."""
    file = tmp_path / "scheduler.json"
    with running("dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", file):
        until(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        yield json.loads(file.read_text())["address"]


def worker(scheduler, path):
    return running("dask_worker", scheduler, "--host", "127.0.0.1", "--nthreads", 1, "--no-nanny", "--no-dashboard",
                   path=path)


def program(folder, script):
    """A folder for PATH with a maf-lint that is this script."""
    folder.mkdir()
    (folder / "maf-lint").write_text("#!/bin/sh\n" + script)
    (folder / "maf-lint").chmod(0o755)
    return folder


def recipe(scheduler, folder):
    return subprocess.Popen([sys.executable, str(RECIPE), scheduler, str(folder)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, encoding="utf-8")


def finished(process):
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, [line.split("\t") for line in out.splitlines()], err


@pytest.fixture
def captures(tmp_path):
    folder = tmp_path / "captures"
    folder.mkdir()
    for path in SAMPLES.rglob("*.pcapng"):
        if path.name.endswith("-wrong.pcapng"):
            shutil.copy(path, folder)
    (folder / "broken.pcapng").write_bytes(NO_CAPTURE)
    return folder


def test_a_worker_dies(scheduler, captures, tmp_path):
    """What the killed worker had, the other one reads; the capture that none can read is named."""
    lint = subprocess.run([TOOLS / "maf-lint", "--json", captures], encoding="utf-8", capture_output=True, check=False,
                          env=dict(os.environ, TSHARK=str(next(TOOLS.rglob("tshark-maf")))))
    sessions = [line for line in map(json.loads, lint.stdout.splitlines()) if line["type"] == "session"]
    failed = collections.Counter((session.get("user") or "unknown", session["methods"][-1]["name"])
                                 for session in sessions if session["outcome"] == "failed")
    assert sum(failed.values()) > 1

    started = tmp_path / "started"
    hangs = program(tmp_path / "hangs", f"touch '{started}'\nexec sleep 1000\n")
    with worker(scheduler, hangs) as doomed:
        process = recipe(scheduler, captures)
        until(started.exists)
        with worker(scheduler, TOOLS):
            os.killpg(doomed.pid, signal.SIGKILL)
            status, rows, complaints = finished(process)
    assert rows == [[str(count), *by] for by, count in sorted(failed.items())]
    assert complaints.count("cannot read ") == 1 and f"cannot read {captures}/broken.pcapng: " in complaints
    assert status == 1


def test_by_user_and_sub_method(scheduler, tmp_path):
    """The lines as the contract has them, and without a user; what has not failed is not counted."""
    scram, plain = {"id": "0x00000103", "name": "SASL SCRAM-SHA-256"}, {"id": "0x00000101", "name": "SASL PLAIN"}
    lines = [
        {"type": "session", "user": "alice", "methods": [plain, scram], "outcome": "failed"},
        {"type": "diagnosis", "expert": "maf.expert.flags"},
        {"type": "session", "user": "alice", "methods": [plain], "outcome": "succeeded"},
        {"type": "session", "user": "bob", "methods": [plain], "outcome": "failed"},
        {"type": "session", "user": None, "methods": [], "outcome": "failed"},
        {"type": "session", "methods": [plain], "outcome": "unfinished"},
    ]
    script = "cat <<'END'\n" + "".join(json.dumps(line) + "\n" for line in lines) + "END\nexit 1\n"
    folder = tmp_path / "captures"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.pcapng", "deeper/b.pcap.gz", "deeper/notes.txt"):
        (folder / name).touch()
    with worker(scheduler, program(tmp_path / "fake", script)):
        status, rows, complaints = finished(recipe(scheduler, folder))
    assert rows == [["2", "alice", "SASL SCRAM-SHA-256"], ["2", "bob", "SASL PLAIN"], ["2", "unknown", "none"]]
    assert (status, complaints) == (0, "")
