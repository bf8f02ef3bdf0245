"""HDF5 files: opened and read with our errors, shared by the streams inside of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.errors import CircusError, FormatError, NotWritableError

__all__ = [
    "SharedHDF5",
    "cache_bytes",
    "check_chunks",
    "hdf5_failures",
    "open_hdf5",
    "read_rows",
    "read_whole",
    "root_attribute",
    "text",
]

MIB = 2**20
LARGE_BYTES = 64 * MIB
MOST_COMPRESSION = 64  # so that a small broken file does not fill the memory

# A broken file makes h5py raise nearly every builtin error there is: a message that
# cannot be decoded, an object of another kind, a size without memory.
BROKEN = (
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def hdf5_failures(what: str) -> Iterator[None]:
    """Make what h5py raises on a broken file a `FormatError`.

    Parameters
    ----------
    what : str
        What is being read, for the message.
    """
    try:
        yield
    except (CircusError, PermissionError, BlockingIOError, FileNotFoundError):
        raise  # not a question of the format
    except BROKEN as error:
        reason = str(error) or type(error).__name__
        raise FormatError(
            f"cannot read {what}: {reason}; it is damaged, or not what the format says "
            "(if it is compressed by a filter plug-in: install hdf5plugin and import "
            "it)"
        ) from error


def open_hdf5(path: str, mode: str = "r", **options: Any) -> h5py.File:
    """Open an HDF5 file; to read, also one that is being written or was cut off.

    HDF5's single-writer mode keeps a file whole at any moment, so what is stored can be
    read while the writer is at work, after it was killed, and after the disk was full.

    Parameters
    ----------
    path : str
    mode : {'r', 'r+'}
    **options
        Of `h5py.File`.

    Raises
    ------
    FormatError
        It is no HDF5 file, or a broken one.
    """
    try:
        try:
            return h5py.File(path, mode, **options)
        except OSError as error:
            marks = ("already open for", "truncated file")
            if mode != "r" or not any(mark in str(error) for mark in marks):
                raise
            return h5py.File(path, mode, swmr=True, **options)
    except (PermissionError, BlockingIOError, IsADirectoryError, FileNotFoundError):
        raise  # not a question of the format
    except BROKEN as error:
        message = f"cannot open {Path(path).name} as HDF5: {error}"
        raise FormatError(message) from error


def root_attribute(path: Path, attribute: str) -> str | None:
    """Return an attribute of the root of an HDF5 file as text; None if there is none.

    Never raises: what cannot be read has no attribute.
    """
    try:
        with open_hdf5(str(path)) as file:
            return text(file.attrs[attribute])
    except Exception:  # whatever it is, it is not this format
        return None


def text(value: Any) -> str:
    """Return text of an HDF5 attribute or field, without the blanks that pad it."""
    value = value.item() if isinstance(value, np.ndarray) else value
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).strip("\0 \t\r\n")


def cache_bytes(dataset: h5py.Dataset, time_axis: int) -> int:
    """Return bytes for a chunk cache that holds one row of HDF5 chunks, twice.

    A read along time touches each chunk of the row; with HDF5's default of 1 MiB a
    chunk that two reads share would be decompressed twice.
    """
    if dataset.chunks is None:
        return MIB
    shape = list(dataset.shape)
    shape[time_axis] = dataset.chunks[time_axis]
    row = int(np.prod(shape, dtype=np.float64)) * dataset.dtype.itemsize
    return min(max(2 * row, MIB), 256 * MIB)


def check_chunks(dataset: h5py.Dataset) -> None:
    """Refuse HDF5 chunks that are larger than the file can have stored.

    Raises
    ------
    FormatError
        A chunk has more than 64 MiB, and more than 64 times the bytes of the file.
    """
    _check_bytes(dataset, dataset.chunks or (), "chunks of")


def read_whole(dataset: h5py.Dataset) -> np.ndarray:
    """Read a whole dataset, such as a table.

    Raises
    ------
    FormatError
        It has more than 64 MiB, and more than 64 times the bytes of the file.
    """
    _check_bytes(dataset, dataset.shape, "a shape of")
    check_chunks(dataset)
    return dataset[()]


def _check_bytes(dataset: h5py.Dataset, shape: tuple[int, ...], what: str) -> None:
    path = Path(dataset.file.filename)
    n_bytes = np.prod(shape, dtype=np.float64) * dataset.dtype.itemsize
    if n_bytes > max(LARGE_BYTES, MOST_COMPRESSION * path.stat().st_size):
        raise FormatError(
            f"{dataset.name} of {path.name} has {what} {shape} samples, far more than "
            "the file can hold: it is damaged"
        )


def read_rows(
    dataset: h5py.Dataset, rows: np.ndarray, first: int, stop: int
) -> np.ndarray:
    """Read some rows of a two-dimensional dataset, in any order, possibly repeated.

    Runs of neighbouring rows are read at once, and rows that nobody wants not at all.

    Parameters
    ----------
    dataset : h5py.Dataset, shape (n_rows, n_columns)
    rows : ndarray of int64, shape (n_wanted,)
    first, stop : int
        Columns, half open.

    Returns
    -------
    ndarray, shape (n_wanted, stop - first)
    """
    unique, places = np.unique(rows, return_inverse=True)
    block = np.empty((len(unique), stop - first), dataset.dtype)
    borders = np.flatnonzero(np.diff(unique) > 1) + 1
    for run in np.split(np.arange(len(unique)), borders):
        if len(run) and stop > first:
            low, high = unique[run[0]], unique[run[-1]] + 1
            block[run[0] : run[-1] + 1] = dataset[low:high, first:stop]
    return block if np.array_equal(unique, rows) else block[places]


class SharedHDF5:
    """One HDF5 file for all the streams inside of it; open while any of them is.

    Parameters
    ----------
    path : str
    **options
        Of `h5py.File`.

    Notes
    -----
    Pickles as its path. A file with thousands of streams is opened once.
    """

    def __init__(self, path: str, **options: Any) -> None:
        self.path = path
        self.options = options
        self._file: h5py.File | None = None
        self._mode = ""
        self._n_users = 0

    def acquire(self, mode: str = "r") -> h5py.File:
        """Return the open file; each call wants one of `release`.

        Raises
        ------
        NotWritableError
            Another stream has the file open in the other mode.
        """
        if self._file is None:
            self._file, self._mode = open_hdf5(self.path, mode, **self.options), mode
        elif mode != self._mode:
            raise NotWritableError(
                f"another stream of {Path(self.path).name} is open in mode "
                f"{self._mode}; close it first"
            )
        self._n_users += 1
        return self._file

    def release(self) -> None:
        """Close the file when nobody uses it any more."""
        self._n_users -= 1
        if self._n_users == 0:
            file, self._file = self._file, None
            file.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_mode": "", "_n_users": 0}
