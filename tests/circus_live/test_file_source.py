"""Replaying recordings: the same blocks at any pace, in every pass, from anywhere."""

import math
import time

import numpy as np
import pytest

from circus_io import ArrayRecording, JoinedRecording, open_recording
from circus_io.errors import FormatError, RecordingNotFoundError
from circus_io.files.mcs_hdf5 import MCSHDF5Writer
from circus_io.synthetic import SyntheticRecording
from circus_live import BlockFlag, SourceState, open_source
from circus_live.sources.file import FileSource

RAW = np.random.default_rng(0).integers(-999, 999, (1050, 3)).astype("i2")


def recording(rate=10_000, **fields):
    return ArrayRecording(RAW, rate, gain=0.5, **fields)


def borders(blocks):
    return [(block.sample_index, block.n_frames) for block in blocks]


def joined(blocks):
    return np.concatenate([block.traces for block in blocks])


def test_samples_are_those_of_the_file_not_scaled():
    source = FileSource(recording(), 100, "fast")
    blocks = list(source)
    assert joined(blocks).dtype == np.int16
    assert np.array_equal(joined(blocks), RAW)
    assert borders(blocks) == [(t, min(100, 1050 - t)) for t in range(0, 1050, 100)]
    assert source.info.dtype == np.dtype("i2").str
    assert (source.info.gain, source.info.sampling_rate) == (0.5, 10_000)
    assert source.state is SourceState.CLOSED


@pytest.mark.parametrize("pace", ["real_time", "fast", 3, "20"])
def test_borders_do_not_depend_on_the_pace(pace):
    blocks = list(FileSource(recording(), 77, pace))
    assert borders(blocks) == [(t, min(77, 1050 - t)) for t in range(0, 1050, 77)]
    assert np.array_equal(joined(blocks), RAW)


def test_borders_do_not_depend_on_the_position():
    whole = list(FileSource(recording(), 100, "fast"))
    part = list(FileSource(recording(), 100, "fast", start_frame=333, stop_frame=871))
    assert borders(part) == [
        (333, 67),
        *borders(whole)[4:8],
        (800, 71),
    ]
    assert np.array_equal(joined(part), RAW[333:871])


def test_passes_follow_each_other_without_a_gap():
    blocks = list(FileSource(recording(), 100, "fast", 3, 50, 450))
    assert np.array_equal(joined(blocks), np.concatenate([RAW[50:450]] * 3))
    assert np.array_equal(
        np.concatenate([np.arange(b.sample_index, b.t_stop) for b in blocks]),
        np.arange(50, 50 + 3 * 400),
    )
    assert [b.n_frames for b in blocks] == [50, 100, 100, 100, 50] * 3
    assert not any(block.gap_frames for block in blocks)


def test_zero_passes_are_passes_without_end():
    source = FileSource(recording(), 500, "fast", repeats=0)
    blocks = iter(source)
    last = [next(blocks) for _ in range(100)][-1]
    assert last.sample_index == 33 * 1050
    source.stop()
    assert list(blocks) == []


def test_gaps_of_the_recording_are_told_and_not_waited_for():
    parts = [recording(t_start=0), recording(t_start=1_000_000)]
    started = time.monotonic()
    blocks = list(FileSource(JoinedRecording(parts), 500, "real_time"))
    assert time.monotonic() - started < 60
    assert borders(blocks) == [
        (0, 500),
        (500, 500),
        (1000, 50),
        (1_000_000, 500),
        (1_000_500, 500),
        (1_001_000, 50),
    ]
    assert [b.gap_frames for b in blocks] == [0, 0, 0, 998_950, 0, 0]


def test_real_time_is_never_early_and_does_not_drift():
    source = FileSource(recording(rate=2000), 50, "real_time")
    blocks = list(source)
    times_s = np.array([block.host_time_ns for block in blocks]) * 1e-9
    ends_s = np.array([block.t_stop for block in blocks]) / 2000
    early = (times_s - times_s[0]) - (ends_s - ends_s[0])
    # relative to the first, which is as late as it was
    assert np.min(early) > -0.05
    assert times_s[-1] - times_s[0] < 60


