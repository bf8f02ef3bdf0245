"""To numpy's .npy: one array, frames × channels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.conversion.flat_array import FlatArray
from circus_io.conversion.raw_binary import open_flat_rooms
from circus_io.conversion.target import Content, Target

__all__ = ["NumpyTarget"]


class NumpyTarget(Target):
    """One array; spans follow each other without their gaps."""

    description = "numpy"
    extension = (".npy",)
    parallel_write = True

    def create(self, path: Path, content: Content) -> None:
        """Write the header, and zeros that take no room until they are written."""
        header = {
            "descr": np.lib.format.dtype_to_descr(content.encoding.dtype),
            "fortran_order": False,
            "shape": (content.n_frames, content.n_channels),
        }
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + content.n_frames * content.frame_bytes)

    @contextmanager
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> Iterator[Sequence[FlatArray]]:
        """Give each span its rows of the array."""
        offset = path.stat().st_size - content.n_frames * content.frame_bytes
        with open_flat_rooms(path, content, mode, offset) as rooms:
            yield rooms

    def reading(self, path: Path, content: Content) -> dict[str, Any]:
        """Return what the header does not say."""
        return {
            "file_format": "numpy",
            "sampling_rate": content.sampling_rate,
            "dtype_offset": content.encoding.offset,
            "gain": content.encoding.gain,
            "time_axis": 0,
        }
