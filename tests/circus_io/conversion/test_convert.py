"""What `convert` does for every target, judged by numpy, h5py, zarr and hashlib."""

import hashlib
import json
import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest

from circus_io import (
    ArrayRecording,
    ChunkError,
    FormatError,
    JoinedRecording,
    NotWritableError,
    StepError,
    open_recording,
)
from circus_io.conversion import TARGETS, convert, parse_channels
from circus_io.conversion.flat_array import FlatArray
from circus_io.conversion.raw_binary import RawBinaryTarget
from circus_io.files.raw_binary import RawBinaryFile

RATE_HZ = 20_000
SUFFIXES = {
    "hdf5": ".h5",
    "numpy": ".npy",
    "nwb": ".nwb",
    "raw_binary": ".dat",
    "zarr": ".zarr",
}
EXTRAS = {"nwb": "pynwb", "zarr": "zarr"}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_target_is_tested():
    # that has no suffix of its own, and is tested with what it holds
    assert set(SUFFIXES) | {"mcs_hdf5"} == set(TARGETS)
    assert list(TARGETS) == sorted(TARGETS)


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path, require):
    """Give the path of a file of each format, which its suffix tells."""
    if request.param in EXTRAS:
        require(EXTRAS[request.param], extra=request.param)
    return tmp_path / f"out{SUFFIXES[request.param]}"


# --------------------------------------------------------------------- every target


def test_samples_stay_as_they_are_stored(path, recording, counts, written):
    conversion = convert(recording, path)
    (array,) = written(conversion)
    assert array.dtype == "<i2"
    assert np.array_equal(array, counts)
    assert (conversion.gain, conversion.n_clipped) == (0.25, 0)


def test_the_checksum_is_that_of_the_samples(path, recording, counts, small_blocks):
    conversion = convert(recording, path)
    assert conversion.sha256 == hashlib.sha256(counts.tobytes()).hexdigest()
    if path.suffix == ".dat":
        whole_file = hashlib.sha256(path.read_bytes()).hexdigest()
        assert conversion.sha256 == whole_file


def test_a_part_of_it(path, recording, counts, written, small_blocks):
    conversion = convert(recording, path, channels=[4, 0, 5], t_start=1001, t_stop=4321)
    assert np.array_equal(written(conversion)[0], counts[1001:4321, [4, 0, 5]])
    assert conversion.channels == [4, 0, 5]
    assert conversion.spans == [(1001, 3320)]


def test_floats_are_microvolts(path, recording, counts, written):
    conversion = convert(recording, path, dtype="float32")
    (array,) = written(conversion)
    assert array.dtype == "<f4"
    assert np.array_equal(array, (0.25 * counts.astype("f8")).astype("f4"))


def test_streams_without_a_gap_are_one_span(path, gappy, counts, written, small_blocks):
    """Spans are joined where there is one array, and apart where there are several."""
    conversion = convert(gappy, path)
    arrays = written(conversion)
    assert conversion.spans == [(100, 3000), (4000, 2003)]
    expected = [counts] if len(arrays) == 1 else [counts[:3000], counts[3000:]]
    assert len(arrays) == (2 if path.suffix in (".h5", ".zarr") else 1)
    for array, wanted in zip(arrays, expected, strict=True):
        assert np.array_equal(array, wanted)


def test_the_report_stands_beside_it(path, gappy):
    conversion = convert(gappy, path, channels=[1, 2])
    report = json.loads((path.parent / f"{path.name}.conversion.json").read_text())
    assert report["path"] == path.name
    assert report["spans"] == [[100, 3000], [4000, 2003]]
    assert report["sha256"] == conversion.sha256
    assert (report["n_frames"], report["n_channels"]) == (5003, 2)
    assert names(path.parent) == sorted([path.name, f"{path.name}.conversion.json"])


def test_the_report_says_how_to_read_it(path, recording, counts):
    reading = convert(recording, path).reading
    if not reading:
        assert path.suffix in (".nwb", ".zarr")
        return
    with open_recording(path, **reading) as again:
        assert np.array_equal(again[:], 0.25 * counts.astype("f4"))
        assert again.sampling_rate == RATE_HZ


