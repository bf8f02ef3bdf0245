"""At which displacements of the tissue a unit is seen."""

import numpy as np

__all__ = ["N_PLACES", "displacement_classes", "shared_occupancy"]

N_PLACES = 8  # each visited for the same time


def displacement_classes(displacement: np.ndarray) -> np.ndarray:
    """Sort chunks into classes of equal duration by displacement.

    Parameters
    ----------
    displacement : float64 (n_chunks,)

    Returns
    -------
    int64 (n_chunks,)
        From 0, lowest, to `N_PLACES` - 1.
    """
    edges = np.quantile(displacement, np.arange(1, N_PLACES) / N_PLACES)
    return np.searchsorted(edges, displacement)


def shared_occupancy(
    counts: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Overlap of the distributions of pairs of units over displacements.

    Two neurons that do not care where the probe is share most of it. Parts of one
    neuron, told apart because it looks different at each displacement, take turns.

    Parameters
    ----------
    counts : int (n_units, n_places)
        Spikes of each unit in each class.
    first, second : int64 (n_pairs,)

    Returns
    -------
    float64 (n_pairs,)
        From 0, never at the same place, to 1.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.minimum(share[first], share[second]).sum(axis=1)
