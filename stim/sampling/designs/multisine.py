"""Many frequencies at once, each electrode with its own: what a linear system does."""

from dataclasses import dataclass

import numpy as np

from stim.sampling import waves
from stim.sampling.designs.base import Design

__all__ = ["Multisine"]


@dataclass(frozen=True, kw_only=True)
class Multisine(Design):
    """Random-phase multisines; a batch is one realisation, periodic in its length.

    Electrode e has the harmonics e + 1, e + 1 + n, e + 1 + 2n, ... of ``1 / period``,
    for n electrodes: no two share one, so that answers at a harmonic belong to one
    electrode, and answers between them to what is not linear. Phases are drawn anew in
    each batch (Pintelon & Schoukens 2012, System Identification, chapter 5).

    Attributes
    ----------
    n_harmonics : int
        Of each electrode.
    periods : int
        In a batch, whose samples they divide evenly.
    """

    kind = "multisine"

    n_harmonics: int = 10
    periods: int = 1

    def __post_init__(self) -> None:
        """Check that all harmonics lie below half of the sampling rate."""
        super().__post_init__()
        self._need_whole("n_harmonics", 1)
        self._need_whole("periods", 1)
        self._need(
            self.batch_samples % self.periods == 0,
            "periods",
            f"a divisor of the {self.batch_samples} samples of a batch",
        )
        self._need(
            2 * self.n_harmonics * self.n_electrodes < self.period_samples,
            "n_harmonics",
            f"below {self.period_samples / 2 / self.n_electrodes:g}: "
            "the highest frequency is not below half of the sampling rate",
        )

    @property
    def period_samples(self) -> int:
        """Length of a period."""
        return self.batch_samples // self.periods

    def harmonics(self, electrode: int) -> np.ndarray:
        """Return the harmonics of an electrode, int64 (n_harmonics,)."""
        return electrode + 1 + self.n_electrodes * np.arange(self.n_harmonics)

    def phases(self, index: int) -> np.ndarray:
        """Return the phases of a batch, radians (n_electrodes * n_harmonics,)."""
        self._check_index(index)
        n_phases = self.n_electrodes * self.n_harmonics
        return self._generator(index).uniform(0, 2 * np.pi, n_phases)

    def batch(self, index: int) -> np.ndarray:
        """Return a batch, float64 (batch_samples, n_electrodes)."""
        phases = self.phases(index).reshape(self.n_electrodes, self.n_harmonics)
        samples = np.arange(self.batch_samples)
        columns = [
            waves.multisine(
                self.harmonics(electrode), of_electrode, self.period_samples, samples
            )
            for electrode, of_electrode in enumerate(phases)
        ]
        amplitude, offset = self._scale()
        return amplitude * np.stack(columns, axis=1) + offset