@pytest.mark.parametrize("n_frames", [0, 1])
def test_tiny_recordings(path, written, n_frames):
    samples = np.arange(n_frames * 3, dtype="i2").reshape(n_frames, 3)
    (array,) = written(convert(ArrayRecording(samples, RATE_HZ), path))
    assert array.shape == (n_frames, 3)
    assert np.array_equal(array, samples)


def test_a_gain_per_channel_stays(path, counts, written):
    gains = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    recording = ArrayRecording(counts, RATE_HZ, gain=gains)
    conversion = convert(recording, path, channels=[5, 1])
    assert conversion.gain == [0.6, 0.2]
    assert np.array_equal(written(conversion)[0], counts[:, [5, 1]])


def test_a_file_in_the_way_stays(path, recording):
    path.write_bytes(b"precious")
    with pytest.raises(NotWritableError, match=r"exists|in the way"):
        convert(recording, path)
    assert path.read_bytes() == b"precious"
    if path.suffix == ".zarr":
        with pytest.raises(NotWritableError, match="in the way; remove it"):
            convert(recording, path, overwrite=True)
        assert path.read_bytes() == b"precious"
    else:
        convert(recording, path, overwrite=True)
        assert path.read_bytes() != b"precious"


def test_a_failure_leaves_nothing(path, tmp_path):
    np.zeros((3000, 6), "i2").tofile(tmp_path / "rec.bin")
    broken = BreaksAt(
        tmp_path / "rec.bin",
        {"data_dtype": "int16", "sampling_rate": 1000, "nb_channels": 6},
    )
    broken.frame = 1500
    with pytest.raises(ZeroDivisionError):
        convert(broken, path)
    assert names(tmp_path) == ["rec.bin"]


class BreaksAt(RawBinaryFile):
    """A recording whose disk fails at a frame."""

    def _read_frames(self, t_start, t_stop, nodes):
        if t_stop > self.frame:
            raise ZeroDivisionError
        return super()._read_frames(t_start, t_stop, nodes)


# ------------------------------------------------------------------- types and gains


