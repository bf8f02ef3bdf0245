"""Clustering without a scale: split wherever a projection has two modes.

The method is isosplit (Magland and Barnett, arXiv:1508.04841): start from many small
parcels, project each pair of neighbouring clusters on the axis that best separates
them, and test whether the projected density has a dip. No bandwidth, no number of
clusters.
"""

import numpy as np
from numba import njit

__all__ = ["isocut", "isosplit"]

DIP_THRESHOLD = 2.0  # about 3 % of single Gaussians of 500 points exceed it
MAX_PARCELS = 200
PARCEL_SIZE = 10  # outliers take parcels of their own; the rest must still be split
MAX_PASSES = 30
REFINEMENTS = 3


@njit(cache=True, nogil=True)
def _isotonic(values, weights):
    """Best non-decreasing fit by pooling adjacent violators."""
    n = values.size
    mean = np.empty(n)
    weight = np.empty(n)
    size = np.empty(n, np.int64)
    top = -1
    for i in range(n):
        top += 1
        mean[top], weight[top], size[top] = values[i], weights[i], 1
        while top > 0 and mean[top - 1] > mean[top]:
            total = weight[top - 1] + weight[top]
            mean[top - 1] = (
                mean[top - 1] * weight[top - 1] + mean[top] * weight[top]
            ) / total
            weight[top - 1] = total
            size[top - 1] += size[top]
            top -= 1
    fit = np.empty(n)
    at = 0
    for block in range(top + 1):
        for _ in range(size[block]):
            fit[at] = mean[block]
            at += 1
    return fit


@njit(cache=True, nogil=True)
def _prefix_errors(values, weights):
    """Squared error of the non-decreasing fit to every prefix."""
    n = values.size
    errors = np.empty(n)
    mean = np.empty(n)
    weight = np.empty(n)
    square = np.empty(n)
    error = np.empty(n)
    top = -1
    total_error = 0.0
    for i in range(n):
        top += 1
        mean[top], weight[top] = values[i], weights[i]
        square[top] = weights[i] * values[i] ** 2
        error[top] = 0.0
        while top > 0 and mean[top - 1] > mean[top]:
            total = weight[top - 1] + weight[top]
            pooled = (mean[top - 1] * weight[top - 1] + mean[top] * weight[top]) / total
            total_error -= error[top - 1] + error[top]
            square[top - 1] += square[top]
            mean[top - 1], weight[top - 1] = pooled, total
            error[top - 1] = max(square[top - 1] - total * pooled**2, 0.0)
            total_error += error[top - 1]
            top -= 1
        errors[i] = total_error
    return errors


@njit(cache=True, nogil=True)
def _up_down(values, weights):
    """Best unimodal fit (rising, then falling) and the index of its peak."""
    n = values.size
    up = _prefix_errors(values, weights)
    down = _prefix_errors(values[::-1].copy(), weights[::-1].copy())[::-1]
    best, peak = np.inf, 0
    for i in range(n):
        error = up[i] + (down[i + 1] if i + 1 < n else 0.0)
        if error < best:
            best, peak = error, i
    fit = np.empty(n)
    fit[: peak + 1] = _isotonic(values[: peak + 1], weights[: peak + 1])
    if peak + 1 < n:
        tail = values[peak + 1 :][::-1].copy()
        fit[peak + 1 :] = _isotonic(tail, weights[peak + 1 :][::-1].copy())[::-1]
    return fit, peak


@njit(cache=True, nogil=True)
def _largest_dip(gaps, fitted, from_left):
    """Kolmogorov-Smirnov statistic over the outer 1, 1/2, 1/4 ... of one side."""
    n = gaps.size
    best, best_length = -1.0, n
    length = n
    while length >= 4 or length == n:
        count = 0.0
        expected = 0.0
        for i in range(length):
            at = i if from_left else n - 1 - i
            count += 1.0
            expected += fitted[at] * gaps[at]
        largest, c, e = 0.0, 0.0, 0.0
        for i in range(length):
            at = i if from_left else n - 1 - i
            c += 1.0
            e += fitted[at] * gaps[at]
            if expected > 0:
                largest = max(largest, abs(c / count - e / expected))
        statistic = largest * np.sqrt((count + expected) / 2)
        if statistic > best:
            best, best_length = statistic, length
        length //= 2
    return best, best_length


@njit(cache=True, nogil=True)
def isocut(values):
    """Test one dimension for two modes, and find where to cut.

    Parameters
    ----------
    values : float64 (n,)

    Returns
    -------
    dip : float
        How far the density is from unimodal; above 2 is bimodal.
    cut : float
        Position of the density minimum between the modes.

    Notes
    -----
    The log density of the gaps between sorted points is fitted by a unimodal sequence;
    the dip is the largest Kolmogorov-Smirnov distance between points and fit on either
    side of the mode, and the cut the minimum of a down-up fit to the residue there.
    """
    n = values.size
    if n < 4:
        return 0.0, 0.0
    ordered = np.sort(values)
    span = ordered[-1] - ordered[0]
    if span <= 0:
        return 0.0, ordered[0]
    gaps = np.maximum(ordered[1:] - ordered[:-1], 1e-9 * span)
    log_density = -np.log(gaps)
    ones = np.ones(gaps.size)
    fit, peak = _up_down(log_density, ones)
    fitted = np.exp(fit)
    left, left_length = _largest_dip(gaps[: peak + 1], fitted[: peak + 1], True)
    right, right_length = _largest_dip(gaps[peak:], fitted[peak:], False)
    if left > right:
        dip, start, stop = left, 0, left_length
    else:
        dip, start, stop = right, gaps.size - right_length, gaps.size
    residue = log_density[start:stop] - fit[start:stop]
    inverted, _ = _up_down(-residue, np.ones(residue.size))
    lowest = 0
    for i in range(inverted.size):
        if inverted[i] > inverted[lowest]:
            lowest = i
    # a flat minimum: its middle
    last = lowest
    while last + 1 < inverted.size and inverted[last + 1] == inverted[lowest]:
        last += 1
    at = start + (lowest + last) // 2
    return dip, 0.5 * (ordered[at] + ordered[at + 1])


