"""``circus live`` and ``circus recover``, as a user calls them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from circus_io import open_recording
from circus_live.meame_server import Faults, MeameServer, Ramp

SERVICE = """
import numpy as np

class Largest:
    def __init__(self):
        self.values = []

    def process(self, block):
        self.values.append(int(block.traces.max()))
        np.save("largest.npy", self.values)
        return block

def count(block):
    with open("count", "a") as file:
        file.write("x" * block.n_frames)
"""


def stored(folder):
    return np.fromfile(folder / "rec.dat", "<i2").reshape(-1, 4)


def use(folder):
    """Make ``rec.npy`` of 6000 frames of the recording."""
    np.save(folder / "rec.npy", stored(folder)[:6000])
    return "file:rec.npy?sampling_rate=20000&gain=0.1&pace=fast"


def test_a_stream_goes_through_services_into_a_file(circus, folder):
    (folder / "chain.py").write_text(SERVICE)
    services = [
        word for s in ("Largest", "count") for word in ("--service", f"chain.py:{s}")
    ]
    source = use(folder)
    outcome = circus("live", "--source", source, "--record", "out.h5", *services)
    assert outcome.status == 0, outcome.err
    raw = stored(folder)[:6000]
    largest = np.load(folder / "largest.npy")
    assert largest.tolist() == raw.reshape(60, -1).max(axis=1).tolist()
    assert len((folder / "count").read_text()) == 6000
    recording = open_recording(folder / "out.h5")
    np.testing.assert_allclose(recording[:], raw * 0.1, rtol=1e-5)
    assert "6000 frames, 0 missing at the source" in outcome.out
    assert "recorded to out.h5" in outcome.out
    rows = re.findall(r"(\w+) +(\w+) +6000 +6000 +0 +", outcome.out)
    assert sorted(rows) == [
        ("largest", "count"),
        ("source", "largest"),
        ("source", "recorder"),
    ]


def test_a_recording_is_opened_by_its_params_file(circus, folder):
    outcome = circus("live", "--source", "rec.dat", "--duration", "0.3")
    assert outcome.status == 0, outcome.err
    n_frames = int(re.search(r"(\d+) frames, 0 missing", outcome.out)[1])
    assert 0 < n_frames <= 90_000
    assert n_frames % 100 == 0


def test_files_rotate(circus, folder):
    source = use(folder)
    outcome = circus("live", "--source", source, "--record", "o.h5", "--rotate", "0.1")
    assert outcome.status == 0, outcome.err
    names = sorted(path.name for path in folder.glob("o*"))
    assert names == ["o_0.h5", "o_1.h5", "o_2.h5"]
    joined = open_recording(folder / "o_0.h5", stream_mode="multi-files")
    assert joined.shape == (6000, 4)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--rotate", "1"], 2, "--record"),
        (["--duration", "0"], 2, "--duration 0.0: expected more than 0 s"),
        (["--source", "gopher://x"], 3, "no source gopher"),
        (["--source", "absent.dat"], 3, "absent.dat"),
        (["--service", "absent:Thing"], 3, "No module named 'absent'"),
        (["--service", "chain"], 3, "expected module:Name"),
        (["--service", "os:getpid", "--policy", "wait"], 3, "choose from block"),
        (["--record", "rec.dat"], 3, "a file rec.dat already"),
    ],
)
def test_what_cannot_be_is_one_line(circus, folder, arguments, status, text):
    outcome = circus("live", *arguments)
    assert outcome.status == status, outcome.err
    assert text in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_service_that_fails_is_named(circus, folder):
    (folder / "bad.py").write_text("def bad(block):\n    raise ValueError('no')\n")
    outcome = circus("live", "--source", use(folder), "--service", "bad.py:bad")
    assert outcome.status == 4
    assert "error: bad failed: ValueError: no" in outcome.err


def test_the_self_test_shows_where_each_block_fell(circus):
    outcome = circus("live", "--selftest", "--duration", "0.5")
    assert outcome.status == 0, outcome.err
    total = int(re.search(r"50 frames a block, (\d+) blocks", outcome.out)[1])
    rows = re.findall(r"^ *(?:to|over) [\d.]+ ms +(\d+)  ", outcome.out, re.MULTILINE)
    dropped = int(re.search(r"(\d+) blocks dropped", outcome.out)[1])
    assert total == 500
    assert sum(map(int, rows)) == total - dropped


@contextmanager
def started(folder, *arguments):
    """Run ``circus live`` in a process group of its own, which is gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "circus_cli", "live", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_frames(path, n_frames):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if path.exists() and len(open_recording(path)) >= n_frames:
            return
        time.sleep(0.05)
    pytest.fail(f"{path.name} did not grow")


