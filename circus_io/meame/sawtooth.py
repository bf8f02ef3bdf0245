"""The test signal of a MEAME server (port 12341), by its formula."""

import numpy as np

__all__ = ["REFERENCE_CHANNEL", "sawtooth"]

REFERENCE_CHANNEL = 14  # all 0, as the reference electrode of a 60MEA
N_SLOPES = 20  # channels that share a height
HEIGHT_STEP = 400  # counts


def sawtooth(t_start: int, t_stop: int, n_channels: int = 60) -> np.ndarray:
    """Return frames of the test signal.

    Parameters
    ----------
    t_start, t_stop : int
        Frames, counted from when the first client listened.
    n_channels : int

    Returns
    -------
    ndarray of int32, shape (t_stop - t_start, n_channels)
        Counts. Channel c rises by ``c % 20 + 1`` a frame, from ``-max`` to below ``max
        = 400 (c // 20 + 1)``.

    Notes
    -----
    MEAME2 sends it without the zeroed last sample of the port of the device.
    """
    channels = np.arange(n_channels, dtype=np.int64)
    highest = (channels // N_SLOPES + 1) * HEIGHT_STEP
    slopes = channels % N_SLOPES + 1
    frames = np.arange(t_start, t_stop, dtype=np.int64)[:, None]
    traces = (frames * slopes) % (2 * highest) - highest
    if n_channels > REFERENCE_CHANNEL:
        traces[:, REFERENCE_CHANNEL] = 0
    return traces.astype(np.int32)
