# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures over several machines, on the loopback: tools/captures/many-machines by a Dask scheduler and two workers, of which
one is killed; README.md's GNU parallel by sshd."""
import collections
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import programs
import pytest
import test_readme

TOOLS = programs.TOOLS
SAMPLES = programs.SAMPLES
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
    environment = dict(os.environ, PATH=f"{path}:{os.environ['PATH']}", TSHARK=programs.TSHARK)
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
    pytest.importorskip("distributed", reason="no python3-distributed: captures were not spread over workers")
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
                          env=dict(os.environ, TSHARK=programs.TSHARK))
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


@pytest.fixture
def hosts(readable):
    """An ssh that finds the hosts host1 and host2, which are this machine's sshd; maf-lint is in PATH there."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if not sshd or not shutil.which("ssh") or not shutil.which("parallel"):
        pytest.skip("no OpenSSH server, or no GNU parallel: captures were not read over sshd")
    for name in ("host", "client"):
        programs.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", readable / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (readable / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {readable}/host\nAuthorizedKeysFile {readable}/client.pub\nPidFile none\n"
        f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPermitUserRC no\n"
        f'SetEnv "PATH={TOOLS}:{os.environ["PATH"]}" "TSHARK={programs.TSHARK}" "MAF_BUILD_DIR={programs.BUILD}"\n')
    (readable / "ssh_config").write_text(
        f"Host host1 host2\nHostName 127.0.0.1\nPort {port}\nIdentityFile {readable}/client\nIdentitiesOnly yes\nBatchMode yes\n"
        f"StrictHostKeyChecking no\nUserKnownHostsFile {readable}/known_hosts\nLogLevel ERROR\n")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    with subprocess.Popen([sshd, "-D", "-q", "-f", readable / "sshd_config"]) as server:
        try:
            until(lambda: server.poll() is not None or socket.socket().connect_ex(("127.0.0.1", port)) == 0)
            assert server.poll() is None
            yield f"ssh -F {readable}/ssh_config"
        finally:
            server.terminate()


def test_parallel_over_sshd(hosts, readable):
    """It prints what maf-lint prints here, in the same order."""
    folder, home = readable / "shared", readable / "home"  # parallel takes a folder below home to be there for each host
    home.mkdir()
    shutil.copytree(SAMPLES / "sasl", folder / "test-captures")
    environment = {"TSHARK": programs.TSHARK}
    expected = programs.run(TOOLS / "maf-lint", "--json", "test-captures", cwd=folder, environment=environment, check=False)
    assert expected.stdout.count('"session"') > 8
    done = programs.run("sh", "-c", test_readme.script("--sshlogin host1,host2"), cwd=folder, check=False,
                        environment={"PARALLEL_SSH": hosts, "HOME": str(home)})
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    assert (folder / "logins.jsonl").read_text(encoding="utf-8") == expected.stdout
