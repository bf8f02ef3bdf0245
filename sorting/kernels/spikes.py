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
    first, second = order[:-1], order[1:]
    close = (spikes["unit"][first] == spikes["unit"][second]) & (
        spikes["time"][second] - spikes["time"][first] <= refractory_frames
    )
    for a, b in zip(first[close], second[close], strict=True):
        if keep[a]:
            keep[b if spikes["objective"][b] <= spikes["objective"][a] else a] = False
    return keep
