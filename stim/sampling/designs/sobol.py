"""Levels from a low-discrepancy sequence: the space of inputs, evenly filled."""

from dataclasses import dataclass

import numpy as np

from stim.sampling import waves
from stim.sampling.designs.base import Design
from stim.sampling.timing import count_samples

__all__ = ["Sobol"]


@dataclass(frozen=True, kw_only=True)
class Sobol(Design):
    """Points of one scrambled Sobol sequence, each held for a while.

    `scipy.stats.qmc.Sobol`; batch b goes on where batch b - 1 ended. A total that is a
    power of two is balanced best.

    Attributes
    ----------
    hold_s, rise_s : float
        Time at a level, and on the way to it; what is left of a batch holds the last.
    """

    kind = "sobol"

    hold_s: float
    rise_s: float = 0.0

    def __post_init__(self) -> None:
        """Check that a batch has room for a level."""
        super().__post_init__()
        self._need(
            count_samples(self.hold_s, self.rate_hz) >= 1 and self.levels_per_batch > 0,
            "hold_s",
            "at least a sample, and with rise_s at most a batch",
        )

    @property
    def levels_per_batch(self) -> int:
        """How many levels fit into a batch."""
        n_hold = count_samples(self.hold_s, self.rate_hz)
        n_rise = count_samples(self.rise_s, self.rate_hz)
        return self.batch_samples // max(n_hold + n_rise, 1)

    def levels(self, index: int) -> np.ndarray:
        """Return the levels of a batch in 0 to 1, (levels_per_batch, n_electrodes)."""
        from scipy.stats import qmc

        self._check_index(index)
        sequence = qmc.Sobol(self.n_electrodes, rng=np.random.default_rng(self.seed))
        n_levels = self.levels_per_batch
        if index:
            sequence.fast_forward(index * n_levels)
            return sequence.random(n_levels)
        # the first call warns of numbers that are no power of two; 1 is one
        return np.concatenate([sequence.random(1), sequence.random(n_levels - 1)])

    def batch(self, index: int) -> np.ndarray:
        """Return a batch, float64 (batch_samples, n_electrodes)."""
        amplitude, offset = self._scale()
        levels = offset + amplitude * (2 * self.levels(index) - 1)
        n_hold = count_samples(self.hold_s, self.rate_hz)
        n_rise = count_samples(self.rise_s, self.rate_hz)
        held = waves.held_levels(levels, n_hold, n_rise)
        rest = np.tile(levels[-1], (self.batch_samples - len(held), 1))
        return np.concatenate([held, rest])
