"""Template matching: which templates, when and how large, explain the traces.

The model is x = sum_i a_i U_{k_i}(. - s_i) + noise, with white noise of variance 1 and
amplitudes a ~ N(1, 1 / lambda_k). Placing template k at s with its best amplitude
a = (B + lambda) / (n + lambda) lowers the penalised residual by

    o = (B + lambda)^2 / (n + lambda) - lambda,

where B is the correlation of the template with the residual and n = |U|^2. A spike that
fits perfectly has o = n; the threshold on o is a squared norm in noise sd.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from sorting.kernels.interpolation import (
    TAPS,
    fractional_taps,
    parabola_vertex,
    read_between,
)

__all__ = ["Bank", "find_spikes", "objective", "ordered"]

BELOW = 0.999999  # a rounding below what can matter
BLOCK = 64  # frames of which it is noted together whether a template may be there


class Bank(NamedTuple):
    """Templates as the matcher sees them; arrays of one entry per template.

    Attributes
    ----------
    norms : float64 (n_templates,)
        Squared norms.
    lams : float64 (n_templates,)
        Inverse variance of the amplitude.
    floors : float64 (n_templates,)
        Least objective of a spike.
    a_min, a_max : float64 (n_templates,)
        Bounds of the amplitude.
    ptr, neighbours, overlaps
        The fields of `overlaps.OverlapTable`.
    """

    norms: np.ndarray
    lams: np.ndarray
    floors: np.ndarray
    a_min: np.ndarray
    a_max: np.ndarray
    ptr: np.ndarray
    neighbours: np.ndarray
    overlaps: np.ndarray


@njit(cache=True, nogil=True)
def find_spikes(correlation, bank, refractory_frames, max_rounds):
    """Place templates greedily, largest gain first, until none gains enough.

    In each round every frame that holds the largest gain within a template length is
    taken; such picks cannot change each other's gain, so the order among them does not
    matter. Their contributions are subtracted from the correlations of all overlapping
    templates, at sub-sample precision.

    Parameters
    ----------
    correlation : float32 (n_templates, n_frames)
        Changed in place: what remains is the correlation with the residual.
    bank : Bank
    refractory_frames : int
        A unit does not fire again within this.
    max_rounds : int

    Returns
    -------
    frames, templates : int64 (n_spikes,)
        First frame of the window, sorted by (frame, template).
    shifts, amplitudes, gains : float64 (n_spikes,)
        Sub-sample shift in [-0.5, 0.5], amplitude and objective.
    """
    n_templates, n_frames = correlation.shape
    reach = (bank.overlaps.shape[1] + 1) // 2
    best = np.zeros(n_frames, np.float32)
    which = np.full(n_frames, -1, np.int32)
    forbidden = np.zeros((n_templates, n_frames), np.bool_)
    table = _gain_table(bank)
    least = table[:, 5]
    hot = np.zeros((n_templates, n_frames // BLOCK + 1), np.bool_)
    for k in range(n_templates):
        _note_hot(correlation[k], least[k], 0, n_frames, hot[k])
    _update_best(correlation, forbidden, table, hot, 0, n_frames, best, which)
    frames = [0 for _ in range(0)]
    templates = [0 for _ in range(0)]
    values = [(0.0, 0.0, 0.0) for _ in range(0)]
    stale = max(reach + TAPS, refractory_frames)
    for _ in range(max_rounds):
        picks = _local_maxima(best, reach)
        if picks.size == 0:
            break
        for frame in picks:
            k = np.int64(which[frame])
            if forbidden[k, frame]:
                continue  # by an earlier pick of this round
            shift, amplitude, gain = _best_fit(correlation[k], frame, bank, k)
            frames.append(frame)
            templates.append(k)
            values.append((shift, amplitude, gain))
            add_template(correlation, bank, k, frame, shift, -amplitude)
            start, stop = max(0, frame - stale), min(n_frames, frame + stale + 1)
            for other in bank.neighbours[bank.ptr[k] : bank.ptr[k + 1]]:
                _note_hot(correlation[other], least[other], start, stop, hot[other])
            start = max(0, frame - refractory_frames)
            forbidden[k, start : frame + refractory_frames + 1] = True
        for frame in picks:
            start, stop = max(0, frame - stale), min(n_frames, frame + stale + 1)
            _update_best(correlation, forbidden, table, hot, start, stop, best, which)
    return ordered(frames, templates, values, n_templates)


@njit(cache=True, nogil=True)
def ordered(frames, templates, values, n_templates):
    """Sort what was placed by (frame, template); lists to arrays."""
    found = np.empty(len(frames), np.int64)
    units = np.empty(len(frames), np.int64)
    fits = np.empty((3, len(frames)))
    for i in range(len(frames)):
        found[i], units[i] = frames[i], templates[i]
        fits[0, i], fits[1, i], fits[2, i] = values[i]
    order = np.argsort(found * n_templates + units)
    fits = fits[:, order]
    return found[order], units[order], fits[0], fits[1], fits[2]


@njit(cache=True, nogil=True)
def objective(b, norm, lam, a_min, a_max):
    """Gain of placing a template, with the amplitude held in its bounds."""
    shifted = b + lam
    if shifted <= 0:
        return -1.0
    a = min(max(shifted / (norm + lam), a_min), a_max)
    return 2 * a * shifted - a * a * (norm + lam) - lam


@njit(cache=True, nogil=True)
def _gain_table(bank):
    """Lambda, n + lambda, bounds, floor and least correlation of each template.

    Below its least correlation the objective of a template cannot reach its floor.
    """
    table = np.empty((bank.norms.size, 6), np.float32)
    for k in range(bank.norms.size):
        norm, lam, floor = bank.norms[k], bank.lams[k], bank.floors[k]
        least = (np.sqrt((floor + lam) * (norm + lam)) - lam) * BELOW
        table[k, 0], table[k, 1] = lam, norm + lam
        table[k, 2], table[k, 3] = bank.a_min[k], bank.a_max[k]
        table[k, 4], table[k, 5] = floor, least
    return table


@njit(cache=True, nogil=True)
def _note_hot(row, least, start, stop, hot):
    """Note which blocks that meet the frames start:stop hold anything above `least`."""
    for block in range(start // BLOCK, (stop - 1) // BLOCK + 1):
        n_above = 0
        part = row[block * BLOCK : (block + 1) * BLOCK]
        for frame in range(part.size):
            n_above += part[frame] > least
        hot[block] = n_above > 0


@njit(cache=True, nogil=True)
def _update_best(correlation, forbidden, table, hot, start, stop, best, which):
    """Largest objective over templates for the frames start:stop; lower index wins."""
    best[start:stop] = 0.0
    which[start:stop] = -1
    low, high = start // BLOCK, (stop - 1) // BLOCK + 1
    for k in range(table.shape[0]):
        first, last = high, low  # blocks from the first hot one to the last
        for block in range(low, high):
            if hot[k, block]:
                first, last = min(first, block), block + 1
        if first < last:
            begin, end = max(start, first * BLOCK), min(stop, last * BLOCK)
            _raise_best(
                correlation[k, begin:end],
                forbidden[k, begin:end],
                table[k],
                np.int32(k),
                best[begin:end],
                which[begin:end],
            )


@njit(cache=True, nogil=True)
def _raise_best(row, forbidden, of_template, k, best, which):
    """Take template k where it gains most so far.

    Without branches, so that it is compiled to vector instructions: that is why the
    formula of `objective` stands here again, in float32.
    """
    lam, total = of_template[0], of_template[1]
    low, high, floor = of_template[2], of_template[3], of_template[4]
    inverse = np.float32(1) / total
    for frame in range(row.size):
        shifted = row[frame] + lam
        a = shifted * inverse
        a = low if a < low else a
        a = high if a > high else a
        gain = a * (shifted + shifted - a * total) - lam
        least = best[frame] if best[frame] > floor else floor
        better = (gain > least) & (not forbidden[frame])
        best[frame] = gain if better else best[frame]
        which[frame] = k if better else which[frame]


@njit(cache=True, nogil=True)
def _local_maxima(best, reach):
    """Frames whose value is positive and first in (value, -frame) within reach."""
    picks = []
    n = best.size
    frame = 0
    while frame < n:
        if best[frame] > 0 and _is_peak(best, frame, reach):
            picks.append(frame)
            frame += reach
        frame += 1
    return np.array(picks, dtype=np.int64)


@njit(cache=True, nogil=True)
def _is_peak(best, frame, reach):
    for other in range(max(0, frame - reach), frame):
        if best[other] >= best[frame]:
            return False
    for other in range(frame + 1, min(best.size, frame + reach + 1)):
        if best[other] > best[frame]:
            return False
    return True


@njit(cache=True, nogil=True)
def _best_fit(row, frame, bank, k):
    """Sub-sample shift, amplitude and gain of template k around a frame."""
    shift = 0.0
    if 0 < frame < row.size - 1:
        shift = parabola_vertex(row[frame - 1], row[frame], row[frame + 1])
    b = max(read_between(row, frame, shift), row[frame])
    norm, lam = bank.norms[k], bank.lams[k]
    amplitude = min(max((b + lam) / (norm + lam), bank.a_min[k]), bank.a_max[k])
    gain = objective(b, norm, lam, bank.a_min[k], bank.a_max[k])
    return shift, amplitude, gain


@njit(cache=True, nogil=True)
def add_template(correlation, bank, k, frame, shift, amplitude):
    """Add what a placed template gives to the correlations around it.

    Parameters
    ----------
    correlation : float32 (n_templates, n_frames)
        Changed in place.
    bank : Bank
    k, frame : int
        Template, and first frame of its window.
    shift, amplitude : float
        Sub-sample shift, and amplitude; negative to subtract.
    """
    n_frames = correlation.shape[1]
    n_lags = bank.overlaps.shape[1]
    whole, taps = fractional_taps(-shift)
    first = (
        frame - n_lags // 2 - whole - TAPS // 2
    )  # where the row's first entry reaches
    row = np.zeros(n_lags + 2 * TAPS, np.float32)
    w = (amplitude * taps).astype(np.float32)
    start, stop = max(0, first), min(n_frames, first + n_lags + TAPS)
    for entry in range(bank.ptr[k], bank.ptr[k + 1]):
        row[TAPS : TAPS + n_lags] = bank.overlaps[entry]
        target = correlation[bank.neighbours[entry], start:stop]
        near = row[start - first + 1 :]
        for at in range(target.size):
            target[at] += (
                (w[0] * near[at] + w[1] * near[at + 1])
                + (w[2] * near[at + 2] + w[3] * near[at + 3])
            ) + (
                (w[4] * near[at + 4] + w[5] * near[at + 5])
                + (w[6] * near[at + 6] + w[7] * near[at + 7])
            )
