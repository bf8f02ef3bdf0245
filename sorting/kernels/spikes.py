"""Arrays of sorted spikes."""

from collections.abc import Iterable, Iterator

import numpy as np

__all__ = ["SPIKE", "drop_duplicates", "without_duplicates"]

SPIKE = np.dtype(
    [
        ("time", np.int64),  # global frame of the trough
        ("unit", np.int32),
        ("shift", np.float32),  # frames, between -0.5 and 0.5
        ("amplitude", np.float32),  # 1 is the template as it is
        ("objective", np.float32),  # what the spike gains, a squared norm in noise sd
    ]
)


def drop_duplicates(spikes: np.ndarray, refractory_frames: int) -> np.ndarray:
    """Mark spikes to keep: of two of a unit within the refractory time, the better.

    Parameters
    ----------
    spikes : SPIKE (n_spikes,)
        Sorted by (time, unit).
    refractory_frames : int

    Returns
    -------
    bool (n_spikes,)
    """
    keep = np.ones(spikes.size, bool)
    order = np.lexsort((spikes["time"], spikes["unit"]))
    close = (np.diff(spikes["unit"][order]) == 0) & (
        np.diff(spikes["time"][order]) <= refractory_frames
    )
    # runs of spikes each close to the next one: few, and short
    starts = np.flatnonzero(close & ~np.concatenate([[False], close[:-1]]))
    for start in starts:
        stop = start + 1
        while stop < close.size and close[stop]:
            stop += 1
        _thin(spikes, order[start : stop + 1], refractory_frames, keep)
    return keep


def _thin(
    spikes: np.ndarray, run: np.ndarray, refractory_frames: int, keep: np.ndarray
) -> None:
    """Keep the best spike of a run, drop those too near to it, and so on."""
    best_first = run[np.argsort(-spikes["objective"][run], kind="stable")]
    taken: list[int] = []
    for at in best_first:
        gaps = [abs(spikes["time"][at] - time) for time in taken]
        if gaps and min(gaps) <= refractory_frames:
            keep[at] = False
        else:
            taken.append(spikes["time"][at])


def without_duplicates(
    parts: Iterable[np.ndarray], refractory_frames: int
) -> Iterator[np.ndarray]:
    """Order a stream of spikes by (time, unit) and apply `drop_duplicates` to it.

    The pieces that come out hold what `drop_duplicates` keeps of the whole stream,
    however it is cut: spikes wait until no later one can be their rival.

    Parameters
    ----------
    parts : iterable of SPIKE (n,)
        No part begins before the end of the one before it.
    refractory_frames : int

    Yields
    ------
    SPIKE (m,)
    """
    waiting = np.empty(0, SPIKE)
    for part in parts:
        spikes = _ordered(np.concatenate([waiting, part]))
        n_settled = _count_settled(spikes, refractory_frames)
        settled, waiting = spikes[:n_settled], spikes[n_settled:]
        yield settled[drop_duplicates(settled, refractory_frames)]
    yield waiting[drop_duplicates(waiting, refractory_frames)]


def _ordered(spikes: np.ndarray) -> np.ndarray:
    return spikes[np.lexsort((spikes["unit"], spikes["time"]))]


def _count_settled(spikes: np.ndarray, refractory_frames: int) -> int:
    """Count the spikes before the last place that no two close spikes lie across."""
    if not spikes.size:
        return 0
    final = np.searchsorted(spikes["time"], spikes["time"][-1] - refractory_frames)
    order = np.lexsort((spikes["time"], spikes["unit"]))
    first, second = order[:-1], order[1:]
    close = (np.diff(spikes["unit"][order]) == 0) & (
        np.diff(spikes["time"][order]) <= refractory_frames
    )
    # a pair (i, j) lies across the places i + 1 to j
    steps = np.bincount(first[close] + 1, minlength=spikes.size + 1)
    steps -= np.bincount(second[close] + 1, minlength=spikes.size + 1)
    return int(np.flatnonzero(np.cumsum(steps)[: final + 1] == 0)[-1])
