"""Datasets of HDF5 that lie in one piece: their samples written without HDF5.

HDF5 knows one writer, and a file whose writer was killed may be lost. The bytes of a
dataset that is neither compressed nor cut into chunks are only bytes of the file: when
all else is written and closed, several processes may fill them, and go on after a kill.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py

from circus_io.conversion.flat_array import FlatArray
from circus_io.conversion.target import Content

__all__ = ["allocate", "open_samples"]


def allocate(dataset: h5py.Dataset) -> None:
    """Give a dataset its place in the file, which HDF5 does with its first sample."""
    if dataset.size:
        dataset[(0,) * dataset.ndim] = 0


@contextmanager
def open_samples(
    path: Path, content: Content, rooms: Sequence[tuple[str, int]]
) -> Iterator[Sequence[FlatArray]]:
    """Give rooms for samples, to be written to and read.

    Parameters
    ----------
    path : Path
    content : Content
    rooms : sequence of (str, int)
        Dataset and first frame in it of each room.
    """
    dtype, n_channels = content.encoding.dtype, content.n_channels
    with h5py.File(path, "r") as file:
        places = [file[name].id.get_offset() or 0 for name, _ in rooms]
    with path.open("r+b") as samples:
        yield [
            FlatArray(samples, dtype, n_channels, place + first * content.frame_bytes)
            for place, (_, first) in zip(places, rooms, strict=True)
        ]
