"""Slow waves with frequencies that have irrational ratios: sine and triangle."""

from dataclasses import dataclass

import numpy as np

from stim.sampling import waves
from stim.sampling.designs.base import Design

__all__ = ["Sawtooth", "Sine"]

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


@dataclass(frozen=True, kw_only=True)
class Sine(Design):
    """A·sin(2πft + φ) + offset on each electrode, on through all batches.

    The frequency of an electrode is √(input_frequency) · factor · rate_hz, in Hz.

    Attributes
    ----------
    input_frequency : tuple of float, optional
        Of each electrode; by default the first primes.
    factor : float
    phase : tuple of float
        Of each electrode, radians.
    random_phase_shift_each : int
        Batches after which the phases are drawn anew, uniform in ±2π; 0: never.
    """

    kind = "sine"

    input_frequency: tuple[float, ...] | None = None
    factor: float = 0.001
    phase: tuple[float, ...] = (0.0,)
    random_phase_shift_each: int = 0

    def __post_init__(self) -> None:
        """Check frequencies and phases."""
        super().__post_init__()
        if self.input_frequency is None:
            self._need(
                self.n_electrodes <= len(PRIMES),
                "n_electrodes",
                f"at most {len(PRIMES)}, or input_frequency for each",
            )
            self._set("input_frequency", PRIMES[: self.n_electrodes])
        self._set("input_frequency", self._for_each_electrode("input_frequency"))
        self._need(min(self.input_frequency) >= 0, "input_frequency", "at least 0")
        self._set("phase", self._for_each_electrode("phase"))
        self._need_whole("random_phase_shift_each", 0)
        self._need(0 < self.factor < float("inf"), "factor", "a number above 0")

    def frequencies_hz(self) -> np.ndarray:
        """Return the frequency of each electrode, Hz."""
        return np.sqrt(self.input_frequency) * self.factor * self.rate_hz

    def phases(self, index: int) -> np.ndarray:
        """Return the phase of each electrode in a batch, radians (n_electrodes,)."""
        self._check_index(index)
        each = self.random_phase_shift_each
        n_draws = index // each if each else 0
        if not n_draws:
            return np.array(self.phase)
        return self._generator(n_draws).uniform(
            -2 * np.pi, 2 * np.pi, self.n_electrodes
        )

    def batch(self, index: int) -> np.ndarray:
        """Return a batch, float64 (batch_samples, n_electrodes)."""
        samples, phases = self._samples(index), self.phases(index)
        at_turns = [
            waves.turns(frequency, self.factor, samples)
            for frequency in self.input_frequency
        ]
        amplitude, offset = self._scale()
        return amplitude * self._shape(np.stack(at_turns, axis=1), phases) + offset

    def _shape(self, at_turns: np.ndarray, phases: np.ndarray) -> np.ndarray:
        return waves.sine(at_turns, phases)


@dataclass(frozen=True, kw_only=True)
class Sawtooth(Sine):
    """A triangle in place of the sine: all levels for as long, the edges as well."""

    kind = "sawtooth"

    def _shape(self, at_turns: np.ndarray, phases: np.ndarray) -> np.ndarray:
        return waves.triangle(at_turns, phases)
