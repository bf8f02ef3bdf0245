"""What a file format implements to be written, and the table of those that do.

A target makes the file with all but the samples, and gives access to the room for
them; which rank writes what, the checks and the finish are those of `convert`.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from circus_io.conversion.encoding import Encoding
from circus_io.errors import FormatError
from circus_io.events import Events
from circus_io.streams import StreamTable

__all__ = ["TARGETS", "Content", "Room", "Rows", "Target", "find_target"]

# name: class; alphabetical
TARGETS: dict[str, str] = {
    "hdf5": "circus_io.conversion.hdf5:HDF5Target",
    "mcs_hdf5": "circus_io.conversion.mcs_hdf5:MCSHDF5Target",
    "numpy": "circus_io.conversion.numpy_array:NumpyTarget",
    "nwb": "circus_io.conversion.nwb:NWBTarget",
    "raw_binary": "circus_io.conversion.raw_binary:RawBinaryTarget",
    "zarr": "circus_io.conversion.zarr_group:ZarrTarget",
}


@dataclass(frozen=True, eq=False)
class Content:
    """What a file is to hold.

    Attributes
    ----------
    table : StreamTable
        Spans of frames without a gap: where each starts on the clock of the recording,
        and its length.
    encoding : Encoding
        Of the samples.
    sampling_rate : float
        Hz.
    channel_labels : tuple of str
    channel_positions : float64 array, shape (n_channels, 2), or None
        µm.
    block_frames : int
        The samples come in blocks of so many frames, counted within each span.
    metadata : mapping
    source : str
        Name of the recording.
    events : dict of str to Events
        Empty for a target that does not hold them.
    """

    table: StreamTable
    encoding: Encoding
    sampling_rate: float
    channel_labels: tuple[str, ...]
    channel_positions: np.ndarray | None = None
    block_frames: int = 1
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    events: Mapping[str, Events] = field(default_factory=dict)

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.channel_labels)

    @property
    def n_frames(self) -> int:
        """Number of frames, gaps not counted."""
        return sum(self.table.lengths)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.n_channels * self.encoding.dtype.itemsize

    @property
    def t_starts_s(self) -> list[float]:
        """Second at which each span starts, on the clock of the recording."""
        return [start / self.sampling_rate for start in self.table.starts]

    @property
    def firsts(self) -> list[int]:
        """Frame at which each span begins if they follow each other in one array."""
        return list(accumulate(self.table.lengths[:-1], initial=0))

    @property
    def date(self) -> datetime | None:
        """Date of the metadata, if it holds one in ISO form; without a zone, UTC."""
        date = self.metadata.get("date")
        try:
            if not isinstance(date, datetime):
                date = datetime.fromisoformat(str(date))
        except ValueError:
            return None
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @property
    def gains(self) -> np.ndarray:
        """µV per count of each channel, float64 (n_channels,)."""
        return np.broadcast_to(self.encoding.gain, self.n_channels).astype(np.float64)


class Room(Protocol):
    """Room for the samples of a span: an array (n_frames, n_channels) on the disk.

    Arrays of numpy, h5py and zarr are such. Where one rank writes, blocks come in their
    order; no room is read before it was written and opened again.
    """

    def __setitem__(self, frames: slice, counts: np.ndarray) -> None:
        """Store the counts of these frames; they have the type of the file."""

    def __getitem__(self, frames: slice) -> np.ndarray:
        """Return the counts of these frames."""


class Rows:
    """The room of one span in an array that holds all of them.

    Parameters
    ----------
    array : array of h5py or the like, shape (n_frames, n_channels)
    first : int
        Where the span begins in it.
    """

    def __init__(self, array: Room, first: int) -> None:
        self.array = array
        self.first = first

    def __setitem__(self, frames: slice, counts: np.ndarray) -> None:
        self.array[self.first + frames.start : self.first + frames.stop] = counts

    def __getitem__(self, frames: slice) -> np.ndarray:
        return self.array[self.first + frames.start : self.first + frames.stop]


class Target(ABC):
    """A file format that recordings are converted to."""

    description: ClassVar[str]
    """Its name in `TARGETS`."""

    extension: ClassVar[tuple[str, ...]] = ()
    """Suffixes with their dot; where no format is named, the first in `TARGETS` that
    has the suffix is chosen."""

    any_suffix: ClassVar[bool] = False
    """With the format named, the file may have another suffix."""

    dtypes: ClassVar[tuple[str, ...]] = ()
    """Types that samples may have, the usual one first; empty for all."""

    parallel_write: ClassVar[bool] = False
    """Blocks may be written in any order, by several ranks at once, and again by one
    that goes on after a kill; else one rank writes, in order, and from the start."""

    is_folder: ClassVar[bool] = False
    """The format is a folder of files."""

    is_compressed: ClassVar[bool] = False
    """The file may be smaller than its samples."""

    holds_events: ClassVar[bool] = False
    """`Content.events` are written too."""

    def check(self, content: Content) -> None:  # noqa: B027 -- most hold everything
        """Raise `FormatError` for what the format cannot hold, and say what it can.

        Raises
        ------
        MissingDependencyError
            A library is absent; names the extra that brings it.
        """

    @abstractmethod
    def create(self, path: Path, content: Content) -> None:
        """Make the file, complete but for the samples."""

    @abstractmethod
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> AbstractContextManager[Sequence[Room]]:
        """Open the file in ``'r+'`` or ``'r'`` and give a room for each span."""

    def reading(self, path: Path, content: Content) -> dict[str, Any]:
        """Return what `open_recording` is told to read it; nothing if it cannot."""
        return {}


def find_target(path: Path, file_format: str | None = None) -> Target:
    """Return the target that is named, or that the suffix of `path` belongs to.

    Raises
    ------
    FormatError
        There is none, or the suffix does not fit.
    """
    if file_format is None:
        for target in map(_load, TARGETS):
            if _has_suffix(target, path):
                return target
        raise FormatError(
            f"the name {path.name} does not say which format to write; name one of "
            f"{', '.join(TARGETS)}"
        )
    name = file_format.strip().lower()
    if name not in TARGETS:
        raise FormatError(
            f"the format {file_format} is not written; choose from {', '.join(TARGETS)}"
        )
    target = _load(name)
    if not (target.any_suffix or _has_suffix(target, path)):
        raise FormatError(
            f"a {name} file ends in {' or '.join(target.extension)}; rename {path.name}"
        )
    return target


def _load(name: str) -> Target:
    module, _, class_name = TARGETS[name].partition(":")
    return getattr(importlib.import_module(module), class_name)()


def _has_suffix(target: Target, path: Path) -> bool:
    return path.name.lower().endswith(target.extension)
