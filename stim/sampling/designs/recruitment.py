"""Recruitment curves: balanced pulses of all amplitudes, in random order."""

from dataclasses import dataclass

import numpy as np

from stim.sampling import waves
from stim.sampling.designs.base import Design
from stim.sampling.timing import count_samples

__all__ = ["Recruitment"]


@dataclass(frozen=True, kw_only=True)
class Recruitment(Design):
    """Batch b pulses electrode b modulo n; the others keep their offset.

    Every amplitude comes `repeats` times, in an order that is drawn for each batch, so
    that slow changes of the tissue do not look like an effect of the amplitude. Each
    pulse has a negative phase first, and sums up to 0.

    Attributes
    ----------
    n_amplitudes, repeats : int
        Equal steps up to the amplitude of the electrode.
    phase_s, gap_s, period_s : float
        Length of a phase, time between the two, and from pulse to pulse.
    """

    kind = "recruitment"

    n_amplitudes: int
    phase_s: float
    period_s: float
    gap_s: float = 0.0
    repeats: int = 1
    offset: tuple[float, ...] | None = (0.0,)

    def __post_init__(self) -> None:
        """Check that pulses fit into a period, and periods into a batch."""
        super().__post_init__()
        self._need_whole("n_amplitudes", 1)
        self._need_whole("repeats", 1)
        n_phase, n_gap, n_period = self._lengths()
        self._need(n_phase >= 1, "phase_s", "at least one sample")
        self._need(
            n_period >= 2 * n_phase + n_gap, "period_s", "room for a pulse in a period"
        )
        n_needed = n_period * self.n_amplitudes * self.repeats
        self._need(
            n_needed <= self.batch_samples,
            "batch_samples",
            f"at least {n_needed}, which all pulses take",
        )

    def _lengths(self) -> tuple[int, int, int]:
        return tuple(
            count_samples(seconds, self.rate_hz)
            for seconds in (self.phase_s, self.gap_s, self.period_s)
        )

    def amplitudes(self, index: int) -> np.ndarray:
        """Return the amplitudes of a batch in their order, relative to the largest."""
        self._check_index(index)
        steps = np.arange(1, self.n_amplitudes + 1) / self.n_amplitudes
        return self._generator(index).permutation(np.repeat(steps, self.repeats))

    def batch(self, index: int) -> np.ndarray:
        """Return a batch, float64 (batch_samples, n_electrodes)."""
        train = waves.biphasic_train(-self.amplitudes(index), *self._lengths())
        return self._on_one(index, train)
