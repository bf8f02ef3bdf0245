"""What the fitted amplitudes of a unit say about it, counted block by block."""

import math

import numba
import numpy as np

__all__ = ["AmplitudeCounts", "missing_fraction"]

MIN_COUNTED = 10  # spikes whose mean amplitude is known to a few per cent
MOST_MISSING = 0.5  # beyond, the peak of the amplitudes is out of sight
LOWEST_CUT = -6.0  # in sd: one spike in 10⁹ is missing
CUT_PRECISION = 1e-12


class AmplitudeCounts:
    """Moments of the amplitudes of K units, and how far their means wander.

    Parameters
    ----------
    n_units : int
    bin_frames : int
        Recorded time over which amplitudes are averaged.

    Attributes
    ----------
    n_spikes : int64 (K,)
    total, squares : float64 (K,)
        Sums of the amplitudes and of their squares.
    """

    def __init__(self, n_units: int, bin_frames: int):
        self.bin_frames = bin_frames
        self.n_spikes = np.zeros(n_units, np.int64)
        self.total, self.squares = np.zeros(n_units), np.zeros(n_units)
        self._bin = np.full(n_units, -1, np.int64)
        self._count = np.zeros(n_units, np.int64)
        self._total = np.zeros(n_units)
        self._extremes = np.tile([np.inf, -np.inf], (n_units, 1))

    def add(
        self, amplitudes: np.ndarray, units: np.ndarray, recorded: np.ndarray
    ) -> None:
        """Take the next spikes.

        Parameters
        ----------
        amplitudes : float32 (n,)
        units : int32 (n,)
        recorded : int64 (n,)
            Times in frames without gaps, ascending.
        """
        values = np.asarray(amplitudes, np.float64)
        n_units = self.n_spikes.size
        self.n_spikes += np.bincount(units, minlength=n_units)
        self.total += np.bincount(units, values, n_units)
        self.squares += np.bincount(units, values**2, n_units)
        _average(
            values,
            np.asarray(units, np.int64),
            recorded // self.bin_frames,
            (self._bin, self._count, self._total),
            self._extremes,
        )

    def drift(self) -> np.ndarray:
        """Return the range of the mean amplitude over time, float64 (K,).

        Only bins with enough spikes count; 0 with fewer than two of them.
        """
        low, high = self._extremes.T.copy()
        means = self._total / np.maximum(self._count, 1)
        last = self._count >= MIN_COUNTED
        low[last] = np.minimum(low, means)[last]
        high[last] = np.maximum(high, means)[last]
        return np.maximum(high - low, 0.0)


@numba.njit(cache=True)
def _average(values, units, bins, running, extremes):
    """Average over bins of time; a bin is judged when the next one of a unit begins."""
    current, count, total = running
    for spike in range(values.size):
        unit = units[spike]
        if bins[spike] != current[unit]:
            if count[unit] >= MIN_COUNTED:
                mean = total[unit] / count[unit]
                extremes[unit, 0] = min(extremes[unit, 0], mean)
                extremes[unit, 1] = max(extremes[unit, 1], mean)
            current[unit], count[unit], total[unit] = bins[spike], 0, 0.0
        count[unit] += 1
        total[unit] += values[spike]


def missing_fraction(
    n_spikes: int, total: float, squares: float, smallest: float
) -> float:
    """Estimate which fraction of a unit's spikes is too small to have been found.

    Amplitudes are taken to be normal, and only those above a known one to be seen. The
    most likely mean and sd of such a truncated normal follow from the first two moments
    of what is seen (Cohen 1959, Technometrics 1:217).

    Parameters
    ----------
    n_spikes : int
    total, squares : float
        Sums of the amplitudes and of their squares.
    smallest : float
        Amplitude from which on spikes are found.

    Returns
    -------
    float
        In [0, 0.5]: where more than half may be missing, nobody can tell how many. 0
        for fewer than two spikes.
    """
    if n_spikes < 2:
        return 0.0
    mean = total / n_spikes
    variance = max(squares / n_spikes - mean**2, 0.0)
    ratio = variance / max(mean - smallest, 1e-9) ** 2
    if ratio >= _moment_ratio(0.0):
        return MOST_MISSING
    if ratio <= _moment_ratio(LOWEST_CUT):
        return 0.0
    return _normal_tail(-_cut_of(ratio))


def _cut_of(ratio: float) -> float:
    """Return the cut, in sd from the mean of the whole, that makes a moment ratio."""
    low, high = LOWEST_CUT, 0.0
    while high - low > CUT_PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if _moment_ratio(middle) > ratio else (middle, high)
    return (low + high) / 2


def _moment_ratio(cut: float) -> float:
    """Return variance over squared distance of mean and cut, of a normal cut there.

    `cut` counts in sd from the mean of the whole; the ratio rises with it.
    """
    density = math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi)
    hazard = density / _normal_tail(cut)
    return (1 - hazard * (hazard - cut)) / (hazard - cut) ** 2


def _normal_tail(x: float) -> float:
    """Probability that a standard normal exceeds `x`."""
    return math.erfc(x / math.sqrt(2)) / 2
