"""How a recording is cut into chunks: integer arithmetic, no files.

A chunk has a core of `chunk_size` frames, the last one of each stream being shorter,
and padding around it. Neither crosses the border of a stream.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from circus_io.errors import ChunkError
from circus_io.streams import Piece, StreamTable

__all__ = ["Chunk", "ChunkGrid", "check_chunk_size", "check_padding", "count_chunks"]

Padding = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Chunk:
    """A chunk and its traces.

    Attributes
    ----------
    index : int
        Number of the chunk, counted over all streams.
    stream : int
    t_start, t_stop : int
        Global frames of the core, half open.
    traces : ndarray of float32, shape (n_frames, n_channels)
        µV, core and padding. May be read-only: copy before you change it.
    padding : (int, int)
        Frames that `traces` really holds before (≤ 0) and after (≥ 0) the core.
    """

    index: int
    stream: int
    t_start: int
    t_stop: int
    traces: np.ndarray
    padding: Padding

    @property
    def core(self) -> np.ndarray:
        """The traces without padding, frames ``[t_start, t_stop)``."""
        before, _ = self.padding
        return self.traces[-before : self.t_stop - self.t_start - before]


@dataclass(frozen=True)
class ChunkGrid:
    """The chunks of a recording; it depends on nothing but its attributes.

    Attributes
    ----------
    table : StreamTable
    chunk_size : int
        Frames.
    strict : bool
        Leave out the shorter last chunk of each stream.
    """

    table: StreamTable
    chunk_size: int
    strict: bool = False

    def __post_init__(self) -> None:
        check_chunk_size(self.chunk_size)

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """Index of the first chunk of each stream, and last the number of chunks."""
        counts = (
            count_chunks(self.chunk_size, length, self.strict)[0]
            for length in self.table.lengths
        )
        return (0, *accumulate(counts))

    def __len__(self) -> int:
        return self.firsts[-1]

    def locate(self, index: int) -> tuple[int, int]:
        """Return the stream of a chunk and its number within that stream.

        Raises
        ------
        ChunkError
            There is no such chunk.
        """
        if not 0 <= index < len(self):
            raise ChunkError(
                f"there is no chunk {index}: in chunks of {self.chunk_size} frames the "
                f"recording has {len(self)}, counted from 0"
            )
        stream = bisect_right(self.firsts, index) - 1
        return stream, index - self.firsts[stream]

    def stream(self, index: int) -> int:
        """Return the stream that holds a chunk."""
        return self.locate(index)[0]

    def bounds(self, index: int) -> tuple[int, int]:
        """Return the global frames ``(t_start, t_stop)`` of the core of a chunk."""
        stream, t_start, t_stop = self._local(index)
        offset = self.table.starts[stream]
        return offset + t_start, offset + t_stop

    def padding(self, index: int, padding: Padding) -> Padding:
        """Return how much of `padding` the stream really has around a chunk."""
        before, after = check_padding(padding)
        stream, t_start, t_stop = self._local(index)
        length = self.table.lengths[stream]
        return max(before, -t_start), min(after, length - t_stop)

    def index_at(self, time: int) -> int:
        """Return the chunk whose core holds the global frame `time`.

        Raises
        ------
        ChunkError
            The frame lies in a gap, outside of the recording, or in the rest that a
            strict grid leaves out.
        """
        stream, local = self.table.locate(time)
        index = self.firsts[stream] + local // self.chunk_size
        if index >= self.firsts[stream + 1]:
            raise ChunkError(f"frame {time} lies after the last whole chunk")
        return index

    def is_first(self, index: int) -> bool:
        """Tell whether a chunk is the first of its stream."""
        return self.locate(index)[1] == 0

    def is_last(self, index: int) -> bool:
        """Tell whether a chunk is the last of its stream."""
        return index + 1 == self.firsts[self.stream(index) + 1]

    @cached_property
    def t_starts(self) -> np.ndarray:
        """Global frame at which each core starts, int64 (n_chunks,)."""
        return np.array([self.bounds(i)[0] for i in range(len(self))], dtype=np.int64)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Give the bounds of each chunk, in order."""
        return (self.bounds(index) for index in range(len(self)))

    def piece(self, index: int, padding: Padding = (0, 0)) -> Piece:
        """Return the frames of its stream that a chunk with padding reads."""
        before, after = self.padding(index, padding)
        stream, t_start, t_stop = self._local(index)
        return Piece(stream, t_start + before, t_stop + after)

    def _local(self, index: int) -> tuple[int, int, int]:
        stream, number = self.locate(index)
        t_start = number * self.chunk_size
        t_stop = min(t_start + self.chunk_size, self.table.lengths[stream])
        return stream, t_start, t_stop


def count_chunks(
    chunk_size: int, duration: int, strict: bool = False
) -> tuple[int, int]:
    """Return the number of chunks in `duration` frames, and the frames that remain.

    A remainder is a chunk of its own, unless `strict`.
    """
    n_chunks, remainder = divmod(duration, chunk_size)
    return n_chunks + (remainder > 0 and not strict), remainder


def check_chunk_size(chunk_size: int) -> None:
    """Raise `ChunkError` unless `chunk_size` is a whole number of frames, at least 1.

    A float is refused even if whole: frames beyond 2**53 have no exact one.
    """
    if not isinstance(chunk_size, int | np.integer) or chunk_size < 1:
        raise ChunkError(
            f"chunk_size = {chunk_size!r}: expected a whole number of frames, at least "
            "1 (seconds × sampling_rate, rounded)"
        )


def check_padding(padding: Padding) -> Padding:
    """Return `padding` as two Python integers.

    Raises
    ------
    ChunkError
        It is not ``(before <= 0, after >= 0)``.
    """
    before, after = padding
    if before > 0 or after < 0:
        raise ChunkError(
            f"padding = {tuple(padding)}: expected (before, after) with before <= 0 "
            "and after >= 0, such as (-100, 100)"
        )
    return int(before), int(after)
