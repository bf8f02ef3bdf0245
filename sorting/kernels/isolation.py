"""How far templates stand apart, in noise sd."""

import numpy as np

from sorting.kernels.overlaps import OverlapTable

__all__ = ["isolation"]


def isolation(overlaps: OverlapTable, norms: np.ndarray, max_lag: int) -> np.ndarray:
    """Return the distance of each template to the nearest other one, or to nothing.

    In white noise of sd 1, two waveforms at distance d are confused with probability
    Φ(-d / 2) (the matched filter of a difference: Van Trees 1968, section 4.2).

    Parameters
    ----------
    overlaps : OverlapTable
    norms : float64 (n_templates,)
        Squared norms.
    max_lag : int
        Frames by which templates are shifted to lie as near as they can.

    Returns
    -------
    float64 (n_templates,)
        At most the template's own norm, its distance to noise.
    """
    first = np.repeat(np.arange(norms.size), np.diff(overlaps.ptr))
    second = overlaps.neighbours
    centre = overlaps.values.shape[1] // 2
    near = slice(max(centre - max_lag, 0), centre + max_lag + 1)
    alike = overlaps.values[:, near].max(axis=1)
    squares = norms[first] + norms[second] - 2.0 * alike
    squares[first == second] = norms
    nearest = norms.astype(np.float64)
    np.minimum.at(nearest, first, squares)
    return np.sqrt(np.maximum(nearest, 0.0))
