"""Templates that change with the displacement of the tissue, between knots of it."""

import numpy as np

__all__ = ["hat_weights", "solve_tracks", "track_support"]

INTERPOLATION_ERROR = 0.03  # energy of what kriging misses, of that of the template
N_LARGE = 40  # coefficients over which this error spreads
ALIKE_UM = 10.0  # displacements at which kriging makes the same error
NUGGET = 1e-2  # of the variance of that error


def hat_weights(displacement: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Weights of linear interpolation between equidistant knots.

    Parameters
    ----------
    displacement : float64 (n,)
        Held within the knots.
    knots : float64 (n_knots,)

    Returns
    -------
    float64 (n, n_knots)
        Rows add up to 1.
    """
    step = knots[1] - knots[0] if knots.size > 1 else 1.0
    at = np.clip(displacement, knots[0], knots[-1])
    return np.maximum(1 - np.abs(at[:, None] - knots) / step, 0.0)


def solve_tracks(
    sums: np.ndarray, weights: np.ndarray, expected: np.ndarray, knots: np.ndarray
) -> np.ndarray:
    """Least squares over spikes, drawn to what is expected where spikes are few.

    Minimises the sum over spikes of |x - sum_j h_j U_j|², with noise of variance 1,
    plus the cost of D_j = U_j - expected_j, a Gaussian process over displacement whose
    variance is the error that interpolation makes: what it misses at one knot it misses
    at the next one too.

    Parameters
    ----------
    sums : float64 (n_templates, n_knots, n_channels, n_components)
        Sums over spikes of h_j x.
    weights : float64 (n_templates, n_knots, n_knots)
        Sums of h_i h_j.
    expected : float64 (n_templates, n_knots, n_channels, n_components)
    knots : float64 (n_knots,)
        In µm.

    Returns
    -------
    float64 (n_templates, n_knots, n_channels, n_components)
    """
    alike = np.exp(-(((knots[:, None] - knots) / ALIKE_UM) ** 2))
    rigidity = np.linalg.inv(alike + NUGGET * np.eye(knots.size))
    energy = (expected**2).sum(axis=(2, 3)).max(axis=1)
    kappa = N_LARGE / (INTERPOLATION_ERROR * np.maximum(energy, 1.0))
    flat = expected.reshape(*expected.shape[:2], -1)
    left = weights + kappa[:, None, None] * rigidity
    right = sums.reshape(flat.shape) - weights @ flat
    return expected + np.linalg.solve(left, right).reshape(expected.shape)


def track_support(tracks: np.ndarray, basis: np.ndarray, minimum: float) -> np.ndarray:
    """Channels on which a template is more than noise, at each knot or the next.

    Parameters
    ----------
    tracks : float64 (n_templates, n_knots, n_channels, n_components)
    basis : float64 (n_components, n_frames)
    minimum : float
        Smallest peak, in noise standard deviations.

    Returns
    -------
    bool (n_templates, n_knots, n_channels, 1)
    """
    peaks = np.abs(tracks @ basis).max(axis=-1, keepdims=True)
    return peaks > minimum
