import os

import numpy as np
import pytest

import circus_io
from circus_io import ArrayRecording, DataFile, open_recording
from sorting.fingerprint import change_stamp, fingerprint

RATE = 20_000.0
ALL = np.arange(3)


def samples(n_frames: int = 5000) -> np.ndarray:
    return np.random.default_rng(0).integers(-500, 500, (n_frames, 3)).astype(np.int16)


def mark(array: np.ndarray, rate: float = RATE, nodes: np.ndarray = ALL, **keywords):
    return fingerprint(ArrayRecording(array, rate, **keywords), nodes)


def test_equal_recordings_have_equal_marks():
    assert mark(samples()) == mark(samples())
    assert len(mark(samples())) == 64


def test_all_that_identifies_a_recording_counts():
    marks = [
        mark(samples()),
        mark(samples(), rate=25_000.0),
        mark(samples(), nodes=np.array([0, 1])),
        mark(samples(), nodes=np.array([0, 2, 1])),
        mark(samples(), t_start=100),
        mark(samples(), gain=0.5),
        mark(samples()[:-1]),
        mark(samples() + np.int16(1)),
    ]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("frame", [0, 999, 2500, 4999])
def test_a_sample_of_a_short_recording_counts(frame):
    changed = samples()
    changed[frame, 1] += 1
    assert mark(changed) != mark(samples())


def test_channels_that_are_not_read_do_not_count():
    changed = samples()
    changed[:, 2] += 1
    nodes = np.array([1, 0])
    assert mark(changed, nodes=nodes) == mark(samples(), nodes=nodes)


@pytest.mark.parametrize("n_frames", [0, 1, 7])
def test_very_short_recordings_have_a_mark(n_frames):
    assert len(mark(samples(n_frames))) == 64


class Endless(DataFile):
    """A recording of 2^40 frames that counts what is read of it."""

    description = "endless"
    needs_file = False
    n_read = 0

    def _read_from_header(self):
        self._shape = (2**40, 3)
        scaling = {"data_dtype": "int16", "dtype_offset": 0, "gain": 1.0}
        return {"nb_channels": 3, "sampling_rate": RATE, **scaling}

    def _read_frames(self, t_start, t_stop, nodes):
        type(self).n_read += t_stop - t_start
        frames = np.arange(t_start, t_stop)[:, None] % 1000 + np.arange(3)
        return (frames if nodes is None else frames[:, nodes]).astype(np.int16)


def test_little_is_read_of_a_long_recording():
    Endless.n_read = 0
    assert len(fingerprint(Endless(None, {}), ALL)) == 64
    assert 1000 < Endless.n_read <= 10_000


def write_run(folder, arrays):
    folder.mkdir()
    for number, array in enumerate(arrays):
        array.tofile(folder / f"rec_{number}.dat")
    return circus_io.open_recording(
        folder / "rec_0.dat",
        file_format="raw_binary",
        stream_mode="multi-files",
        data_dtype="int16",
        sampling_rate=RATE,
        nb_channels=3,
    )


def test_every_stream_counts(tmp_path):
    parts = [samples()[:2000], samples()[2000:3000], samples()[3000:]]
    changed = [parts[0], parts[1] + np.int16(1), parts[2]]
    cut = [samples()[:2500], samples()[2500:3000], samples()[3000:]]
    marks = [
        fingerprint(write_run(tmp_path / name, arrays), ALL)
        for name, arrays in [("a", parts), ("b", changed), ("c", cut)]
    ]
    assert len(set(marks)) == 3
    # the place of the files does not count
    assert fingerprint(write_run(tmp_path / "d", parts), ALL) == marks[0]


def test_an_edit_anywhere_changes_the_stamp_and_a_copy_does_not_the_hash(tmp_path):
    path, twin = tmp_path / "rec.dat", tmp_path / "twin.dat"
    samples = np.random.default_rng(0).integers(-99, 99, (200_000, 2), dtype=np.int16)
    samples.tofile(path)
    samples.tofile(twin)
    fields = {"data_dtype": "int16", "sampling_rate": 20_000, "nb_channels": 2}

    def open_it(file):
        return open_recording(file, file_format="raw_binary", **fields)

    nodes = np.arange(2)
    before = change_stamp(open_it(path))
    assert fingerprint(open_it(path), nodes) == fingerprint(open_it(twin), nodes)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1000))
    assert change_stamp(open_it(path)) != before
    assert change_stamp(ArrayRecording(samples, 20_000)) == []
