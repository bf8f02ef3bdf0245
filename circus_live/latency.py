"""`Latencies`: how long blocks took from the source to a reader, in shared memory."""

from collections.abc import MutableSequence

import numpy as np

__all__ = ["N_BINS", "Latencies", "bin_edges_ms"]

N_BINS = 256
# eight bins to a factor of two: a percentile is known to 12 %
PARTS = 8
UNIT_NS = 256


class Latencies:
    """A histogram with bins of equal ratio, that another process may read meanwhile.

    Parameters
    ----------
    counts : mutable sequence of int, length N_BINS
        Where it counts.
    """

    def __init__(self, counts: MutableSequence[int]) -> None:
        self._counts = counts

    def add(self, latency_ns: int) -> None:
        """Count one block."""
        units = max(latency_ns * PARTS // UNIT_NS, PARTS)
        octave = units.bit_length() - 4
        place = octave * PARTS + (units >> octave) - PARTS
        self._counts[min(place, N_BINS - 1)] += 1

    @property
    def counts(self) -> np.ndarray:
        """Blocks in each bin, int64 (N_BINS,)."""
        return np.array(self._counts, np.int64)

    def percentile_ms(self, percent: float) -> float:
        """Return the upper edge of the bin of a percentile, ms; NaN if empty."""
        return percentile_ms(self.counts, percent)


def percentile_ms(counts: np.ndarray, percent: float) -> float:
    """Return a percentile of a histogram, ms: the upper edge of its bin."""
    total = counts.sum()
    if total == 0:
        return float("nan")
    place = int(np.searchsorted(np.cumsum(counts), total * percent / 100))
    return float(bin_edges_ms()[min(place, N_BINS - 1) + 1])


def bin_edges_ms() -> np.ndarray:
    """Return the edges of the bins, float64 (N_BINS + 1,)."""
    octave, part = np.divmod(np.arange(N_BINS + 1), PARTS)
    return 2.0**octave * (PARTS + part) / PARTS * UNIT_NS * 1e-6
