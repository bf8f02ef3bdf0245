"""npz files of data sets: ``inputs``, ``outputs``, ``info`` as JSON, and no pickle.

Arrays are written piece by piece and mapped when they are read, so that a data set may
be larger than memory. ``numpy.load`` reads the same files.
"""

import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from circus_io.atomic import atomic_path
from circus_io.errors import FormatError, RecordingNotFoundError

__all__ = ["Pieces", "array_names", "read_arrays", "read_info", "write_npz"]

LOCAL_HEADER_BYTES = 30  # of a zip entry, before its name and its extra field


@dataclass(frozen=True)
class Pieces:
    """An array that comes in consecutive rows.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy dtype
    pieces : iterable of array
        With `shape[0]` rows in all.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Iterable[np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray) -> "Pieces":
        """Return a whole array as one piece."""
        array = np.asarray(array)
        return cls(array.shape, array.dtype, [array])


def write_npz(
    path: Path, arrays: Mapping[str, Pieces], info: Mapping[str, Any]
) -> None:
    """Write arrays and what is known of them; the file appears when it is whole.

    Parameters
    ----------
    path : Path
        A file there is replaced.
    arrays : mapping of str to Pieces
    info : mapping
        Anything that JSON knows.
    """
    text = np.array(json.dumps(info))
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in {**arrays, "info": Pieces.of(text)}.items():
            # without a date, so that the same data are the same bytes
            entry = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(entry, "w", force_zip64=True) as file:
                _write_array(file, array)


def _write_array(file: Any, array: Pieces) -> None:
    dtype = np.dtype(array.dtype)
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False}
    npy.write_array_header_2_0(file, header | {"shape": tuple(array.shape)})
    n_rows = 0
    for piece in array.pieces:
        if piece.shape[1:] != tuple(array.shape[1:]):
            raise ValueError(f"a piece of {piece.shape} in an array of {array.shape}")
        n_rows += len(piece) if piece.ndim else 1
        file.write(np.ascontiguousarray(piece, dtype).tobytes())
    expected = array.shape[0] if array.shape else 1
    if n_rows != expected:
        raise ValueError(f"{n_rows} rows in pieces of an array with {expected}")


def array_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the arrays of a file."""
    with _opened(Path(path)) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_arrays(path: str | os.PathLike[str], *names: str) -> list[np.ndarray]:
    """Return arrays of a file, mapped where they are not compressed; never unpickled.

    Raises
    ------
    RecordingNotFoundError
        There is no such file.
    FormatError
        It is no npz file, has no array of a name, or only a pickled one.
    """
    path = Path(path)
    with _opened(path) as archive:
        for name in names:
            if f"{name}.npy" not in archive.namelist():
                raise FormatError(f"{path} has no array {name}")
        return [_read_array(path, archive, name) for name in names]


def _read_array(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    entry = archive.getinfo(f"{name}.npy")
    try:
        with archive.open(entry) as file:
            if entry.compress_type != zipfile.ZIP_STORED:
                return npy.read_array(file, allow_pickle=False)
            version = npy.read_magic(file)
            read_header = (
                npy.read_array_header_1_0
                if version == (1, 0)
                else npy.read_array_header_2_0
            )
            shape, is_fortran, dtype = read_header(file)
            n_header = file.tell()
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise FormatError(
            f"{path}: the array {name} cannot be read: {error}"
        ) from error
    if dtype.hasobject:
        raise FormatError(f"{path}: the array {name} is a pickle, and is not loaded")
    if entry.file_size != n_header + int(np.prod(shape)) * dtype.itemsize:
        raise FormatError(f"{path}: the array {name} is cut short")
    with path.open("rb") as file:
        file.seek(entry.header_offset + 26)
        lengths = np.frombuffer(file.read(4), "<u2")
    start = entry.header_offset + LOCAL_HEADER_BYTES + int(lengths.sum()) + n_header
    order = "F" if is_fortran else "C"
    if 0 in shape or not shape:  # nothing to map
        with archive.open(entry) as file:
            return npy.read_array(file, allow_pickle=False)
    return np.memmap(path, dtype, "r", start, shape, order)


def read_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the ``info`` of a file.

    Raises
    ------
    FormatError
        It has none; for files of `bspysmg`, says how they are imported.
    """
    path, names = Path(path), array_names(path)
    if "info" not in names and "sampling_configs" in names:
        raise FormatError(
            f"{path} keeps its configuration as a pickle, which can run programs; if "
            "you know where it comes from, turn it into one that does not: "
            "stim.sampling.legacy.import_npz(path, new_path, "
            "allow_pickled_configs=True)"
        )
    (text,) = read_arrays(path, "info")
    try:
        info = json.loads(str(text))
    except ValueError as error:
        raise FormatError(f"{path}: its info is no JSON: {error}") from error
    if not isinstance(info, dict):
        raise FormatError(f"{path}: its info is no table")
    return info


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise RecordingNotFoundError(f"there is no file {path}") from error
    except zipfile.BadZipFile as error:
        raise FormatError(f"{path} is no npz file") from error
