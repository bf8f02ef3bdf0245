"""Templates that are two others at once: clusters of collided spikes."""

import numpy as np

from sorting.kernels.interpolation import read_between
from sorting.kernels.matching import Bank, find_spikes
from sorting.kernels.refit import refit

__all__ = ["find_mixtures"]

MAX_ROUNDS = 6
LEAST_SHARE = 0.1  # of the second part: a unit like one other is not a mixture


def find_mixtures(bank: Bank, least_explained: float) -> np.ndarray:
    """Tell which templates are sums of others.

    Each template is taken as data and matched with the rest (mixture removal of Yger et
    al., eLife 2018;7:e34518). One that two or more others explain, within the bounds of
    their amplitudes, is a cluster of collisions. Large templates are judged first, and
    those found to be mixtures explain nothing more.

    Parameters
    ----------
    bank : Bank
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
        shares = np.sort(_explained(bank, k, blocked))[::-1]
        mixed[k] = shares.size >= 2 and (
            shares.sum() >= least_explained and shares[1] >= LEAST_SHARE
        )
    return mixed


def _explained(bank: Bank, k: int, blocked: np.ndarray) -> np.ndarray:
    """Match template k with all that are not blocked; fraction each part explains."""
    near = bank.neighbours[bank.ptr[k] : bank.ptr[k + 1]]
    n_lags = bank.overlaps.shape[1]
    pristine = np.zeros((bank.norms.size, 3 * n_lags), np.float32)
    pristine[near, n_lags : 2 * n_lags] = bank.overlaps[bank.ptr[k] : bank.ptr[k + 1]]
    pristine[blocked] = 0
    others = bank._replace(floors=np.where(blocked, np.inf, bank.floors))
    residue = pristine.copy()
    frames, units, shifts, amplitudes, _ = find_spikes(residue, others, 1, MAX_ROUNDS)
    amplitudes, _ = refit(residue, others, frames, units, shifts, amplitudes)
    shares = [
        amplitudes[i]
        * (
            read_between(pristine[units[i]], frames[i], shifts[i])
            + read_between(residue[units[i]], frames[i], shifts[i])
        )
        / bank.norms[k]
        for i in np.flatnonzero(amplitudes > 0)
    ]
    return np.array(shares, np.float64)
