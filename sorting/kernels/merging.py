"""Which fitted units are one neuron: similar waveforms that never fire together."""

import numpy as np

__all__ = ["coincidences", "dip_score", "greedy_merges"]

FLANKS = 20  # times the window: where the correlogram says what to expect
MIN_EXPECTED = 10.0  # coincidences; fewer say nothing about a dip


def coincidences(first: np.ndarray, second: np.ndarray, reach: int) -> int:
    """Count pairs of spikes of two trains at most `reach` frames apart.

    Parameters
    ----------
    first, second : int64 (n,)
        Rising frames.
    reach : int
    """
    after = np.searchsorted(second, first + reach, side="right")
    before = np.searchsorted(second, first - reach, side="left")
    return int((after - before).sum())


def dip_score(first: np.ndarray, second: np.ndarray, reach: int) -> float:
    """How much the cross-correlogram dips around zero: 1 is no coincidence at all.

    Two halves of one neuron share its refractory period; two neurons that fire
    independently coincide as often near zero as farther away. The flanks of the
    correlogram are what is expected, not the rates: neurons that are active at
    different times never meet, near or far.

    Parameters
    ----------
    first, second : int64 (n,)
        Rising frames.
    reach : int
        Half width of the window.

    Returns
    -------
    float
        1 - observed / expected, at least 0; 0 when too few are expected to judge.
    """
    observed = coincidences(first, second, reach)
    flanks = coincidences(first, second, FLANKS * reach) - observed
    expected = flanks * (2 * reach + 1) / (2 * reach * (FLANKS - 1))
    if expected < MIN_EXPECTED:
        return 0.0
    return max(0.0, 1 - observed / expected)


def greedy_merges(
    trains: list[np.ndarray],
    pairs: list[tuple[int, int]],
    *,
    reach: int,
    least_dip: float,
    max_violations: float = 1.0,
) -> np.ndarray:
    """Merge candidate pairs, the clearest dip first, testing merged trains anew.

    Parameters
    ----------
    trains : list of int64 (n,)
        Rising frames of each unit.
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
    trains = list(trains)
    owner = np.arange(len(trains))
    open_pairs = {(min(p), max(p)) for p in pairs}
    while open_pairs:
        scored = [
            (-dip_score(trains[a], trains[b], reach), a, b) for a, b in open_pairs
        ]
        score, a, b = min(scored)
        if -score < least_dip:
            break
        added = coincidences(trains[a], trains[b], reach)
        if added > max_violations * (trains[a].size + trains[b].size):
            open_pairs.remove((a, b))
            continue
        keep, gone = (a, b) if trains[a].size >= trains[b].size else (b, a)
        trains[keep] = np.sort(np.concatenate([trains[keep], trains[gone]]))
        owner[owner == gone] = keep
        renamed = (
            (keep if i == gone else i, keep if j == gone else j) for i, j in open_pairs
        )
        open_pairs = {(min(p), max(p)) for p in renamed if p[0] != p[1]}
    return owner
