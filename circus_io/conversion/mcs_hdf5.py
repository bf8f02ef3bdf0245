"""To the HDF5 of Multi Channel Systems, by the writer of that format."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.conversion.target import Content, Room, Rows, Target
from circus_io.files.mcs_hdf5.skeleton import STREAM, channel_table, frame_us
from circus_io.files.mcs_hdf5.writer import MOST_COLUMNS, MCSHDF5Writer

__all__ = ["MCSHDF5Target"]


class MCSHDF5Target(Target):
    """One stream of int32 counts; the table of time stamps has a row for each span.

    `hdf5` has the same suffix and comes first: this format has to be named.
    """

    description = "mcs_hdf5"
    extension = (".h5",)
    dtypes = ("int32",)
    is_compressed = True

    def check(self, content: Content) -> None:
        """Refuse rates, gains and offsets that the layout cannot hold."""
        encoding = content.encoding
        tick_us = frame_us(content.sampling_rate)
        channel_table(content.channel_labels, encoding.gain, encoding.offset, tick_us)

    def create(self, path: Path, content: Content) -> None:
        """Leave it to the writer, which takes an empty file."""
        path.touch()

    @contextmanager
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> Iterator[Sequence[Room]]:
        """Give rooms that append to the file, or that read it."""
        if mode == "r":
            with h5py.File(path, "r", rdcc_nbytes=_cache_bytes(content)) as file:
                columns = _Columns(file[f"{STREAM}/ChannelData"])
                yield [Rows(columns, first) for first in content.firsts]
            return
        with MCSHDF5Writer(
            path,
            content.sampling_rate,
            content.channel_labels,
            content.encoding.gain,
            content.encoding.offset,
            content.date,
            _details(content),
        ) as writer:
            yield [_End(writer, start) for start in content.table.starts]

    def reading(self, path: Path, content: Content) -> dict[str, Any]:
        """Return the name of the format: the file says everything."""
        return {"file_format": "mcs_hdf5"}


class _End:
    """The room of a span that begins at the frame `start`: blocks come in order."""

    def __init__(self, writer: MCSHDF5Writer, start: int) -> None:
        self.writer = writer
        self.start = start

    def __setitem__(self, frames: slice, counts: np.ndarray) -> None:
        self.writer.append(counts, self.start + frames.start)


class _Columns:
    """A dataset (n_channels, n_frames) as if frames came first."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, frames: slice) -> np.ndarray:
        return self.dataset[:, frames].T


def _cache_bytes(content: Content) -> int:
    """Return room for the HDF5 chunks that neighbouring blocks share."""
    return min(content.n_channels * MOST_COLUMNS * 4 + 2**20, 2**28)


def _details(content: Content) -> dict[str, str]:
    """Return what the metadata say under the names of the format, and the source."""
    names = ("label", "mea_name", "mea_layout", "mea_serial_number", "comment")
    known = {name: str(content.metadata.get(name) or "") for name in names}
    return {**known, "comment": known["comment"] or f"converted from {content.source}"}
