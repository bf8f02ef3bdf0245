"""`Passage`: holds what is posted by hand against limits, sample by sample.

A signal was checked before, and so was how it repeats. What follows what, where samples
are queued again and again, is known only here.
"""

import numpy as np

from circus_io.errors import SafetyError
from stim.safety import SafetyLimits

__all__ = ["Passage"]


class Passage:
    """The phase that a channel is in, and when its last pulse began.

    Parameters
    ----------
    shift : int
        Bits of a word below its counts: ``scale.shift``.
    resolution : int
        Of a count, nA or µV.
    sample_us : float
        How long a sample lasts, µs.
    """

    def __init__(self, shift: int, resolution: int, sample_us: float) -> None:
        self._shift, self._resolution = shift, resolution
        self._sample_us = sample_us
        self._n_samples = self._level = self._charge = 0
        self._phase_sign = self._phase_charge = self._phase_samples = 0
        self._onset: int | None = None

    def follow(self, words: np.ndarray, limits: SafetyLimits) -> None:
        """Let words pass, or none of them.

        Parameters
        ----------
        words : int16 array, shape (n_samples,)
        limits : SafetyLimits

        Raises
        ------
        SafetyError
            With what has passed before, a phase is too long or has too much charge, or
            a pulse comes too soon after the one before.
        """
        if not words.any():
            self._n_samples += words.size
            self._level = 0 if words.size else self._level
            return
        starts = np.r_[0, np.flatnonzero(words[1:] != words[:-1]) + 1]
        ticks = np.diff(np.r_[starts, words.size])
        counts = words[starts].astype(np.int64) >> self._shift
        flows = np.flatnonzero(counts)
        starts, ticks, counts = starts[flows], ticks[flows], counts[flows]
        charges = counts * ticks
        running = self._charge + np.cumsum(charges)
        is_onset = np.r_[self._charge, running[:-1]] == 0
        if starts[0] == 0 and counts[0] == self._level:
            is_onset[0] = False  # the end of what began in the block before
        onset = self._check_onsets(self._n_samples + starts[is_onset], limits)
        phase = self._check_phases(counts, ticks, charges, is_onset, limits)
        self._onset, self._charge = onset, int(running[-1])
        self._phase_sign, self._phase_charge, self._phase_samples = phase
        self._n_samples += words.size
        self._level = int(words[-1]) >> self._shift

    def _check_onsets(self, onsets: np.ndarray, limits: SafetyLimits) -> int | None:
        """Return the last onset; pulses go from no charge to no charge."""
        known = onsets if self._onset is None else np.r_[self._onset, onsets]
        gaps_us = np.diff(known) * self._sample_us
        if gaps_us.size and gaps_us.min() < limits.min_period_us:
            raise SafetyError(
                f"a pulse {gaps_us.min():g} µs after the one before is below the limit "
                f"of {limits.min_period_us} µs; nothing of it was sent"
            )
        return int(known[-1]) if known.size else None

    def _check_phases(
        self,
        counts: np.ndarray,
        ticks: np.ndarray,
        charges: np.ndarray,
        is_onset: np.ndarray,
        limits: SafetyLimits,
    ) -> tuple[int, int, int]:
        """Return sign, charge and samples of the phase that is not over yet."""
        signs = np.sign(counts)
        begins = is_onset | (signs != np.r_[self._phase_sign, signs[:-1]])
        goes_on = not begins[0]
        begins[0] = True
        first = np.flatnonzero(begins)
        phase_charges = np.add.reduceat(charges, first)
        phase_samples = np.add.reduceat(ticks, first)
        if goes_on:
            phase_charges[0] += self._phase_charge
            phase_samples[0] += self._phase_samples
        longest_us = int(phase_samples.max()) * self._sample_us
        if longest_us > limits.max_phase_us:
            raise SafetyError(
                f"a phase of {longest_us:g} µs is beyond the limit of "
                f"{limits.max_phase_us} µs; nothing of it was sent"
            )
        most = int(np.abs(phase_charges).max())
        for problem in limits.phase_problems(self.charge_fc(most, limits)):
            raise SafetyError(f"{problem}; nothing of it was sent")
        return int(signs[-1]), int(phase_charges[-1]), int(phase_samples[-1])

    def charge_fc(self, counts_samples: int, limits: SafetyLimits) -> float:
        """Return counts × samples as a charge, fC; of a voltage, an upper bound."""
        return limits.charge_fc(counts_samples, self._resolution, self._sample_us)

    def charges_fc(
        self, low: float, high: float, limits: SafetyLimits
    ) -> tuple[float, float]:
        """Return the least and the most charge, fC, between two counts × samples."""
        return limits.charges_fc(low, high, self._resolution, self._sample_us)
