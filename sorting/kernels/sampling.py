"""Samples of events that do not depend on the order in which events come."""

import numpy as np

__all__ = ["bottom_k", "hash_keys"]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def hash_keys(seed: int, stage: int, *fields: np.ndarray | int) -> np.ndarray:
    """Pseudo-random 64-bit key of each event, from what the event is.

    Each field is folded into the state and mixed with splitmix64 (Steele, Lea and
    Flood, OOPSLA 2014). Two ranks that see the same event give it the same key.

    Parameters
    ----------
    seed, stage : int
        Different stages draw independent samples.
    fields : int64 (n_events,)
        What identifies the event, such as its frame and channel.

    Returns
    -------
    uint64 (n_events,)
    """
    state = _mix(_mix(np.uint64(seed)) ^ np.uint64(stage))
    for field in fields:
        state = _mix(state ^ np.asarray(field).astype(np.int64).view(np.uint64))
    return np.atleast_1d(state)


def _mix(state: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is the algorithm
        state = state + _GAMMA
        state = (state ^ (state >> np.uint64(30))) * _MIX_1
        state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


def bottom_k(strata: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    """Find the `k` smallest keys of each stratum.

    Bottom-k of a union is bottom-k of the bottom-k's: parts may be reduced in any
    order and give the same sample (Cohen and Kaplan, PODC 2007).

    Parameters
    ----------
    strata : int64 (n_events,)
    keys : uint64 (n_events,)
        Unique within a stratum, or equal only for the same event.
    k : int

    Returns
    -------
    int64 (n_kept,)
        Indices, sorted by (stratum, key).
    """
    order = np.lexsort((keys, strata))
    sorted_strata = strata[order]
    first = np.searchsorted(sorted_strata, sorted_strata, side="left")
    return order[np.arange(order.size) - first < k]
