"""Which channels and which frames of a recording."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from circus_io import indexing
from circus_io.chunks import ChunkGrid
from circus_io.conversion.encoding import Encoding, stored_encoding
from circus_io.datafile import DataFile
from circus_io.errors import ChunkError
from circus_io.samples import read_stored, stream_microvolts
from circus_io.streams import Piece, StreamTable

__all__ = ["Selection", "parse_channels"]

BLOCK_SAMPLES = 2**20  # in memory at once, a few times over


@dataclass(frozen=True, eq=False)
class Selection:
    """Channels and frames of a recording, in blocks of bounded size.

    Attributes
    ----------
    recording : DataFile
    nodes : int64 array, or None for all
        Channels, in the order in which they are wanted.
    table : StreamTable
        The frames, as spans without a gap: streams that follow each other are one.
    """

    recording: DataFile
    nodes: np.ndarray | None
    table: StreamTable

    @classmethod
    def of(
        cls,
        recording: DataFile,
        channels: Sequence[int] | None = None,
        t_start: int | None = None,
        t_stop: int | None = None,
    ) -> "Selection":
        """Return the selection of `channels` from frame `t_start` to before `t_stop`.

        Raises
        ------
        ChunkError
            There is no such channel or frame.
        """
        nodes = indexing.check_nodes(channels, recording.nb_channels)
        if nodes is not None and len(nodes) == 0:
            raise ChunkError("no channel is selected; name at least one")
        return cls(recording, nodes, _spans(recording, t_start, t_stop))

    @property
    def channels(self) -> np.ndarray:
        """Column of each selected channel in the recording, int64 (n_channels,)."""
        n_channels = self.recording.nb_channels
        return np.arange(n_channels) if self.nodes is None else self.nodes

    @property
    def n_frames(self) -> int:
        """Number of frames of all spans."""
        return sum(self.table.lengths)

    @cached_property
    def grid(self) -> ChunkGrid:
        """The blocks: a function of the selection alone."""
        size = max(BLOCK_SAMPLES // len(self.channels), 1)
        return ChunkGrid(self.table, size)

    @cached_property
    def stored(self) -> Encoding | None:
        """How the recording stores these channels; None if its streams differ."""
        return stored_encoding(self.recording, self.nodes)

    def encoded(
        self, blocks: Sequence[int], encoding: Encoding
    ) -> Iterator[tuple[int, np.ndarray, int]]:
        """Read blocks; yield the number, the counts and how many did not fit.

        The counts are (n_frames, n_channels), of the type of `encoding`, in C order.
        """
        self.recording._make_ready()
        keeps = encoding.equals(self.stored)
        for block in blocks:
            parts = [
                self._encode_piece(piece, encoding, keeps)
                for piece in self.recording._table.pieces(*self.grid.bounds(block))
            ]
            # some formats store channel after channel
            counts = np.ascontiguousarray(np.concatenate([part for part, _ in parts]))
            yield block, counts, sum(n_clipped for _, n_clipped in parts)

    def _encode_piece(
        self, piece: Piece, encoding: Encoding, keeps: bool
    ) -> tuple[np.ndarray, int]:
        source = self.recording.streams[piece.stream]
        where = (piece.t_start, piece.t_stop, self.nodes)
        if keeps:
            counts = read_stored(source, *where)
            if counts is not None and counts.dtype.newbyteorder("<") == encoding.dtype:
                return counts.astype(encoding.dtype), 0
        return encoding.encode(stream_microvolts(source, *where))


def _spans(recording: DataFile, t_start: int | None, t_stop: int | None) -> StreamTable:
    first = recording.t_start if t_start is None else t_start
    last = recording.t_stop if t_stop is None else t_stop
    if not recording.t_start <= first <= last <= recording.t_stop:
        raise ChunkError(
            f"frames {first} to {last} are not all there; the recording goes from "
            f"frame {recording.t_start} to {recording.t_stop}"
        )
    table = recording._table
    starts: list[int] = []
    stops: list[int] = []
    for stream, begin in enumerate(table.starts):
        start, stop = max(begin, first), min(table.stop(stream), last)
        if start >= stop:
            continue
        if stops and stops[-1] == start:
            stops[-1] = stop
        else:
            starts.append(start)
            stops.append(stop)
    if not starts:
        if len(recording) and first < last:
            raise ChunkError(f"frames {first} to {last} lie in a gap of the recording")
        starts, stops = [first], [first]
    lengths = tuple(b - a for a, b in zip(starts, stops, strict=True))
    return StreamTable(tuple(starts), lengths)


def parse_channels(text: str, labels: Sequence[str]) -> list[int]:
    """Return the channels that a comma list names.

    Parameters
    ----------
    text : str
        Numbers count columns from 0, ``0-31`` is 0 to 31; all else is the label of a
        channel, and so is what follows ``label=``.
    labels : sequence of str
        Of all channels.

    Raises
    ------
    ChunkError
        There is no such channel, or several have this label.
    """
    found: list[int] = []
    for item in filter(None, (item.strip() for item in text.split(","))):
        numbers = re.fullmatch(r"(\d+)(?:-(\d+))?", item)
        if numbers:
            first, last = int(numbers[1]), int(numbers[2] or numbers[1])
            if not first <= last < len(labels):
                raise ChunkError(
                    f"channels {item}: the recording has {len(labels)}, counted from 0"
                )
            found += range(first, last + 1)
        else:
            found.append(_labelled(item.removeprefix("label="), labels))
    if not found:
        raise ChunkError(f"channels = {text!r} names none; expected such as 0-31,40")
    return found


def _labelled(label: str, labels: Sequence[str]) -> int:
    found = [channel for channel, name in enumerate(labels) if name == label]
    if len(found) == 1:
        return found[0]
    if found:
        raise ChunkError(
            f"the label {label} is that of channels {', '.join(map(str, found))}; give "
            "the numbers that you mean"
        )
    shown = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
    raise ChunkError(f"no channel has the label {label}; there are {shown}")
