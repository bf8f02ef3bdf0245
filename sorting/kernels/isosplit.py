"""Clustering without a scale: split wherever a projection has two modes.

The method is isosplit (Magland and Barnett, arXiv:1508.04841): start from many small
parcels, project each pair of neighbouring clusters on the axis that best separates
them, and test whether the projected density has a dip. No bandwidth, no number of
clusters.
"""

import numpy as np
from numba import njit

from sorting.kernels.inverse import invert
from sorting.kernels.isocut import isocut

__all__ = ["isosplit"]

DIP_THRESHOLD = 2.0  # about 3 % of single Gaussians of 500 points exceed it
MAX_PARCELS = 200
PARCEL_SIZE = 10  # outliers take parcels of their own; the rest must still be split
MAX_PASSES = 30
REFINEMENTS = 3


@njit(cache=True, nogil=True)
def _square_distance(a, b):
    total = 0.0
    for j in range(a.size):
        total += (a[j] - b[j]) ** 2
    return total


@njit(cache=True, nogil=True)
def _parcels(points, n_parcels):
    """Farthest-first centres, then a few Lloyd steps; ties go to the lower index."""
    n, dims = points.shape
    centres = _spread_centres(points, n_parcels)
    labels = np.zeros(n, np.int64)
    for _ in range(4):
        for i in range(n):
            nearest = np.inf
            for k in range(n_parcels):
                d = _square_distance(points[i], centres[k])
                if d < nearest:
                    nearest = d
                    labels[i] = k
        sums = np.zeros((n_parcels, dims))
        counts = np.zeros(n_parcels)
        for i in range(n):
            for j in range(dims):
                sums[labels[i], j] += points[i, j]
            counts[labels[i]] += 1
        for k in range(n_parcels):
            if counts[k] > 0:
                centres[k] = sums[k] / counts[k]
    return labels


@njit(cache=True, nogil=True)
def _spread_centres(points, n_centres):
    """Take the point nearest to the mean, then always the one farthest from all."""
    n, dims = points.shape
    mean = np.zeros(dims)
    for i in range(n):
        for j in range(dims):
            mean[j] += points[i, j]
    mean /= n
    centres = np.empty((n_centres, dims))
    start, closest = 0, np.inf
    for i in range(n):
        d = _square_distance(points[i], mean)
        if d < closest:
            start, closest = i, d
    centres[0] = points[start]
    distance = np.full(n, np.inf)
    for k in range(1, n_centres):
        far = 0
        for i in range(n):
            d = _square_distance(points[i], centres[k - 1])
            distance[i] = min(distance[i], d)
            if distance[i] > distance[far]:
                far = i
        centres[k] = points[far]
    return centres


