"""Samples at the limits of the amplifier, and those too near to trust."""

import numpy as np
from scipy.ndimage import binary_dilation

__all__ = ["near_saturation"]


def near_saturation(
    traces: np.ndarray, limits: np.ndarray | None, reach: int
) -> np.ndarray | None:
    """Mark what a channel shows while it saturates, and shortly before and after.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
    limits : float32 (n_channels,), optional
        Largest absolute value that is measured; None: there is none.
    reach : int
        Frames on either side.

    Returns
    -------
    bool (n_frames, n_channels), or None where nothing saturates
    """
    if limits is None or not traces.size:
        return None
    beyond = np.maximum(traces.max(axis=0), -traces.min(axis=0)) >= limits
    if not beyond.any():
        return None
    saturated = np.abs(traces) >= limits
    return binary_dilation(saturated, np.ones((2 * reach + 1, 1), bool))
