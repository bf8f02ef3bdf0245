"""What is told of a recording: numpy says what it holds."""

import json

import numpy as np
import pytest

from circus_io import ArrayRecording, Events, JoinedRecording
from circus_io.inspection import summarise
from circus_io.parallel import SerialComm
from circus_io.ranges import measure_ranges

RATE_HZ = 1000


def make(n_frames=5000, n_channels=3, seed=0):
    return np.random.default_rng(seed).integers(-500, 500, (n_frames, n_channels), "i2")


def test_ranges_of_channels():
    counts = make()
    counts[:, 1] = 7  # it never changes
    summary = summarise(ArrayRecording(counts, RATE_HZ, gain=0.5))
    assert summary["n_frames_read"] == summary["n_frames"] == 5000
    for channel, row in enumerate(summary["channels"]):
        assert row["lowest_uv"] == 0.5 * counts[:, channel].min()
        assert row["highest_uv"] == 0.5 * counts[:, channel].max()
        assert row["is_dead"] == (channel == 1)
        assert row["label"] == str(channel)


def test_values_that_are_not_finite_are_counted():
    traces = np.ones((50, 3)) * np.arange(50)[:, np.newaxis]
    traces[3:7, 0], traces[9, 0], traces[:, 2] = np.nan, -np.inf, np.nan
    rows = summarise(ArrayRecording(traces, RATE_HZ))["channels"]
    assert [row["n_not_finite"] for row in rows] == [5, 0, 50]
    assert [row["is_dead"] for row in rows] == [False, False, True]
    assert rows[2]["lowest_uv"] is None
    assert (rows[0]["lowest_uv"], rows[0]["highest_uv"]) == (0, 49)


def test_times_gaps_events_and_metadata():
    class Told(ArrayRecording):
        _channel_labels = ("A1", "A2", "B1")
        _channel_positions = np.array([[0, 1], [2, 3], [4, 5.5]])
        _metadata = {"date": np.datetime64("2020-01-02"), "k": np.arange(2)}  # noqa: RUF012

        def read_events(self):
            return {"in": Events(np.array([0.5, 2.0])), "out": Events(np.array([]))}

    summary = summarise(Told(make(), RATE_HZ, t_start=250))
    assert (summary["start_s"], summary["stop_s"]) == (0.25, 5.25)
    assert summary["duration_s"] == 5
    assert summary["events"] == [
        {"name": "in", "n_events": 2, "first_s": 0.5, "last_s": 2.0},
        {"name": "out", "n_events": 0, "first_s": None, "last_s": None},
    ]
    assert summary["metadata"] == {"date": "2020-01-02", "k": [0, 1]}
    assert summary["channels"][2]["position_um"] == [4, 5.5]
    assert [row["label"] for row in summary["channels"]] == ["A1", "A2", "B1"]
    assert json.loads(json.dumps(summary)) == summary


def test_streams_and_gaps():
    parts = [(0, 1000), (1000, 500), (4000, 100)]
    joined = JoinedRecording([ArrayRecording(make(n), RATE_HZ, t) for t, n in parts])
    summary = summarise(joined)
    assert [s["duration_s"] for s in summary["streams"]] == [1.0, 0.5, 0.1]
    assert summary["gaps"] == [{"start_s": 1.5, "duration_s": 2.5}]
    assert summary["duration_s"] == 1.6


def test_a_long_recording_is_measured_in_parts():
    counts = np.zeros((2**18, 64), "i1")  # 64 blocks
    counts[2**18 // 3, 5] = 100
    few = summarise(ArrayRecording(counts, RATE_HZ))
    assert few["n_frames_read"] == 2**17
    calls = []
    every = summarise(
        ArrayRecording(counts, RATE_HZ),
        whole=True,
        progress=lambda *call: calls.append(call),
    )
    assert every["n_frames_read"] == 2**18
    assert every["channels"][5]["highest_uv"] == 100
    assert calls[-1] == ("reading", 64, 64)


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (1, 4), (3, 1)])
def test_tiny_recordings(shape):
    summary = summarise(ArrayRecording(np.ones(shape, "i2"), RATE_HZ))
    assert summary["n_frames_read"] == shape[0]
    assert len(summary["channels"]) == shape[1]
    json.dumps(summary)


def test_ranges_cross_streams_and_keep_precision():
    big = np.array([[2**31 - 1], [2**24 + 1], [5]], "i4")
    joined = JoinedRecording(
        [ArrayRecording(big, 10, gain=0.1), ArrayRecording(-big, 10, gain=0.1)]
    )
    ranges = measure_ranges(joined, [(1, 5), (5, 6)], None, SerialComm())
    assert ranges.highest[0] == (2**24 + 1) * 0.1
    assert ranges.lowest[0] == -(2**31 - 1) * 0.1
    assert ranges.n_frames == 5