def isosplit(points: np.ndarray, min_size: int = 15) -> np.ndarray:
    """Cluster points in a few dimensions.

    Parameters
    ----------
    points : float64 (n_points, n_dimensions)
    min_size : int
        A smaller cluster joins its nearest neighbour.

    Returns
    -------
    int64 (n_points,)
        Labels 0..n_clusters-1, by the first point of each.
    """
    n = len(points)
    n_parcels = min(MAX_PARCELS, n // PARCEL_SIZE)
    if n_parcels < 2:
        return np.zeros(n, np.int64)
    points = np.ascontiguousarray(points)
    labels = _parcels(points, n_parcels)
    ridge = 1e-6 * max(float(points.var(axis=0).sum()), 1e-12)
    for _ in range(MAX_PASSES):
        if not _merge_pass(points, labels, min_size, ridge):
            break
    _merge_pass(points, labels, min_size, ridge)
    return _relabel(labels)


@njit(cache=True, nogil=True)
def _merge_pass(points, labels, min_size, ridge):
    """Compare mutually closest pairs until none is new; True if any two merged."""
    n_labels, dims = labels.max() + 1, points.shape[1]
    centres = np.empty((n_labels, dims))
    covariances = np.empty((n_labels, dims, dims))
    alive = np.zeros(n_labels, np.bool_)
    for k in range(n_labels):
        alive[k] = _measure(points, labels, k, centres[k], covariances[k])
    compared = np.zeros((n_labels, n_labels), np.bool_)
    merged_any, goes_on = False, True
    while goes_on:
        goes_on = False
        nearest = _nearest(centres, alive, compared)
        for a in range(n_labels):
            b = nearest[a]
            if b <= a or nearest[b] != a:
                continue
            goes_on = True
            compared[a, b] = compared[b, a] = True
            axis = _separating_axis(centres, covariances, a, b, ridge)
            merged, changed = _compare(points, labels, a, b, axis, min_size)
            merged_any |= merged
            if changed:
                _measure(points, labels, a, centres[a], covariances[a])
                alive[b] = _measure(points, labels, b, centres[b], covariances[b])
    return merged_any


@njit(cache=True, nogil=True)
def _measure(points, labels, label, centre, covariance):
    """Fill in mean and covariance of a cluster; False if there is none."""
    n, dims = 0, centre.size
    centre[:], covariance[:] = 0.0, 0.0
    for i in range(labels.size):
        if labels[i] == label:
            n += 1
            for j in range(dims):
                centre[j] += points[i, j]
    if n == 0:
        return False
    centre /= n
    offset = np.empty(dims)
    for i in range(labels.size):
        if labels[i] == label:
            for j in range(dims):
                offset[j] = points[i, j] - centre[j]
                for other in range(j + 1):
                    covariance[j, other] += offset[j] * offset[other]
    for j in range(dims):
        for other in range(j + 1):
            covariance[j, other] /= max(n - 1, 1)
            covariance[other, j] = covariance[j, other]
    return True


@njit(cache=True, nogil=True)
def _nearest(centres, alive, compared):
    """Nearest cluster that each was not compared with yet; -1 if there is none."""
    n = alive.size
    nearest = np.full(n, -1)
    least = np.full(n, np.inf)
    for a in range(n):
        for b in range(a + 1, n):
            if alive[a] and alive[b] and not compared[a, b]:
                d = _square_distance(centres[a], centres[b])
                if d < least[a]:
                    nearest[a], least[a] = b, d
                if d < least[b]:
                    nearest[b], least[b] = a, d
    return nearest


@njit(cache=True, nogil=True)
def _separating_axis(centres, covariances, a, b, ridge):
    """Fisher's discriminant of two clusters."""
    dims = centres.shape[1]
    pooled = 0.5 * (covariances[a] + covariances[b])
    for j in range(dims):
        pooled[j, j] += ridge
    inverse = invert(pooled)
    axis = np.zeros(dims)
    for j in range(dims):
        for other in range(dims):
            axis[j] += inverse[j, other] * (centres[b, other] - centres[a, other])
    return axis


@njit(cache=True, nogil=True)
def _compare(points, labels, a, b, axis, min_size):
    """Merge b into a, or move their members to the right sides of the cut.

    Returns whether they were merged, and whether any member changed.
    """
    members = np.flatnonzero((labels == a) | (labels == b))
    projected = np.zeros(members.size)
    n_b = 0
    for i in range(members.size):
        n_b += labels[members[i]] == b
        for j in range(axis.size):
            projected[i] += points[members[i], j] * axis[j]
    n_a = members.size - n_b
    dip, cut = isocut(projected)
    if min(n_a, n_b) < min_size or dip < DIP_THRESHOLD:
        labels[members] = a
        return True, True
    from_a, from_b = 0, 0  # that would change sides
    for i in range(members.size):
        is_b = labels[members[i]] == b
        from_a += projected[i] >= cut and not is_b
        from_b += projected[i] < cut and is_b
    is_divided = 0 < n_b + from_a - from_b < members.size
    is_new = from_a > 0 or from_b > 0
    if not is_divided or not is_new or from_a / n_a + from_b / n_b >= 1:
        return False, False
    for i in range(members.size):
        labels[members[i]] = b if projected[i] >= cut else a
    return False, True


def _relabel(labels: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return rank[inverse]
