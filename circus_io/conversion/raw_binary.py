"""To flat binary: frame after frame, without a header."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from circus_io.conversion.flat_array import FlatArray
from circus_io.conversion.target import Content, Target

__all__ = ["RawBinaryTarget", "open_flat_rooms"]


class RawBinaryTarget(Target):
    """Flat binary; spans follow each other without their gaps."""

    description = "raw_binary"
    extension = (".dat", ".bin", ".raw")
    any_suffix = True
    parallel_write = True

    def create(self, path: Path, content: Content) -> None:
        """Make a file of zeros; they take no room until they are written."""
        with path.open("wb") as file:
            file.truncate(content.n_frames * content.frame_bytes)

    @contextmanager
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> Iterator[Sequence[FlatArray]]:
        """Give each span its part of the file."""
        with open_flat_rooms(path, content, mode, 0) as rooms:
            yield rooms

    def reading(self, path: Path, content: Content) -> dict[str, Any]:
        """Return all that a file without a header needs."""
        encoding = content.encoding
        return {
            "file_format": "raw_binary",
            "data_dtype": encoding.dtype.name,
            "sampling_rate": content.sampling_rate,
            "nb_channels": content.n_channels,
            "dtype_offset": encoding.offset,
            "gain": encoding.gain,
        }


@contextmanager
def open_flat_rooms(
    path: Path, content: Content, mode: str, offset: int
) -> Iterator[Sequence[FlatArray]]:
    """Give each span its part of a file whose samples begin at the byte `offset`.

    `mode` is ``'r'``, ``'r+'`` or ``'w'``.
    """
    dtype, n_channels = content.encoding.dtype, content.n_channels
    with path.open(f"{mode[0]}b{mode[1:]}") as file:
        yield [
            FlatArray(file, dtype, n_channels, offset + first * content.frame_bytes)
            for first in content.firsts
        ]
