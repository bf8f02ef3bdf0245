"""What a flat binary file may hold: types, byte orders and alignments, compared.

Read in the right way, neighbouring samples differ by a small part of what the type can
hold; read in another, noise of the low bytes lands in the high ones. So the way in
which the differences take the fewest bits is the likely one (minimum description
length; Rissanen 1978, Automatica 14:465).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["COMPARED", "FlatFile", "Reading"]

INTEGERS = ("<i2", "<u2", "<i4", ">i2", ">u2", ">i4")
FLOATS, DOUBLES = ("<f4", ">f4"), ("<f8", ">f8")
COMPARED = frozenset(map(np.dtype, (*INTEGERS, *FLOATS, *DOUBLES)))
N_WINDOWS = 4
WINDOW_BYTES = 2**17
FEWEST_SAMPLES = 512  # of a window
LAGS = tuple(2**power for power in range(11))
MOST_BITS = 7.0  # of a byte; noise and compressed files take more
SAME_BITS = 0.02  # readings that differ by less are not told apart
FLOAT_EXCESS = 1.15  # bits of floats, in those of integers: their mantissa is noise
DECADES = 8  # float samples of one recording span fewer
MOST_FINITE = 0.9  # a recording may hold some NaN
SMALLEST, LARGEST = 1e-15, 1e15  # of a float sample, V or counts


@dataclass(frozen=True)
class Reading:
    """A way to read a flat file.

    Attributes
    ----------
    data_dtype : str
        As numpy names it: int16, >i2, ...
    shift : int
        Bytes by which samples begin later than `data_offset`.
    bits : float
        Of each byte, that the differences of samples take.
    """

    data_dtype: str
    shift: int
    bits: float


class FlatFile:
    """Pieces of a flat file, to be read in different ways.

    Parameters
    ----------
    path : path
    data_offset : int
        Bytes of its header.
    """

    def __init__(self, path: Path, data_offset: int = 0) -> None:
        self.windows = _read_windows(path, data_offset)

    def readings(self) -> list[Reading]:
        """Return the ways in which the bytes may be samples, the likely one first.

        All types of integers and floats, from each byte on that a sample may begin
        with. Of those that are equally good, the signed and little-endian come first.
        Empty for a short file.
        """
        integers = self._read_as(INTEGERS)
        fewest = min((reading.bits for reading in integers), default=np.inf)
        floats = self._read_as(DOUBLES)
        floats += [r for r in self._read_as(FLOATS) if r.bits < FLOAT_EXCESS * fewest]
        same = fewest + SAME_BITS
        floats.sort(key=lambda reading: (reading.shift > 0, reading.bits))
        return floats + sorted(integers, key=lambda reading: max(reading.bits, same))

    def likely(self) -> Reading | None:
        """Return the likely way to read it; None for noise and for what is constant."""
        for reading in self.readings()[:1]:
            is_float = np.dtype(reading.data_dtype).kind == "f"
            if reading.bits and (is_float or reading.bits < MOST_BITS):
                return reading
        return None

    def samples(self, reading: Reading) -> list[tuple[int, np.ndarray]]:
        """Return each piece as float64, and the sample at which it starts."""
        dtype = np.dtype(reading.data_dtype)
        return [
            (
                start // dtype.itemsize,
                _samples(window, dtype, reading.shift).astype("f8"),
            )
            for start, window in self.windows
        ]

    def _read_as(self, names: tuple[str, ...]) -> list[Reading]:
        return [
            reading
            for dtype in map(np.dtype, names)
            for shift in range(dtype.itemsize)
            if (reading := self._try(dtype, shift)) is not None
        ]

    def _try(self, dtype: np.dtype, shift: int) -> Reading | None:
        pieces = [_samples(window, dtype, shift) for _, window in self.windows]
        if min(map(len, pieces)) < FEWEST_SAMPLES:
            return None
        if dtype.kind == "f" and not _are_floats(np.concatenate(pieces)):
            return None
        name = dtype.name if dtype.isnative else dtype.str
        return Reading(name, shift, _bits_of_differences(pieces) / dtype.itemsize)


def _read_windows(path: Path, data_offset: int) -> list[tuple[int, bytes]]:
    """Read pieces from all over the file, each from a whole sample of any type on."""
    last = max(path.stat().st_size - data_offset - WINDOW_BYTES, 0)
    starts = {last * i // (N_WINDOWS - 1) // 8 * 8 for i in range(N_WINDOWS)}
    windows = []
    with path.open("rb") as file:
        for start in sorted(starts):
            file.seek(data_offset + start)
            windows.append((start, file.read(WINDOW_BYTES)))
    return windows


def _samples(window: bytes, dtype: np.dtype, shift: int) -> np.ndarray:
    n_samples = max(len(window) - shift, 0) // dtype.itemsize
    return np.frombuffer(window, dtype, n_samples, min(shift, len(window)))


def _bits_of_differences(pieces: list[np.ndarray]) -> float:
    """Return the bits that a difference takes, at the lag where it takes the fewest."""
    ordered = [_in_order(piece) for piece in pieces]
    lags = [
        lag for lag in LAGS if lag < FEWEST_SAMPLES or lag < min(map(len, pieces)) // 2
    ]
    bits = []
    for lag in lags:
        steps = np.concatenate([np.abs(x[lag:] - x[:-lag]) for x in ordered])
        bits.append(np.mean(np.log2(1 + steps) + (steps > 0)))  # one for the sign
    return float(min(bits))


def _in_order(samples: np.ndarray) -> np.ndarray:
    """Return integers, as float64, that are in the order of the samples.

    Those of floats are their bits: neighbours differ by 1 in the last place.
    """
    if samples.dtype.kind != "f":
        return samples.astype(np.float64)
    bits = samples.astype(samples.dtype.newbyteorder("="))
    whole = bits.view(f"i{samples.dtype.itemsize}").astype(np.int64)
    most = np.int64(2 ** (8 * samples.dtype.itemsize - 1) - 1)
    return np.where(whole < 0, whole ^ most, whole).astype(np.float64)


def _are_floats(values: np.ndarray) -> bool:
    """Tell whether floats are finite and of similar size, as misread ones are not."""
    finite = values[np.isfinite(values)]
    sizes = np.abs(finite[finite != 0], dtype=np.float64)
    if len(finite) < MOST_FINITE * len(values) or len(sizes) == 0:
        return False
    low, high = np.percentile(sizes, [1, 99])
    return bool(SMALLEST < low <= high < LARGEST and high < low * 10.0**DECADES)
