"""What columns of a picture are made of: pure functions of arrays.

A column is some frames of the stream, of which is kept what a picture can show: lowest
and highest value, mean square, and how often the trace went below a threshold.
"""

import numpy as np

__all__ = ["crossings", "extremes", "mean_square", "merge", "noise_levels", "polylines"]

MAD_TO_SIGMA = 1.4826  # of a normal distribution


def extremes(traces: np.ndarray, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest value of each channel in each column.

    Parameters
    ----------
    traces : ndarray, shape (n_columns * n_frames, n_channels)
    n_frames : int
        Of a column.

    Returns
    -------
    low, high : ndarray, shape (n_columns, n_channels), of the type of `traces`
    """
    columns = traces.reshape(-1, n_frames, traces.shape[1])
    return columns.min(axis=1), columns.max(axis=1)


def mean_square(traces: np.ndarray, n_frames: int) -> np.ndarray:
    """Return the mean square of each channel in each column, as `extremes` does."""
    columns = traces.reshape(-1, n_frames, traces.shape[1])
    return np.einsum("ifc,ifc->ic", columns, columns) / n_frames


def crossings(
    traces: np.ndarray, before: np.ndarray, threshold: np.ndarray, n_frames: int
) -> np.ndarray:
    """Count how often each channel goes below its threshold in each column.

    Parameters
    ----------
    traces : ndarray, shape (n_columns * n_frames, n_channels)
    before : ndarray, shape (n_channels,)
        The frame before the first one: a crossing takes two.
    threshold : ndarray, shape (n_channels,)
        Negative, in the unit of `traces`.
    n_frames : int

    Returns
    -------
    ndarray of uint16, shape (n_columns, n_channels)
    """
    is_below = traces < threshold
    starts = is_below.copy()
    starts[1:] &= ~is_below[:-1]
    starts[0] &= ~(before < threshold)
    columns = starts.reshape(-1, n_frames, traces.shape[1])
    return columns.sum(axis=1, dtype=np.uint16)


def noise_levels(traces: np.ndarray) -> np.ndarray:
    """Return the noise of each channel, (n_channels,), in the unit of `traces`.

    The median of absolute deviations, scaled to the standard deviation of a normal
    distribution: spikes, which are rare, hardly change it (Quian Quiroga et al. 2004,
    Neural Computation 16:1661).
    """
    deviations = np.abs(traces - np.median(traces, axis=0))
    return MAD_TO_SIGMA * np.median(deviations, axis=0)


def merge(values: np.ndarray, factor: int, how: np.ufunc) -> np.ndarray:
    """Make one column of each `factor` columns, with `np.minimum`, `np.add`, ...

    Parameters
    ----------
    values : ndarray, shape (n_columns * factor, n_channels)
    factor : int
    how : ufunc of two arguments

    Returns
    -------
    ndarray, shape (n_columns, n_channels)
    """
    return how.reduce(values.reshape(-1, factor, values.shape[1]), axis=1)


def polylines(low: np.ndarray, high: np.ndarray, row_uv: float) -> np.ndarray:
    """Return the heights of lines that draw traces, one under another.

    Parameters
    ----------
    low, high : ndarray, shape (n_columns, n_channels)
        µV; NaN where there is nothing to draw.
    row_uv : float
        Height of a row, µV.

    Returns
    -------
    ndarray of float32, shape (n_channels, 2 * n_columns)
        In rows: the first channel is at the top, the last one at 0. Low and high of
        each column in turn.
    """
    n_columns, n_channels = low.shape
    heights = np.empty((n_channels, 2 * n_columns), np.float32)
    heights[:, ::2], heights[:, 1::2] = low.T, high.T
    heights /= row_uv
    heights += np.arange(n_channels - 1, -1, -1, dtype=np.float32)[:, None]
    return heights
