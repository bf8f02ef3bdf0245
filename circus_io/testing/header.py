"""`HeaderTests`: what a format knows of a file, and which files it refuses."""

# ruff: noqa: D102 -- a test's name is its documentation

from pathlib import Path

import numpy as np
import pytest

from circus_io.errors import FormatError, MissingParameterError, RecordingNotFoundError
from circus_io.testing.made_files import N_CHANNELS, MadeFiles, assert_traces

__all__ = ["HeaderTests"]


class HeaderTests(MadeFiles):
    """A recording knows its parameters; what is missing or foreign is named."""

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
        assert_traces(twin[:], expected)
        twin.close()

    def test_parameters_may_be_text(self, tmp_path, raw, expected):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        as_text = {
            name: str(value) if isinstance(value, int | float) else value
            for name, value in params.items()
        }
        with self.wrapper(path, as_text) as recording:
            assert_traces(recording[:], expected)

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
            assert_traces(recording[:], self.expect(raw)[: len(recording)])
            recording.close()
