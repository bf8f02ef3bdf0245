"""`StreamTests`: several files are one recording."""

# ruff: noqa: D102 -- a test's name is its documentation

import pickle
from pathlib import Path

import numpy as np
import pytest

from circus_io.errors import StreamError
from circus_io.testing.conditions import in_runs
from circus_io.testing.made_files import MadeFiles, assert_traces

__all__ = ["StreamTests"]


class StreamTests(MadeFiles):
    """Files follow each other in time, and chunks do not cross from one to the next."""

    @in_runs
    @pytest.mark.parametrize("n_streams", [1, 2, 3])
    def test_a_numbered_run_is_one_recording(self, tmp_path, n_streams):
        recording, expected = self.make_streams(tmp_path, n_streams)
        with recording:
            assert recording.nb_streams == len(recording.streams) == n_streams
            assert recording.shape == expected.shape
            assert_traces(recording[:], expected)
            chunks = list(recording.chunks(150, (-20, 20)))
        assert_traces(np.concatenate([chunk.core for chunk in chunks]), expected)
        for chunk in chunks:
            source = recording.streams[chunk.stream]
            before, after = chunk.padding
            assert source.t_start <= chunk.t_start + before
            assert chunk.t_stop + after <= source.t_stop

    @in_runs
    def test_streams_count_chunks_and_snippets_globally(self, tmp_path):
        recording, expected = self.make_streams(tmp_path, 2)
        n_chunks, _ = recording.analyze(150)
        border = recording.streams[0].duration
        n_first = -(-border // 150)
        assert n_chunks == n_first + -(-(len(expected) - border) // 150)
        for index in range(n_chunks):
            traces, t_offset = recording.get_data(index, 150)
            assert_traces(traces, expected[t_offset : t_offset + len(traces)])
            assert recording.get_idx(t_offset, 150) == index
        before, after = expected[border - 5 : border], expected[border : border + 10]
        assert_traces(recording.get_snippet(border - 5, 10), before)
        assert_traces(recording.get_snippet(border, 10), after)
        ends = [i for i in range(n_chunks) if recording.is_last_chunk(i, n_chunks)]
        starts = [i for i in range(n_chunks) if recording.is_first_chunk(i, n_chunks)]
        assert (starts, ends) == ([0, n_first], [n_first - 1, n_chunks - 1])
        recording.close()

    @in_runs
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
            assert_traces(recording[:], self.expect(np.concatenate(parts)))

    @in_runs
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

    @in_runs
    def test_streams_pickle(self, tmp_path):
        recording, expected = self.make_streams(tmp_path, 2)
        with recording:
            copy = pickle.loads(pickle.dumps(recording))
        with copy:
            assert_traces(copy[:], expected)
