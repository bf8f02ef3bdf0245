"""A frequency that sweeps, on one electrode after another."""

from dataclasses import dataclass

import numpy as np

from circus_io.errors import ParameterError
from stim.sampling import waves
from stim.sampling.designs.base import Design

__all__ = ["Chirp"]


@dataclass(frozen=True, kw_only=True)
class Chirp(Design):
    """Batch b sweeps electrode b modulo n; the others keep their offset.

    Attributes
    ----------
    start_hz, stop_hz : float
        Below half of the sampling rate.
    scale : {'log', 'linear'}
        Whether equal times are equal ratios of frequencies, or equal differences.
    """

    kind = "chirp"

    start_hz: float
    stop_hz: float
    scale: str = "log"

    def __post_init__(self) -> None:
        """Check the frequencies."""
        super().__post_init__()
        for name in ("start_hz", "stop_hz"):
            self._need(
                0 < getattr(self, name) < self.rate_hz / 2,
                name,
                f"above 0 and below {self.rate_hz / 2:g} Hz, half of the sampling rate",
            )
        if self.scale not in ("log", "linear"):
            raise ParameterError(f"scale = {self.scale}: choose from log, linear")

    def batch(self, index: int) -> np.ndarray:
        """Return a batch, float64 (batch_samples, n_electrodes)."""
        sweep = waves.chirp(
            self.start_hz,
            self.stop_hz,
            self.batch_samples,
            self.rate_hz,
            is_log=self.scale == "log",
        )
        return self._on_one(index, sweep)
