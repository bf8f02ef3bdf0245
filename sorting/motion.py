"""How the tissue moves along the probe, and traces as if it did not."""

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from circus_io.probe import Probe
from sorting.front_end import FrontEnd, Piece
from sorting.kernels.kriging import kriging_weights
from sorting.kernels.whitening import BandedMatrix

__all__ = ["Motion", "SteadyFrontEnd", "positions_apart"]

STEP_UM = 1.0  # displacements are rounded to this: a matrix for each
MAX_MATRICES = 64  # that wait to be used again
SHANK_APART_UM = 1e6


@dataclass(frozen=True, eq=False)
class Motion:
    """Displacement of the tissue in each chunk and depth window.

    Attributes
    ----------
    axis : int
        Dimension of the contact positions along which the tissue moves.
    depths_um : float64 (n_windows,)
        Middles of the windows, rising.
    displacement_um : float64 (n_chunks, n_windows)
        Positive where spikes appear at larger coordinates than on the average.
    """

    axis: int
    depths_um: np.ndarray
    displacement_um: np.ndarray

    @classmethod
    def from_arrays(cls, stored: dict[str, np.ndarray]) -> "Motion":
        """Take what the step of this name stored."""
        return cls(int(stored["axis"]), stored["depths"], stored["displacement"])

    def __bool__(self) -> bool:
        return bool(np.any(self.displacement_um))

    def levels(self, index: int, step_um: float = STEP_UM) -> tuple[int, ...]:
        """Return the rounded displacement of each window in a chunk, in steps."""
        steps = np.rint(self.displacement_um[index] / step_um)
        return tuple(steps.astype(int).tolist())

    def at(self, depths_um: np.ndarray) -> np.ndarray:
        """Return the displacement at some depths, float64 (n_chunks, n_depths)."""
        windows = np.eye(self.depths_um.size)
        weights = [np.interp(depths_um, self.depths_um, window) for window in windows]
        return self.displacement_um @ np.array(weights)

    def moved(self, positions: np.ndarray, levels: tuple[int, ...]) -> np.ndarray:
        """Return where on the probe what belongs to `positions` appears.

        Parameters
        ----------
        positions : float64 (n, n_dimensions)
            In µm.
        levels : tuple of int
            From `levels`; between the middles of windows they are interpolated.

        Returns
        -------
        float64 (n, n_dimensions)
        """
        moved = np.array(positions, np.float64)
        along = moved[:, self.axis]
        shift = np.interp(along, self.depths_um, np.multiply(levels, STEP_UM))
        moved[:, self.axis] = along + shift
        return moved


class SteadyFrontEnd:
    """A front end whose traces are moved back, as if the probe stood still.

    A channel is given what the contacts around the place where its tissue is now would
    see there.

    Parameters
    ----------
    front_end : FrontEnd
    motion : Motion
    probe : Probe
    alive : bool (n_channels,)
        Only these channels are read.
    """

    def __init__(
        self, front_end: FrontEnd, motion: Motion, probe: Probe, alive: np.ndarray
    ):
        self.front_end = front_end
        self.motion = motion
        self.positions = positions_apart(probe)
        self.sources = np.flatnonzero(alive)
        self._matrices: OrderedDict[tuple[int, ...], BandedMatrix] = OrderedDict()

    def __len__(self) -> int:
        return len(self.front_end)

    def read(self, index: int, margin: int = 0) -> Piece:
        """Return a chunk as the front end does, moved by what the chunk needs."""
        piece = self.front_end.read(index, margin)
        levels = self.motion.levels(index)
        if not any(levels):
            return piece
        return replace(piece, traces=self._matrix(levels).apply(piece.traces))

    def _matrix(self, levels: tuple[int, ...]) -> BandedMatrix:
        if levels not in self._matrices:
            self._matrices[levels] = self._make_matrix(levels)
            if len(self._matrices) > MAX_MATRICES:
                self._matrices.popitem(last=False)
        self._matrices.move_to_end(levels)
        return self._matrices[levels]

    def _make_matrix(self, levels: tuple[int, ...]) -> BandedMatrix:
        targets = self.motion.moved(self.positions, levels)
        dense = np.zeros((len(targets), len(targets)), np.float32)
        sources = self.positions[self.sources]
        dense[:, self.sources] = kriging_weights(targets, sources)
        return BandedMatrix.from_dense(dense)


def positions_apart(probe: Probe) -> np.ndarray:
    """Return contact positions with one more dimension, in which shanks are far apart.

    float64 (n_channels, n_dimensions + 1), in µm.
    """
    _, shank = np.unique(probe.groups, return_inverse=True)
    return np.column_stack([probe.contact_positions, SHANK_APART_UM * shank])
