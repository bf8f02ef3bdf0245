"""An array in a part of a file, read and written a few frames at a time."""

from typing import BinaryIO

import numpy as np

__all__ = ["FlatArray"]


class FlatArray:
    """Frames of a file, one after another: a `Room`.

    Parameters
    ----------
    file : binary file
        Open in the mode that is needed; it stays open.
    dtype : numpy.dtype
    n_channels : int
    offset : int
        Byte at which frame 0 begins.

    Notes
    -----
    Plain reads and writes: the pages of a mapped file would count as memory of the
    process.
    """

    def __init__(
        self, file: BinaryIO, dtype: np.dtype, n_channels: int, offset: int = 0
    ) -> None:
        self.file = file
        self.dtype = dtype
        self.n_channels = n_channels
        self.offset = offset

    def __setitem__(self, frames: slice, counts: np.ndarray) -> None:
        self._seek(frames.start)
        self.file.write(np.ascontiguousarray(counts, self.dtype).data)
        self.file.flush()  # not lost if the program is killed

    def __getitem__(self, frames: slice) -> np.ndarray:
        self._seek(frames.start)
        n_samples = (frames.stop - frames.start) * self.n_channels
        counts = np.frombuffer(
            self.file.read(n_samples * self.dtype.itemsize), self.dtype
        )
        return counts.reshape(-1, self.n_channels)

    def _seek(self, frame: int) -> None:
        self.file.seek(self.offset + frame * self.n_channels * self.dtype.itemsize)
