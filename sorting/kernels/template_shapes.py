"""Templates: where they live, what they share, which of them are the same."""

import numpy as np
from numba import njit

from sorting.kernels.overlaps import OverlapTable

__all__ = [
    "add_snippets",
    "average_sets",
    "merge_sets",
    "pair_similarity",
    "quantise",
    "recentre",
    "support_mask",
    "template_norms",
]

FIXED_POINT = 2.0**20  # integer sums are exact in any order; |x| < 1e4 leaves room


def quantise(values: np.ndarray) -> np.ndarray:
    """Round to fixed point, so that sums do not depend on their order.

    Returns
    -------
    int64, same shape
        In units of 2^-20.
    """
    return np.rint(values.astype(np.float64) * FIXED_POINT).astype(np.int64)


@njit(cache=True, nogil=True)
def add_snippets(sums, traces, starts, templates, channels):
    """Add snippets to the running sums of their templates, exactly.

    Parameters
    ----------
    sums : int64 (n_templates, n_frames, n_local_channels)
        Changed in place, in fixed point as `quantise` rounds.
    traces : float32 (n_frames, n_channels)
    starts, templates : int64 (n_spikes,)
        First frame of each window, all inside of `traces`, and the template it is of.
    channels : int64 (n_templates, n_local_channels)
        Channels of each template; -1 adds nothing.

    Notes
    -----
    Each sample is rounded as `quantise` does.
    """
    for spike in range(starts.size):
        near = channels[templates[spike]]
        total = sums[templates[spike]]
        for frame in range(total.shape[0]):
            row = traces[starts[spike] + frame]
            for local in range(near.size):
                if near[local] >= 0:
                    scaled = np.float64(row[near[local]]) * FIXED_POINT
                    total[frame, local] += np.int64(np.rint(scaled))


def recentre(
    waveforms: np.ndarray, frames_before: int, n_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find where windows must start for the extremum to fall at `frames_before`.

    Parameters
    ----------
    waveforms : float (n_templates, n_wide, n_channels)
        Cut wider than the template, so that there is room to move.
    frames_before, n_frames : int
        Place of the extremum and length of a template.

    Returns
    -------
    starts : int64 (n_templates,)
        First frame, limited to windows inside of the wide one.
    channels : int64 (n_templates,)
        Where the extremum is.
    """
    n_templates, n_wide, n_channels = waveforms.shape
    flat = np.abs(waveforms).reshape(n_templates, n_wide * n_channels).argmax(axis=1)
    extremum, channels = np.divmod(flat, n_channels)
    return np.clip(extremum - frames_before, 0, n_wide - n_frames), channels


def average_sets(
    waveforms: np.ndarray, starts: np.ndarray, weights: np.ndarray, n_frames: int
) -> np.ndarray:
    """Average windows of several waveforms, weighted.

    Parameters
    ----------
    waveforms : float (n_members, n_wide, n_channels)
    starts : int64 (n_members,)
        First frame of each window.
    weights : float (n_members,)
    n_frames : int

    Returns
    -------
    float64 (n_frames, n_channels)
    """
    last = waveforms.shape[1] - n_frames
    total = np.zeros((n_frames, waveforms.shape[2]))
    for waveform, start, weight in zip(waveforms, starts, weights, strict=True):
        begin = min(max(int(start), 0), last)
        total += weight * waveform[begin : begin + n_frames]
    return total / max(weights.sum(), 1e-12)


def support_mask(
    waveforms: np.ndarray, distance_um: np.ndarray, radius_um: float, minimum: float
) -> np.ndarray:
    """Channels on which each template is more than noise.

    Parameters
    ----------
    waveforms : float (n_templates, n_frames, n_channels)
        Whitened, in noise standard deviations.
    distance_um : float64 (n_channels, n_channels)
        Infinite between shanks.
    radius_um : float
        Around the channel of the largest peak.
    minimum : float
        Smallest peak, in noise standard deviations.

    Returns
    -------
    bool (n_templates, n_channels)
        The peak channel is always in.
    """
    peaks = np.abs(waveforms).max(axis=1)
    best = peaks.argmax(axis=1)
    mask = (peaks > minimum) & (distance_um[best] <= radius_um)
    mask[np.arange(len(best)), best] = True
    return mask


def template_norms(coefficients: np.ndarray) -> np.ndarray:
    """Squared norm of each template, float64 (n_templates,)."""
    return (coefficients.astype(np.float64) ** 2).sum(axis=(1, 2))


def pair_similarity(
    overlaps: OverlapTable, norms: np.ndarray, max_lag: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Similarity of each pair of templates at its best lag.

    Parameters
    ----------
    overlaps : OverlapTable
    norms : float64 (n_templates,)
        Squared norms.
    max_lag : int
        Frames.

    Returns
    -------
    first, second : int64 (n_pairs,)
        ``first < second``.
    similarity : float64 (n_pairs,)
        2 overlap / (n_i + n_j): 1 for equal templates, less for another shape or size.
    lag : int64 (n_pairs,)
        Frames by which the second comes after the first.
    """
    centre = overlaps.values.shape[1] // 2
    first = np.repeat(np.arange(norms.size), np.diff(overlaps.ptr))
    second = overlaps.neighbours.astype(np.int64)
    keep = first < second
    window = overlaps.values[keep, centre - max_lag : centre + max_lag + 1]
    at = window.argmax(axis=1)
    best = window[np.arange(at.size), at].astype(np.float64)
    first, second = first[keep], second[keep]
    return first, second, 2 * best / (norms[first] + norms[second]), max_lag - at


def merge_sets(
    n_items: int,
    first: np.ndarray,
    second: np.ndarray,
    similarity: np.ndarray,
    threshold: float,
) -> np.ndarray:
    """Complete linkage: sets join only if every cross pair is similar enough.

    Chains (A like B, B like C, A unlike C) therefore do not collapse.

    Parameters
    ----------
    n_items : int
    first, second : int64 (n_pairs,)
    similarity : float64 (n_pairs,)
        A pair that is not listed has similarity 0.
    threshold : float

    Returns
    -------
    int64 (n_items,)
        Set of each item, numbered by the lowest member.
    """
    strong = similarity >= threshold
    linked: list[set[int]] = [set() for _ in range(n_items)]
    for i, j in zip(first[strong], second[strong], strict=True):
        linked[int(i)].add(int(j))
        linked[int(j)].add(int(i))
    sets = {i: {i} for i in range(n_items)}
    owner = np.arange(n_items)
    order = np.lexsort((second[strong], first[strong], -similarity[strong]))
    for pair in order:
        a = int(owner[first[strong][pair]])
        b = int(owner[second[strong][pair]])
        if a == b or not all(sets[b] <= linked[i] for i in sets[a]):
            continue
        low, high = min(a, b), max(a, b)
        sets[low] |= sets.pop(high)
        owner[list(sets[low])] = low
    _, labels = np.unique(owner, return_inverse=True)
    return labels
