"""Spikes that greedy placement hid: another look where the fit is odd.

Greedy placement takes the template that explains most by itself. Where two spikes
nearly coincide, that may be one of them, larger than it ever is, or a third one, which
goes when amplitudes are fitted together. So another spike is also held against a fit in
which the amplitudes a of those that are there change with it. With R the correlation of
its template with the residual, M the overlaps of the others plus their priors, and m
those of the new one with them, it gains

    o = (R + lambda)^2 / (n + lambda - m^T M^-1 m) - lambda,

which is the gain of greedy placement but for the last term of the denominator.
"""

import numpy as np
from numba import njit

from sorting.kernels.interpolation import parabola_vertex, read_between
from sorting.kernels.inverse import invert
from sorting.kernels.refit import overlap, table_row

__all__ = ["find_hidden"]

ODD = 1.0  # sd of the prior by which an amplitude differs from 1
MARGIN = 1.5  # least gain, times that of a spike: many places are tried
REACH = 0.2  # template lengths around such a spike
SAME_PLACE = 3  # frames around a spike that was taken back
MAX_NEAR = 8  # spikes whose amplitudes change with the new one


@njit(cache=True, nogil=True)
def find_hidden(
    correlation, bank, refractory_frames, frames, templates, shifts, amplitudes, changed
):
    """Find one more spike around each that has an odd amplitude, or was taken back.

    Parameters
    ----------
    correlation : float32 (n_templates, n_frames)
        With the residual.
    bank : matching.Bank
    refractory_frames : int
    frames, templates : int64 (n_spikes,)
        Sorted by frame.
    shifts, amplitudes : float64 (n_spikes,)
        0 is the amplitude of a spike that was taken back.
    changed : int64 (n_changed,)
        Frames, rising; spikes within a template length of none of them are passed by.

    Returns
    -------
    frames, templates : int64 (n_new,)
    shifts : float64 (n_new,)
        Their amplitudes are still to be fitted, together with those of the others.
    """
    width = (bank.overlaps.shape[1] + 1) // 2
    is_gone, is_there = amplitudes <= 0, amplitudes > 0
    found = [(0, 0, 0.0) for _ in range(0)]
    for i in range(frames.size):
        a, lam = amplitudes[i], bank.lams[templates[i]]
        at = np.searchsorted(changed, frames[i] - width)
        is_settled = at == changed.size or changed[at] > frames[i] + width
        if is_settled or (a > 0 and abs(a - 1) * np.sqrt(lam) < ODD):
            continue
        first, last = _around(frames, i, width)
        near = _near(bank, frames, templates, amplitudes, i, first, last)
        inverse = _inverse_of(bank, near, frames, templates, shifts)
        # a unit may be silent for longer than its template lasts
        first, last = _around(frames, i, width + refractory_frames)
        gain, k, frame = _best(
            correlation, bank, near, inverse, frames, templates, shifts, i, is_gone
        )
        # what looks most like one more spike of a unit that fires there is none
        if gain <= 0 or _is_near(
            frames, templates, is_there, first, last, k, frame, refractory_frames
        ):
            continue
        gain, shift = _exact_gain(
            correlation, bank, near, inverse, frames, templates, shifts, k, frame
        )
        known = gain <= MARGIN * bank.floors[k]
        for other, of, _ in found:
            known |= of == k and abs(other - frame) <= refractory_frames
        if not known:
            found.append((frame, k, shift))
    new_frames = np.array([frame for frame, _, _ in found], np.int64)
    new_templates = np.array([k for _, k, _ in found], np.int64)
    return new_frames, new_templates, np.array([shift for _, _, shift in found], float)


@njit(cache=True, nogil=True)
def _around(frames, i, reach):
    """First and last + 1 of the spikes nearer to spike i than some frames."""
    first, last = i, i + 1
    while first > 0 and frames[i] - frames[first - 1] < reach:
        first -= 1
    while last < frames.size and frames[last] - frames[i] < reach:
        last += 1
    return first, last


