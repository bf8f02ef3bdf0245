"""Reading what contacts see at places between them."""

import numpy as np

__all__ = ["kriging_weights"]

RANGE_UM = 30.0
NUGGET = 1e-2  # of the variance: keeps weights small where contacts are dense
LEAST_WEIGHT = 5e-3  # smaller ones are dropped, so that the matrix stays banded


def kriging_weights(targets: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Weights that predict a smooth field at `targets` from its values at `sources`.

    Simple kriging (Krige 1951) with covariance exp(-(r / 30 µm)²): far from all
    sources the prediction is 0, as is the field of a spike.

    Parameters
    ----------
    targets : float64 (n_targets, n_dimensions)
        In µm.
    sources : float64 (n_sources, n_dimensions)

    Returns
    -------
    float64 (n_targets, n_sources)
    """
    between = _covariance(targets, sources)
    within = _covariance(sources, sources) + NUGGET * np.eye(len(sources))
    weights = np.linalg.solve(within, between.T).T
    return np.where(np.abs(weights) >= LEAST_WEIGHT, weights, 0.0)


def _covariance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    squared = ((first[:, None] - second[None]) ** 2).sum(axis=-1)
    return np.exp(-squared / RANGE_UM**2)