def test_auto_keeps_the_counts_that_fit(recording, counts, tmp_path):
    for dtype in ("int32", "uint16", "float64"):
        conversion = convert(recording, tmp_path / f"{dtype}.npy", dtype=dtype)
        array = np.load(conversion.path)
        wanted = {"float64": 0.25 * counts, "uint16": counts.astype(int) + 32768}
        assert np.array_equal(array, wanted.get(dtype, counts))
        assert conversion.gain == (1 if dtype == "float64" else 0.25)
        assert conversion.dtype_offset == (32768 if dtype == "uint16" else 0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
@pytest.mark.parametrize("low", [-1.0, -7000.5, 0.0])
def test_auto_never_clips_and_uses_the_range(dtype, low, tmp_path, small_blocks):
    traces = np.random.default_rng(2).uniform(low, 300.25, (3000, 6))
    recording = ArrayRecording(traces, RATE_HZ)
    conversion = convert(recording, tmp_path / "a.npy", dtype=dtype, gain="auto")
    array = np.load(conversion.path).astype("f8") - conversion.dtype_offset
    assert conversion.n_clipped == 0
    assert np.abs(array * conversion.gain - traces).max() <= 0.51 * conversion.gain
    limits = np.iinfo(dtype)
    ends = np.array([limits.min, limits.max]) - conversion.dtype_offset
    reached = [array.min() / ends[0] if low else 0, array.max() / ends[1]]
    assert max(reached) == pytest.approx(1, abs=1e-2)


def test_auto_of_nothing_is_a_gain(tmp_path):
    silent = ArrayRecording(np.zeros((10, 2)), RATE_HZ)
    conversion = convert(silent, tmp_path / "a.npy", dtype="int16", gain="auto")
    assert conversion.gain == 1
    assert not np.load(conversion.path).any()


def test_a_given_gain_rounds_saturates_and_counts(tmp_path):
    traces = np.array([[0.5, 1.5], [2.5, 40_000], [np.nan, -1e9]])
    recording = ArrayRecording(traces, RATE_HZ)
    conversion = convert(recording, tmp_path / "a.npy", dtype="int16", gain=1)
    assert np.load(conversion.path).tolist() == [[0, 2], [2, 32767], [0, -32768]]
    assert conversion.n_clipped == 3


def test_auto_leaves_out_what_is_not_finite(tmp_path):
    traces = np.array([[np.nan, 2.0], [np.inf, -5.0], [1.0, 0.0]])
    recording = ArrayRecording(traces, RATE_HZ)
    conversion = convert(recording, tmp_path / "a.npy", dtype="int16", gain="auto")
    assert conversion.gain == pytest.approx(5 / 32768)
    assert conversion.n_clipped == 2
    assert np.load(conversion.path)[:2, 0].tolist() == [0, 32767]


def test_big_endian_counts_become_little_endian(tmp_path):
    samples = np.arange(12).reshape(6, 2).astype(">i4") * 70_000_001
    conversion = convert(ArrayRecording(samples, RATE_HZ), tmp_path / "a.dat")
    assert np.array_equal(np.fromfile(conversion.path, "<i4"), samples.ravel())


@pytest.mark.parametrize("dtype", [None, "float32", "int32"])
def test_channel_after_channel_becomes_frame_after_frame(counts, tmp_path, dtype):
    recording = ArrayRecording(np.asfortranarray(counts), RATE_HZ)
    conversion = convert(recording, tmp_path / "a.npy", dtype=dtype)
    assert np.array_equal(np.load(conversion.path), counts)
    assert np.load(conversion.path).flags.c_contiguous


def test_counts_beyond_float32_stay_exact(tmp_path):
    samples = np.array([[2**31 - 1, -(2**31)], [2**24 + 1, 5]], "i4")
    recording = ArrayRecording(samples, RATE_HZ, gain=0.3)
    assert np.array_equal(np.load(convert(recording, tmp_path / "a.npy").path), samples)
    conversion = convert(recording, tmp_path / "b.npy", dtype="float64")
    assert np.array_equal(np.load(conversion.path), samples * 0.3)


def test_streams_that_differ_become_microvolts(counts, tmp_path):
    joined = JoinedRecording(
        [
            ArrayRecording(counts, RATE_HZ, gain=0.5),
            ArrayRecording(counts.astype("f8"), RATE_HZ),
        ]
    )
    conversion = convert(joined, tmp_path / "a.npy")
    expected = np.concatenate([0.5 * counts, counts]).astype("f4")
    assert np.array_equal(np.load(conversion.path), expected)


class Traces(ArrayRecording):
    """A wrapper of the old kind: it has a `read_chunk` and no `_read_frames`."""

    def read_chunk(self, idx, chunk_size, padding=(0, 0), nodes=None):
        t_start, t_stop = self._get_t_start_t_stop(idx, chunk_size, padding)
        frames = self.samples[t_start:t_stop]
        frames = frames if nodes is None else frames[:, nodes]
        return self._scale_data_to_float32(frames)


def test_a_wrapper_that_only_gives_traces(counts, tmp_path):
    recording = Traces(counts, RATE_HZ, gain=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    conversion = convert(recording, tmp_path / "a.npy", channels=[3, 1])
    assert np.array_equal(np.load(conversion.path), counts[:, [3, 1]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "text"}, "no sample type"),
        ({"dtype": "int16", "gain": "many"}, "gain = 'many'"),
        ({"dtype": "int16", "gain": 0}, "gain = 0"),
        ({"dtype": "int16", "gain": [1, 2]}, "gain has 2 values"),
        ({"file_format": "mcd"}, "mcd is not written; choose from hdf5"),
        ({"file_format": "zarr"}, "a zarr file ends in .zarr"),
    ],
)
def test_what_cannot_be_is_a_format_error(recording, tmp_path, options, words):
    with pytest.raises(FormatError, match=words):
        convert(recording, tmp_path / "a.npy", **options)
    assert names(tmp_path) == []


def test_a_name_without_a_known_suffix_needs_a_format(recording, counts, tmp_path):
    with pytest.raises(FormatError, match=r"a\.lab does not say which format"):
        convert(recording, tmp_path / "a.lab")
    convert(recording, tmp_path / "a.lab", "raw_binary")
    assert (tmp_path / "a.lab").read_bytes() == counts.tobytes()


