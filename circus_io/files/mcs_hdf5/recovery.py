"""`recover`: take the mark of a dead writer from an HDF5 file.

A file that is written in HDF5's single-writer mode is whole at any moment, but says in
its superblock that it is open, and how long it was when it was opened; programs that
ask for a finished file refuse it. The superblock of version 3 is described in the HDF5
File Format Specification, its checksum is Bob Jenkins' lookup3 (2006, public domain)::

    0  signature (8)     8  version     9  sizes of offset and length    11  open for
    12 base (8)   20 extension (8)   28 end of file (8)   36 root (8)   44 checksum (4)
"""

import os
import struct
from pathlib import Path

from circus_io.errors import FormatError

__all__ = ["recover"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
VERSION, OPEN_FOR, END_OF_FILE, CHECKSUM = 8, 11, 28, 44  # where they are
N_BYTES = 48
WORD = 0xFFFFFFFF


def recover(path: str | os.PathLike[str]) -> bool:
    """Mark an HDF5 file as closed whose writer was killed, or met a full disk.

    Everything that was written stays; the file is changed only in its superblock, and
    afterwards opens in every program. Do not call it while the writer is at work.

    Parameters
    ----------
    path : path
        As `MCSHDF5Writer` has made it.

    Returns
    -------
    bool
        Whether there was anything to do.

    Raises
    ------
    FormatError
        It is no HDF5 file with such a mark, or its superblock is damaged.
    """
    with Path(path).open("r+b") as file:
        block = bytearray(file.read(N_BYTES))
        _check(block, Path(path).name)
        n_bytes = file.seek(0, os.SEEK_END)
        if block[OPEN_FOR] == 0 and _end_of_file(block) <= n_bytes:
            return False
        block[OPEN_FOR] = 0
        struct.pack_into("<Q", block, END_OF_FILE, n_bytes)
        struct.pack_into("<I", block, CHECKSUM, _lookup3(block[:CHECKSUM]))
        file.seek(0)
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return True


def _check(block: bytearray, name: str) -> None:
    whole = len(block) == N_BYTES and block.startswith(SIGNATURE)
    if not whole or block[VERSION : VERSION + 3] != bytes([3, 8, 8]):
        raise FormatError(
            f"{name} is no HDF5 file with a superblock of version 3, so it holds no "
            "mark of a writer"
        )
    if struct.unpack_from("<I", block, CHECKSUM)[0] != _lookup3(block[:CHECKSUM]):
        raise FormatError(f"the superblock of {name} is damaged: its checksum differs")


def _end_of_file(block: bytearray) -> int:
    return struct.unpack_from("<Q", block, END_OF_FILE)[0]


def _lookup3(key: bytes) -> int:
    """Return the hash ``hashlittle(key, length, 0)`` of at least one byte."""
    a = b = c = (0xDEADBEEF + len(key)) & WORD
    padded = bytes(key) + bytes(-len(key) % 12)
    *words, last = struct.iter_unpack("<3I", padded)
    for x, y, z in words:
        a, b, c = _mix((a + x) & WORD, (b + y) & WORD, (c + z) & WORD)
    x, y, z = last
    return _final((a + x) & WORD, (b + y) & WORD, (c + z) & WORD)


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for turns in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & WORD) ^ _rotate(c, turns)
        c = (c + b) & WORD
        a, b, c = b, c, a  # the next one's turn; after six steps all are back
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    for turns in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotate(b, turns)) & WORD
        a, b, c = b, c, a
    return b  # what was mixed last


def _rotate(word: int, turns: int) -> int:
    return (word << turns | word >> (32 - turns)) & WORD
