"""`ReadingTests`: chunks, slices and snippets are those of the whole array."""

# ruff: noqa: D102 -- a test's name is its documentation

import pickle

import numpy as np
import pytest

from circus_io.errors import ChunkError
from circus_io.testing.conditions import only
from circus_io.testing.made_files import N_CHANNELS, MadeFiles, assert_traces, snapshot

__all__ = ["ReadingTests"]


class ReadingTests(MadeFiles):
    """Traces are those that numpy has, however they are asked for."""

    @pytest.mark.parametrize("size", [1, 7, 300])
    def test_chunks_tile_the_recording(self, recording, expected, size):
        self._check_tiling(recording, expected, size)

    @pytest.mark.parametrize("more", [-1, 0, 1])
    def test_a_chunk_may_be_as_long_as_the_recording(self, recording, expected, more):
        self._check_tiling(recording, expected, self.n_frames + more)

    def _check_tiling(self, recording, expected, size):
        n_frames = len(expected)
        chunks = list(recording.chunks(size))
        assert_traces(np.concatenate([chunk.traces for chunk in chunks]), expected)
        assert recording.analyze(size) == (-(-n_frames // size), n_frames % size)
        assert [chunk.t_start for chunk in chunks] == list(range(0, n_frames, size))
        assert chunks[-1].t_stop == n_frames

    @pytest.mark.parametrize("padding", [(0, 0), (-10, 20), (-700, 0), (0, 5000)])
    def test_padding_is_clipped_and_reported(self, recording, expected, padding):
        for chunk in recording.chunks(300, padding):
            before = max(padding[0], -chunk.t_start)
            after = min(padding[1], len(expected) - chunk.t_stop)
            assert chunk.padding == (before, after)
            assert_traces(
                chunk.traces, expected[chunk.t_start + before : chunk.t_stop + after]
            )
            assert_traces(chunk.core, expected[chunk.t_start : chunk.t_stop])

    def test_read_chunk_clips_both_edges(self, recording, expected):
        recording.open()
        assert_traces(recording.read_chunk(1, 300, (-10, 10)), expected[290:610])
        assert_traces(recording.read_chunk(0, 300, (-10, 10)), expected[:310])
        last = (len(expected) - 1) // 300
        assert_traces(
            recording.read_chunk(last, 300, (-10, 10)), expected[300 * last - 10 :]
        )

    def test_past_the_end_there_are_no_frames(self, recording):
        recording.open()
        n_chunks = -(-self.n_frames // 300)
        assert recording.read_chunk(n_chunks, 300).shape == (0, N_CHANNELS)
        assert recording.read_chunk(100 * n_chunks, 300, nodes=[1, 0]).shape == (0, 2)

    def test_get_data_gives_the_start_without_padding(self, recording, expected):
        traces, t_offset = recording.get_data(2, 300, (-10, 10))
        assert t_offset == 600
        assert_traces(traces, expected[590:910])

    def test_chunks_are_read_in_any_order(self, recording, expected):
        for index in (3, 0, 2, 2, 1):
            chunk = recording.get_chunk(index, 300, (-5, 5), [1])
            assert chunk.index == index
            assert_traces(chunk.core, expected[300 * index : 300 * (index + 1), [1]])

    @pytest.mark.parametrize(
        "nodes",
        [[2, 0, 3, 1, 4], [4, 1], [3], [1, 2, 3], [2, 2, 0, 2], [0, 1, 2, 3, 4]],
    )
    def test_channels_come_in_any_order_and_repeat(self, recording, expected, nodes):
        chunk = recording.get_chunk(1, 300, (-10, 10), nodes)
        assert_traces(chunk.traces, expected[290:610][:, nodes])
        assert_traces(
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
        assert_traces(recording[:], expected)
        assert_traces(recording[100:200, [3, 1]], expected[100:200][:, [3, 1]])
        assert_traces(recording[-50:, -1], expected[-50:, -1])
        assert_traces(recording[7], expected[7])
        assert_traces(recording[500:900:7, 1:4], expected[500:900:7, 1:4])
        assert recording[40:40].shape == (0, N_CHANNELS)
        with pytest.raises(ChunkError):
            recording[self.n_frames]
        with pytest.raises(ChunkError, match="forwards"):
            recording[::-1]

    def test_snippets_are_clipped_at_the_ends(self, recording, expected):
        assert_traces(
            recording.get_snippet(500, 61, [2, 0]), expected[500:561][:, [2, 0]]
        )
        assert_traces(recording.get_snippet(self.n_frames - 5, 10), expected[-5:])
        assert_traces(recording.get_snippet(-5, 10), expected[:5])

    @only(lambda cls: "gain" in cls.wrapper._default_values)
    def test_a_gain_per_channel_goes_with_its_channel(self, tmp_path, raw, expected):
        path = self.path(tmp_path)
        gains = np.arange(1, N_CHANNELS + 1) / 4
        params = {**self.write_file(path, raw), "gain": gains}
        with self.wrapper(path, params) as recording:
            wanted = (expected / np.float32(self.gain) * gains).astype(np.float32)
            assert_traces(recording[:], wanted)
            assert_traces(recording[:20, [3, 0, 3]], wanted[:20][:, [3, 0, 3]])

    @only(lambda cls: cls.holds_no_frames)
    def test_a_recording_may_have_no_frames(self, tmp_path):
        self._check_tiny(tmp_path, (0, 3))

    @pytest.mark.parametrize("shape", [(1, 1), (1, 4), (400, 1)])
    def test_tiny_recordings(self, tmp_path, shape):
        n_frames, n_channels = shape
        self._check_tiny(tmp_path, (max(n_frames, self.least_frames), n_channels))

    def _check_tiny(self, tmp_path, shape):
        raw = self.make_raw(*shape)
        with self.make_recording(tmp_path, raw) as recording:
            assert recording.shape == raw.shape
            assert_traces(recording[:], self.expect(raw))
            assert len(list(recording.chunks(300))) == -(-len(raw) // 300)

    def test_opening_and_reading_never_write(self, tmp_path, raw):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        before = snapshot(tmp_path)
        with self.wrapper(path, params) as recording:
            list(recording.chunks(300, (-10, 10)))
        assert snapshot(tmp_path) == before

    def test_it_closes_and_opens_again(self, recording, expected):
        with recording as same:
            assert same is recording
            assert_traces(recording[:10], expected[:10])
        recording.close()
        recording.close()
        assert_traces(recording[:10], expected[:10])

    def test_it_pickles_without_its_handles(self, recording, expected):
        closed = pickle.loads(pickle.dumps(recording))
        recording.open()
        opened = pickle.dumps(recording)
        assert len(opened) < expected.nbytes / 4
        for copy in (closed, pickle.loads(opened)):
            assert copy.shape == recording.shape
            assert_traces(copy[100:200, [2, 0]], expected[100:200][:, [2, 0]])
            copy.close()
        assert_traces(recording[:10], expected[:10])