# --------------------------------------------------------------- channels and frames


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": [6]}, "from 0 to 5"),
        ({"channels": []}, "no channel is selected"),
        ({"t_start": -1}, "frame 0 to 5003"),
        ({"t_stop": 5004}, "frame 0 to 5003"),
        ({"t_start": 10, "t_stop": 9}, "frames 10 to 9"),
    ],
)
def test_what_is_not_there_is_refused(recording, tmp_path, options, words):
    with pytest.raises(ChunkError, match=words):
        convert(recording, tmp_path / "a.npy", **options)
    assert names(tmp_path) == []


def test_frames_within_a_gap_are_refused(gappy, tmp_path):
    with pytest.raises(ChunkError, match="gap"):
        convert(gappy, tmp_path / "a.npy", t_start=3200, t_stop=3900)


def test_a_part_that_crosses_a_gap(gappy, counts, tmp_path):
    conversion = convert(gappy, tmp_path / "a.npy", t_start=3050, t_stop=4010)
    assert conversion.spans == [(3050, 50), (4000, 10)]
    expected = np.concatenate([counts[2950:3000], counts[3000:3010]])
    assert np.array_equal(np.load(conversion.path), expected)


LABELS = ["El_21", "El_31", "47", "A1", "A1", "5-9"]


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("0-2", [0, 1, 2]),
        ("5,0-1", [5, 0, 1]),
        ("El_31, 0", [1, 0]),
        ("label=47", [2]),
        ("label=5-9,3", [5, 3]),
    ],
)
def test_channels_by_number_and_label(text, channels):
    assert parse_channels(text, LABELS) == channels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("6", "the recording has 6"),
        ("3-1", "channels 3-1"),
        ("A1", "that of channels 3, 4"),
        ("El_99", "no channel has the label El_99; there are El_21"),
        (" , ", "names none"),
        ("-1", "no channel has the label -1"),
    ],
)
def test_channels_that_are_not_there(text, words):
    with pytest.raises(ChunkError, match=words):
        parse_channels(text, LABELS)


# ------------------------------------------------------------------- raw data are safe


def snapshot(path):
    return path.stat().st_mtime_ns, path.read_bytes()


@pytest.fixture
def raw_file(tmp_path, counts):
    path = tmp_path / "rec_0.dat"
    counts.tofile(path)
    return path


def open_raw(path, **options):
    return open_recording(
        path,
        "raw_binary",
        data_dtype="int16",
        sampling_rate=RATE_HZ,
        nb_channels=6,
        **options,
    )


