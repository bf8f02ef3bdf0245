"""numpy's .npy: an array in either axis order, memory-mapped."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import io
import logging
import math
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.files.axes import Axes
from circus_io.indexing import select_channels

__all__ = ["NumpyFile"]

logger = logging.getLogger(__name__)

MOST_HEADER_BYTES = 2**16  # one of three axes has 128
# numpy reads the header as an expression of Python
BROKEN_HEADER = (
    ArithmeticError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)


class NumpyFile(DataFile):
    """numpy's .npy: an array in either axis order, memory-mapped.

    `time_axis` says which axis is time: ``auto`` (the longest one), 0, 1 or 2. An array
    of three axes is a grid of electrodes, taken row by row; one of one axis is a single
    channel. Several ranks may write it.
    """

    description = "numpy"
    extension = (".npy",)
    parallel_write = True
    is_writable = True
    _required_fields = {"sampling_rate": float}
    _default_values = {"dtype_offset": "auto", "gain": 1.0, "time_axis": "auto"}

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        self._array = _read_header(self.file_name, self._short_name())
        self._axes = Axes.of(
            self._array.shape, self.params["time_axis"], self._short_name()
        )
        if self._array.n_bytes_missing > 0:
            self._leave_out_the_end()
        self._shape = self._axes.shape
        return {
            "nb_channels": self._axes.n_channels,
            "data_dtype": self._array.dtype.str,
        }

    def _leave_out_the_end(self) -> None:
        """Take the whole frames of a file that was cut off."""
        frame_bytes = self._axes.n_channels * self._array.dtype.itemsize
        n_frames = self._array.n_bytes // frame_bytes if frame_bytes else 0
        outermost = 0 if self._array.order == "C" else len(self._array.shape) - 1
        if self._axes.time_axis != outermost or not n_frames:
            raise FormatError(
                f"{self._short_name()} was cut off, {self._array.n_bytes_missing} "
                "bytes are missing; no frame of it is whole"
            )
        logger.warning(
            "%s was cut off: of the %d frames that its header says, %d are read",
            self._short_name(),
            self._axes.shape[0],
            n_frames,
        )
        self._axes = self._axes.with_frames(n_frames)
        self._array = replace(self._array, shape=self._axes.stored_shape)

    def _open(self, mode: str = "r") -> None:
        array = self._array
        if 0 in array.shape:  # an empty file cannot be mapped
            stored = np.zeros(array.shape, array.dtype)
        else:
            stored = np.memmap(
                self.file_name,
                array.dtype,
                mode,
                array.offset,
                array.shape,
                array.order,
            )
        self.data = self._axes.frames_first(np.asarray(stored))

    def _close(self) -> None:
        self.data = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        frames = self.data[t_start:t_stop]
        return select_channels(self._axes.flatten(frames), nodes)

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        self.data[t_start : t_start + len(raw)] = self._axes.unflatten(raw)


@dataclass(frozen=True)
class _StoredArray:
    """What the header of a .npy file says, and how many bytes follow it."""

    offset: int
    shape: tuple[int, ...]
    order: str
    dtype: np.dtype
    n_bytes: int

    @property
    def n_bytes_missing(self) -> int:
        # in Python's integers: a damaged shape may be beyond those of the machine
        return math.prod(self.shape) * self.dtype.itemsize - self.n_bytes


def _read_header(path: str, name: str) -> _StoredArray:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- path is text
            start = io.BytesIO(file.read(MOST_HEADER_BYTES))
            n_bytes = file.seek(0, 2)
        version = np.lib.format.read_magic(start)
        reader = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            reader = np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = reader(start)
    except BROKEN_HEADER as error:
        raise FormatError(f"{name} is no .npy file: {error}") from error
    if any(length < 0 for length in shape):
        raise FormatError(f"{name} has the shape {shape}; it is damaged")
    offset = start.tell()
    if dtype.kind not in "iuf":
        raise FormatError(f"{name} holds {dtype}, not samples of a number type")
    order = "F" if fortran_order else "C"
    return _StoredArray(offset, shape, order, dtype, n_bytes - offset)
