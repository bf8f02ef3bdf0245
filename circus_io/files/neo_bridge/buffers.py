"""Samples that neo says lie flat in a file: mapped by us, without neo."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import FormatError
from circus_io.indexing import select_channels

__all__ = ["Buffer", "OpenBuffer"]


@dataclass(frozen=True)
class Buffer:
    """Where the samples of a segment are: flat in a file, or a dataset of HDF5.

    Attributes
    ----------
    path : str
    dtype : str
    shape : (int, int)
        As stored.
    time_axis : int
        0: frames × channels, 1: channels × frames.
    offset : int
        Bytes before the first sample, of a flat file.
    hdf5_path : str
        Name of the dataset; empty for a flat file.
    columns : int64 array, shape (n_channels,)
        Channels of the stream among those stored.
    """

    path: str
    dtype: str
    shape: tuple[int, int]
    time_axis: int
    offset: int
    hdf5_path: str
    columns: np.ndarray

    @classmethod
    def of(cls, described: Mapping[str, Any], dtype: str, columns: Any) -> "Buffer":
        """Return the buffer that ``get_analogsignal_buffer_description`` tells of.

        Parameters
        ----------
        described : mapping
            What neo returned.
        dtype : str
            Type of the samples, where the description has none.
        columns : slice, int array or None
            Channels of the stream among those of the buffer; None is all.

        Raises
        ------
        FormatError
            The file is shorter than the header says.
        """
        time_axis = described.get("time_axis", 0)
        shape = tuple(int(n) for n in described["shape"])
        every = np.arange(shape[1 - time_axis])
        buffer = cls(
            path=str(described["file_path"]),
            dtype=np.dtype(described.get("dtype", dtype)).str,
            shape=shape,
            time_axis=time_axis,
            offset=int(described.get("file_offset", 0)),
            hdf5_path=described.get("hdf5_path", ""),
            columns=every if columns is None else every[columns],
        )
        buffer._check_size()
        return buffer

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.shape[self.time_axis]

    @property
    def flat_layout(self) -> tuple[str, str, int] | None:
        """Path, type and offset of samples that are nothing but the stream's frames."""
        whole = np.array_equal(self.columns, np.arange(self.shape[1 - self.time_axis]))
        is_flat = whole and self.time_axis == 0 and not self.hdf5_path
        return (self.path, self.dtype, self.offset) if is_flat else None

    def _check_size(self) -> None:
        if self.hdf5_path:
            return
        size = Path(self.path).stat().st_size
        n_bytes = np.dtype(self.dtype).itemsize * self.shape[0] * self.shape[1]
        if min(*self.shape, self.offset) < 0 or self.offset + n_bytes > size:
            raise FormatError(
                f"{Path(self.path).name} has {size} bytes, its header says {self.shape}"
                f" samples of {self.dtype} from byte {self.offset} on; the file is cut "
                "off, or its header is of another file"
            )


class OpenBuffer:
    """The samples of a `Buffer`, read where they lie.

    Parameters
    ----------
    buffer : Buffer
    """

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._file: Any = None
        self._data = self._open_hdf5() if buffer.hdf5_path else self._map()

    def read(self, t_start: int, t_stop: int, nodes: np.ndarray | None) -> np.ndarray:
        """Return samples as stored, (t_stop - t_start, n_nodes)."""
        columns = self._buffer.columns if nodes is None else self._buffer.columns[nodes]
        if self._file is not None:
            return self._read_slab(t_start, t_stop, columns)
        if self._buffer.time_axis == 1:
            return select_channels(self._data[:, t_start:t_stop].T, columns)
        return select_channels(np.asarray(self._data[t_start:t_stop]), columns)

    def close(self) -> None:
        """Drop the map, or close the file."""
        self._data = None
        if self._file is not None:
            self._file.close()

    def _map(self) -> np.ndarray:
        buffer = self._buffer
        if 0 in buffer.shape:  # an empty file cannot be mapped
            return np.zeros(buffer.shape, buffer.dtype)
        return np.memmap(buffer.path, buffer.dtype, "r", buffer.offset, buffer.shape)

    def _open_hdf5(self) -> Any:
        import h5py

        self._file = h5py.File(self._buffer.path, "r")
        return self._file[self._buffer.hdf5_path]

    def _read_slab(self, t_start: int, t_stop: int, columns: np.ndarray) -> np.ndarray:
        """Read from the first to the last channel, then pick: HDF5 wants a slab."""
        if not len(columns):
            return np.empty((t_stop - t_start, 0), self._buffer.dtype)
        first, stop = int(columns.min()), int(columns.max()) + 1
        try:
            if self._buffer.time_axis == 1:
                slab = self._data[first:stop, t_start:t_stop].T
            else:
                slab = self._data[t_start:t_stop, first:stop]
        except OSError as error:
            raise FormatError(
                f"cannot read {self._buffer.hdf5_path} of "
                f"{Path(self._buffer.path).name}: {error}; if it is compressed, get "
                "the HDF5 filter of the maker (for MaxWell: from MaxWell Biosystems) "
                "and let HDF5_PLUGIN_PATH name its folder"
            ) from error
        return np.take(slab, columns - first, axis=1)
