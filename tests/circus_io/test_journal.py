"""Recordings that were cut short: what was appended is there in the end."""

import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io import (
    ChunkError,
    FormatError,
    NotWritableError,
    RecordingNotFoundError,
    open_recording,
)
from circus_io.files.mcs_hdf5 import JournaledWriter, complete
from circus_io.files.mcs_hdf5.journal import Journal, journal_path

STREAM = "Data/Recording_0/AnalogStream/Stream_0"


def counts(first, n_frames):
    """Return counts that are a function of their frame."""
    return (np.arange(first, first + n_frames)[:, None] * [1, -1, 2]).astype("i4")


def frames_of(path):
    """Return the frame of each column by the table of the file, and the columns."""
    with h5py.File(path) as file:
        table = file[STREAM]["ChannelDataTimeStamps"][:]
        data = file[STREAM]["ChannelData"][:].T
    frames = [
        np.arange(last - first + 1) + time_us // 50 for time_us, first, last in table
    ]
    return np.concatenate(frames) if frames else np.zeros(0, int), data


@settings(max_examples=100, deadline=None)
@given(
    n_rows=st.integers(1, 9),
    blocks=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 25)), max_size=12),
    n_written=st.integers(0, 200),
)
def test_a_journal_holds_the_last_frames(tmp_path_factory, n_rows, blocks, n_written):
    path = tmp_path_factory.mktemp("journal") / "rec.h5"
    frames = []
    with Journal.create(path, n_rows, 3, {"µ": [1]}) as journal:
        for gap, n_frames in blocks:
            first = (frames[-1] + 1 if frames else 0) + gap
            journal.append(counts(first, n_frames), first)
            frames += range(first, first + n_frames)
    with Journal.open(path) as journal:
        assert journal.description == {"µ": [1]}
        assert journal.n_frames == len(frames)
        found, values, n_lost = journal.since(n_written)
    oldest = max(n_written, len(frames) - n_rows)
    assert found.tolist() == frames[oldest:]
    assert np.array_equal(values, np.array(frames[oldest:])[:, None] * [1, -1, 2])
    assert n_lost == max(0, min(len(frames), oldest) - n_written)


ENDLESS = """
import itertools, sys
import numpy as np
from circus_io.files.mcs_hdf5 import JournaledWriter

packed = sys.argv[3] == "1"
writer = JournaledWriter(sys.argv[1], 20000, "ABC", gain=0.5, compress=packed)
size = int(sys.argv[2])
for block in itertools.count():
    first = writer.t_stop + 1000 * (block % 5 == 4)            # now and then a gap
    frames = np.arange(first, first + size)[:, None]
    writer.append(frames * [1, -1, 2], t_start=first)
    print(writer.n_frames, writer.t_stop, flush=True)
"""


@pytest.mark.parametrize("compress", [0, 1])
@pytest.mark.parametrize(
    ("size", "n_blocks"), [(100, 1), (100, 30), (7, 900), (1777, 4), (5000, 5)]
)
def test_a_killed_writer_has_lost_nothing(
    tmp_path, mcs_vendor, size, n_blocks, compress
):
    path = tmp_path / "a.h5"
    command = [sys.executable, "-c", ENDLESS, path, str(size), str(compress)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(n_blocks):
            n_frames, t_stop = map(int, process.stdout.readline().split())
        process.send_signal(signal.SIGKILL)
    done = complete(path)
    assert done.n_lost == 0
    assert done.n_frames >= n_frames
    assert done.did_something
    assert not journal_path(path).exists()
    frames, data = frames_of(path)
    assert len(frames) == len(data) == done.n_frames
    assert frames[n_frames - 1] == t_stop - 1
    assert np.all(np.diff(frames) > 0)
    assert np.array_equal(data, frames[:, None] * [1, -1, 2])
    recording = open_recording(path)
    assert len(recording) == done.n_frames
    (stream,) = mcs_vendor(path)[0].analog_streams.values()
    times_us, _ = stream.get_channel_sample_timestamps(0)
    assert np.array_equal(times_us, frames * 50)
    again = complete(path)
    assert (again.did_something, again.n_added) == (False, 0)


def test_a_finished_recording_has_no_journal(tmp_path):
    path = tmp_path / "a.h5"
    with JournaledWriter(path, 20000, "ABC", gain=1) as writer:
        assert journal_path(path).exists()
        writer.append(counts(5, 30000), 5)
        assert (writer.n_frames, writer.t_stop) == (30000, 30005)
    assert not journal_path(path).exists()
    assert np.array_equal(open_recording(path)[:], counts(5, 30000))


def test_a_recording_that_goes_on_is_left_alone(tmp_path):
    path = tmp_path / "a.h5"
    with JournaledWriter(path, 20000, "ABC", gain=1) as writer:
        writer.append(counts(0, 100))
        code = f"from circus_io.files.mcs_hdf5 import complete\ncomplete({str(path)!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True
        )
        assert "the recording goes on; stop it first" in done.stderr
        with pytest.raises(NotWritableError, match=r"circus recover a\.h5"):
            JournaledWriter(path, 20000, "ABC", gain=1)
    assert len(open_recording(path)) == 100


