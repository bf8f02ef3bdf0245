"""Current-voltage curves: down and up in steps, on one electrode after another."""

from dataclasses import dataclass

import numpy as np

from circus_io.errors import ParameterError
from stim.sampling import waves
from stim.sampling.designs.base import Design
from stim.sampling.timing import count_samples

__all__ = ["Staircase"]


@dataclass(frozen=True, kw_only=True)
class Staircase(Design):
    """Batch b steps electrode b modulo n through its range; others keep their offset.

    From the offset to one end, to the other, and back; each level is passed on the way
    out and on the way back.

    Attributes
    ----------
    n_steps : int
        Equal steps from end to end, an even number.
    hold_s, rise_s : float
        Time at a level, and on the way to it.
    first : {'down', 'up'}
        Which end comes first.
    """

    kind = "staircase"

    n_steps: int
    hold_s: float
    rise_s: float = 0.0
    first: str = "down"

    def __post_init__(self) -> None:
        """Check that all steps fit into a batch."""
        super().__post_init__()
        self._need_whole("n_steps", 2)
        self._need(self.n_steps % 2 == 0, "n_steps", "an even number")
        if self.first not in ("down", "up"):
            raise ParameterError(f"first = {self.first}: choose from down, up")
        self._need(self._n_hold >= 1, "hold_s", "at least one sample")
        n_needed = len(self._levels()) * (self._n_hold + self._n_rise)
        self._need(
            n_needed <= self.batch_samples,
            "batch_samples",
            f"at least {n_needed}, which all steps take",
        )

    @property
    def _n_hold(self) -> int:
        return count_samples(self.hold_s, self.rate_hz)

    @property
    def _n_rise(self) -> int:
        return count_samples(self.rise_s, self.rate_hz)

    def _levels(self) -> np.ndarray:
        return waves.staircase(-1, 1, self.n_steps, up_first=self.first == "up")

    def batch(self, index: int) -> np.ndarray:
        """Return a batch, float64 (batch_samples, n_electrodes)."""
        levels = self._levels()[:, np.newaxis]
        steps = waves.held_levels(levels, self._n_hold, self._n_rise)[:, 0]
        return self._on_one(index, steps)
