"""Counts → µV, with a gain and an offset per channel, as neo states them."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def is_voltage(unit: str) -> bool:
    """Tell whether `unit` can be converted to µV."""
    return unit.strip() in MICROVOLTS


@dataclass(frozen=True)
class Scale:
    """``µV = (count - zero) * gain``, in float64, rounded once to float32.

    Attributes
    ----------
    gain : float64 array, shape (n_channels,)
        µV per count; units per count where the unit is no voltage.
    zero : float64 array, shape (n_channels,)
        The count that stands for 0.
    """

    gain: np.ndarray
    zero: np.ndarray

    @classmethod
    def of(
        cls, gains: np.ndarray, offsets: np.ndarray, units: Sequence[str]
    ) -> "Scale":
        """Return the scale of ``value = count * gain + offset`` in `units`.

        Voltages become µV; other units stay as they are. A zero that is a whole count
        but for rounding is that count: 0 µV is exactly 0.
        """
        factor = np.array([MICROVOLTS.get(unit.strip(), 1.0) for unit in units])
        gains = np.asarray(gains, np.float64)
        with np.errstate(all="ignore"):  # a gain of 0 is refused with its name later
            zero = -np.asarray(offsets, np.float64) / gains
        return cls(gains * factor, np.round(zero, DECIMALS) + 0.0)

    def to_float32(self, raw: np.ndarray, nodes: np.ndarray | None) -> np.ndarray:
        """Return `raw` (n_frames, n_nodes) in µV, float32 in C order.

        float32 samples with gain 1 and zero 0 are returned as they are, not writable.
        """
        gain = self.gain if nodes is None else self.gain[nodes]
        zero = self.zero if nodes is None else self.zero[nodes]
        if raw.dtype == np.float32 and np.all(gain == 1) and np.all(zero == 0):
            traces = np.ascontiguousarray(raw).view()
            traces.flags.writeable = False
            return traces
        traces = np.empty(raw.shape, np.float32)
        if np.any(zero):
            centred = np.subtract(raw, zero, dtype=np.float64)
            np.multiply(centred, gain, out=traces, dtype=np.float64, casting="unsafe")
        else:
            np.multiply(raw, gain, out=traces, dtype=np.float64, casting="unsafe")
        return traces
