"""How samples are stored: their type, the count of 0 µV, µV per count."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io import fields
from circus_io.datafile import DataFile
from circus_io.ranges import Ranges
from circus_io.scaling import from_float32, resolve_dtype_offset, sample_dtype

__all__ = ["MICROVOLTS", "Encoding", "fitting_encoding", "stored_encoding"]


@dataclass(frozen=True, eq=False)
class Encoding:
    """``µV = (count - offset) * gain``.

    Attributes
    ----------
    dtype : numpy.dtype
        Of a count, little-endian.
    offset : int or float
        Count that stands for 0 µV.
    gain : float or float64 array, shape (n_channels,)
        µV per count.
    """

    dtype: np.dtype
    offset: float
    gain: float | np.ndarray

    def equals(self, other: "Encoding | None") -> bool:
        """Tell whether counts of the one mean the same in the other."""
        return (
            other is not None
            and (self.dtype, self.offset) == (other.dtype, other.offset)
            and np.array_equal(self.gain, other.gain)
        )

    def encode(self, microvolts: np.ndarray) -> tuple[np.ndarray, int]:
        """Return counts, and how many samples did not fit; see `from_float32`."""
        if self.dtype.kind == "f" and self.offset == 0 and np.all(self.gain == 1):
            with np.errstate(over="ignore"):
                return microvolts.astype(self.dtype), 0
        return from_float32(microvolts, self.dtype, self.gain, self.offset)


MICROVOLTS = Encoding(np.dtype("<f4"), 0, 1.0)


def make_encoding(dtype: Any, gain: Any) -> Encoding:
    """Return the encoding of a type with 0 µV in its middle.

    Raises
    ------
    FormatError
        `dtype` is no type of samples, or `gain` no gain.
    """
    dtype = sample_dtype(dtype).newbyteorder("<")
    gain = fields.convert("gain", gain)
    return Encoding(dtype, resolve_dtype_offset("auto", dtype), gain)


def stored_encoding(
    recording: DataFile, nodes: np.ndarray | None = None
) -> Encoding | None:
    """Return how the file stores its samples; None if its streams differ in that."""
    found = None
    for source in recording.streams:
        dtype = sample_dtype(source.data_dtype).newbyteorder("<")
        own = Encoding(dtype, source.dtype_offset, source._gain_of(nodes))
        if found is not None and not own.equals(found):
            return None
        found = own
    return found


def fitting_encoding(dtype: Any, stored: Encoding | None, ranges: Ranges) -> Encoding:
    """Return the encoding in integers in which no sample clips.

    The gain of the recording is kept where its counts fit, since they stay what they
    are; else it is the smallest one that fits all channels.

    Parameters
    ----------
    dtype : dtype_like
        Integers.
    stored : Encoding, optional
        That of the recording.
    ranges : Ranges
        Of all frames and channels that will be encoded.
    """
    ends = np.nan_to_num([ranges.lowest, ranges.highest])
    if stored is not None and stored.dtype.kind in "iu":
        kept = make_encoding(dtype, stored.gain)
        if kept.encode(ends)[1] == 0:
            return kept
    offset = resolve_dtype_offset("auto", dtype)
    limits = np.iinfo(dtype)
    gain = max(
        ends.max(initial=0) / (limits.max - offset),
        ends.min(initial=0) / (limits.min - offset),
    )
    # a hair more, so that rounding in the division cannot reach beyond the last count
    return make_encoding(dtype, gain * (1 + 2**-50) or 1.0)
