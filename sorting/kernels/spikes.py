"""Arrays of sorted spikes."""

import numpy as np

__all__ = ["SPIKE", "drop_duplicates"]

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
