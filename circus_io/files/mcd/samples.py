"""Samples of an MC_Rack file: the part of it that is looked at, and counts as µV."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from circus_io.errors import FormatError
from circus_io.files.mcd.chunks import SAMPLE_BYTES, Stretch
from circus_io.indexing import as_slice
from circus_io.streams import PathLike

__all__ = ["MICROVOLTS", "Scale", "map_file", "read_frames"]

MICROVOLTS = 1e6  # in a volt

# samples that are converted at a time: with their traces they fit a cache of 2 MB
BLOCK_SAMPLES = 2**18
LARGEST_GAIN = 1e15  # µV per count: no product with a count leaves float32
COUNTS = np.arange(2**16, dtype=np.uint16)


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
    ratio : (float, float) or None
        Two float32 numbers whose quotient is the gain, if float32 suffices to give
        what otherwise needs float64, at half the speed: the product with the first is
        exact, and only the division rounds; or there is only one of both. Ranges and
        amplifications of converters are round numbers, so that nearly all gains are
        such quotients.
    """

    zero: int
    gain: float
    ratio: tuple[float, float] | None = None

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
        nearest = Fraction(gain).limit_denominator(2**24)
        for ratio in ((gain, 1.0), (1.0, 1 / gain), nearest.as_integer_ratio()):
            quick = cls(zero, gain, ratio)
            with np.errstate(over="ignore", invalid="ignore"):  # 1 / gain
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
        traces -= self.zero  # exact: both have 16 bits
        if self.ratio is None:
            np.multiply(
                traces, self.gain, out=traces, dtype=np.float64, casting="unsafe"
            )
            return
        # each is a pass over the block; a division takes as long as two products
        if self.ratio[0] != 1:
            traces *= self.ratio[0]
        if self.ratio[1] != 1:
            traces /= self.ratio[1]


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
    columns = as_slice(nodes)
    for rows, counts in _blocks(mapped, stretch, frames, n_channels):
        chosen = counts[:, columns] if columns else np.take(counts, nodes, axis=1)
        if scale is None:
            result[rows] = chosen
        else:
            scale.put(chosen, result[rows])
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
