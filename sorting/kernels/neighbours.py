"""Who is near whom on the probe."""

import numpy as np

__all__ = ["nearest_channels", "neighbour_lists"]


def neighbour_lists(near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn a neighbourhood matrix into lists.

    Parameters
    ----------
    near : bool (n_channels, n_channels)

    Returns
    -------
    ptr : int64 (n_channels + 1,)
    neighbours : int64 (n_pairs,)
        Those of channel c are ``neighbours[ptr[c]:ptr[c + 1]]``, in rising order.
    """
    ptr = np.concatenate([[0], np.cumsum(near.sum(axis=1))]).astype(np.int64)
    return ptr, np.nonzero(near)[1].astype(np.int64)


def nearest_channels(distance_um: np.ndarray, n_nearest: int) -> np.ndarray:
    """List the channels nearest to each, itself first, ties by index.

    Parameters
    ----------
    distance_um : float64 (n_channels, n_channels)
        Infinite between shanks.
    n_nearest : int

    Returns
    -------
    int64 (n_channels, min(n_nearest, n_channels))
        -1 where the shank has fewer channels.
    """
    itself_first = distance_um - np.eye(distance_um.shape[0])
    order = np.argsort(itself_first, axis=1, kind="stable")[:, :n_nearest]
    reachable = np.isfinite(np.take_along_axis(distance_um, order, axis=1))
    return np.where(reachable, order, -1)