def test_the_recording_is_never_the_target(raw_file, tmp_path):
    second = tmp_path / "rec_1.dat"
    second.write_bytes(raw_file.read_bytes())
    before = [snapshot(raw_file), snapshot(second)]
    link = tmp_path / "link.dat"
    link.symlink_to(second)
    hard = tmp_path / "hard.dat"
    hard.hardlink_to(raw_file)
    recording = open_raw(raw_file, stream_mode="multi-files")
    for path in (raw_file, second, link, hard, tmp_path / "x" / ".." / "rec_1.dat"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(NotWritableError, match="never written to"):
            convert(recording, path, overwrite=True)
    assert [snapshot(raw_file), snapshot(second)] == before


def test_nothing_is_written_into_a_recording_that_is_a_folder(tmp_path, recording):
    folder = tmp_path / "session"
    folder.mkdir()
    recording.file_name = str(folder)
    with pytest.raises(NotWritableError, match="part of it"):
        convert(recording, folder / "a.npy")


def test_converting_leaves_the_recording(raw_file, tmp_path):
    before = snapshot(raw_file)
    with open_raw(raw_file) as recording:
        convert(recording, tmp_path / "a.npy", dtype="int8", gain="auto")
    assert snapshot(raw_file) == before


def test_a_folder_in_the_way_stays(recording, tmp_path):
    (tmp_path / "a.npy").mkdir()
    with pytest.raises(NotWritableError, match="remove it"):
        convert(recording, tmp_path / "a.npy", overwrite=True)


def test_a_folder_that_is_not_there(recording, tmp_path):
    with pytest.raises(NotWritableError, match="there is no folder"):
        convert(recording, tmp_path / "none" / "a.npy")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_folder_that_is_not_writable(recording, nobody):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        with nobody(), pytest.raises(NotWritableError, match="not writable for you"):
            convert(recording, Path(folder) / "a.npy")
        Path(folder).chmod(0o755)


def test_more_than_the_disk_holds_is_refused_before_it_starts(tmp_path):
    sparse = tmp_path / "huge.bin"
    with sparse.open("wb") as file:
        file.truncate(2**43)  # 8 TiB that take no room
    with pytest.raises(NotWritableError, match=r"needs \d+\.\d GB"):
        convert(open_raw(sparse), tmp_path / "a.npy")
    assert names(tmp_path) == ["huge.bin"]


# ----------------------------------------------------------------- interrupted and odd


def test_what_a_killed_conversion_left_is_removed(recording, tmp_path):
    left = tmp_path / "a.npy.partial"
    (left / "deep").mkdir(parents=True)
    (left / "a.npy").write_bytes(b"half")
    (left / "lock").touch()
    convert(recording, tmp_path / "a.npy")
    assert names(tmp_path) == ["a.npy", "a.npy.conversion.json"]


def test_two_conversions_to_one_file_do_not_mix(recording, tmp_path):
    from filelock import FileLock

    (tmp_path / "a.npy.partial").mkdir()
    with FileLock(tmp_path / "a.npy.partial" / "lock"):
        with pytest.raises(NotWritableError, match=r"another conversion writes a\.npy"):
            convert(recording, tmp_path / "a.npy")
        assert (tmp_path / "a.npy.partial").is_dir()
    convert(recording, tmp_path / "a.npy")


class LyingArray(FlatArray):
    """A disk on which one bit flips."""

    def __setitem__(self, frames, counts):
        flipped = counts.copy()
        if frames.start <= 1234 < frames.stop:
            flipped[1234 - frames.start, 2] ^= 1
        super().__setitem__(frames, flipped)


class LyingTarget(RawBinaryTarget):
    def open_rooms(self, path, content, mode):
        return Lying(super().open_rooms(path, content, mode))


class Lying:
    def __init__(self, rooms):
        self.rooms = rooms

    def __enter__(self):
        return [
            LyingArray(room.file, room.dtype, room.n_channels, room.offset)
            for room in self.rooms.__enter__()
        ]

    def __exit__(self, *error):
        return self.rooms.__exit__(*error)


def test_a_bit_that_flips_on_the_disk_is_noticed(
    recording, tmp_path, monkeypatch, small_blocks
):
    monkeypatch.setattr("circus_io.conversion.target._load", lambda name: LyingTarget())
    with pytest.raises(StepError, match="frames 1200 to 1300 cannot be read back"):
        convert(recording, tmp_path / "a.dat", "raw_binary")
    assert names(tmp_path) == []


def test_progress_reaches_its_end(recording, tmp_path, small_blocks):
    seen = []
    convert(
        recording,
        tmp_path / "a.npy",
        dtype="int8",
        progress=lambda *call: seen.append(call),
    )
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    assert stages == ["measuring", "writing", "checking"]
    for stage in stages:
        calls = [(done, total) for name, done, total in seen if name == stage]
        assert calls[-1] == (51, 51)
        assert calls == sorted(calls)


def test_memory_stays_that_of_a_few_blocks(tmp_path):
    import tracemalloc

    path = tmp_path / "rec.bin"
    with path.open("wb") as file:
        file.truncate(400 * 2**20)  # sparse: it reads as zeros
    recording = open_recording(
        path, "raw_binary", data_dtype="int16", sampling_rate=1000, nb_channels=64
    )
    tracemalloc.start()
    convert(recording, tmp_path / "a.dat", dtype="int8", gain=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_the_report_travels_to_other_ranks(recording, tmp_path):
    conversion = convert(recording, tmp_path / "a.npy")
    assert pickle.loads(pickle.dumps(conversion)) == conversion