def test_an_error_of_the_caller_keeps_what_was_appended(tmp_path):
    def record():
        with JournaledWriter(tmp_path / "a.h5", 20000, "ABC", gain=1) as writer:
            writer.append(counts(0, 100))
            writer.append(np.zeros((3, 2), "i4"))

    with pytest.raises(ChunkError):
        record()
    assert len(open_recording(tmp_path / "a.h5")) == 100
    assert not journal_path(tmp_path / "a.h5").exists()


def leave_a_journal(path, n_frames=100):
    """Do what a killed writer does, but in this process."""
    writer = JournaledWriter(path, 20000, "ABC", gain=1)
    writer.append(counts(0, n_frames))
    writer._writer._file.close()
    writer.leave()


def test_reading_what_was_cut_short_says_so(tmp_path, caplog):
    path = tmp_path / "a.h5"
    leave_a_journal(path)
    assert len(open_recording(path)) == 0
    assert "was cut short" in caplog.text
    assert "circus recover a.h5" in caplog.text
    complete(path)
    caplog.clear()
    assert np.array_equal(open_recording(path)[:], counts(0, 100))
    assert not caplog.text


def test_a_writer_that_was_killed_before_its_file_was_made(tmp_path):
    path = tmp_path / "a.h5"
    leave_a_journal(path)
    for left in (None, b"", b"\x89HDF"):
        leave_a_journal(tmp_path / "b.h5")
        journal_path(tmp_path / "b.h5").replace(journal_path(path))
        (tmp_path / "b.h5").unlink()
        path.unlink(missing_ok=True)
        if left is not None:
            path.write_bytes(left)
        assert complete(path).n_added == 100
        assert np.array_equal(open_recording(path)[:], counts(0, 100))


def test_what_is_damaged_is_not_touched(tmp_path):
    path = tmp_path / "a.h5"
    leave_a_journal(path)
    good = journal_path(path).read_bytes()
    before = path.read_bytes()
    for bad in (
        b"",
        good[:63],
        good[:200],
        b"x" * 8 + good[8:],
        good[:16] + b"\xff" * 8,
    ):
        journal_path(path).write_bytes(bad)
        with pytest.raises(FormatError, match=r"a\.h5\.journal"):
            complete(path)
    words = np.frombuffer(good[:64], "<i8").copy()
    for place in range(5):
        changed = words.copy()
        changed[place] = -(2**60)
        journal_path(path).write_bytes(changed.tobytes() + good[64:])
        with pytest.raises(FormatError, match=r"a\.h5\.journal"):
            complete(path)
    assert path.read_bytes() == before


def test_a_large_file_that_is_broken_is_not_replaced(tmp_path):
    path = tmp_path / "a.h5"
    leave_a_journal(path)
    path.write_bytes(b"x" * 2**21)
    with pytest.raises(FormatError, match=r"a\.h5 is damaged"):
        complete(path)
    assert path.stat().st_size == 2**21


def test_there_has_to_be_something(tmp_path):
    with pytest.raises(RecordingNotFoundError):
        complete(tmp_path / "a.h5")
