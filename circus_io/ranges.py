"""The lowest and the highest value of each channel."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.recording import Recording
from circus_io.samples import read_stored, stream_microvolts
from circus_io.streams import Piece

__all__ = ["Ranges", "measure_ranges"]


@dataclass(frozen=True, eq=False)
class Ranges:
    """What values channels take in the frames that were read.

    Attributes
    ----------
    lowest, highest : float64 array, shape (n_channels,)
        µV; NaN for a channel without a finite value.
    n_not_finite : int64 array, shape (n_channels,)
        Samples that are NaN or infinite.
    n_frames : int
        Frames that were read.
    """

    lowest: np.ndarray
    highest: np.ndarray
    n_not_finite: np.ndarray
    n_frames: int

    @property
    def is_dead(self) -> np.ndarray:
        """Whether a channel never changes, or is never finite; bool (n_channels,)."""
        return ~(self.highest > self.lowest) & (self.n_frames > 1)


def measure_ranges(
    recording: Recording,
    bounds: Iterable[tuple[int, int]],
    nodes: np.ndarray | None,
    comm: Any,
    progress: Callable[[], None] = lambda: None,
) -> Ranges:
    """Return the range of each channel over the frames that all ranks read.

    Parameters
    ----------
    recording : DataFile
    bounds : iterable of (int, int)
        Global frames, half open, that this rank reads; each read at once.
    nodes : ndarray of int64, or None for all
    comm : SerialComm or mpi4py.MPI.Comm
    progress : callable
        Called after each of the bounds.
    """
    n_nodes = recording.nb_channels if nodes is None else len(nodes)
    lowest, highest = np.full(n_nodes, np.inf), np.full(n_nodes, -np.inf)
    n_not_finite, n_frames = np.zeros(n_nodes, np.int64), 0
    recording._make_ready()
    for t_start, t_stop in bounds:
        for piece in recording._table.pieces(t_start, t_stop):
            source = recording.streams[piece.stream]
            low, high, n_absent = _range_of(source, piece, nodes)
            lowest, highest = np.fmin(lowest, low), np.fmax(highest, high)
            n_not_finite += n_absent
        n_frames += t_stop - t_start
        progress()
    of_ranks = comm.allgather((lowest, highest, n_not_finite, n_frames))
    lows, highs, absences, counts = zip(*of_ranks, strict=True)
    lowest, highest = np.min(lows, axis=0), np.max(highs, axis=0)
    nothing = lowest > highest
    lowest[nothing] = highest[nothing] = np.nan
    return Ranges(lowest, highest, np.sum(absences, axis=0), sum(counts))


def _range_of(
    source: DataFile, piece: Piece, nodes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | int]:
    """Return the ends of each channel, µV, and its samples that are not finite."""
    where = (piece.t_start, piece.t_stop, nodes)
    stored = read_stored(source, *where)
    if stored is not None and stored.dtype.kind in "iu":
        # the ends of the counts are those of the values, at a fraction of the cost
        ends = np.stack([stored.min(axis=0), stored.max(axis=0)]).astype(np.float64)
        ends = (ends - source.dtype_offset) * source._gain_of(nodes)
        return ends.min(axis=0), ends.max(axis=0), 0
    traces = stream_microvolts(source, *where)
    finite = np.isfinite(traces)
    low = np.min(traces, axis=0, initial=np.inf, where=finite)
    high = np.max(traces, axis=0, initial=-np.inf, where=finite)
    return low, high, len(traces) - np.count_nonzero(finite, axis=0)
