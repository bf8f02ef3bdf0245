"""Which fitted units are one neuron: similar waveforms that never fire together."""

import math

import numpy as np

__all__ = ["FLANKS", "dip_score", "greedy_merges"]

FLANKS = 20  # times the window: where the correlogram says what to expect
MANY = 100.0  # expected coincidences, of which a dip that matters is never chance
CHANCE = 0.01  # that independent neurons meet so seldom: of 5 expected times never


def dip_score(near: int, far: int, reach: int) -> float:
    """How much the cross-correlogram dips around zero: 1 is no coincidence at all.

    Two halves of one neuron share its refractory period; two neurons that fire
    independently coincide as often near zero as farther away. The flanks of the
    correlogram are what is expected, not the rates: neurons that are active at
    different times never meet, near or far.

    Parameters
    ----------
    near, far : int
        Pairs of spikes at most `reach`, and at most ``FLANKS * reach``, frames apart.
    reach : int
        Half width of the window.

    Returns
    -------
    float
        1 - observed / expected, at least 0; 0 where so few coincidences as observed
        may be chance.
    """
    expected = (far - near) * (2 * reach + 1) / (2 * reach * (FLANKS - 1))
    if near >= expected or (expected < MANY and _at_most(near, expected) > CHANCE):
        return 0.0
    return 1 - near / expected


def _at_most(count: int, mean: float) -> float:
    """Probability that a Poisson number does not exceed a count below its mean."""
    term = total = math.exp(-mean)
    for number in range(1, int(count) + 1):
        term *= mean / number
        total += term
    return total


def greedy_merges(
    n_spikes: np.ndarray,
    near: np.ndarray,
    far: np.ndarray,
    pairs: list[tuple[int, int]],
    *,
    reach: int,
    least_dip: float,
    max_violations: float = 1.0,
) -> np.ndarray:
    """Merge candidate pairs, the clearest dip first, testing merged units anew.

    Counts of a merged unit are the sums of those of its parts, so that no spikes are
    needed.

    Parameters
    ----------
    n_spikes : int64 (n_units,)
    near, far : int64 (n_units, n_units)
        Pairs of spikes of two units, symmetric, as in `dip_score`.
    pairs : list of (int, int)
        Units alike enough to be one.
    reach : int
        As in `dip_score`.
    least_dip : float
    max_violations : float
        Coincidences that a merge may add, as a fraction of its spikes.

    Returns
    -------
    int64 (n_units,)
        The unit that each one joins, itself for most.
    """
    n_spikes, near, far = n_spikes.copy(), near.copy(), far.copy()
    owner = np.arange(n_spikes.size)
    open_pairs = {(min(p), max(p)) for p in pairs}
    while open_pairs:
        scored = [(-dip_score(near[p], far[p], reach), *p) for p in open_pairs]
        score, a, b = min(scored)
        if -score < least_dip:
            break
        if near[a, b] > max_violations * (n_spikes[a] + n_spikes[b]):
            open_pairs.remove((a, b))
            continue
        keep, gone = (a, b) if n_spikes[a] >= n_spikes[b] else (b, a)
        n_spikes[keep] += n_spikes[gone]
        for counts in (near, far):
            counts[keep] += counts[gone]
            counts[:, keep] += counts[:, gone]
        owner[owner == gone] = keep
        renamed = (
            (keep if i == gone else i, keep if j == gone else j) for i, j in open_pairs
        )
        open_pairs = {(min(p), max(p)) for p in renamed if p[0] != p[1]}
    return owner
