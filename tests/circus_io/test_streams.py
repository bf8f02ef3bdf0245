import numpy as np
import pytest

from circus_io import (
    ChunkError,
    DataFile,
    RecordingNotFoundError,
    StreamError,
    open_recording,
)
from circus_io.streams import (
    StreamTable,
    natural_key,
    numbered_run,
    resolve_paths,
)

X = np.random.default_rng(1).integers(-999, 999, (90, 2)).astype(np.int16)
PARAMS = {"data_dtype": "int16", "sampling_rate": 1000, "nb_channels": 2}


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize(
    ("present", "first", "run"),
    [
        ("a_1 a_2 a_3 a_5 b_4", "a_1", "a_1 a_2 a_3"),
        ("a_1 a_2 a_3", "a_2", "a_2 a_3"),
        ("a_08 a_09 a_10 a_8 a_9", "a_08", "a_08 a_09 a_10"),
        ("a_9 a_10 a_11", "a_9", "a_9 a_10 a_11"),
        ("a_99 a_100", "a_99", "a_99 a_100"),
        ("a_b_0 a_b_1 a_b_01", "a_b_0", "a_b_0 a_b_1"),
    ],
)
def test_a_run_counts_up_with_its_width(tmp_path, present, first, run):
    touch(tmp_path, *(f"{name}.dat" for name in present.split()))
    touch(tmp_path, f"{first}.txt", "unrelated.dat")
    found = numbered_run(tmp_path / f"{first}.dat")
    assert [path.name for path in found] == [f"{name}.dat" for name in run.split()]


@pytest.mark.parametrize(
    "name", ["rec.dat", "rec7.dat", "rec_.dat", "rec_1a.dat", "7.dat"]
)
def test_a_name_without_number_says_what_to_do(name):
    with pytest.raises(StreamError, match=r"_<number>.*or give them as a list"):
        numbered_run(name)


def test_names_sort_naturally():
    names = ["r10.dat", "r2.dat", "R1.dat", "r2b.dat"]
    assert sorted(names, key=natural_key) == ["R1.dat", "r2.dat", "r2b.dat", "r10.dat"]


def test_a_pattern_finds_files_and_a_plain_name_does_not(tmp_path):
    touch(tmp_path, "r10.dat", "r9.dat", "odd[1].dat")
    found = resolve_paths(tmp_path / "r*.dat")
    assert [path.rpartition("r")[2] for path in found] == ["9.dat", "10.dat"]
    assert resolve_paths(tmp_path / "r9.dat") is None
    assert resolve_paths(tmp_path / "odd[1].dat") is None
    with pytest.raises(RecordingNotFoundError, match="no file matches"):
        resolve_paths(tmp_path / "q*.dat")
    with pytest.raises(StreamError, match="empty"):
        resolve_paths([])


def test_frames_are_found_past_2_to_32():
    far = 2**33
    table = StreamTable((far, far + 100), (50, 10))
    assert table.locate(far + 105) == (1, 5)
    with pytest.raises(ChunkError, match=f"{far} to {far + 50}, {far + 100}"):
        table.locate(far + 50)
    with pytest.raises(ChunkError, match="not recorded"):
        table.pieces(far + 40, far + 101)


def test_contiguous_streams_are_cut_into_pieces():
    table = StreamTable((0, 5, 5, 9), (5, 0, 4, 3))
    pieces = [(p.stream, p.t_start, p.t_stop) for p in table.pieces(3, 11)]
    assert pieces == [(0, 3, 5), (2, 0, 4), (3, 0, 2)]


def test_streams_do_not_overlap():
    with pytest.raises(StreamError, match="stream 1 starts at frame 9, before"):
        StreamTable((0, 9), (10, 3))


def test_a_glob_is_one_recording(tmp_path):
    for name, part in (("r2.dat", X[:30]), ("r10.dat", X[30:])):
        part.tofile(tmp_path / name)
    recording = open_recording(tmp_path / "r*.dat", "raw_binary", **PARAMS)
    assert np.array_equal(recording[:], X)
    assert recording.is_stream
    assert [source.t_start for source in recording.streams] == [0, 30]


