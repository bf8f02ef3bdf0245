"""What a source promises: its states, its end, its verdicts."""

import pickle
import threading
import time

import numpy as np
import pytest

from circus_io.errors import FormatError, SourceError
from circus_live import Block, Source, SourceInfo, SourceState, open_source
from circus_live.source import check_url_values


class Ramp(Source):
    """10 blocks; fails at `fails_at`, if that is given."""

    def __init__(self, fails_at=None):
        self.fails_at = fails_at
        self.calls = []

    @property
    def info(self):
        return SourceInfo("ramp", 1000, n_channels=2, dtype=">i4", block_frames=10)

    def open(self):
        self.calls.append("open")

    def close(self):
        self.calls.append("close")

    def blocks(self):
        for number in range(10):
            if number == self.fails_at:
                raise SourceError("the device is gone; plug it in")
            rows = np.arange(number * 10, number * 10 + 10, dtype="i4")[:, None]
            yield Block(number * 10, rows * [1, -1], time.monotonic_ns())


def watched(source):
    states = []
    source.on_change = lambda source: states.append(source.state)
    return states


def test_iterating_opens_gives_all_and_closes():
    source = Ramp()
    states = watched(source)
    blocks = list(source)
    assert np.array_equal(np.concatenate([b.traces for b in blocks])[:, 0], range(100))
    assert [block.t_stop for block in blocks] == list(range(10, 101, 10))
    assert source.calls == ["open", "close"]
    assert states == [
        SourceState.STARTED,
        SourceState.STREAMING,
        SourceState.ENDED,
        SourceState.CLOSED,
    ]


def test_a_failure_closes_and_stays_a_failure():
    source = Ramp(fails_at=3)
    with pytest.raises(SourceError, match="plug it in"):
        list(source)
    assert source.calls == ["open", "close"]
    assert source.state is SourceState.FAILED


def test_leaving_the_loop_closes():
    source = Ramp()
    blocks = iter(source)
    next(blocks)
    blocks.close()
    assert source.calls == ["open", "close"]
    assert source.state is SourceState.CLOSED


def test_stop_ends_it_after_the_block_at_hand():
    source = Ramp()
    blocks = iter(source)
    next(blocks)
    source.stop()
    assert list(blocks) == []
    assert source.state is SourceState.CLOSED


def test_a_source_that_is_stopped_does_not_sleep():
    source = Ramp()
    source.stop()
    started = time.monotonic()
    assert source.sleep_until(time.monotonic_ns() + 10**11) is False
    assert time.monotonic() - started < 50


def test_sleeping_never_ends_early():
    due_ns = time.monotonic_ns() + 70_000_000
    assert Ramp().sleep_until(due_ns)
    assert time.monotonic_ns() >= due_ns


def test_what_takes_long_is_left_when_it_is_stopped_and_undone_when_it_comes():
    source, let_go, undone = Ramp(), threading.Event(), []

    def work():
        assert let_go.wait(30)
        return "socket"

    threading.Timer(0.1, source.stop).start()
    assert source.unless_stopped(work, undone.append) is None
    assert undone == []
    let_go.set()
    until = time.monotonic() + 30
    while not undone and time.monotonic() < until:
        time.sleep(0.01)
    assert undone == ["socket"]


def test_what_takes_long_gives_its_result_or_its_error():
    source = Ramp()
    assert source.unless_stopped(lambda: 7, undo=None) == 7
    with pytest.raises(ValueError, match="no such port"):
        source.unless_stopped(lambda: (_ for _ in ()).throw(ValueError("no such port")))


def test_verdicts_are_kept_and_told():
    source = Ramp()
    states = watched(source)
    source.report("rate", False, "asked for 50000 Hz, 10000 Hz arrive", 500)
    assert [(v.name, v.is_good, v.sample_index) for v in source.verdicts] == [
        ("rate", False, 500)
    ]
    assert states == [SourceState.NEW]


def test_it_pickles_before_it_is_opened():
    copy = pickle.loads(pickle.dumps(Ramp(fails_at=4)))
    with pytest.raises(SourceError):
        list(copy)


def test_info_is_native_and_labels_are_numbers():
    info = Ramp().info
    assert info.dtype == np.dtype("i4").str
    assert info.channel_labels == ("0", "1")
    assert info.block_bytes == 10 * 2 * 4
    assert info.bytes_per_second == 1000 * 2 * 4


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sampling_rate": 0.0}, "sampling_rate = 0.0"),
        ({"sampling_rate": float("nan")}, "sampling_rate = nan"),
        ({"n_channels": 0}, "n_channels = 0"),
        ({"block_frames": -1}, "block_frames = -1"),
        ({"channel_labels": ("a",)}, "1 channel_labels for 2 channels"),
    ],
)
def test_impossible_streams_are_refused(changes, text):
    settings = {
        "name": "x",
        "sampling_rate": 1.0,
        "n_channels": 2,
        "dtype": "i2",
        "block_frames": 1,
    }
    with pytest.raises(FormatError, match=text):
        SourceInfo(**(settings | changes))


def test_addresses():
    source = Ramp()
    assert open_source(source) is source
    with pytest.raises(FormatError, match=r"no source gopher; choose from file, lsl"):
        open_source("gopher://somewhere")
    with pytest.raises(FormatError, match="Ramp has no address"):
        Ramp.from_url("ramp://1")


def test_settings_of_an_address_have_types():
    allowed = {"rate": float, "n": int}
    assert check_url_values("x?", {"rate": "2"}, allowed) == {"rate": 2.0}
    with pytest.raises(FormatError, match="no setting rat; choose from n, rate"):
        check_url_values("x?", {"rat": "2"}, allowed)
    with pytest.raises(FormatError, match=r"n = '2\.5' is no int"):
        check_url_values("x?", {"n": "2.5"}, allowed)
