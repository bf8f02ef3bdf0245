"""`MadeFiles`: recordings whose traces are known, written without the wrapper."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from circus_io.datafile import DataFile

__all__ = ["N_CHANNELS", "N_FRAMES", "MadeFiles", "assert_traces", "snapshot"]

N_FRAMES = 1013  # prime: no chunk size divides it
N_CHANNELS = 5


class MadeFiles:
    """What a format is like, and files of it; see `DataFileContract`."""

    wrapper: ClassVar[type[DataFile]]
    dtype: ClassVar[str] = "int16"
    gain: ClassVar[float] = 1.0
    dtype_offset: ClassVar[float] = 0
    holds_no_frames: ClassVar[bool] = True
    least_frames: ClassVar[int] = 1
    block_frames: ClassVar[int] = 1
    any_case: ClassVar[bool] = True
    is_numbered: ClassVar[bool] = True

    def write_file(self, path: Path, raw: np.ndarray) -> Mapping[str, Any]:
        """Write `raw` (n_frames, n_channels) to `path`, without the wrapper.

        Returns
        -------
        mapping
            The parameters with which the wrapper opens it.
        """
        raise NotImplementedError

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


def assert_traces(traces: np.ndarray, expected: np.ndarray) -> None:
    """Check that traces are those expected, and of that shape."""
    # the wrapper may scale in float32, numpy did in float64: a unit in the last place
    np.testing.assert_allclose(traces, expected, rtol=2e-7, atol=0)
    assert traces.shape == expected.shape


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return what the files of a folder hold, and when they were written."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }
