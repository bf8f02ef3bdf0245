"""Rounding to the steps of a device without leaving a charge."""

import numpy as np

from stim.runs import merged

__all__ = ["nearest", "round_balanced"]


def nearest(numerators: np.ndarray, denominators: np.ndarray | int) -> np.ndarray:
    """Return quotients as the nearest integers, halves to 0.

    Opposite values give opposite integers, and none becomes larger by half a step.
    """
    doubled = 2 * np.abs(numerators) + denominators - 1
    return np.sign(numerators) * (doubled // (2 * denominators))


def round_balanced(
    numerators: np.ndarray,
    denominators: np.ndarray | int,
    ticks: np.ndarray,
    charges: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Round runs to whole values so that each stretch of no charge keeps none.

    Parameters
    ----------
    numerators, denominators : int64 array, shape (n_runs,)
        Values, as fractions of a step.
    ticks : int64 array, shape (n_runs,)
        Lengths of the runs.
    charges : int64 array, shape (n_runs,)
        Exact value × length of each run, in any unit; a stretch ends wherever their
        running sum is 0.

    Returns
    -------
    values, ticks : int64 array
        Canonical runs. In a stretch whose nearest values add up to another charge than
        0, so many samples take the other of the two integers around their value as it
        takes to make it 0, those of the last runs first. So a sample is off by less
        than a step, and by at most half of one wherever that is enough.

    Notes
    -----
    There are always enough such samples: the exact values lie between what all lower
    and all upper integers would add up to, and so does 0. Runs are split at most once,
    so the result stays short.
    """
    values = nearest(numerators, denominators)
    excess, ends = _excess(values * ticks, charges)
    sign = np.sign(excess)
    # where the nearest value lies on the side of the excess, the other one may be taken
    room = np.where((values * denominators - numerators) * sign > 0, ticks, 0)
    taken = np.cumsum(room)
    room_after = taken[ends] - taken  # in later runs of the same stretch
    moved = np.clip(np.abs(excess) - room_after, 0, room)
    return merged(
        np.column_stack([values, values - sign]).ravel(),
        np.column_stack([ticks - moved, moved]).ravel(),
    )


def _excess(rounded: np.ndarray, charges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each run the charge its stretch has too much, and where that ends."""
    closing = np.flatnonzero(np.cumsum(charges) == 0)
    sums = np.diff(np.cumsum(rounded)[closing], prepend=0)
    n_runs = charges.size
    stretch = np.searchsorted(closing, np.arange(n_runs))  # the first end not before it
    sums = np.append(sums, 0)  # what comes back to 0 no more is left as it is
    closing = np.append(closing, n_runs - 1)
    return sums[stretch], closing[stretch]
