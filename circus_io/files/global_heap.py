"""The texts of an HDF5 file, checked before HDF5 reads them.

HDF5 keeps texts of any length in *global heaps* (File Format Specification 3.0, III.E):
``GCOL``, version, length of the heap; then objects, each with its number, its length
and its content, up to an object 0, which is the space that is left. Up to HDF5 2.0 an
object 0 of length 0, as in a block of the disk that was lost, is an endless loop.
"""

import struct
from pathlib import Path

from circus_io.errors import FormatError

__all__ = ["check_heaps"]

HEAP = struct.Struct("<4sB3xQ")
OBJECT = struct.Struct("<HH4xQ")
SIGNATURE = b"GCOL\x01\x00\x00\x00"
# what describes a recording is written first; all of a large file cannot be looked at
MOST_BYTES = 2**20


def check_heaps(path: str) -> None:
    """Refuse a file with which HDF5 would be busy for ever, by its first MiB.

    Raises
    ------
    FormatError
        An object of a heap has an impossible length.
    """
    with Path(path).open("rb") as file:
        content = file.read(MOST_BYTES)
    at = content.find(SIGNATURE)
    while at >= 0:
        if not _ends(content, at):
            raise FormatError(
                f"{Path(path).name}: the texts at byte {at} are damaged, and HDF5 "
                "would never finish to read them"
            )
        at = content.find(SIGNATURE, at + 1)


def _ends(content: bytes, at: int) -> bool:
    """Tell whether going from object to object comes to an end."""
    if at + HEAP.size > len(content):
        return True
    _, _, n_bytes = HEAP.unpack_from(content, at)
    stop = min(at + n_bytes, len(content)) - OBJECT.size
    at += HEAP.size
    while at <= stop:
        number, _, length = OBJECT.unpack_from(content, at)
        if number == 0:
            return length > 0
        if length >= 2**63:  # beyond 2**64 HDF5 would count from 0 again
            return False
        at += OBJECT.size + -(-length // 8) * 8
    return True
