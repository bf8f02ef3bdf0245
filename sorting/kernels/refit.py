"""Joint amplitudes of overlapping spikes, and which of them are needed.

Greedy placement gives each spike the amplitude that was best when it was placed. Spikes
that overlap are fitted again together: with M_ij the overlap of spikes i and j plus the
prior on the diagonal, and v_i the correlation of template i with the traces without any
of them plus the prior, a = M^-1 v. What spike i is worth, given that the others are
refitted without it, is a_i^2 / (M^-1)_ii - lambda_i; a spike worth less than its floor
was a residue of the others.
"""

import numpy as np
from numba import njit

from sorting.kernels.interpolation import read_between
from sorting.kernels.inverse import invert
from sorting.kernels.matching import add_template

__all__ = ["overlap", "refit", "table_row"]

MAX_GROUP = 16  # spikes solved together; a longer chain is cut in the order of time


@njit(cache=True, nogil=True)
def refit(correlation, bank, frames, templates, shifts, amplitudes):
    """Fit the amplitudes of overlapping spikes together, drop those not needed.

    Parameters
    ----------
    correlation : float32 (n_templates, n_frames)
        With the residual, all spikes subtracted. Changed in place to that of the new
        amplitudes.
    bank : matching.Bank
    frames, templates : int64 (n_spikes,)
        Sorted by frame.
    shifts : float64 (n_spikes,)
    amplitudes : float64 (n_spikes,)

    Returns
    -------
    amplitudes : float64 (n_spikes,)
        0 for a spike that was dropped.
    gains : float64 (n_spikes,)
        What each spike is worth beside the others.
    """
    n_spikes = frames.size
    fitted = amplitudes.copy()
    gains = np.zeros(n_spikes)
    group = _groups(bank, frames, templates)
    order = np.argsort(group * n_spikes + np.arange(n_spikes))
    start = 0
    while start < n_spikes:
        stop = start + 1
        while (
            stop < n_spikes
            and stop - start < MAX_GROUP
            and group[order[stop]] == group[order[start]]
        ):
            stop += 1
        _refit_group(
            correlation,
            bank,
            order[start:stop],
            frames,
            templates,
            shifts,
            fitted,
            gains,
        )
        start = stop
    return fitted, gains


@njit(cache=True, nogil=True)
def _groups(bank, frames, templates):
    """Label spikes by chains of overlaps; a label is the first spike of its chain."""
    n_spikes = frames.size
    width = (bank.overlaps.shape[1] + 1) // 2
    parent = np.arange(n_spikes)
    for i in range(n_spikes):
        j = i - 1
        while j >= 0 and frames[i] - frames[j] < width:
            if table_row(bank, templates[i], templates[j]) >= 0:
                a, b = _root(parent, i), _root(parent, j)
                parent[max(a, b)] = min(a, b)
            j -= 1
    for i in range(n_spikes):
        parent[i] = _root(parent, i)
    return parent


@njit(cache=True, nogil=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def table_row(bank, k, j):
    """Find the row of the overlap table for a pair; -1 if it shares no channel.

    Parameters
    ----------
    bank : matching.Bank
    k, j : int
    """
    low, high = bank.ptr[k], bank.ptr[k + 1]
    while low < high:
        middle = (low + high) // 2
        if bank.neighbours[middle] < j:
            low = middle + 1
        else:
            high = middle
    if low < bank.ptr[k + 1] and bank.neighbours[low] == j:
        return low
    return -1


@njit(cache=True, nogil=True)
def overlap(bank, k, j, lag):
    """Overlap of template k with template j placed `lag` frames later.

    Parameters
    ----------
    bank : matching.Bank
    k, j : int
    lag : float
        Between frames it is interpolated.
    """
    entry = table_row(bank, k, j)
    if entry < 0:
        return 0.0
    centre = bank.overlaps.shape[1] // 2
    whole = int(np.floor(lag))
    return read_between(bank.overlaps[entry], whole + centre, lag - whole)


@njit(cache=True, nogil=True)
def _refit_group(correlation, bank, members, frames, templates, shifts, fitted, gains):
    n = members.size
    matrix = np.zeros((n, n))
    target = np.zeros(n)
    for a in range(n):
        i = members[a]
        for b in range(n):
            j = members[b]
            lag = (frames[j] + shifts[j]) - (frames[i] + shifts[i])
            matrix[a, b] = (
                bank.norms[templates[i]]
                if a == b
                else overlap(bank, templates[i], templates[j], lag)
            )
    matrix = 0.5 * (matrix + matrix.T)
    for a in range(n):
        i = members[a]
        row = correlation[templates[i]]
        target[a] = read_between(row, frames[i], shifts[i]) + bank.lams[templates[i]]
        for b in range(n):
            target[a] += fitted[members[b]] * matrix[a, b]
        matrix[a, a] += bank.lams[templates[i]]
    solution, worth = _solve(bank, templates[members], matrix, target)
    for a in range(n):
        i = members[a]
        change = solution[a] - fitted[i]
        if abs(change) > 1e-3:
            add_template(correlation, bank, templates[i], frames[i], shifts[i], -change)
            fitted[i] = solution[a]
        gains[i] = worth[a]


@njit(cache=True, nogil=True)
def _solve(bank, templates, matrix, target):
    """Amplitudes within bounds; the spike worth least goes until all are needed."""
    n = templates.size
    solution = np.zeros(n)
    worth = np.zeros(n)
    held = np.zeros(n, np.bool_)  # at the upper bound
    kept = np.ones(n, np.bool_)
    while True:
        free = np.flatnonzero(kept & ~held)
        if free.size == 0:
            break
        right = target[free].copy()
        for a in np.flatnonzero(kept & held):
            right -= matrix[free, a] * bank.a_max[templates[a]]
        local = np.empty((free.size, free.size))
        for a in range(free.size):
            local[a] = matrix[free[a]][free]
        inverse = invert(local)
        values = np.zeros(free.size)
        for a in range(free.size):
            for b in range(free.size):
                values[a] += inverse[a, b] * right[b]
        worst, least, over = -1, np.inf, -1
        for a in range(free.size):
            k = templates[free[a]]
            gain = values[a] ** 2 / inverse[a, a] - bank.lams[k]
            if values[a] < bank.a_min[k]:
                gain = min(gain, -1.0 + values[a])
            solution[free[a]], worth[free[a]] = values[a], gain
            if gain - bank.floors[k] < least:
                worst, least = free[a], gain - bank.floors[k]
            if values[a] > bank.a_max[k]:
                over = free[a]
        if least < 0:
            kept[worst] = False
            solution[worst], worth[worst] = 0.0, 0.0
        elif over >= 0:
            held[over] = True
            solution[over] = bank.a_max[templates[over]]
        else:
            break
    return solution, worth
