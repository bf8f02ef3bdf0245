"""Clusters among the spikes that peak on one channel."""

import numpy as np

from sorting.kernels.isosplit import isosplit

__all__ = ["cluster_features", "core_members", "principal_components"]

MAX_DEPTH = 4
CENTRINGS = 5
REACH = 2.0  # farther out are collisions, and other units
NOISY = 1.25  # times the variance of noise: what a small unit varies by


def principal_components(features: np.ndarray, n_dimensions: int) -> np.ndarray:
    """Coordinates along the directions of largest variance, collisions apart.

    Another spike in the window adds more variance than two units differ by. Points
    farther from the median than half of all are therefore drawn in to that distance
    when the axes are determined (spherical components of Locantore et al. 1999, Test
    8:1, with the inner half left as it is).

    Parameters
    ----------
    features : float (n_spikes, n_features)
    n_dimensions : int

    Returns
    -------
    float64 (n_spikes, min(n_dimensions, n_features))
        Relative to the median; the sign of each axis makes its largest loading
        positive.
    """
    centred = features.astype(np.float64)
    centred -= np.median(centred, axis=0)
    radius = np.sqrt((centred**2).sum(axis=1))
    shrink = np.minimum(1, np.median(radius) / np.maximum(radius, 1e-12))
    drawn_in = centred * shrink[:, None]
    values, vectors = np.linalg.eigh(drawn_in.T @ drawn_in)
    axes = vectors[:, np.argsort(-values, kind="stable")[:n_dimensions]]
    largest = np.abs(axes).argmax(axis=0)
    return centred @ (axes * np.sign(axes[largest, np.arange(axes.shape[1])]))


def cluster_features(
    features: np.ndarray, n_dimensions: int, min_size: int, depth: int = MAX_DEPTH
) -> np.ndarray:
    """Split recursively: each cluster is seen again on its own principal axes.

    The first axes of a mixture are those of its largest units; two similar small units
    come apart only once the others are gone.

    Parameters
    ----------
    features : float32 (n_spikes, n_features)
        In noise standard deviations.
    n_dimensions : int
        Principal axes kept at each level.
    min_size : int
        Smallest cluster.
    depth : int
        Levels of recursion.

    Returns
    -------
    int64 (n_spikes,)
    """
    n_spikes = features.shape[0]
    labels = np.zeros(n_spikes, np.int64)
    if n_spikes < 4 * min_size or depth == 0:
        return labels
    first = isosplit(principal_components(features, n_dimensions), min_size)
    if first.max() == 0:
        return labels
    n_labels = 0
    for label in range(first.max() + 1):
        members = np.flatnonzero(first == label)
        inner = cluster_features(features[members], n_dimensions, min_size, depth - 1)
        labels[members] = n_labels + inner
        n_labels += int(inner.max()) + 1
    return labels


def core_members(
    features: np.ndarray, fraction: float = 0.8, reach: float = REACH
) -> np.ndarray:
    """Choose the members around the densest place, without outliers and collisions.

    The median of a small unit's cluster lies between the unit and what else crosses
    the threshold on its channel. So the centre moves to the median of the nearer half,
    a few times (in the manner of the half-sample mode, Robertson and Cryer 1974), if
    what varies there is noise. The spikes of a large unit vary by themselves.

    Parameters
    ----------
    features : float32 (n_spikes, n_features)
        Of one cluster.
    fraction : float
        Of the members, at most this many.
    reach : float
        Squared distance of the farthest, times that of the nearest quarter.

    Returns
    -------
    int64 (n_kept,)
        Indices in rising order; at least a quarter of the members.
    """
    median = np.median(features, axis=0)
    centre, n_half = median, -(-len(features) // 2)
    for _ in range(CENTRINGS):
        nearer = np.argsort(_square(features - centre), kind="stable")[:n_half]
        centre = np.median(features[nearer], axis=0)
    distance = _square(features - centre)
    if np.quantile(distance, 0.25) > NOISY * features.shape[1]:
        distance = _square(features - median)
    near = np.sum(distance <= reach * np.quantile(distance, 0.25))
    n_kept = min(int(near), int(np.ceil(fraction * len(features))))
    return np.sort(np.argsort(distance, kind="stable")[:n_kept])


def _square(vectors: np.ndarray) -> np.ndarray:
    return (vectors**2).sum(axis=1)
