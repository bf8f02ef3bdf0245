"""Reading band-limited sequences between their samples."""

import numpy as np
from numba import njit

__all__ = ["fractional_taps", "parabola_vertex", "parabola_vertices", "read_between"]

TAPS = 8


@njit(cache=True, nogil=True)
def fractional_taps(delta):
    """Weights of a windowed sinc that read a sequence `delta` frames later.

    Parameters
    ----------
    delta : float

    Returns
    -------
    whole : int
        Floor of delta.
    taps : float64 (8,)
        Entry i weighs the sample at ``whole + i - 3``; they add up to 1.
    """
    whole = int(np.floor(delta))
    taps = np.empty(TAPS)
    total = 0.0
    for i in range(TAPS):
        x = i - (TAPS // 2 - 1) - (delta - whole)
        sinc = 1.0 if abs(x) < 1e-9 else np.sin(np.pi * x) / (np.pi * x)
        taps[i] = sinc * np.cos(np.pi * x / (TAPS + 1)) ** 2
        total += taps[i]
    return whole, taps / total


@njit(cache=True, nogil=True)
def read_between(row, frame, delta):
    """Value of a sequence at ``frame + delta``; it is 0 outside."""
    whole, taps = fractional_taps(delta)
    value = 0.0
    for i in range(TAPS):
        at = frame + whole + i - (TAPS // 2 - 1)
        if 0 <= at < row.size:
            value += taps[i] * row[at]
    return value


@njit(cache=True, nogil=True)
def parabola_vertex(before, centre, after):
    """Offset of the maximum of three equidistant values, within half a frame."""
    curvature = before - 2 * centre + after
    if curvature >= 0:
        return 0.0
    return max(-0.5, min(0.5, 0.5 * (before - after) / curvature))


def parabola_vertices(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Locate the maximum of each row between its samples.

    Parameters
    ----------
    rows : float (..., n_samples)
        At least three samples.

    Returns
    -------
    best : int64 (...)
        Largest sample that has two neighbours; the first one of equals.
    offset : float64 (...)
        What lies between it and the vertex, within half a sample.
    """
    best = rows[..., 1:-1].argmax(axis=-1) + 1
    before, centre, after = (
        np.take_along_axis(rows, (best + step)[..., None], axis=-1)[..., 0]
        for step in (-1, 0, 1)
    )
    curvature = np.minimum(before - 2.0 * centre + after, -1e-12)
    return best, np.clip(0.5 * (before - after) / curvature, -0.5, 0.5)
