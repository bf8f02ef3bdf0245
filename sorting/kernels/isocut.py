"""Two modes in one dimension, and where to cut between them.

The one-dimensional half of isosplit (Magland and Barnett, arXiv:1508.04841).
"""

import numpy as np
from numba import njit

__all__ = ["isocut"]


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
