"""The example experiment end to end: rhythm of a recording -> HTTP -> stimulus."""

import importlib.util
import json
import socket
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from circus_io.files.mcs_hdf5 import MCSHDF5Writer
from circus_io.meame import ControlClient
from circus_live.speaker.registers import Register, group_state

EXAMPLE = Path(__file__).parents[3] / "examples" / "closed_loop_crepe.py"
RATE = 10_000


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("closed_loop_crepe", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rhythm(frequency_hz, n_frames=RATE):
    """Return counts (n_frames, 60) of one frequency, in noise twice as large."""
    generator = np.random.default_rng(0)
    phase = 2 * np.pi * frequency_hz * np.arange(n_frames)[:, None] / RATE
    lags = generator.uniform(0, 2 * np.pi, 60)
    noise = generator.normal(0, 2000, (n_frames, 60))
    return np.rint(1000 * np.sin(phase + lags) + noise).astype("i4")


@pytest.mark.parametrize(
    ("frequency_hz", "gesture"),
    [(9, "None"), (20, "Rock"), (31, "Scissors"), (44, "Paper")],
)
def test_the_gesture_is_that_of_the_rhythm(example, frequency_hz, gesture):
    averages = example.moving_average(rhythm(frequency_hz).T.astype(float), 100)
    expected = np.convolve(rhythm(frequency_hz)[:, 3], np.full(100, 0.01), "valid")
    np.testing.assert_allclose(averages[3], expected)
    found = example.main_frequencies(averages, 100.0)
    assert found[:12].mean() == pytest.approx(frequency_hz, abs=1)
    assert example.nearest_gesture(found[:12].mean()) == gesture


def ask(port, path, body=None):
    data = None if body is None else body.encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def test_a_rhythm_comes_out_by_http_and_the_answer_stimulates(example, tmp_path):
    path = tmp_path / "rock.h5"
    with MCSHDF5Writer(path, RATE, [str(c) for c in range(60)], gain=0.059605) as file:
        file.append(rhythm(20))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    crepe = example.make(path, port)
    events = crepe.get_last_queue()
    crepe.start()
    try:
        until = time.monotonic() + 60
        ready = ""
        while ready != "True":
            assert time.monotonic() < until, "no result has come"
            with suppress(OSError):
                ready = ask(port, "/hw-api/ready/")
            time.sleep(0.05)
        assert ask(port, "/hw-api/output/") == "Rock"
        settings = crepe._source.settings
        control = ControlClient(settings.host, settings.http_port)
        active, period, _ = group_state(0)
        assert control.read([active]) == [0]  # nothing before the hand has answered
        ask(port, "/hw-api/input/", json.dumps("Paper"))
        assert events.get(timeout=30).label == "Paper"
        assert control.read([active, period]) == [1, 1250]
        assert control.read([Register.ERROR_FLAG]) == [0]
    finally:
        crepe.shutdown()
