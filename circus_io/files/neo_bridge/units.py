"""Counts → µV, with a gain and an offset per channel, as neo states them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["MICROVOLTS", "Scale", "is_voltage"]

MICROVOLTS = {
    "V": 1e6,
    "Volt": 1e6,
    "Volts": 1e6,
    "mV": 1e3,
    "uV": 1.0,
    "\u00b5V": 1.0,  # the micro sign
    "\u03bcV": 1.0,  # the Greek letter
    "nV": 1e-3,
}
DECIMALS = 9  # of a count: the quotient of two float64 has no more
EXACT = 2**24  # integers up to here are float32

COUNTS = {"<i2": np.arange(-(2**15), 2**15), "<u2": np.arange(2**16)}


def is_voltage(unit: str) -> bool:
    """Tell whether `unit` can be converted to µV."""
    return unit.strip() in MICROVOLTS


@dataclass(frozen=True)
class Scale:
    """``µV = (count - zero) * gain``, as in float64, rounded once to float32.

    Attributes
    ----------
    gain : float64 array, shape (n_channels,)
        µV per count; units per count where the unit is no voltage.
    zero : float64 array, shape (n_channels,)
        The count that stands for 0.
    ratio : (float, float) or None
        Numbers of float32 whose quotient is the gain of all channels, for counts of 16
        bits. Where the product with the first is exact, the division alone rounds, and
        float32 gives what else needs float64, at twice the speed.
    """

    gain: np.ndarray
    zero: np.ndarray
    ratio: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        gains: np.ndarray,
        offsets: np.ndarray,
        units: Sequence[str],
        dtype: str = "float64",
    ) -> "Scale":
        """Return the scale of ``value = count * gain + offset`` in `units`.

        Voltages become µV; other units stay as they are. A zero that is a whole count
        but for rounding is that count: 0 µV is exactly 0. Counts have type `dtype`.
        """
        factor = np.array([MICROVOLTS.get(unit.strip(), 1.0) for unit in units])
        gains = np.asarray(gains, np.float64)
        with np.errstate(all="ignore"):  # a gain of 0 is refused with its name later
            zero = np.round(-np.asarray(offsets, np.float64) / gains, DECIMALS) + 0.0
            gain = gains * factor
            alike = len(np.unique(np.stack([gain, zero]), axis=1).T) == 1
            ratio = _ratio(gain[0], zero[0], np.dtype(dtype)) if alike else None
        return cls(gain, zero, ratio)

    # what is beyond float32 becomes inf, as everywhere else
    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def to_float32(self, raw: np.ndarray, nodes: np.ndarray | None) -> np.ndarray:
        """Return `raw` (n_frames, n_nodes) in µV, float32 in C order.

        float32 samples with gain 1 and zero 0 are returned as they are, not writable.
        """
        gain = self.gain if nodes is None else self.gain[nodes]
        zero = self.zero if nodes is None else self.zero[nodes]
        if raw.dtype == np.float32 and np.all(gain == 1) and not zero.any():
            traces = np.ascontiguousarray(raw).view()
            traces.flags.writeable = False
            return traces
        if self.ratio is not None:
            return _by_ratio(raw, self.zero[0], self.ratio)
        traces = np.empty(raw.shape, np.float32)
        centred = np.subtract(raw, zero, dtype=np.float64) if zero.any() else raw
        np.multiply(centred, gain, out=traces, dtype=np.float64, casting="unsafe")
        return traces


def _ratio(gain: float, zero: float, dtype: np.dtype) -> tuple[float, float] | None:
    """Return two numbers that give the right trace for every count of 16 bits."""
    counts = COUNTS.get(dtype.newbyteorder("<").str)
    if counts is None or not np.isfinite(gain) or not abs(zero) < EXACT:
        return None
    right = ((counts - zero) * gain).astype(np.float32)
    nearest = Fraction(float(gain)).limit_denominator(EXACT).as_integer_ratio()
    for ratio in ((float(gain), 1.0), tuple(map(float, nearest))):
        if np.array_equal(_by_ratio(counts, zero, ratio), right):
            return ratio
    return None


def _by_ratio(raw: np.ndarray, zero: float, ratio: tuple[float, float]) -> np.ndarray:
    # a cast, then in place: faster than ufuncs that cast on their way
    traces = raw.astype(np.float32, order="C")
    if zero:
        traces -= np.float32(zero)
    traces *= np.float32(ratio[0])
    if ratio[1] != 1:
        traces /= np.float32(ratio[1])
    return traces
