"""`DataFileContract`: the tests that the author of a file format inherits.

It needs pytest. In the tests of a wrapper::

    from circus_io.testing import DataFileContract

    class TestMyFile(DataFileContract):
        wrapper = MyFile

        def write_file(self, path, raw):
            raw.tofile(path)
            return {"sampling_rate": 20000, "nb_channels": raw.shape[1]}

`write_file` must not use the wrapper: the tests compare two independent things, the
array and what the wrapper reads.
"""

# ruff: noqa: D102 -- a test's name is its documentation

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from circus_io.datafile import DataFile
from circus_io.errors import (
    ChunkError,
    CircusError,
    FormatError,
    MissingParameterError,
    NotWritableError,
    RecordingNotFoundError,
    StreamError,
)

__all__ = ["DataFileContract"]

N_FRAMES = 1013  # prime: no chunk size divides it
N_CHANNELS = 5
DOES_NOT_APPLY = "does not apply to the format"  # in the place of a test


def _only(applies: Callable[[type], bool]) -> Callable[[Any], Any]:
    """Mark a test that applies to some formats; others do not have it at all."""

    def mark(test: Any) -> Any:
        test.conditions = (*getattr(test, "conditions", ()), applies)
        return test

    return mark


_written = _only(lambda cls: cls.wrapper.is_writable)
_in_runs = _only(
    lambda cls: cls.is_numbered and "multi-files" in cls.wrapper.is_streamable
)
_of_integers = _only(lambda cls: np.dtype(cls.dtype).kind != "f")


