import logging
import pickle

import numpy as np
import pytest

from circus_io import (
    ArrayRecording,
    ChunkError,
    DataFile,
    FormatError,
    JoinedRecording,
    MissingParameterError,
    NotWritableError,
    RecordingNotFoundError,
    StreamError,
)
from circus_io.fields import convert

X = np.random.default_rng(0).integers(-500, 500, (100, 4)).astype(np.int16)


class Counting(DataFile):
    """Frames that no file holds: frame t of channel c is 10 t + c."""

    description = "counting"
    needs_file = False
    is_streamable = ()
    _required_fields = {"n_frames": int}  # noqa: RUF012
    _default_values = {"gain": 1.0, "loud": False, "tags": [], "anything": None}  # noqa: RUF012
    _params = {  # noqa: RUF012
        "nb_channels": 3,
        "sampling_rate": 1000.0,
        "data_dtype": "int64",
        "dtype_offset": 0,
    }

    def _read_from_header(self):
        self._shape = (self.params["n_frames"], self.nb_channels)
        return {}

    def _read_frames(self, t_start, t_stop, nodes):
        frames = 10 * np.arange(t_start, t_stop)[:, None] + np.arange(3)
        return frames if nodes is None else frames[:, nodes]


def test_a_recording_without_file_is_three_lines():
    recording = Counting(None, {"n_frames": 2**34})
    assert len(recording) == 2**34
    assert recording[-1].tolist() == [
        np.float32(10 * (2**34 - 1) + c) for c in range(3)
    ]
    assert recording.get_chunk(7, 100, (-1, 1), [2]).traces[0, 0] == 6992
    assert pickle.loads(pickle.dumps(recording))[5, 1] == 51
    assert repr(recording).startswith("Counting('counting', 17179869184 frames × 3")


def test_the_contract_names_are_there_with_their_defaults():
    assert DataFile.description == "mydatafile"
    assert (DataFile.parallel_write, DataFile.is_writable) == (False, False)
    assert tuple(DataFile.is_streamable) == ("multi-files",)
    assert (DataFile._shape, DataFile._t_start, DataFile._t_stop) == (None,) * 3
    for name in ("_required_fields", "_default_values", "_params"):
        assert dict(getattr(DataFile, name)) == {}
        with pytest.raises(TypeError):
            getattr(Counting, name)["new"] = 1


# -------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("name", "text", "kind", "value"),
    [
        ("a", "True", bool, True),
        ("a", "False", bool, False),
        ("a", "no", bool, False),
        ("a", 1, bool, True),
        ("a", "12", int, 12),
        ("a", "12.0", int, 12),
        ("a", str(2**60 + 1), int, 2**60 + 1),
        ("a", "1e-3", float, 1e-3),
        ("a", " b ", str, "b"),
        ("a", 3.5, None, 3.5),
        ("nb_channels", "4", str, 4),
        ("sampling_rate", "24414.0625", int, 24414.0625),
        ("data_dtype", np.int16, str, "int16"),
        ("gain", "0.195", str, 0.195),
        ("gain", "[1, 2.5]", float, [1.0, 2.5]),
    ],
)
def test_text_is_converted_by_its_type(name, text, kind, value):
    converted = convert(name, text, kind)
    assert np.array_equal(converted, value)
    assert isinstance(converted, np.ndarray if isinstance(value, list) else type(value))


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a", "maybe", bool),
        ("a", "1.5", int),
        ("a", "x", float),
        ("gain", "1,,2", None),
    ],
)
def test_text_of_another_type_is_refused_by_name(name, text, kind):
    with pytest.raises(FormatError, match=f"{name} = '{text}'"):
        convert(name, text, kind)


class Header(Counting):
    """The same, with a header that knows its rate."""

    header = {"sampling_rate": 500.0}  # noqa: RUF012

    def _read_from_header(self):
        super()._read_from_header()
        return self.header


def test_fixed_then_default_then_user_then_header(caplog):
    class Both(Header):
        _params = {**Counting._params, "gain": 5.0}  # noqa: RUF012

    with caplog.at_level(logging.WARNING):
        assert Both(None, {"n_frames": 1}).gain == 1.0
        assert Both(None, {"n_frames": 1, "gain": "2"}).gain == 2.0
        assert Both(None, {"n_frames": 1, "gain": " "}).gain == 1.0
        assert not caplog.records
        recording = Both(None, {"n_frames": 1, "sampling_rate": 250})
    assert recording.sampling_rate == 500
    assert "sampling_rate = 250.0 is not used, the header says 500.0" in caplog.text


