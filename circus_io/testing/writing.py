"""`WritingTests`: what is written is what is read, or an error."""

# ruff: noqa: D102 -- a test's name is its documentation

import numpy as np
import pytest

from circus_io.errors import ChunkError, CircusError, NotWritableError
from circus_io.testing.conditions import in_runs, of_integers, written
from circus_io.testing.made_files import N_CHANNELS, MadeFiles, assert_traces

__all__ = ["WritingTests"]


class WritingTests(MadeFiles):
    """Formats that are only read refuse; the others write what they were given."""

    def test_what_is_only_read_refuses_to_open_for_writing(self, recording):
        if not self.wrapper.is_writable:
            with pytest.raises(NotWritableError):
                recording.open("r+")
        recording.open()
        with pytest.raises((CircusError, ValueError)):
            recording.set_data(0, np.zeros((1, N_CHANNELS), np.float32))

    @written
    def test_what_was_written_is_read(self, recording, expected):
        new = self.expect(self.make_raw(101, seed=5))
        wanted = expected.copy()
        wanted[50:151] = new
        with recording.open("r+"):
            recording.set_data(50, new)
        assert_traces(recording[:], wanted)
        copy = self.wrapper(recording.file_name, recording.get_description())
        assert_traces(copy[:], wanted)
        assert recording.n_clipped == 0

    @written
    def test_writing_leaves_the_array_of_the_caller(self, recording):
        block = self.expect(self.make_raw(20, seed=6))
        block.flags.writeable = False
        before = block.copy()
        with recording.open("r+"):
            recording.set_data(0, block)
        assert np.array_equal(block, before)

    @written
    @of_integers
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

    @written
    def test_a_block_must_lie_inside(self, recording):
        block = np.zeros((10, N_CHANNELS), np.float32)
        with recording.open("r+"):
            for time in (-1, self.n_frames - 9, self.n_frames + 10):
                with pytest.raises(ChunkError):
                    recording.set_data(time, block)
            with pytest.raises(ChunkError, match="shape"):
                recording.set_data(0, block[:, 1:])

    @written
    @in_runs
    def test_a_block_is_split_between_streams(self, tmp_path):
        recording, expected = self.make_streams(tmp_path, 2)
        new = self.expect(self.make_raw(40, seed=7))
        expected[380:420] = new
        with recording.open("r+"):
            recording.set_data(380, new)
        assert_traces(recording[:], expected)
        recording.close()
