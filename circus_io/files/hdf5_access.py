"""HDF5 files: opened and read with our errors, shared by the streams inside of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.errors import CircusError, FormatError, NotWritableError
from circus_io.files.global_heap import check_heaps
from circus_io.files.superblock import MendedFile

__all__ = [
    "SharedHDF5",
    "cache_bytes",
    "check_bytes",
    "check_chunks",
    "hdf5_failures",
    "number",
    "open_hdf5",
    "read_rows",
    "read_whole",
    "root_attribute",
    "short_name",
    "text",
]

MIB = 2**20

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
    read while the writer is at work, after it was killed, and after the disk was full:
    as it was when it is opened.

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
            check_heaps(path)
            return h5py.File(path, mode, **options)
        except OSError as error:
            marks = ("already open for", "truncated file")
            if mode != "r" or not any(mark in str(error) for mark in marks):
                raise
            mended = _mended_file(path)
            if mended is None:
                raise
            return h5py.File(mended, mode, **options)
    except (PermissionError, BlockingIOError, IsADirectoryError, FileNotFoundError):
        raise  # not a question of the format
    except CircusError:
        raise
    except BROKEN as error:
        message = f"cannot open {Path(path).name} as HDF5: {error}"
        raise FormatError(message) from error


def _mended_file(path: str) -> MendedFile | None:
    try:
        return MendedFile(path)
    except FormatError:
        return None  # the trouble is another one


def short_name(item: h5py.HLObject) -> str:
    """Return the name of the file of a group or dataset, without its folder."""
    return Path(item.file.filename).name


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


def number(value: Any) -> int | float:
    """Return the number in an HDF5 attribute or field, an array of one or not.

    Raises
    ------
    FormatError
        There is none.
    """
    values = np.asarray(value).reshape(-1)
    if len(values) == 0 or values.dtype.kind not in "iuf":
        raise FormatError(f"found {value!r} where a number is expected")
    return values[0].item()


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
    check_bytes(dataset, dataset.chunks or (), 64)


def check_bytes(dataset: h5py.Dataset, shape: tuple[int, ...], most: int) -> None:
    """Refuse samples that the file cannot have stored.

    Parameters
    ----------
    shape : tuple of int
        Of the dataset or a part of it.
    most : int
        How well they may be compressed.

    Raises
    ------
    FormatError
        They have more than 64 MiB, and more than `most` times the bytes of the file.
    """
    n_bytes = np.prod(shape, dtype=np.float64) * dataset.dtype.itemsize
    if n_bytes > max(64 * MIB, most * dataset.file.id.get_filesize()):
        raise FormatError(
            f"{dataset.name} of {short_name(dataset)} says {shape} samples of "
            f"{dataset.dtype}, far more than the file can hold: it is damaged"
        )


def read_whole(dataset: h5py.Dataset) -> np.ndarray:
    """Read a whole dataset, such as a table.

    Raises
    ------
    FormatError
        It is far larger than the file.
    """
    check_bytes(dataset, dataset.shape, 64)
    check_chunks(dataset)
    return dataset[()]


def read_rows(
    dataset: h5py.Dataset, rows: np.ndarray, first: int, stop: int
) -> np.ndarray:
    """Read some rows of a two-dimensional dataset, in any order, possibly repeated.

    Rows that share HDF5 chunks are read at once, so that each is decompressed once;
    the rows far from any that is wanted are not read at all.

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
    block = np.empty((len(rows), stop - first), dataset.dtype)
    unique = np.unique(rows)
    near = max(dataset.chunks[0] if dataset.chunks else 1, 2)
    for run in np.split(unique, np.flatnonzero(np.diff(unique) >= near) + 1):
        if len(run) == 0 or first == stop:
            break
        low, high = run[0], run[-1] + 1
        slab = dataset[low:high, first:stop]
        if np.array_equal(rows, np.arange(low, high)):
            return slab
        wanted = (rows >= low) & (rows < high)
        block[wanted] = slab[rows[wanted] - low]
    return block


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