def test_what_the_format_fixes_is_not_the_users_to_change(caplog):
    recording = Counting(None, {"n_frames": 1, "nb_channels": 8})
    assert recording.nb_channels == 3
    assert "nb_channels = 8 is not used, the format says 3" in caplog.text


def test_instances_share_no_parameters():
    one, two = (Counting(None, {"n_frames": 1}) for _ in range(2))
    one.params["tags"].append("x")
    one.params["nb_channels"] = 9
    assert two.params["tags"] == []
    assert two.nb_channels == Counting._params["nb_channels"] == 3


def test_all_missing_parameters_are_named_with_what_was_given():
    class Needy(Counting):
        _required_fields = {"rows": int, "columns": int, "rate": float}  # noqa: RUF012

    with pytest.raises(MissingParameterError) as caught:
        Needy(None, {"rows": 3, "color": 2})
    assert str(caught.value) == (
        "counting files need columns (int), rate (float); given: color, rows"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"_params": {}}, "nb_channels, sampling_rate, data_dtype, dtype_offset"),
        ({"_shape_is": None}, "say _shape"),
        ({"_shape_is": (5, 2)}, "not that of nb_channels = 3"),
        ({"_shape_is": (5,)}, "not that of nb_channels = 3"),
    ],
)
def test_what_the_header_left_open_is_named(change, says):
    class Careless(Counting):
        _params = change.get("_params", Counting._params)

        def _read_from_header(self):
            self._shape = change.get("_shape_is", (5, 3))

    with pytest.raises(FormatError, match=says):
        Careless(None, {"n_frames": 5})


def test_a_grid_counts_as_its_channels():
    class Grid(Counting):
        _params = {**Counting._params, "nb_channels": 6}  # noqa: RUF012

        def _read_from_header(self):
            self._shape = (10, 2, 3)

    assert Grid(None, {"n_frames": 10}).shape == (10, 6)


# ----------------------------------------------------------------------------- reading


@pytest.fixture
def recording():
    return ArrayRecording(X, 1000, t_start=2**33)


def test_slices_count_globally_and_clip(recording):
    start = 2**33
    assert np.array_equal(recording[start + 10 : start + 20], X[10:20])
    assert np.array_equal(recording[: start + 5], X[:5])
    assert np.array_equal(recording[-5:], X[-5:])
    assert np.array_equal(recording[start : start + 999, 2], X[:, 2])
    assert recording[start + 99, -1] == X[99, 3]
    assert recording[0:10].shape == (0, 4)


@pytest.mark.parametrize(
    "channels",
    [[3, 0, 3], np.array([1]), slice(None, None, -1), [True, False, False, True], []],
    ids=str,
)
def test_channels_follow_numpy(recording, channels):
    assert np.array_equal(recording[:, channels], X[:, channels])


@pytest.mark.parametrize(
    "key",
    [
        2**33 + 100,
        0,
        -101,
        slice(None, None, -1),
        slice(0.5, None),
        [1, 2],
        "x",
        (slice(None), 4),
        (slice(None), [0, -5]),
        (slice(None), [[0]]),
        (slice(None), "x"),
        (slice(None), [True]),
        (0, 0, 0),
    ],
)
def test_what_cannot_be_indexed_is_a_chunk_error(recording, key):
    with pytest.raises(ChunkError):
        recording[key]


@pytest.mark.parametrize("nodes", [[4], [-1], [0.5], "ab", [[0]], 2])
def test_nodes_are_channels(recording, nodes):
    with pytest.raises(ChunkError, match="nodes"):
        recording.get_chunk(0, 10, nodes=nodes)


def test_a_recording_is_not_iterated_by_frames(recording):
    with pytest.raises(TypeError, match="not iterable"):
        iter(recording)


def test_chunks_complain_at_once(recording):
    with pytest.raises(ChunkError):
        recording.chunks(0)


def test_a_wrapper_that_returns_too_little_is_found_out():
    class Short(Counting):
        def read_chunk(self, idx, chunk_size, padding=(0, 0), nodes=None):
            return super().read_chunk(idx, chunk_size, padding, nodes)[1:]

    with pytest.raises(FormatError, match=r"Short\.read_chunk .*\(9, 3\) .*\(10, 3\)"):
        Short(None, {"n_frames": 20}).get_chunk(0, 10)


def test_a_wrapper_without_hooks_says_so():
    class Nothing(Counting):
        _read_frames = DataFile._read_frames

    with pytest.raises(
        NotImplementedError, match="neither _read_frames nor read_chunk"
    ):
        Nothing(None, {"n_frames": 20})[:]


# ------------------------------------------------------------------------------ joining