class DataFileContract:
    """What every `DataFile` does, as tests.

    A test of what a format cannot do, such as writing, is not collected for it, if
    `wrapper` is set in the body of the class. A test that makes no sense for a format
    is left out by ``test_... = None``.

    Attributes
    ----------
    wrapper : class
        The format under test.
    dtype : str
        Type of the samples that `write_file` gets.
    gain, dtype_offset : float
        What the file is expected to be read with: ``(raw - dtype_offset) * gain``.
    holds_no_frames : bool
        The format can hold a recording of 0 frames.
    block_frames : int
        The format holds a multiple of so many frames.
    any_case : bool
        The suffix may be in capitals.
    is_numbered : bool
        The names of files may end in _0, _1, ... before their suffix.
    """

    wrapper: ClassVar[type[DataFile]]
    dtype: ClassVar[str] = "int16"
    gain: ClassVar[float] = 1.0
    dtype_offset: ClassVar[float] = 0
    holds_no_frames: ClassVar[bool] = True
    block_frames: ClassVar[int] = 1
    any_case: ClassVar[bool] = True
    is_numbered: ClassVar[bool] = True

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Leave out the tests that do not apply to the format."""
        super().__init_subclass__(**keywords)
        for name, test in vars(DataFileContract).items():
            conditions = getattr(test, "conditions", ())
            is_own = getattr(cls, name) not in (test, DOES_NOT_APPLY)
            if conditions and not is_own and hasattr(cls, "wrapper"):
                applies = all(condition(cls) for condition in conditions)
                setattr(cls, name, test if applies else DOES_NOT_APPLY)

    def write_file(self, path: Path, raw: np.ndarray) -> Mapping[str, Any]:
        """Write `raw` (n_frames, n_channels) to `path`, without the wrapper.

        Returns
        -------
        mapping
            The parameters with which the wrapper opens it.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------------- helpers

    @property
    def n_frames(self) -> int:
        """Length of most recordings that are made here."""
        return self.whole(N_FRAMES)

    def whole(self, n_frames: int) -> int:
        """Round a number of frames up to what the format holds."""
        return -(-n_frames // self.block_frames) * self.block_frames

    def make_raw(
        self, n_frames: int = N_FRAMES, n_channels: int = N_CHANNELS, seed: int = 0
    ) -> np.ndarray:
        """Return random samples of the type under test, in whole blocks."""
        shape = (self.whole(n_frames), n_channels)
        middle = float(self.dtype_offset)
        values = np.random.default_rng(seed).normal(middle, 30, shape)
        return np.round(values).astype(self.dtype)

    def expect(self, raw: np.ndarray) -> np.ndarray:
        """Return the traces that the wrapper has to read, by numpy in float64."""
        traces = (raw.astype(np.float64) - self.dtype_offset) * self.gain
        return traces.astype(np.float32)

    def make_recording(self, folder: Path, raw: np.ndarray) -> DataFile:
        """Write `raw` to a file and return it as a recording."""
        path = self.path(folder)
        return self.wrapper(path, self.write_file(path, raw))

    def make_streams(self, folder: Path, n_streams: int) -> tuple[DataFile, np.ndarray]:
        """Write a numbered run; return the recording and its expected traces."""
        parts = [self.make_raw(400 + 10 * i, seed=i) for i in range(n_streams)]
        for i, part in enumerate(parts):
            params = self.write_file(self.path(folder, f"rec_{i}"), part)
        recording = self.wrapper(
            self.path(folder, "rec_0"), params, stream_mode="multi-files"
        )
        return recording, self.expect(np.concatenate(parts))

    def path(self, folder: Path, stem: str = "rec_0") -> Path:
        """Return a path with an extension of the format."""
        return folder / (stem + (*self.wrapper.extension, ".dat")[0])

    def samples_file(self, path: Path) -> Path:
        """Return the file that holds the samples of `path`, if they are not in it."""
        return path

    @pytest.fixture
    def raw(self) -> np.ndarray:
        """Return samples as stored."""
        return self.make_raw()

    @pytest.fixture
    def expected(self, raw: np.ndarray) -> np.ndarray:
        """Return the traces that belong to `raw`."""
        return self.expect(raw)

    @pytest.fixture
    def recording(self, tmp_path: Path, raw: np.ndarray) -> DataFile:
        """Yield the recording of `raw`, and close it."""
        recording = self.make_recording(tmp_path, raw)
        yield recording
        recording.close()

    # -------------------------------------------------------------------------- header

    def test_it_knows_its_shape_and_mandatory_parameters(self, recording):
        assert recording.shape == (self.n_frames, N_CHANNELS)
        assert len(recording) == recording.duration == self.n_frames
        assert recording.nb_channels == N_CHANNELS
        assert recording.sampling_rate > 0
        assert np.dtype(recording.data_dtype) == np.dtype(self.dtype)
        assert recording.dtype_offset == self.dtype_offset
        assert np.allclose(recording.gain, self.gain)
        assert (recording.t_start, recording.t_stop) == (0, self.n_frames)

    def test_its_repr_says_which_file_and_how_long(self, recording):
        assert Path(recording.file_name).name in repr(recording)
        assert str(self.n_frames) in repr(recording)

    def test_its_description_makes_a_twin(self, recording, expected):
        twin = self.wrapper(recording.file_name, recording.get_description())
        _equal(twin[:], expected)
        twin.close()

    def test_parameters_may_be_text(self, tmp_path, raw, expected):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        as_text = {
            name: str(value) if isinstance(value, int | float) else value
            for name, value in params.items()
        }
        with self.wrapper(path, as_text) as recording:
            _equal(recording[:], expected)

    def test_missing_parameters_are_all_named(self, tmp_path, raw):
        path = self.path(tmp_path)
        self.write_file(path, raw)
        if self.wrapper._required_fields:
            with pytest.raises(MissingParameterError) as caught:
                self.wrapper(path, {})
            assert all(
                name in str(caught.value) for name in self.wrapper._required_fields
            )
        else:
            assert self.wrapper(path, {}).shape == raw.shape

    def test_a_missing_file_is_an_error(self, tmp_path, raw):
        params = self.write_file(self.path(tmp_path, "there"), raw)
        with pytest.raises(RecordingNotFoundError, match="absent"):
            self.wrapper(self.path(tmp_path, "absent"), params)

    def test_another_extension_is_refused_in_any_case(self, tmp_path, raw):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        if self.any_case:
            path = path.rename(path.with_name(path.name.upper()))
        assert self.wrapper(path, params).shape == raw.shape
        if self.wrapper.extension:
            other = path.rename(path.with_suffix(".other"))
            with pytest.raises(FormatError, match=self.wrapper.extension[0]):
                self.wrapper(other, params)

    def test_a_truncated_file_gives_its_whole_frames_or_an_error(self, tmp_path, raw):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        held = self.samples_file(path)
        if held.is_file():
            held.write_bytes(held.read_bytes()[: -(raw.itemsize * 7 + 1)])
            try:
                recording = self.wrapper(path, params)
            except ValueError:  # FormatError, or what a mapping library says
                return
            n_lost = len(raw) - len(recording)
            assert 0 < n_lost <= max(3, self.block_frames)
            _equal(recording[:], self.expect(raw)[: len(recording)])
            recording.close()

    # ------------------------------------------------------------------------- reading

    @pytest.mark.parametrize("size", [1, 7, 300])
    def test_chunks_tile_the_recording(self, recording, expected, size):
        self._check_tiling(recording, expected, size)

    @pytest.mark.parametrize("more", [-1, 0, 1])
    def test_a_chunk_may_be_as_long_as_the_recording(self, recording, expected, more):
        self._check_tiling(recording, expected, self.n_frames + more)

    def _check_tiling(self, recording, expected, size):
        n_frames = len(expected)
        chunks = list(recording.chunks(size))
        _equal(np.concatenate([chunk.traces for chunk in chunks]), expected)
        assert recording.analyze(size) == (-(-n_frames // size), n_frames % size)
        assert [chunk.t_start for chunk in chunks] == list(range(0, n_frames, size))
        assert chunks[-1].t_stop == n_frames

    @pytest.mark.parametrize("padding", [(0, 0), (-10, 20), (-700, 0), (0, 5000)])
    def test_padding_is_clipped_and_reported(self, recording, expected, padding):
        for chunk in recording.chunks(300, padding):
            before = max(padding[0], -chunk.t_start)
            after = min(padding[1], len(expected) - chunk.t_stop)
            assert chunk.padding == (before, after)
            _equal(
                chunk.traces, expected[chunk.t_start + before : chunk.t_stop + after]
            )
            _equal(chunk.core, expected[chunk.t_start : chunk.t_stop])

    def test_read_chunk_clips_both_edges(self, recording, expected):
        recording.open()
        _equal(recording.read_chunk(1, 300, (-10, 10)), expected[290:610])
        _equal(recording.read_chunk(0, 300, (-10, 10)), expected[:310])
        last = (len(expected) - 1) // 300
        _equal(recording.read_chunk(last, 300, (-10, 10)), expected[300 * last - 10 :])

    def test_past_the_end_there_are_no_frames(self, recording):
        recording.open()
        n_chunks = -(-self.n_frames // 300)
        assert recording.read_chunk(n_chunks, 300).shape == (0, N_CHANNELS)
        assert recording.read_chunk(100 * n_chunks, 300, nodes=[1, 0]).shape == (0, 2)

    def test_get_data_gives_the_start_without_padding(self, recording, expected):
        traces, t_offset = recording.get_data(2, 300, (-10, 10))
        assert t_offset == 600
        _equal(traces, expected[590:910])

    def test_chunks_are_read_in_any_order(self, recording, expected):
        for index in (3, 0, 2, 2, 1):
            chunk = recording.get_chunk(index, 300, (-5, 5), [1])
            assert chunk.index == index
            _equal(chunk.core, expected[300 * index : 300 * (index + 1), [1]])

    @pytest.mark.parametrize(
        "nodes",
        [[2, 0, 3, 1, 4], [4, 1], [3], [1, 2, 3], [2, 2, 0, 2], [0, 1, 2, 3, 4]],
    )
    def test_channels_come_in_any_order_and_repeat(self, recording, expected, nodes):
        chunk = recording.get_chunk(1, 300, (-10, 10), nodes)
        _equal(chunk.traces, expected[290:610][:, nodes])
        _equal(
            recording.get_chunk(1, 300, (-10, 10), np.array(nodes)).traces, chunk.traces
        )

    def test_unknown_channels_and_chunks_are_index_errors(self, recording):
        with pytest.raises(IndexError):
            recording.get_chunk(0, 300, nodes=[N_CHANNELS])
        n_chunks = -(-self.n_frames // 300)
        with pytest.raises(ChunkError, match=f"chunk {n_chunks}"):
            recording.get_chunk(n_chunks, 300)
        with pytest.raises(ChunkError, match="chunk -1"):
            recording.get_chunk(-1, 300)

    def test_traces_are_float32_in_c_order(self, recording):
        for nodes in (None, [4, 0], [1, 2]):
            traces = recording.get_chunk(0, 300, nodes=nodes).traces
            assert traces.dtype == np.float32
            assert traces.flags.c_contiguous

    def test_slices_equal_numpy(self, recording, expected):
        _equal(recording[:], expected)
        _equal(recording[100:200, [3, 1]], expected[100:200][:, [3, 1]])
        _equal(recording[-50:, -1], expected[-50:, -1])
        _equal(recording[7], expected[7])
        _equal(recording[500:900:7, 1:4], expected[500:900:7, 1:4])
        assert recording[40:40].shape == (0, N_CHANNELS)
        with pytest.raises(ChunkError):
            recording[self.n_frames]
        with pytest.raises(ChunkError, match="forwards"):
            recording[::-1]

    def test_snippets_are_clipped_at_the_ends(self, recording, expected):
        _equal(recording.get_snippet(500, 61, [2, 0]), expected[500:561][:, [2, 0]])
        _equal(recording.get_snippet(self.n_frames - 5, 10), expected[-5:])
        _equal(recording.get_snippet(-5, 10), expected[:5])

    @_only(lambda cls: "gain" in cls.wrapper._default_values)
    def test_a_gain_per_channel_goes_with_its_channel(self, tmp_path, raw, expected):
        path = self.path(tmp_path)
        gains = np.arange(1, N_CHANNELS + 1) / 4
        params = {**self.write_file(path, raw), "gain": gains}
        with self.wrapper(path, params) as recording:
            wanted = (expected / np.float32(self.gain) * gains).astype(np.float32)
            _equal(recording[:], wanted)
            _equal(recording[:20, [3, 0, 3]], wanted[:20][:, [3, 0, 3]])

    @_only(lambda cls: cls.holds_no_frames)
    def test_a_recording_may_have_no_frames(self, tmp_path):
        self._check_tiny(tmp_path, (0, 3))

    @pytest.mark.parametrize("shape", [(1, 1), (1, 4), (400, 1)])
    def test_tiny_recordings(self, tmp_path, shape):
        self._check_tiny(tmp_path, shape)

    def _check_tiny(self, tmp_path, shape):
        raw = self.make_raw(*shape)
        with self.make_recording(tmp_path, raw) as recording:
            assert recording.shape == raw.shape
            _equal(recording[:], self.expect(raw))
            assert len(list(recording.chunks(300))) == -(-len(raw) // 300)

    # -------------------------------------------------------------- opening and handles

    def test_opening_and_reading_never_write(self, tmp_path, raw):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        before = _snapshot(tmp_path)
        with self.wrapper(path, params) as recording:
            list(recording.chunks(300, (-10, 10)))
        assert _snapshot(tmp_path) == before

    def test_it_closes_and_opens_again(self, recording, expected):
        with recording as same:
            assert same is recording
            _equal(recording[:10], expected[:10])
        recording.close()
        recording.close()
        _equal(recording[:10], expected[:10])

    def test_it_pickles_without_its_handles(self, recording, expected):
        closed = pickle.loads(pickle.dumps(recording))
        recording.open()
        opened = pickle.dumps(recording)
        assert len(opened) < expected.nbytes / 4
        for copy in (closed, pickle.loads(opened)):
            assert copy.shape == recording.shape
            _equal(copy[100:200, [2, 0]], expected[100:200][:, [2, 0]])
            copy.close()
        _equal(recording[:10], expected[:10])

    # ------------------------------------------------------------------------- streams

    @_in_runs
    @pytest.mark.parametrize("n_streams", [1, 2, 3])
    def test_a_numbered_run_is_one_recording(self, tmp_path, n_streams):
        recording, expected = self.make_streams(tmp_path, n_streams)
        with recording:
            assert recording.nb_streams == len(recording.streams) == n_streams
            assert recording.shape == expected.shape
            _equal(recording[:], expected)
            chunks = list(recording.chunks(150, (-20, 20)))
        _equal(np.concatenate([chunk.core for chunk in chunks]), expected)
        for chunk in chunks:
            source = recording.streams[chunk.stream]
            before, after = chunk.padding
            assert source.t_start <= chunk.t_start + before
            assert chunk.t_stop + after <= source.t_stop

    @_in_runs
    def test_streams_count_chunks_and_snippets_globally(self, tmp_path):
        recording, expected = self.make_streams(tmp_path, 2)
        n_chunks, _ = recording.analyze(150)
        border = recording.streams[0].duration
        n_first = -(-border // 150)
        assert n_chunks == n_first + -(-(len(expected) - border) // 150)
        for index in range(n_chunks):
            traces, t_offset = recording.get_data(index, 150)
            _equal(traces, expected[t_offset : t_offset + len(traces)])
            assert recording.get_idx(t_offset, 150) == index
        before, after = expected[border - 5 : border], expected[border : border + 10]
        _equal(recording.get_snippet(border - 5, 10), before)
        _equal(recording.get_snippet(border, 10), after)
        ends = [i for i in range(n_chunks) if recording.is_last_chunk(i, n_chunks)]
        starts = [i for i in range(n_chunks) if recording.is_first_chunk(i, n_chunks)]
        assert (starts, ends) == ([0, n_first], [n_first - 1, n_chunks - 1])
        recording.close()

    @_in_runs
    def test_other_files_of_the_folder_are_left_alone(self, tmp_path):
        for stem in ("rec_3", "other_1", "rec"):
            self.write_file(self.path(tmp_path, stem), self.make_raw(9))
        recording, expected = self.make_streams(tmp_path, 2)
        assert len(recording) == len(expected)
        assert [Path(name).stem for name in recording.get_file_names()] == [
            "rec_0",
            "rec_1",
        ]

    def test_a_list_of_files_keeps_its_order(self, tmp_path):
        parts = [self.make_raw(50, seed=i) for i in range(2)]
        paths = [self.path(tmp_path, stem) for stem in ("zebra", "ant")]
        for path, part in zip(paths, parts, strict=True):
            params = self.write_file(path, part)
        with self.wrapper(paths, params) as recording:
            _equal(recording[:], self.expect(np.concatenate(parts)))

    @_in_runs
    def test_a_name_without_number_is_no_run(self, tmp_path, raw):
        path = self.path(tmp_path, "plain")
        params = self.write_file(path, raw)
        with pytest.raises(StreamError, match="_<number>"):
            self.wrapper(path, params, stream_mode="multi-files")

    def test_an_unknown_stream_mode_is_refused(self, tmp_path, raw):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        with pytest.raises(StreamError, match="no stream mode one-by-one"):
            self.wrapper(path, params, stream_mode="one-by-one")

    @_in_runs
    def test_streams_pickle(self, tmp_path):
        recording, expected = self.make_streams(tmp_path, 2)
        with recording:
            copy = pickle.loads(pickle.dumps(recording))
        with copy:
            _equal(copy[:], expected)

    # ------------------------------------------------------------------------- writing

    def test_what_is_only_read_refuses_to_open_for_writing(self, recording):
        if not self.wrapper.is_writable:
            with pytest.raises(NotWritableError):
                recording.open("r+")
        recording.open()
        with pytest.raises((CircusError, ValueError)):
            recording.set_data(0, np.zeros((1, N_CHANNELS), np.float32))

    @_written
    def test_what_was_written_is_read(self, recording, expected):
        new = self.expect(self.make_raw(101, seed=5))
        wanted = expected.copy()
        wanted[50:151] = new
        with recording.open("r+"):
            recording.set_data(50, new)
        _equal(recording[:], wanted)
        copy = self.wrapper(recording.file_name, recording.get_description())
        _equal(copy[:], wanted)
        assert recording.n_clipped == 0

    @_written
    def test_writing_leaves_the_array_of_the_caller(self, recording):
        block = self.expect(self.make_raw(20, seed=6))
        block.flags.writeable = False
        before = block.copy()
        with recording.open("r+"):
            recording.set_data(0, block)
        assert np.array_equal(block, before)

    @_written
    @_of_integers
    def test_integers_round_half_to_even_and_saturate(self, recording):
        # a half survives the gain only if that is a power of two
        exact = np.frexp(self.gain)[0] == 0.5
        halves = [0.5, 1.5, 2.5, 3.5, 4.5] if exact else [0.4, 1.6, 2.4, 3.6, 4.4]
        counts = np.array(halves) + self.dtype_offset
        far = np.array([1e20, -1e20, 1e20, 0, 0])
        block = ([counts, far] - np.float64(self.dtype_offset)) * self.gain
        with recording.open("r+"):
            recording.set_data(10, block)
        written = recording[10:12].astype(np.float64) / self.gain + self.dtype_offset
        limits = np.iinfo(self.dtype)
        assert np.array_equal(np.rint(written[0]), np.rint(counts))
        ends = [limits.max, limits.min, limits.max]
        assert np.allclose(written[1][:3], ends, rtol=1e-6, atol=0.01)
        assert recording.n_clipped == 3

    @_written
    def test_a_block_must_lie_inside(self, recording):
        block = np.zeros((10, N_CHANNELS), np.float32)
        with recording.open("r+"):
            for time in (-1, self.n_frames - 9, self.n_frames + 10):
                with pytest.raises(ChunkError):
                    recording.set_data(time, block)
            with pytest.raises(ChunkError, match="shape"):
                recording.set_data(0, block[:, 1:])

    @_written
    @_in_runs
    def test_a_block_is_split_between_streams(self, tmp_path):
        recording, expected = self.make_streams(tmp_path, 2)
        new = self.expect(self.make_raw(40, seed=7))
        expected[380:420] = new
        with recording.open("r+"):
            recording.set_data(380, new)
        _equal(recording[:], expected)
        recording.close()


def _equal(traces: np.ndarray, expected: np.ndarray) -> None:
    # the wrapper may scale in float32, numpy did in float64: a unit in the last place
    np.testing.assert_allclose(traces, expected, rtol=2e-7, atol=0)
    assert traces.shape == expected.shape


def _snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }
