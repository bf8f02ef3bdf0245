"""Parts of HDF5 datasets, frames × channels, as recordings."""

from typing import Any

import h5py
import numpy as np

from circus_io.errors import FormatError
from circus_io.files.hdf5_access import (
    SharedHDF5,
    cache_bytes,
    check_chunks,
    hdf5_failures,
)
from circus_io.files.parted import PartedFile

__all__ = ["HDF5PartsFile", "check_samples"]


class HDF5PartsFile(PartedFile):
    """Parts of HDF5 datasets, frames × channels; base of formats.

    Such a format makes `_shared` in its `_read_from_header`, and sets `_key`, the
    dataset, and `_first`, its first frame, in `_become`.
    """

    is_writable = True
    _shared: SharedHDF5
    _key: str
    _first: int = 0
    data: Any = None

    def _open(self, mode: str = "r") -> None:
        self.data = self._shared.acquire(mode)[self._key]

    def _close(self) -> None:
        self.data = None
        self._shared.release()

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        frames = slice(self._first + t_start, self._first + t_stop)
        with hdf5_failures(f"{self._key} of {self._short_name()}"):
            return read_columns(self.data, frames, nodes)

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        first = self._first + t_start
        flat = self.data.ndim == 1
        self.data[first : first + len(raw)] = raw[:, 0] if flat else raw


def read_columns(
    data: h5py.Dataset, frames: slice, nodes: np.ndarray | None
) -> np.ndarray:
    """Read frames of some columns, in any order; a dataset of one axis is one column.

    HDF5 reads blocks: those from the first to the last wanted column. Its own lists of
    columns have to be sorted and unique, and are slower.
    """
    if data.ndim == 1:
        block = data[frames][:, np.newaxis]
        return block if nodes is None else block[:, nodes]
    if nodes is None or len(nodes) == 0:
        return data[frames, : data.shape[1] if nodes is None else 0]
    first = int(nodes.min())
    return data[frames, first : int(nodes.max()) + 1][:, nodes - first]


def check_samples(data: Any, name: str) -> int:
    """Return the bytes of a chunk cache for a dataset of samples, frames × channels.

    Raises
    ------
    FormatError
        It is none.
    """
    fits = isinstance(data, h5py.Dataset) and data.ndim in (1, 2)
    if not fits or data.dtype.kind not in "iuf" or 0 in data.shape[1:]:
        found = f"shape {data.shape}, type {data.dtype}" if fits else "something else"
        raise FormatError(
            f"{getattr(data, 'name', None)} of {name} holds {found}; expected numbers, "
            "frames × channels"
        )
    check_chunks(data)
    return cache_bytes(data, 0)
