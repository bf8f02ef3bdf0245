"""Samples of an MC_Rack file: the part of it that is looked at, and counts as µV."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from circus_io.errors import FormatError
from circus_io.files.mcd.chunks import SAMPLE_BYTES, Stretch
from circus_io.indexing import column_picker
from circus_io.streams import PathLike

__all__ = ["MICROVOLTS", "Scale", "map_file", "read_frames"]

MICROVOLTS = 1e6  # in a volt

# samples that are converted at a time: with their traces they fit a cache of 2 MB
BLOCK_SAMPLES = 2**18
LARGEST_GAIN = 1e15  # µV per count: no product with a count leaves float32
COUNTS = np.arange(2**16, dtype=np.uint16)
SMALL_FACTORS = np.arange(1.0, 2**9)
TRIED_FACTORS = 8


def map_file(path: PathLike) -> np.ndarray:
    """Return the bytes of a file, uint8 (n_bytes,), mapped: none is read yet."""
    return np.asarray(np.memmap(path, np.uint8, "r"))


@dataclass(frozen=True)
class Scale:
    """Counts as µV, ``(count - zero) * gain``, rounded once: to float32.

    Attributes
    ----------
    zero : int
        Count of 0 µV.
    gain : float
        µV per count.
    steps : tuple of (ufunc, float)
        What float32 has to be multiplied and divided by to give what otherwise needs
        float64, at a quarter of the speed; empty if there is no such way.
    """

    zero: int
    gain: float
    steps: tuple[tuple[np.ufunc, float], ...] = ()

    @classmethod
    def of(cls, zero: int, gain: float) -> "Scale":
        """Return the fastest way that is right for each of the 65536 counts.

        Raises
        ------
        FormatError
            The gain is 0, no number, or beyond what float32 holds.
        """
        if not 0 < abs(gain) < LARGEST_GAIN:
            raise FormatError(f"{gain} µV per count are no gain; the file is damaged")
        exact = cls(zero, gain)
        expected = exact.traces(COUNTS)
        for steps in _ways_in_float32(gain):
            quick = cls(zero, gain, steps)
            with np.errstate(over="ignore", invalid="ignore"):  # of wrong ways
                right = np.array_equal(quick.traces(COUNTS), expected)
            if right:
                return quick
        return exact

    def traces(self, counts: np.ndarray) -> np.ndarray:
        """Return counts as a new array in µV, float32 of the same shape."""
        traces = np.empty(counts.shape, np.float32)
        self.put(counts, traces)
        return traces

    def put(self, counts: np.ndarray, traces: np.ndarray) -> None:
        """Write counts as µV into `traces`, float32 of the same shape."""
        traces[...] = counts
        if self.zero:
            traces -= self.zero  # exact: both have 16 bits
        for step, number in self.steps:  # each is a pass over the block
            step(traces, number, out=traces)
        if not self.steps:
            in_float64 = {"dtype": np.float64, "casting": "unsafe"}
            np.multiply(traces, self.gain, out=traces, **in_float64)


def _ways_in_float32(gain: float) -> Iterator[tuple[tuple[np.ufunc, float], ...]]:
    """Yield how float32 may give the product with a gain, the fastest first.

    One step rounds once, but by a number that is rounded itself. Two steps do better: a
    count times a factor below 2**9 is exact, so that only the second number has to be
    near enough, which for one of the factors it is. Ranges and amplifications of
    converters are round numbers, hence gains are quotients of small ones, whose
    products with counts keep away from the middle between two float32.
    """
    yield ((np.multiply, gain),)
    yield ((np.divide, 1 / gain),)
    with np.errstate(over="ignore", under="ignore"):
        second = (gain / SMALL_FACTORS).astype(np.float32)
    distance = np.abs(SMALL_FACTORS * second.astype(np.float64) - gain)
    for nearest in np.argsort(distance, kind="stable")[:TRIED_FACTORS]:
        first = float(SMALL_FACTORS[nearest])
        yield (np.multiply, first), (np.multiply, float(second[nearest]))
    dividend, divisor = Fraction(gain).limit_denominator(2**24).as_integer_ratio()
    yield (np.multiply, float(dividend)), (np.divide, float(divisor))


def read_frames(
    mapped: np.ndarray,
    stretch: Stretch,
    frames: tuple[int, int],
    n_channels: int,
    nodes: np.ndarray | None = None,
    scale: Scale | None = None,
) -> np.ndarray:
    """Return samples as they are stored or, with a scale, in µV.

    Block by block they go from the file to their place in the result, and are in the
    cache while they are scaled.

    Parameters
    ----------
    mapped : uint8 array, shape (n_bytes,)
        The file, as `map_file` gives it.
    stretch : Stretch
    frames : (int, int)
        ``[t_start, t_stop)`` of the stretch.
    n_channels : int
        Of the stream.
    nodes : int64 array, or None for all
        Columns, in any order.
    scale : Scale, optional

    Returns
    -------
    uint16 or float32 array, shape (n_frames, n_nodes)

    Raises
    ------
    FormatError
        The file has become shorter.
    """
    n_nodes = n_channels if nodes is None else len(nodes)
    dtype = np.uint16 if scale is None else np.float32
    result = np.empty((frames[1] - frames[0], n_nodes), dtype)
    pick = column_picker(nodes)
    for rows, counts in _blocks(mapped, stretch, frames, n_channels):
        if scale is None:
            result[rows] = pick(counts)
        else:
            scale.put(pick(counts), result[rows])
    return result


def _blocks(
    mapped: np.ndarray, stretch: Stretch, frames: tuple[int, int], n_channels: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield which rows of the result come next, and their samples in the file."""
    row, frame_bytes = 0, n_channels * SAMPLE_BYTES
    most_frames = max(BLOCK_SAMPLES // n_channels, 1)
    for offset, first, stop in stretch.parts(*frames, most_frames):
        block = mapped[offset + first * frame_bytes : offset + stop * frame_bytes]
        if len(block) < (stop - first) * frame_bytes:
            raise FormatError(
                f"the file has {len(mapped)} bytes, fewer than when its chunks were "
                "found; open it again"
            )
        yield slice(row, row + stop - first), block.view("<u2").reshape(-1, n_channels)
        row += stop - first
