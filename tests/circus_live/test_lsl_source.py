"""The LSL source against a real sender of pylsl, in this machine."""

import threading
import time
import uuid

import numpy as np
import pytest

from circus_io.errors import FormatError, SourceError, StreamStalledError
from circus_live import Flow, SourceState, open_source
from circus_live.sources.lsl import LSLSource

RATE_HZ = 1000


@pytest.fixture
def pylsl(require):
    return require("pylsl", extra="lsl")


@pytest.fixture
def sender(pylsl):
    """Return the outlet of a stream with a name that nobody else has."""
    name = f"circus-{uuid.uuid4().hex[:8]}"
    told = pylsl.StreamInfo(name, "ephys", 3, RATE_HZ, pylsl.cf_int32, name)
    channels = told.desc().append_child("channels")
    for label, unit in (("12", "microvolts"), ("13", "millivolts"), ("15", "")):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
    outlet = pylsl.StreamOutlet(told, chunk_size=10)
    outlet.name = name
    return outlet


def counts(first, n_frames):
    return np.arange(first, first + n_frames)[:, None] * [1, -1, 2]


def push(outlet, n_frames, first=0, at_s=None):
    """Send frames in chunks of 10, stamped as if they came at their rate."""
    import pylsl

    at_s = pylsl.local_clock() if at_s is None else at_s
    for begin in range(0, n_frames, 10):
        rows = counts(first + begin, 10).tolist()
        outlet.push_chunk(rows, at_s + (begin + 9) / RATE_HZ)
    return at_s + n_frames / RATE_HZ


def in_background(outlet, function):
    def run():
        assert outlet.wait_for_consumers(30)
        function()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def take(source, n_frames):
    blocks, n_found = [], 0
    for block in source:
        blocks.append(block)
        n_found += block.n_frames
        if n_found >= n_frames:
            source.stop()
    return blocks


def test_a_stream_says_what_it_is(sender):
    info = open_source(f"lsl://{sender.name}?block_frames=50").info
    assert (info.sampling_rate, info.n_channels, info.block_frames) == (1000, 3, 50)
    assert info.dtype == np.dtype("i4").str
    assert info.channel_labels == ("12", "13", "15")
    assert info.gain.tolist() == [1.0, 1000.0, 1.0]
    assert info.metadata["type"] == "ephys"


def test_every_sample_comes_in_order(sender):
    source = LSLSource(sender.name)
    thread = in_background(sender, lambda: push(sender, 500))
    blocks = take(source, 500)
    thread.join()
    traces = np.concatenate([block.traces for block in blocks])
    assert np.array_equal(traces, counts(0, 500))
    assert max(block.n_frames for block in blocks) <= 10
    assert [b.sample_index for b in blocks[1:]] == [b.t_stop for b in blocks[:-1]]
    assert source.state is SourceState.CLOSED


def test_a_jump_of_the_time_stamps_is_a_gap(sender):
    def send():
        stop_s = push(sender, 100)
        push(sender, 100, first=100, at_s=stop_s + 0.5)

    thread = in_background(sender, send)
    blocks = take(LSLSource(sender.name), 200)
    thread.join()
    gaps = [block.gap_frames for block in blocks if block.gap_frames]
    assert gaps == [500]
    assert blocks[-1].t_stop == 700


def test_a_jump_inside_of_what_is_taken_at_once_is_the_same_gap(sender, monkeypatch):
    source = LSLSource(sender.name, block_frames=200)
    all_is_there = threading.Event()

    def send():
        stop_s = push(sender, 100)
        stop_s = push(sender, 50, first=100, at_s=stop_s + 0.5)
        push(sender, 50, first=150, at_s=stop_s + 0.3)
        time.sleep(0.5)  # for the samples to cross over
        all_is_there.set()

    pull = source._pull

    def pull_late():
        assert all_is_there.wait(30)
        return pull()

    monkeypatch.setattr(source, "_pull", pull_late)
    thread = in_background(sender, send)
    blocks = take(source, 200)
    thread.join()
    found = [(b.sample_index, b.n_frames, b.gap_frames) for b in blocks]
    assert found == [(0, 100, 0), (600, 50, 500), (950, 50, 300)]
    traces = np.concatenate([block.traces for block in blocks])
    assert np.array_equal(traces, counts(0, 200))


def test_a_stop_is_heard_while_a_stream_is_looked_for(sender):
    source = LSLSource(sender.name, find_s=60)
    _ = source.info
    source.name = f"absent-{uuid.uuid4().hex}"
    threading.Timer(0.3, source.stop).start()
    started = time.monotonic()
    assert list(source) == []
    assert time.monotonic() - started < 30
    assert source.state is SourceState.CLOSED


def test_silence_is_a_stall(sender):
    source = LSLSource(sender.name, stall_s=0.4)
    thread = in_background(sender, lambda: push(sender, 20))
    with pytest.raises(StreamStalledError, match=r"silent for 0\.\d s"):
        take(source, 10**6)
    thread.join()


def test_it_feeds_a_flow(sender):
    flow = Flow(LSLSource(sender.name))
    output = flow.output()
    thread = in_background(sender, lambda: push(sender, 300))
    with flow:
        found = [output.get(30)]
        while sum(block.n_frames for block in found) < 300:
            found.append(output.get(30))
        flow.stop()
    thread.join()
    traces = np.concatenate([block.traces for block in found])
    assert np.array_equal(traces, counts(0, 300))


def test_what_is_no_recording_is_refused(pylsl):
    name = f"circus-{uuid.uuid4().hex[:8]}"
    told = pylsl.StreamInfo(name, "Markers", 1, 0.0, pylsl.cf_string, name)
    outlet = pylsl.StreamOutlet(told)
    with pytest.raises(SourceError, match="no regular rate, or holds text"):
        LSLSource(name).info  # noqa: B018
    del outlet
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"no LSL stream absent-\w+ within 0\.3 s"):
        LSLSource(f"absent-{uuid.uuid4().hex}", find_s=0.3).info  # noqa: B018
    assert time.monotonic() - started < 60
    with pytest.raises(FormatError, match="no setting block; choose from"):
        open_source("lsl://x?block=3")
