# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests share: one decoding of each sample capture, and the option --update."""
import fcntl
import pathlib
import pickle

import pytest

import catalogue
import decoding
import programs


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="rewrite the reference in maf(7)")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that all workers of pytest-xdist share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture(scope="session")
def decoded(shared):
    """A function: the packets of a sample capture as tshark decodes it in one pass or two, decoded once for all tests."""
    def decode(capture, passes):
        kept = pathlib.Path(shared, f"{capture.name.replace('/', '+')}.{passes}")
        with open(f"{kept}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                arguments = decoding.arguments(capture.path, capture.options, passes, programs.experts())
                packets = list(decoding.packets(programs.tshark(*arguments), programs.experts()))
                kept.write_bytes(pickle.dumps(packets))
        return pickle.loads(kept.read_bytes())

    return decode


@pytest.fixture
def readable(tmp_path):
    """A folder that tshark, which is not run as root, may read, and whose parents it may enter."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.owner() == pathlib.Path.home().owner() and folder.parts[:2] == ("/", "tmp") and len(folder.parts) > 2:
            folder.chmod(0o755)
    return tmp_path


@pytest.fixture(scope="session", autouse=True)
def environment():
    """MAF_USER and MAF_PASSWORD would make the client offer to log in as somebody. Names of vendors and ports, which
    Wireshark 4.0 reads in a third of its start, are left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIRESHARK_DATA_DIR", str(programs.BUILD / "nothing"))
        for name in ("MAF_USER", "MAF_PASSWORD", "CDPATH", "TSHARK"):
            patch.delenv(name, raising=False)
        yield


def pytest_generate_tests(metafunc):
    """A test with a parameter `capture` is run for each sample capture that its mark `captures` chooses."""
    if "capture" in metafunc.fixturenames:
        (mark,) = metafunc.definition.iter_markers("captures")
        chosen = [capture for capture in catalogue.load_all().values() if mark.kwargs["which"](capture)]
        assert chosen
        metafunc.parametrize("capture", chosen, ids=[capture.name for capture in chosen])


def pytest_configure(config):
    config.addinivalue_line("markers", "captures(which): for which sample captures to run the test")