@njit(cache=True, nogil=True)
def _parcels(points, n_parcels):
    """Farthest-first centres, then a few Lloyd steps; ties go to the lower index."""
    n, dims = points.shape
    centres = np.empty((n_parcels, dims))
    mean = np.zeros(dims)
    for i in range(n):
        mean += points[i]
    mean /= n
    distance = np.empty(n)
    start, closest = 0, np.inf
    for i in range(n):
        d = ((points[i] - mean) ** 2).sum()
        if d < closest:
            start, closest = i, d
    centres[0] = points[start]
    for i in range(n):
        distance[i] = ((points[i] - centres[0]) ** 2).sum()
    for k in range(1, n_parcels):
        far = 0
        for i in range(n):
            if distance[i] > distance[far]:
                far = i
        centres[k] = points[far]
        for i in range(n):
            distance[i] = min(distance[i], ((points[i] - centres[k]) ** 2).sum())
    labels = np.zeros(n, np.int64)
    for _ in range(4):
        for i in range(n):
            nearest = np.inf
            for k in range(n_parcels):
                d = 0.0
                for j in range(dims):
                    d += (points[i, j] - centres[k, j]) ** 2
                if d < nearest:
                    nearest = d
                    labels[i] = k
        sums = np.zeros((n_parcels, dims))
        counts = np.zeros(n_parcels)
        for i in range(n):
            sums[labels[i]] += points[i]
            counts[labels[i]] += 1
        for k in range(n_parcels):
            if counts[k] > 0:
                centres[k] = sums[k] / counts[k]
    return labels


def _moments(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre = points.mean(axis=0)
    centred = points - centre
    return centre, centred.T @ centred / max(len(points) - 1, 1)


def _separating_axis(a: tuple, b: tuple, ridge: float) -> np.ndarray:
    """Fisher discriminant of two clusters given (mean, covariance)."""
    pooled = 0.5 * (a[1] + b[1])
    pooled = pooled + ridge * np.eye(len(pooled))
    return np.linalg.solve(pooled, b[0] - a[0])


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
    labels = _parcels(np.ascontiguousarray(points), n_parcels)
    ridge = 1e-6 * max(float(points.var(axis=0).sum()), 1e-12)
    for _ in range(MAX_PASSES):
        if not _merge_pass(points, labels, min_size, ridge):
            break
    _merge_pass(points, labels, min_size, ridge)
    return _relabel(labels)


def _merge_pass(points, labels, min_size, ridge) -> bool:
    """Compare mutually closest pairs until none is new; True if any two merged."""
    moments = {int(k): _moments(points[labels == k]) for k in np.unique(labels)}
    compared: set[tuple[int, int]] = set()
    merged_any = False
    while True:
        pairs = _closest_pairs(moments, compared)
        if not pairs:
            return merged_any
        for a, b in pairs:
            compared.add((a, b))
            merged, changed = _compare(points, labels, a, b, moments, min_size, ridge)
            merged_any |= merged
            if merged:
                del moments[b]
            if changed:
                for k in (a,) if merged else (a, b):
                    moments[k] = _moments(points[labels == k])
                if merged:
                    compared = {p for p in compared if b not in p}


def _closest_pairs(moments: dict, compared: set) -> list[tuple[int, int]]:
    keys = sorted(moments)
    if len(keys) < 2:
        return []
    centres = np.array([moments[k][0] for k in keys])
    square = (centres**2).sum(axis=1)
    distance = square[:, None] + square[None] - 2 * centres @ centres.T
    np.fill_diagonal(distance, np.inf)
    index = {k: i for i, k in enumerate(keys)}
    for a, b in compared:
        if a in index and b in index:
            distance[index[a], index[b]] = distance[index[b], index[a]] = np.inf
    nearest = distance.argmin(axis=1)
    return [
        (keys[i], keys[j])
        for i, j in enumerate(nearest)
        if i < j and nearest[j] == i and np.isfinite(distance[i, j])
    ]


def _compare(points, labels, a, b, moments, min_size, ridge) -> tuple[bool, bool]:
    """Merge a pair, or move its members to the right sides of the cut."""
    members = np.flatnonzero((labels == a) | (labels == b))
    in_b = labels[members] == b
    n_b = int(in_b.sum())
    if min(n_b, len(members) - n_b) < min_size:
        labels[members] = a
        return True, True
    axis = _separating_axis(moments[a], moments[b], ridge)
    projected = points[members] @ axis
    dip, cut = isocut(projected)
    if dip < DIP_THRESHOLD:
        labels[members] = a
        return True, True
    above = projected >= cut
    if not above.any() or above.all():
        return False, False
    moved_a = np.count_nonzero(above & ~in_b) / max(len(members) - n_b, 1)
    moved_b = np.count_nonzero(~above & in_b) / max(n_b, 1)
    if moved_a + moved_b >= 1 or (moved_a == 0 and moved_b == 0):
        return False, False
    labels[members] = np.where(above, b, a)
    return False, True


def _relabel(labels: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return rank[inverse]
