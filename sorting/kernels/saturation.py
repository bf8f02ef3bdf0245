"""Samples at the limits of the amplifier, and those too near to trust."""

import numpy as np
from numba import njit

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
    if not _any_beyond(traces, limits):
        return None
    from scipy.ndimage import binary_dilation  # slow to import, seldom needed

    saturated = np.abs(traces) >= limits
    return binary_dilation(saturated, np.ones((2 * reach + 1, 1), bool))


@njit(cache=True, nogil=True)
def _any_beyond(traces, limits):
    """Tell whether any sample reaches its limit, in one pass without a copy."""
    for frame in range(traces.shape[0]):
        row = traces[frame]
        n_beyond = 0
        for channel in range(row.size):
            n_beyond += abs(row[channel]) >= limits[channel]
        if n_beyond:
            return True
    return False
