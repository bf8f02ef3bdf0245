"""Samples at the limits of the amplifier, and those too near to trust."""

import numpy as np
from numba import njit

__all__ = ["all_within", "near_saturation"]


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
    if limits is None or not (saturated := np.abs(traces) >= limits).any():
        return None
    from scipy.ndimage import binary_dilation  # slow to import, seldom needed

    return binary_dilation(saturated, np.ones((2 * reach + 1, 1), bool))


@njit(cache=True, nogil=True)
def all_within(traces, limits):
    """Tell whether all samples are finite and below their limits, in one pass.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
    limits : float32 (n_channels,)
        Of the absolute value, which may be infinite.

    Returns
    -------
    bool
    """
    for frame in range(traces.shape[0]):
        row = traces[frame]
        n_within = 0
        for channel in range(row.size):
            n_within += abs(row[channel]) < limits[channel]  # never true of NaN
        if n_within < row.size:
            return False
    return True