def test_recordings_of_any_kind_are_joined_with_their_gaps():
    far = 2**33
    parts = [
        ArrayRecording(X[:30], 1000, far),
        ArrayRecording(X[30:70], 1000, far + 50),
    ]
    nested = JoinedRecording(parts)
    recording = JoinedRecording([nested, ArrayRecording(X[70:], 1000)])
    assert [source.t_start - far for source in recording.streams] == [0, 50, 90]
    assert np.array_equal(recording[far + 50 : far + 120], X[30:])
    copy = pickle.loads(pickle.dumps(recording))
    cores = [chunk.core for chunk in copy.chunks(17, (-4, 4))]
    assert np.array_equal(np.concatenate(cores), X)
    with pytest.raises(ChunkError, match="not recorded"):
        recording[far : far + 60]


def test_only_recordings_that_agree_are_joined():
    with pytest.raises(StreamError, match="differ in sampling_rate"):
        JoinedRecording([ArrayRecording(X, 1000), ArrayRecording(X, 2000)])
    with pytest.raises(StreamError, match="empty"):
        JoinedRecording([])


def test_a_joined_recording_is_written_if_all_parts_are():
    arrays = [np.zeros((5, 4), np.int16) for _ in range(2)]
    recording = JoinedRecording([ArrayRecording(samples, 1000) for samples in arrays])
    with recording.open("r+"):
        recording.set_data(3, X[:4])
    assert np.array_equal(np.concatenate(arrays)[3:7], X[:4])
    with pytest.raises(NotWritableError):
        JoinedRecording([Counting(None, {"n_frames": 2})]).open("r+")


# ----------------------------------------------------------------- writing, opening


def test_an_array_is_written_only_when_opened_for_it():
    samples = np.zeros((10, 2), np.int16)
    recording = ArrayRecording(samples, 1000, 5, gain=0.5)
    for mode in (None, "r"):
        if mode:
            recording.open(mode)
        with pytest.raises(NotWritableError, match=r"use open\('r\+'\)"):
            recording.set_data(5, np.ones((1, 2)))
    with recording.open("r+"):
        recording.set_data(7, [[1, -2], [3, 1e9]])
        recording.write_chunk(0, np.ones((1, 2)))
    assert samples[[0, 2, 3]].tolist() == [[2, 2], [2, -4], [6, 32767]]
    assert recording.n_clipped == 1


def test_opening_with_w_empties_nothing():
    recording = ArrayRecording(X.copy(), 1000)
    recording.open("w")
    assert np.array_equal(recording[:], X)


def test_unknown_modes_are_refused(recording):
    with pytest.raises(FormatError, match="choose r to read or r"):
        recording.open("a")


def test_a_recording_that_fails_to_open_leaves_nothing_open(tmp_path):
    closed = []

    class Fragile(Counting):
        needs_file = True
        is_streamable = ("multi-files",)

        def _open(self, mode="r"):
            if self.file_name.endswith("_1"):
                raise OSError("the disk is gone")

        def _close(self):
            closed.append(self.file_name[-1])

    for i in range(3):
        (tmp_path / f"a_{i}").touch()
    recording = Fragile(tmp_path / "a_0", {"n_frames": 5}, stream_mode="multi-files")
    with pytest.raises(FormatError, match="disk is gone"):
        recording.open()
    assert closed == ["0"]
    assert not recording._is_open


def test_a_pickle_remembers_the_mode_it_was_open_in():
    recording = ArrayRecording(X.copy(), 1000).open("r+")
    copy = pickle.loads(pickle.dumps(recording))
    with copy:
        copy.set_data(0, np.zeros((1, 4)))
    assert copy[0].tolist() == [0] * 4
    assert np.array_equal(recording[:], X)


def test_the_documented_places_of_arguments(tmp_path):
    class Placed(Counting):
        needs_file = True

    (tmp_path / "a").touch()
    recording = Placed(str(tmp_path / "a"), {"n_frames": 3}, False, None)
    assert (recording.is_empty, recording.is_stream, recording.stream_mode) == (
        False,
        False,
        None,
    )
    empty = Placed(tmp_path / "b", {"n_frames": 3}, True)
    assert empty.shape == (0, 3)
    with pytest.raises(StreamError, match="still empty"):
        Placed(tmp_path / "b", {"n_frames": 3}, True, "multi-files")
    with pytest.raises(RecordingNotFoundError, match="needs the path"):
        Placed(None, {"n_frames": 3})


def test_a_list_of_one_gain_is_that_of_all_channels():
    samples = np.arange(12, dtype=np.int16).reshape(3, 4)
    recording = ArrayRecording(samples, 1000, gain=[0.5])
    assert np.array_equal(recording[:, [3, 1]], samples[:, [3, 1]] * np.float32(0.5))
    assert recording.channel_scale[0].tolist() == [0.5] * 4
