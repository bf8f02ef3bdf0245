"""What every step is given."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.probe import Probe
from sorting.chunk_map import Progress, map_items
from sorting.config import SortingConfig
from sorting.front_end import FrontEnd, Piece
from sorting.kernels.sampling import bottom_k, hash_keys
from sorting.kernels.whitening import BandedMatrix
from sorting.store import Store

__all__ = ["Context", "Whitener"]

STAGE_NOISE = 1  # stages of the hash that draws samples, one number each
STAGE_PEAKS = 2
STAGE_PRUNING = 3
STAGE_ARTEFACTS = 4


@dataclass(frozen=True)
class Context:
    """Recording, probe, settings, ranks and stored results, for one step.

    `digest` is the hash of all that the step depends on, `fingerprint` that of the
    recording.
    """

    recording: Any
    probe: Probe
    config: SortingConfig
    front_end: FrontEnd
    comm: Any
    store: Store
    progress: Progress
    digest: str
    fingerprint: str
    result_path: Path

    @property
    def n_channels(self) -> int:
        """Channels that are analysed."""
        return self.probe.n_channels

    @cached_property
    def distance_um(self) -> np.ndarray:
        """Distances between contacts, infinite between shanks."""
        positions = self.probe.contact_positions
        difference = positions[:, None] - positions[None]
        distance = np.sqrt((difference**2).sum(axis=-1))
        same = self.probe.groups[:, None] == self.probe.groups[None]
        return np.where(same, distance, np.inf)

    def map_chunks(self, function, indices=None, *, root=None, progress=None) -> list:
        """Apply a function of a chunk index to all chunks, or to some."""
        indices = range(len(self.front_end)) if indices is None else indices
        return map_items(
            function, indices, self.comm, progress or self.progress, root=root
        )

    def chunks_of(self, times: np.ndarray) -> np.ndarray:
        """Return the chunk of each global frame; one before a stream counts to it."""
        grid = self.front_end.grid
        starts = np.array([grid.bounds(index)[0] for index in range(len(grid))])
        return np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)

    def sample_chunks(self, n_chunks: int, skip: int = 0) -> np.ndarray:
        """Choose chunks by hash: the same ones whatever the number of ranks."""
        indices = np.arange(len(self.front_end))
        keys = hash_keys(self.config.whitening.seed, STAGE_NOISE, indices)
        order = bottom_k(np.zeros(indices.size, np.int64), keys, skip + n_chunks)
        return np.sort(indices[order[skip:]])

    def learning_chunks(self) -> list[int]:
        """List the chunks that units are learned from: all, or some, evenly spread."""
        n_chunks, wanted = len(self.front_end), self.config.detection.n_chunks
        if wanted is None:
            return list(range(n_chunks))
        n = min(n_chunks, max(wanted, ceil(self.config.detection.share * n_chunks)))
        return [(2 * i + 1) * n_chunks // (2 * n) for i in range(n)]

    def chunks_with(self, times: np.ndarray) -> list[int]:
        """List the chunks that units are learned from and that hold any of `times`."""
        grid = self.front_end.grid
        bounds = np.array([grid.bounds(i) for i in range(len(grid))]).reshape(-1, 2)
        at = np.searchsorted(bounds[:, 0], times, side="right") - 1
        at = at[(at >= 0) & (times < bounds[np.maximum(at, 0), 1])]
        return np.intersect1d(at, self.learning_chunks()).tolist()


class Whitener:
    """The front end followed by spatial whitening.

    Parameters
    ----------
    front_end : FrontEnd
    matrix : float32 (n_channels, n_channels)
        From `kernels.whitening.local_whitening`.
    """

    def __init__(self, front_end: FrontEnd, matrix: np.ndarray):
        self.front_end = front_end
        self.matrix = BandedMatrix.from_dense(matrix)

    def read(
        self, index: int, margin: int = 0, lead: int = 0, *, by_channel: bool = False
    ) -> tuple[Piece, np.ndarray]:
        """Return the filtered piece and its whitened traces, both with margin.

        A stream begins with `lead` frames of zeros: windows may begin before it.
        `by_channel` lays the traces out for reading along channels, in the same shape.
        """
        piece = self.front_end.read(index, margin)
        if lead and piece.at_start:
            piece = replace(
                piece,
                traces=np.pad(piece.traces, ((lead, 0), (0, 0))),
                first_frame=piece.first_frame - lead,
            )
        if by_channel:
            return piece, self.matrix.apply_by_channel(piece.traces).T
        return piece, self.matrix.apply(piece.traces)
