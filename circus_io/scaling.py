"""Raw samples ↔ float32 traces: ``traces = (raw - dtype_offset) * gain``.

Nothing here changes the array it is given.
"""

from typing import Any

import numpy as np

from circus_io.errors import FormatError

__all__ = ["from_float32", "resolve_dtype_offset", "sample_dtype", "to_float32"]


def sample_dtype(data_dtype: Any) -> np.dtype:
    """Return `data_dtype` as a numpy dtype of integers or floats.

    Raises
    ------
    FormatError
        It names no type, or one that samples cannot have (text, bool, complex).
    """
    try:
        dtype = np.dtype(data_dtype)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise FormatError(
            f"data_dtype = {data_dtype} is no sample type; choose from int8, int16, "
            "int32, int64, uint8 to uint64, float16, float32, float64, with < or > in "
            "front of the short form (<i2, >u2) to give the byte order"
        )
    return dtype


def resolve_dtype_offset(dtype_offset: Any, data_dtype: Any) -> int | float:
    """Return the count that stands for 0 µV.

    Parameters
    ----------
    dtype_offset : {'auto', 'classic'} or number
        ``'auto'`` is the mid-point of an unsigned type (uint8 128, uint16 32768) and 0
        for all others. ``'classic'`` is the same but for uint8, where SpyKING CIRCUS
        subtracts 127. A number, or its text, stands for itself.
    data_dtype : dtype_like
        Of any byte order.

    Raises
    ------
    FormatError
        `dtype_offset` is none of these.
    """
    dtype = sample_dtype(data_dtype)
    name = str(dtype_offset).strip().lower()
    if name == "classic" and dtype == np.uint8:
        return 127
    if name in ("auto", "classic"):
        return 2 ** (8 * dtype.itemsize - 1) if dtype.kind == "u" else 0
    try:
        offset = float(name)
    except ValueError:
        offset = np.nan
    if not np.isfinite(offset):
        raise FormatError(
            f"dtype_offset = {dtype_offset}: expected auto, classic or a number"
        )
    return int(offset) if offset.is_integer() else offset


@np.errstate(over="ignore", invalid="ignore")  # what is too large becomes infinite
def to_float32(raw: np.ndarray, gain: Any = 1.0, dtype_offset: float = 0) -> np.ndarray:
    """Scale raw samples to physical units.

    Parameters
    ----------
    raw : ndarray, shape (n_frames, n_channels)
        Any integer or float type and byte order.
    gain : float or array_like, shape (n_channels,)
        µV per count.
    dtype_offset : float
        The count that stands for 0 µV.

    Returns
    -------
    ndarray of float32, shape (n_frames, n_channels), C order
        For float32 samples with gain 1 and offset 0 a view of `raw`, not writable, so
        that nobody changes a mapped file by it; else a new array.

    Raises
    ------
    FormatError
        `gain` has one value per channel and their number is not that of `raw`.
    """
    raw = np.asarray(raw)
    gain = _fit_gain(gain, raw)
    if dtype_offset == 0 and np.all(gain == 1):
        return _as_float32(raw)
    # Counts beyond 16 bits do not fit the 24 bits of a float32 before the offset is
    # taken away.
    exact = raw.dtype.itemsize <= 2 or raw.dtype.newbyteorder("=") == np.float32
    work = np.float32 if exact else np.float64
    # a cast, then in place: faster by half than ufuncs that cast on their way
    traces = raw.astype(work, order="C")
    if dtype_offset != 0:
        traces -= work(dtype_offset)
    traces *= gain.astype(work)
    return traces.astype(np.float32, copy=False)


def from_float32(
    traces: Any, data_dtype: Any, gain: Any = 1.0, dtype_offset: float = 0
) -> tuple[np.ndarray, int]:
    """Return physical units as raw samples, and how many of them did not fit.

    Parameters
    ----------
    traces : array_like, shape (n_frames, n_channels)
        In µV.
    data_dtype : dtype_like
        Type of the raw samples.
    gain, dtype_offset
        As in `to_float32`.

    Returns
    -------
    raw : ndarray of `data_dtype`, shape (n_frames, n_channels)
        Integers are rounded half to even and saturate at the ends of their range; NaN
        becomes 0 µV. Floats are stored as they are.
    n_clipped : int
        Number of samples that saturated or were NaN.
    """
    dtype = sample_dtype(data_dtype)
    traces = np.asarray(traces)
    counts = np.divide(traces, _fit_gain(gain, traces), dtype=np.float64)
    counts += dtype_offset
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return counts.astype(dtype), 0
    np.rint(counts, out=counts)
    lowest, highest = _integer_range(dtype)
    lost = ~((counts >= lowest) & (counts <= highest))
    counts[np.isnan(counts)] = round(dtype_offset)
    return np.clip(counts, lowest, highest).astype(dtype), int(np.count_nonzero(lost))


def _fit_gain(gain: Any, samples: np.ndarray) -> np.ndarray:
    gain = np.asarray(gain, dtype=np.float64)
    if gain.size == 1:
        return gain.reshape(())
    if gain.ndim != 1 or gain.size != samples.shape[-1]:
        raise FormatError(
            f"gain has {gain.size} values but the samples have {samples.shape[-1]} "
            "channels; give one value, or one per channel that is read"
        )
    return gain


def _as_float32(raw: np.ndarray) -> np.ndarray:
    traces = np.ascontiguousarray(raw, dtype=np.float32)
    if np.may_share_memory(traces, raw):
        traces = traces.view()
        traces.flags.writeable = False
    return traces


def _integer_range(dtype: np.dtype) -> tuple[float, float]:
    """Return the ends of an integer type, as floats that are inside of it."""
    info = np.iinfo(dtype)
    highest = float(info.max)
    if int(highest) > info.max:  # 2**63 - 1 has no float64: take the one below
        highest = float(np.nextafter(highest, 0))
    return float(info.min), highest