@njit(cache=True, nogil=True)
def _near(bank, frames, templates, amplitudes, i, first, last):
    """List the nearest spikes that are there and share a channel with spike i."""
    near = [0 for _ in range(0)]
    for j in range(first, last):
        if amplitudes[j] > 0 and table_row(bank, templates[i], templates[j]) >= 0:
            near.append(j)
    near = np.array(near, np.int64)
    order = np.argsort(np.abs(frames[near] - frames[i]), kind="mergesort")
    return near[order[:MAX_NEAR]]


@njit(cache=True, nogil=True)
def _inverse_of(bank, near, frames, templates, shifts):
    """Inverse of the overlaps of some spikes plus their priors."""
    matrix = np.empty((near.size, near.size))
    for a in range(near.size):
        i = near[a]
        matrix[a, a] = bank.norms[templates[i]] + bank.lams[templates[i]]
        for b in range(a):
            j = near[b]
            lag = frames[j] + shifts[j] - frames[i] - shifts[i]
            matrix[a, b] = overlap(bank, templates[i], templates[j], lag)
            matrix[b, a] = matrix[a, b]
    return invert(matrix)


@njit(cache=True, nogil=True)
def _best(correlation, bank, near, inverse, frames, templates, shifts, i, is_gone):
    """Find the best gain above a floor, and its template and frame; 0 for none.

    Overlaps are taken at whole frames: that is near enough to choose by.
    """
    width = (bank.overlaps.shape[1] + 1) // 2
    first, last = _around(frames, i, width)
    start = max(1, frames[i] - int(REACH * width))
    stop = min(correlation.shape[1] - 1, frames[i] + int(REACH * width) + 1)
    best, template, at = 0.0, 0, 0
    rows = np.empty(near.size, np.int64)
    overlaps = np.zeros(near.size)
    for k in bank.neighbours[bank.ptr[templates[i]] : bank.ptr[templates[i] + 1]]:
        lam, floor = bank.lams[k], bank.floors[k]
        least = np.sqrt(lam * (lam + floor)) - lam  # for no denominator is below lambda
        for a in range(near.size):
            rows[a] = table_row(bank, templates[near[a]], k)
        for frame in range(start, stop):
            if correlation[k, frame] <= least:
                continue
            for a in range(near.size):
                lag = frame - int(np.round(frames[near[a]] + shifts[near[a]]))
                is_near = rows[a] >= 0 and abs(lag) < width
                overlaps[a] = (
                    bank.overlaps[rows[a], lag + width - 1] if is_near else 0.0
                )
            gain = _gain(bank, k, correlation[k, frame], overlaps, inverse)
            is_better = gain > MARGIN * floor and gain > best
            if is_better and not _is_near(
                frames, templates, is_gone, first, last, k, frame, SAME_PLACE
            ):
                best, template, at = gain, k, frame
    return best, template, at


@njit(cache=True, nogil=True)
def _gain(bank, k, b, overlaps, inverse):
    """Return what template k gains if the amplitudes of near spikes follow."""
    explained = 0.0
    for i in range(overlaps.size):
        for j in range(overlaps.size):
            explained += overlaps[i] * inverse[i, j] * overlaps[j]
    lam = bank.lams[k]
    total = bank.norms[k] + lam - explained
    shifted = b + lam
    a = min(max(shifted / total, bank.a_min[k]), bank.a_max[k])
    return 2 * a * shifted - a * a * total - lam


@njit(cache=True, nogil=True)
def _exact_gain(correlation, bank, near, inverse, frames, templates, shifts, k, frame):
    """Return the gain of template k at a frame, between frames, and its shift."""
    row = correlation[k]
    shift = parabola_vertex(row[frame - 1], row[frame], row[frame + 1])
    overlaps = np.empty(near.size)
    for a in range(near.size):
        j = near[a]
        lag = frame + shift - frames[j] - shifts[j]
        overlaps[a] = overlap(bank, templates[j], k, lag)
    b = read_between(row, frame, shift)
    return _gain(bank, k, b, overlaps, inverse), shift


@njit(cache=True, nogil=True)
def _is_near(frames, templates, is_one, first, last, k, frame, limit):
    """Tell whether a spike of the unit, of those that are one, lies within a limit."""
    for j in range(first, last):
        if is_one[j] and templates[j] == k and abs(frames[j] - frame) <= limit:
            return True
    return False
