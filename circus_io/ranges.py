"""The lowest and the highest value of each channel."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io.recording import Recording
from circus_io.samples import read_microvolts

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
    for t_start, t_stop in bounds:
        traces = read_microvolts(recording, t_start, t_stop, nodes)
        absent = ~np.isfinite(traces)
        n_not_finite += np.count_nonzero(absent, axis=0)
        lowest = np.fmin(lowest, np.min(traces, 0, initial=np.inf, where=~absent))
        highest = np.fmax(highest, np.max(traces, 0, initial=-np.inf, where=~absent))
        n_frames += len(traces)
        progress()
    of_ranks = comm.allgather((lowest, highest, n_not_finite, n_frames))
    lows, highs, absences, counts = zip(*of_ranks, strict=True)
    lowest, highest = np.min(lows, axis=0), np.max(highs, axis=0)
    nothing = lowest > highest
    lowest[nothing] = highest[nothing] = np.nan
    return Ranges(lowest, highest, np.sum(absences, axis=0), sum(counts))
