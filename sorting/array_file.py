"""Named arrays in one ``.npz`` file that processes map instead of copying it.

The file is an ordinary ``.npz``, not compressed; arrays begin at multiples of 64 bytes.
Ranks of one node that map it share its pages, whatever its size.
"""

import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

__all__ = ["map_arrays", "write_arrays"]

ALIGNMENT = 64
LOCAL_HEADER = 30  # bytes, as the zip format has it; then name and extra fields
ZIP64_FIELD = 20
PADDING_FIELD = 0xFFFF  # an id of an extra field that no program looks for


def write_arrays(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as an uncompressed ``.npz``; equal arrays give equal bytes.

    Parameters
    ----------
    file : binary file
        Open for writing, at its beginning.
    arrays : mapping of str to ndarray
        Of any type but object.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            start = file.tell() + LOCAL_HEADER + len(entry.filename) + ZIP64_FIELD + 4
            padding = -start % ALIGNMENT
            entry.extra = struct.pack("<HH", PADDING_FIELD, padding) + bytes(padding)
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(
                    member, np.asanyarray(array), allow_pickle=False
                )


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Map the arrays of a file; what is written to them does not reach the file.

    Raises
    ------
    OSError, ValueError, zipfile.BadZipFile
        The file is none of these, or broken.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        return {
            entry.filename.removesuffix(".npy"): _map(archive, file, entry)
            for entry in archive.infolist()
        }


def _map(
    archive: zipfile.ZipFile, file: BinaryIO, entry: zipfile.ZipInfo
) -> np.ndarray:
    """Map one array; one that is empty, compressed or not aligned is read."""
    if entry.compress_type != zipfile.ZIP_STORED:
        return _read(archive, entry)
    file.seek(entry.header_offset + LOCAL_HEADER - 4)
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    file.seek(name_length + extra_length, 1)
    if np.lib.format.read_magic(file) != (1, 0):  # a header of more than 64 kB
        return _read(archive, entry)
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    offset = file.tell()
    if 0 in shape or offset % dtype.alignment:
        return _read(archive, entry)
    order = "F" if fortran_order else "C"
    return np.memmap(file.name, dtype, "c", offset, shape, order).view(np.ndarray)


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    content = BytesIO(archive.read(entry))
    return np.lib.format.read_array(content, allow_pickle=False)
