"""What the recording looks like between spikes: levels and covariance."""

import numpy as np
from numba import njit

__all__ = ["MAD", "Blocks", "masked_covariance", "noise_level"]

MAD = 0.6744897501960817  # of a Gaussian of sd 1

Blocks = list[tuple[slice, slice | np.ndarray]]


def noise_level(traces: np.ndarray) -> np.ndarray:
    """Robust standard deviation of each channel: median absolute deviation / 0.6745.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)

    Returns
    -------
    float64 (n_channels,)
        In the unit of `traces`; 0 for no frames.
    """
    if traces.shape[0] == 0:
        return np.zeros(traces.shape[1])
    by_channel = (
        traces.T.copy()
    )  # a median over contiguous memory is several times faster
    by_channel -= np.median(by_channel, axis=1, keepdims=True)
    np.abs(by_channel, out=by_channel)
    return np.median(by_channel, axis=1).astype(np.float64) / MAD


def masked_covariance(
    traces: np.ndarray,
    noise_levels: np.ndarray,
    threshold: float,
    exclude_frames: int,
    blocks: Blocks,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sum products between channels over the frames where both are quiet.

    A channel is quiet where it stays within `threshold` noise levels for
    `exclude_frames` on either side. Masking per channel, not per frame, leaves enough
    frames on a large probe, where some channel always fires.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
    noise_levels : (n_channels,)
        Standard deviations from `noise_level`; a channel of level 0 is never quiet.
    threshold : float
        In noise levels.
    exclude_frames : int
    blocks : list of (slice, slice or int64 array)
        Which pairs: channels, and those that each of them is paired with.

    Returns
    -------
    products, counts : list of float64 (n_rows, n_inputs)
        One entry per block. Covariance is products / counts; both add up over chunks.
    """
    limits = np.where(noise_levels > 0, threshold * noise_levels, -1)
    weights = _quiet(traces, limits.astype(np.float32), exclude_frames)
    masked = traces * weights
    return _products(masked, blocks), _products(weights, blocks)


def _products(values: np.ndarray, blocks: Blocks) -> list[np.ndarray]:
    return [
        (values[:, rows].T @ values[:, inputs]).astype(np.float64)
        for rows, inputs in blocks
    ]


@njit(cache=True, nogil=True)
def _quiet(traces, limits, half_width):
    """1 where a channel stays within its limit for `half_width` frames around."""
    n_frames, n_channels = traces.shape
    weights = np.ones((n_frames, n_channels), np.float32)
    since = np.full(n_channels, half_width + 1)
    for frame in range(n_frames):
        for channel in range(n_channels):
            since[channel] += 1
            if abs(traces[frame, channel]) > limits[channel]:
                since[channel] = 0
            if since[channel] <= half_width:
                weights[frame, channel] = 0
    since[:] = half_width + 1
    for frame in range(n_frames - 1, -1, -1):
        for channel in range(n_channels):
            since[channel] += 1
            if abs(traces[frame, channel]) > limits[channel]:
                since[channel] = 0
            if since[channel] <= half_width:
                weights[frame, channel] = 0
    return weights