def test_a_pace_that_cannot_be_kept_is_flagged():
    source = FileSource(recording(rate=10_000), 10, "real_time")
    blocks = iter(source)
    next(blocks)
    time.sleep(0.05)  # 50 blocks
    assert next(blocks).flags & BlockFlag.LATE


def test_a_format_that_gives_only_traces_is_in_microvolts(tmp_path):
    made = SyntheticRecording(n_channels=4, duration_s=0.2, n_units=1, seed=1)
    source = FileSource(made, 64, "fast")
    assert source.info.dtype == np.dtype("f4").str
    assert np.array_equal(joined(list(source)), made[:])


def test_mcs_hdf5_with_gaps(tmp_path):
    path = tmp_path / "rec.h5"
    counts = RAW.astype("i4") << 10
    with MCSHDF5Writer(path, 10_000, ["47", "48", "Ref"], gain=0.0596) as writer:
        writer.append(counts[:600])
        writer.append(counts[600:], t_start=700)
    source = open_source(path)
    assert source.info.channel_labels == ("47", "48", "Ref")
    assert source.info.gain == 0.0596
    source.factor = math.inf
    blocks = list(source)
    assert np.array_equal(joined(blocks), counts)
    assert [(b.sample_index, b.gap_frames) for b in blocks if b.gap_frames] == [
        (700, 100)
    ]


def test_big_endian_files_give_native_blocks(tmp_path):
    RAW.astype(">i2").tofile(tmp_path / "rec.dat")
    params = {"data_dtype": ">i2", "sampling_rate": 1e4, "nb_channels": 3}
    opened = open_recording(tmp_path / "rec.dat", "raw_binary", **params)
    source = FileSource(opened, 100, "fast")
    blocks = list(source)
    assert blocks[0].traces.dtype.isnative
    assert np.array_equal(joined(blocks), RAW)


def test_an_address_holds_settings_of_the_source_and_of_the_format(tmp_path):
    RAW.tofile(tmp_path / "rec.dat")
    url = (
        f"file:{tmp_path}/rec.dat?file_format=raw_binary&data_dtype=int16&nb_channels=3"
        "&sampling_rate=10000&pace=fast&repeats=2&block_frames=50&start_frame=100"
    )
    source = open_source(url)
    assert np.array_equal(joined(list(source)), np.concatenate([RAW[100:]] * 2))
    with pytest.raises(FormatError, match="repeats = 'x': expected an integer"):
        open_source(url.replace("repeats=2", "repeats=x"))
    with pytest.raises(FormatError, match="no parameter tempo"):
        open_source(url.replace("pace=", "tempo="))
    with pytest.raises(RecordingNotFoundError):
        open_source(str(tmp_path / "absent.npy"))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"pace": 0}, "pace = 0: choose real_time, fast"),
        ({"pace": "quick"}, "pace = quick"),
        ({"repeats": -1}, "repeats = -1"),
        ({"start_frame": 1050}, "frames 1050 to 1050: the recording has 0 to 1050"),
        ({"stop_frame": 1051}, "frames 0 to 1051"),
        ({"block_frames": 0}, "block_frames = 0"),
    ],
)
def test_what_cannot_be_is_refused_before_it_runs(settings, text):
    with pytest.raises(FormatError, match=text):
        FileSource(recording(), **settings).info  # noqa: B018


def test_a_source_of_a_file_pickles(tmp_path):
    import pickle

    np.save(tmp_path / "rec.npy", RAW)
    opened = open_recording(tmp_path / "rec.npy", sampling_rate=1e4)
    source = FileSource(opened, 100, "fast")
    assert source.info.n_channels == 3
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(joined(list(copy)), RAW)
