"""What the recording looks like between spikes: levels and covariance."""

import numpy as np

__all__ = ["MAD_TO_SD", "masked_covariance", "noise_level"]

MAD_TO_SD = 1 / 0.6744897501960817  # of a Gaussian


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
    centred = np.abs(traces - np.median(traces, axis=0))
    return MAD_TO_SD * np.median(centred, axis=0).astype(np.float64)


def masked_covariance(
    traces: np.ndarray, noise_levels: np.ndarray, threshold: float, exclude_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum products between channels over the frames where both are quiet.

    A channel is quiet where it stays within `threshold` noise levels for
    `exclude_frames` on either side. Masking per channel, not per frame, leaves enough
    frames on a large probe, where some channel always fires.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
    noise_levels : (n_channels,)
        Standard deviations from `noise_level`.
    threshold : float
        In noise levels.
    exclude_frames : int

    Returns
    -------
    products, counts : float64 (n_channels, n_channels)
        Covariance is products / counts; both add up over chunks.
    """
    quiet = _dilate(np.abs(traces) > threshold * noise_levels, exclude_frames) == 0
    masked = np.where(quiet, traces, 0).astype(np.float32)
    weights = quiet.astype(np.float32)
    return (
        (masked.T @ masked).astype(np.float64),
        (weights.T @ weights).astype(np.float64),
    )


def _dilate(events: np.ndarray, half_width: int) -> np.ndarray:
    """Count events within `half_width` frames of each frame, per channel."""
    total = np.cumsum(events, axis=0, dtype=np.int32)
    n_frames = events.shape[0]
    last = np.minimum(np.arange(n_frames) + half_width, n_frames - 1)
    first = np.arange(n_frames) - half_width - 1
    before = np.where((first >= 0)[:, None], total[np.maximum(first, 0)], 0)
    return total[last] - before