def test_quotes_around_the_mode_and_none_are_understood(tmp_path):
    X.tofile(tmp_path / "r_0.dat")
    path = tmp_path / "r_0.dat"
    assert open_recording(path, "raw_binary", "'multi-files'", **PARAMS).is_stream
    assert not open_recording(path, "raw_binary", "None", **PARAMS).is_stream


def test_several_files_have_no_other_mode(tmp_path):
    X.tofile(tmp_path / "a.dat")
    with pytest.raises(StreamError, match="not single-file"):
        open_recording([tmp_path / "a.dat"], "raw_binary", "single-file", **PARAMS)


def test_each_file_of_a_list_must_exist(tmp_path):
    X.tofile(tmp_path / "a.dat")
    with pytest.raises(RecordingNotFoundError, match=r"b\.dat"):
        open_recording([tmp_path / "a.dat", tmp_path / "b.dat"], "raw_binary", **PARAMS)


class ClockFile(DataFile):
    """.npz with samples, rate and the frame at which the recorder started."""

    description = "clock"
    extension = (".npz",)
    _params = {"data_dtype": "int16", "dtype_offset": 0, "gain": 1.0}  # noqa: RUF012

    def _read_from_header(self):
        with np.load(self.file_name) as stored:
            self._shape = stored["x"].shape
            self._t_start = int(stored["t_start"])
            return {"nb_channels": self._shape[1], "sampling_rate": stored["rate"]}

    def _read_frames(self, t_start, t_stop, nodes):
        with np.load(self.file_name) as stored:
            return stored["x"][t_start:t_stop][
                :, slice(None) if nodes is None else nodes
            ]


def write_clock(folder, *parts, rates=(1000, 1000)):
    for i, (t_start, x) in enumerate(parts):
        np.savez(folder / f"c_{i}.npz", x=x, t_start=t_start, rate=rates[i])
    return folder / "c_0.npz"


def test_gaps_that_the_headers_know_are_kept(tmp_path):
    far = 2**33
    path = write_clock(tmp_path, (far, X[:30]), (far + 100, X[30:]))
    recording = ClockFile(path, stream_mode="multi-files")
    assert (recording.t_start, recording.t_stop) == (far, far + 160)
    assert len(recording) == 90
    chunks = list(recording.chunks(25, (-5, 5)))
    assert [(c.t_start - far, c.t_stop - far, c.stream, c.padding) for c in chunks] == [
        (0, 25, 0, (0, 5)),
        (25, 30, 0, (-5, 0)),
        (100, 125, 1, (0, 5)),
        (125, 150, 1, (-5, 5)),
        (150, 160, 1, (-5, 0)),
    ]
    assert np.array_equal(np.concatenate([chunk.core for chunk in chunks]), X)
    assert np.array_equal(recording[far + 110 : far + 120], X[40:50])
    assert recording.get_idx(far + 126, 25) == 3
    with pytest.raises(ChunkError, match="not recorded"):
        recording[:]
    with pytest.raises(ChunkError, match="not recorded"):
        recording.get_idx(far + 50, 25)


def test_headers_that_would_overlap_follow_each_other(tmp_path, caplog):
    path = write_clock(tmp_path, (7, X[:30]), (7, X[30:]))
    recording = ClockFile(path, stream_mode="multi-files")
    assert [source.t_start for source in recording.streams] == [7, 37]
    assert "taken to follow without a gap" in caplog.text


@pytest.mark.parametrize("what", ["sampling_rate", "nb_channels"])
def test_streams_agree(tmp_path, what):
    rates = (1000, 2000) if what == "sampling_rate" else (1000, 1000)
    second = X[30:, :1] if what == "nb_channels" else X[30:]
    path = write_clock(tmp_path, (0, X[:30]), (30, second), rates=rates)
    with pytest.raises(StreamError, match=rf"differ in {what}: .*c_0.npz.*c_1.npz"):
        ClockFile(path, stream_mode="multi-files")


def test_a_mode_that_is_promised_and_not_made_is_the_wrappers_fault(tmp_path):
    class Promising(ClockFile):
        is_streamable = ("multi-files", "by-moon-phase")

    path = write_clock(tmp_path, (0, X))
    with pytest.raises(StreamError, match="by-moon-phase but its set_streams"):
        Promising(path, stream_mode="by-moon-phase")