SYNTHETIC = "synthetic?n_channels=4&n_units=1&loop_s=0.2&sampling_rate=20000"


def test_an_interrupt_closes_the_file(tmp_path):
    with started(tmp_path, "--source", SYNTHETIC, "--record", "a.h5") as process:
        wait_for_frames(tmp_path / "a.h5", 1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    n_frames = int(re.search(r"(\d+) frames, 0 missing", out)[1])
    assert len(open_recording(tmp_path / "a.h5")) == n_frames
    assert not list(tmp_path.glob("*.journal"))


def test_an_interrupt_is_heard_while_it_connects(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = f"meame://127.0.0.1:{silent.getsockname()[1]}?sampling_rate=10000"
        with started(tmp_path, "--source", source, "--record", "a.h5") as process:
            connection, _ = silent.accept()  # it waits for an answer from here on
            with connection:
                asked_s = time.monotonic()
                os.killpg(process.pid, signal.SIGINT)
                out, err = process.communicate(timeout=60)
        # by itself, it would have asked for six seconds
        assert time.monotonic() - asked_s < 4
    assert process.returncode == 0, err
    assert "0 frames" in out


def test_verdicts_are_shown_of_a_flow_that_fails(tmp_path):
    ports = {"http_port": 0, "data_port": 0, "test_port": 0}
    with MeameServer(Ramp(), **ports, faults=Faults(silence_after=60)) as server:
        source = f"{server.url}&sampling_rate=10000&patience_s=2.5"
        arguments = ("--source", source, "--record", "a.h5")
        with started(tmp_path, *arguments) as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "last_sample: the server sends 0 as every 100th sample" in err
    silence = r"^(\w+): no sample for ([\d.]+) s on an open connection"
    # each once: the verdict, and the failure
    (first, stall_s), (last, failure_s) = re.findall(silence, err, re.MULTILINE)
    assert (first, last) == ("stall", "error")
    assert 1 <= float(stall_s) < 2.5 <= float(failure_s)
    # the server counts from its start, so a client that is late misses whole segments
    n_frames = len(open_recording(tmp_path / "a.h5"))
    assert n_frames in {n * 100 - 1 for n in range(30, 61)} | {6000}


def test_metrics_are_served_while_it_runs(tmp_path):
    arguments = ("--source", SYNTHETIC, "--metrics", "0")
    with started(tmp_path, *arguments) as process:
        url = re.search(r"metrics at (http://127\S+)", process.stderr.readline())[1]
        until = time.monotonic() + 60
        found = {}
        while not found.get("n_frames") and time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
                found = json.load(answer)
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert (found["n_channels"], found["links"][0]["receiver"]) == (4, "nobody")


def test_what_is_killed_is_recovered(circus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with started(tmp_path, "--source", SYNTHETIC, "--record", "a.h5") as process:
        wait_for_frames(tmp_path / "a.h5", 1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    before = len(open_recording("a.h5"))
    outcome = circus("recover", "a.h5")
    assert outcome.status == 0, outcome.err
    n_frames, n_added = map(
        int, re.search(r"(\d+) frames, (\d+) of them from", outcome.out).groups()
    )
    assert n_frames == before + n_added == len(open_recording("a.h5"))
    assert circus("recover", "a.h5").out == "a.h5: was whole\n"
    assert circus("recover", "absent.h5").status == 3
