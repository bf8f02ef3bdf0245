"""Templates that are two others at once: clusters of collided spikes."""

import numpy as np

from sorting.kernels.interpolation import read_between
from sorting.kernels.matching import Bank, find_spikes
from sorting.kernels.refit import refit

__all__ = ["find_mixtures"]

MAX_ROUNDS = 6
LEAST_SHARE = 0.05  # of the second part: a unit like one other is not a mixture
MOST_SPIKES = 0.3  # of its rarest part: two units meet far less often than they fire


def find_mixtures(bank: Bank, sizes: np.ndarray, least_explained: float) -> np.ndarray:
    """Tell which templates are sums of others.

    Each template is taken as data and matched with the rest (mixture removal of Yger et
    al., eLife 2018;7:e34518). One that two or more others explain, within the bounds of
    their amplitudes, and that is much rarer than each of them, is a cluster of
    collisions. Large templates are judged first, and those found to be mixtures explain
    nothing more.

    Parameters
    ----------
    bank : Bank
    sizes : int64 (n_templates,)
        Spikes behind each template.
    least_explained : float
        Fraction of the squared norm.

    Returns
    -------
    bool (n_templates,)
    """
    mixed = np.zeros(bank.norms.size, bool)
    for k in np.argsort(-bank.norms, kind="stable"):
        blocked = mixed.copy()
        blocked[k] = True
        parts, shares = _explain(bank, k, blocked)
        large = shares >= LEAST_SHARE
        mixed[k] = (
            np.count_nonzero(large) >= 2
            and shares.sum() >= least_explained
            and sizes[k] <= MOST_SPIKES * sizes[parts[large]].min()
        )
    return mixed


def _explain(bank: Bank, k: int, blocked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match template k with all that are not blocked; parts and what each explains."""
    near = bank.neighbours[bank.ptr[k] : bank.ptr[k + 1]]
    n_lags = bank.overlaps.shape[1]
    pristine = np.zeros((bank.norms.size, 3 * n_lags), np.float32)
    pristine[near, n_lags : 2 * n_lags] = bank.overlaps[bank.ptr[k] : bank.ptr[k + 1]]
    pristine[blocked] = 0
    others = bank._replace(floors=np.where(blocked, np.inf, bank.floors))
    residue = pristine.copy()
    frames, units, shifts, amplitudes, _ = find_spikes(residue, others, 1, MAX_ROUNDS)
    amplitudes, _ = refit(residue, others, frames, units, shifts, amplitudes)
    kept = np.flatnonzero(amplitudes > 0)
    shares = [
        amplitudes[i]
        * (
            read_between(pristine[units[i]], frames[i], shifts[i])
            + read_between(residue[units[i]], frames[i], shifts[i])
        )
        / bank.norms[k]
        for i in kept
    ]
    return units[kept], np.array(shares, np.float64)
