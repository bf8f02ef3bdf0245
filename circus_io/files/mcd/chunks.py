"""Where the samples of a stream lie in an MC_Rack file.

Behind the header the streams write by turns, a chunk each of about 100 ms: tag of the
stream, length, time of the first sample and of the one after the last (uint64,
nanoseconds since 1601), samples. The index at the end of a file is not read: hopping
from chunk to chunk finds the same, in files that were not closed as well.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from circus_io.errors import FormatError

__all__ = ["Chunks", "Stretch", "cut_at_gaps", "find_chunks"]

CHUNK = struct.Struct("<8sqQQ")
ITEM_BYTES = 16  # tag and length
TIME_BYTES = 16  # both times, counted in the length
SAMPLE_BYTES = 2
INDEX = b"IDX1MCS "


@dataclass(frozen=True)
class Chunks:
    """The chunks of one stream, in the order of the file.

    Attributes
    ----------
    offsets, n_bytes : int64 array, shape (n_chunks,)
        Place and length of what follows the times.
    start_ns, stop_ns : uint64 array, shape (n_chunks,)
        Times of the first sample and of the one after the last, since 1601.
    """

    offsets: np.ndarray
    n_bytes: np.ndarray
    start_ns: np.ndarray
    stop_ns: np.ndarray

    def __len__(self) -> int:
        """Return the number of chunks."""
        return len(self.offsets)

    def only(self, chosen: np.ndarray) -> "Chunks":
        """Return some of the chunks."""
        columns = (self.offsets, self.n_bytes, self.start_ns, self.stop_ns)
        return Chunks(*(column[chosen] for column in columns))


@dataclass(frozen=True)
class Stretch:
    """Chunks of samples that follow each other without a gap.

    Attributes
    ----------
    offsets : int64 array, shape (n_chunks,)
        Where the samples of each chunk start in the file.
    ends : int64 array, shape (n_chunks,)
        Frames up to the end of each chunk.
    start_ns : int
        Time of the first frame.
    """

    offsets: np.ndarray
    ends: np.ndarray
    start_ns: int

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def parts(
        self, t_start: int, t_stop: int, most_frames: int
    ) -> Iterator[tuple[int, int, int]]:
        """Yield the pieces of ``[t_start, t_stop)`` that lie together in the file.

        Yields
        ------
        offset : int
            Of the chunk that holds the piece.
        first, stop : int
            Frames within that chunk, at most `most_frames` of them.
        """
        chunk = int(np.searchsorted(self.ends, t_start, side="right"))
        while t_start < t_stop:
            begin = int(self.ends[chunk - 1]) if chunk else 0
            end = int(self.ends[chunk])
            stop = min(t_stop, end, t_start + most_frames)
            yield int(self.offsets[chunk]), t_start - begin, stop - begin
            t_start = stop
            chunk += stop == end


def find_chunks(
    file: BinaryIO, at: int, n_bytes: int, tags: Iterable[str]
) -> tuple[dict[str, Chunks], str]:
    """Hop over the items behind the header.

    Parameters
    ----------
    file : binary file, not buffered
    at : int
        Where the first item starts.
    n_bytes : int
        Length of the file.
    tags : iterable of str
        Streams whose chunks are wanted.

    Returns
    -------
    chunks : dict of str to Chunks
        Of each wanted stream, whole chunks only.
    problem : str
        Why the file ends other than with an index; empty if it does not.
    """
    tables = {tag: array("Q") for tag in tags}
    by_tag = {tag.encode("cp1252", "replace").ljust(8): tables[tag] for tag in tables}
    problem = ""
    while at + ITEM_BYTES <= n_bytes and not problem:
        file.seek(at)
        item = file.read(CHUNK.size).ljust(CHUNK.size, b"\0")
        tag, length, start_ns, stop_ns = CHUNK.unpack(item)
        if tag == INDEX:
            break
        table = by_tag.get(tag)
        end = at + ITEM_BYTES + length
        if table is None and not tag.decode("latin-1").isprintable():
            problem = f"is damaged at byte {at}, where a chunk should start"
        elif not 0 <= length <= n_bytes - at - ITEM_BYTES:
            problem = f"ends within the chunk at byte {at}"
        elif table is not None and length >= TIME_BYTES:
            table.extend((at + CHUNK.size, length - TIME_BYTES, start_ns, stop_ns))
        at = end
    else:
        problem = problem or "ends without an index, as if recording was interrupted"
    return {tag: _chunks(table) for tag, table in tables.items()}, problem


def _chunks(table: array) -> Chunks:
    columns = np.array(table, np.uint64).reshape(-1, 4).T
    offsets, n_bytes, start_ns, stop_ns = np.ascontiguousarray(columns)
    return Chunks(offsets.astype(np.int64), n_bytes.astype(np.int64), start_ns, stop_ns)


def cut_at_gaps(
    chunks: Chunks, n_channels: int, rate_mhz: int, where: str
) -> list[Stretch]:
    """Return the stretches of a stream; at least one, if only an empty one.

    A chunk that does not start when the one before it stops, to half a frame, begins a
    new stretch: the next sweep of a triggered recording, or what followed a pause.

    Parameters
    ----------
    chunks : Chunks
    n_channels, rate_mhz : int
        Of the stream; samples per 1000 s.
    where : str
        Names the stream, for messages.

    Raises
    ------
    FormatError
        A chunk holds no whole number of frames.
    """
    n_frames, left_over = np.divmod(chunks.n_bytes, n_channels * SAMPLE_BYTES)
    if left_over.any():
        raise FormatError(
            f"a chunk of {where} has {chunks.n_bytes[left_over > 0][0]} bytes of "
            f"samples, which are no whole frames of {n_channels} channels"
        )
    chunks, n_frames = chunks.only(n_frames > 0), n_frames[n_frames > 0]
    # times differ by less than 2**63, but are beyond it themselves
    pauses_ns = np.abs((chunks.start_ns[1:] - chunks.stop_ns[:-1]).view(np.int64))
    borders = 1 + np.flatnonzero(pauses_ns > 0.5e12 / rate_mhz)
    bounds = [0, *borders.tolist(), len(chunks)]
    return [
        Stretch(
            offsets=chunks.offsets[first:stop],
            ends=np.cumsum(n_frames[first:stop]),
            start_ns=int(chunks.start_ns[first]) if first < stop else 0,
        )
        for first, stop in pairwise(bounds)
    ]
