"""The mark that a dead writer leaves in an HDF5 file: read past it, or take it away.

A file that is written in HDF5's single-writer mode is whole at any moment, but says in
its superblock that it is open, and how long it was when it was opened; programs that
ask for a finished file refuse it. The superblock of version 3 is described in the HDF5
File Format Specification, its checksum is Bob Jenkins' lookup3 (2006, public domain)::

    0  signature (8)     8  version     9  sizes of offset and length    11  open for
    12 base (8)   20 extension (8)   28 end of file (8)   36 root (8)   44 checksum (4)
"""

import io
import os
import struct
from pathlib import Path

from circus_io.errors import FormatError, RecordingNotFoundError

__all__ = ["MendedFile", "is_marked", "recover"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
VERSION, OPEN_FOR, END_OF_FILE, CHECKSUM = 8, 11, 28, 44  # where they are
N_BYTES = 48
WORD = 0xFFFFFFFF


class MendedFile(io.FileIO):
    """A file, read as if its superblock had no mark of a writer.

    HDF5 has a mode for reading what is being written, but in it a damaged file is read
    again and again, without end.

    Parameters
    ----------
    path : str

    Raises
    ------
    FormatError
        As `recover`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "rb")
        try:
            self._superblock = _mended(self._read_start(), _size(self), path)
        except BaseException:
            self.close()
            raise

    def _read_start(self) -> bytes:
        self.seek(0)
        return self.read(N_BYTES)

    def readinto(self, buffer: memoryview) -> int:
        """Read bytes; those of the superblock are mended."""
        place = self.tell()
        n_bytes = super().readinto(buffer)
        mended = self._superblock[place : place + n_bytes]
        memoryview(buffer).cast("B")[: len(mended)] = mended
        return n_bytes

    def __repr__(self) -> str:
        # which h5py takes for the name of the file
        return str(self.name)

    def __del__(self) -> None:
        # h5py drops the files that it is given without closing them
        self.close()


def is_marked(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file says that somebody writes it, who may be dead."""
    try:
        with Path(path).open("rb") as file:
            block = file.read(N_BYTES)
    except OSError:
        return False
    is_hdf5 = len(block) == N_BYTES and block.startswith(SIGNATURE)
    return is_hdf5 and block[VERSION] == 3 and block[OPEN_FOR] != 0


def recover(path: str | os.PathLike[str]) -> bool:
    """Mark an HDF5 file as closed whose writer was killed, or met a full disk.

    Everything that was written stays; the file is changed only in its superblock, and
    afterwards opens in every program. Do not call it while the writer is at work.

    Parameters
    ----------
    path : path
        As `circus_io.files.mcs_hdf5.MCSHDF5Writer` has made it.

    Returns
    -------
    bool
        Whether there was anything to do.

    Raises
    ------
    FormatError
        It is no HDF5 file that can have such a mark, or its superblock is damaged.
    RecordingNotFoundError
    """
    try:
        with Path(path).open("r+b") as file:
            block = file.read(N_BYTES)
            mended = _mended(block, _size(file), path)
            if mended == block:
                return False
            file.seek(0)
            file.write(mended)
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError as error:
        raise RecordingNotFoundError(f"there is no file {path}") from error
    return True


def _mended(block: bytes, n_bytes: int, path: str | os.PathLike[str]) -> bytes:
    """Return the superblock of a file of `n_bytes` that nobody has open."""
    name = Path(path).name
    whole = len(block) == N_BYTES and block.startswith(SIGNATURE)
    if not whole or block[VERSION : VERSION + 3] != bytes([3, 8, 8]):
        raise FormatError(
            f"{name} is no HDF5 file with a superblock of version 3, so it holds no "
            "mark of a writer"
        )
    if struct.unpack_from("<I", block, CHECKSUM)[0] != _lookup3(block[:CHECKSUM]):
        raise FormatError(f"the superblock of {name} is damaged: its checksum differs")
    if (
        block[OPEN_FOR] == 0
        and struct.unpack_from("<Q", block, END_OF_FILE)[0] <= n_bytes
    ):
        return block
    mended = bytearray(block)
    mended[OPEN_FOR] = 0
    struct.pack_into("<Q", mended, END_OF_FILE, n_bytes)
    struct.pack_into("<I", mended, CHECKSUM, _lookup3(mended[:CHECKSUM]))
    return bytes(mended)


def _size(file: io.IOBase) -> int:
    return os.fstat(file.fileno()).st_size


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
