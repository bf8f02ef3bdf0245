"""Templates that the others can do without: collided spikes, residues and doubles.

A cluster of spikes that collided has a template of its own, and so has what is left of
a large spike beside its neighbours. Mixture removal (Yger et al., eLife 2018;7:e34518)
holds such a template against the others. Here its spikes are: each is explained once
with all templates and once without the one in question. Templates whose spikes lose
next to nothing go, the rarest first. Spikes of one cluster of collisions differ
in lag and amplitude; their mean is no sum of templates, but each of them is.
"""

import numpy as np
from numba import njit

from sorting.kernels.interpolation import read_between
from sorting.kernels.matching import Bank, find_spikes
from sorting.kernels.refit import refit

__all__ = ["expendable", "loss_without", "outnumber", "related", "restrict"]

MAX_ROUNDS = 50
LARGEST_PART = 0.5  # of its spikes in which a neuron meets another one
LEAST_SHARE = 0.05  # of a template, that another must be able to explain


def related(bank: Bank, k: int) -> np.ndarray:
    """List the templates that may explain spikes of template k, itself included.

    Returns
    -------
    int64 (n_members,)
        Rising. Each explains at least `LEAST_SHARE` of the squared norm, at some lag.
    """
    entries = slice(bank.ptr[k], bank.ptr[k + 1])
    others = bank.neighbours[entries]
    overlap = np.maximum(bank.overlaps[entries].max(axis=1), 0).astype(np.float64)
    share = overlap**2 / (bank.norms[others] * bank.norms[k])
    return others[share >= LEAST_SHARE].astype(np.int64)


def restrict(bank: Bank, members: np.ndarray) -> Bank:
    """Keep some templates of a bank, numbered anew.

    Parameters
    ----------
    bank : Bank
    members : int64 (n_members,)
        Rising.
    """
    row = np.full(bank.norms.size, -1)
    row[members] = np.arange(members.size)
    entries = [
        entry
        for k in members
        for entry in range(bank.ptr[k], bank.ptr[k + 1])
        if row[bank.neighbours[entry]] >= 0
    ]
    owners = np.searchsorted(bank.ptr, entries, side="right") - 1
    return Bank(
        *(values[members] for values in bank[:5]),
        np.searchsorted(row[owners], np.arange(members.size + 1)).astype(np.int64),
        row[bank.neighbours[entries]].astype(np.int32),
        bank.overlaps[entries],
    )


@njit(cache=True, nogil=True)
def loss_without(correlation, bank, k, refractory_frames):
    """How much worse some traces are explained without template k.

    Parameters
    ----------
    correlation : float32 (n_templates, n_frames)
        With the traces.
    bank : Bank
        A template with an infinite floor takes no part.
    k, refractory_frames : int

    Returns
    -------
    loss : float64
        Difference of the penalised residuals; below 0 where the greedy search does
        better without the template.
    used : bool (n_templates,)
        Templates that take part in the explanation without k.
    """
    with_all, _ = _explained(correlation, bank, refractory_frames)
    floor = bank.floors[k]
    bank.floors[k] = np.inf
    without, used = _explained(correlation, bank, refractory_frames)
    bank.floors[k] = floor
    return with_all - without, used


@njit(cache=True, nogil=True)
def _explained(correlation, bank, refractory_frames):
    """By how much a fit lowers the penalised residual, and by which templates.

    With amplitudes a, priors 1 / lambda, correlations B with the traces and R with the
    residual this is the sum of a (B + R + lambda (2 - a)) - lambda over the spikes.
    """
    residual = correlation.copy()
    found = find_spikes(residual, bank, refractory_frames, MAX_ROUNDS)
    frames, units, shifts, amplitudes, _ = found
    amplitudes, _ = refit(residual, bank, frames, units, shifts, amplitudes)
    gain = 0.0
    used = np.zeros(bank.norms.size, np.bool_)
    for i in range(frames.size):
        a, k = amplitudes[i], units[i]
        if a <= 0:
            continue
        before = read_between(correlation[k], frames[i], shifts[i])
        after = read_between(residual[k], frames[i], shifts[i])
        gain += a * (before + after + bank.lams[k] * (2 - a)) - bank.lams[k]
        used[k] = True
    return gain, used


def outnumber(
    sizes: np.ndarray,
    norms: np.ndarray,
    n_used: np.ndarray,
    n_judged: np.ndarray,
    settled: np.ndarray,
) -> np.ndarray:
    """Tell which templates are too frequent to be others that meet.

    Neurons meet in a part of the spikes of the rarer one. The others are those that
    take part in at least half of the explanations; one alone may be a double. One that
    is larger than the template is no part of it.

    Parameters
    ----------
    sizes : int64 (n_templates,)
        Spikes behind each template.
    norms : float64 (n_templates,)
        Squared.
    n_used : int64 (n_templates, n_templates)
        ``n_used[k, j]`` spikes of k are explained with j.
    n_judged : int64 (n_templates,)
        Spikes of each template that were explained.
    settled : bool (n_templates,)
        Templates that are units. What may itself be a collision is no measure.

    Returns
    -------
    bool (n_templates,)
    """
    regular = (2 * n_used >= n_judged[:, None]) & (n_used > 0)
    several = regular.sum(axis=1) >= 2
    units = regular & settled & (norms < norms[:, None])
    most = np.iinfo(np.int64).max
    rarest = np.where(units, sizes, most).min(axis=1, initial=most)
    return several & units.any(axis=1) & (sizes > LARGEST_PART * rarest)


def expendable(
    losses: np.ndarray, used: np.ndarray, sizes: np.ndarray, least: float
) -> np.ndarray:
    """Choose which templates go at once, the rarest first.

    Two fragments explain a unit as well as the unit explains them; but neurons fire
    more often than they meet. A template waits if what explains it goes now, or waits
    itself.

    Parameters
    ----------
    losses : float64 (n_templates,)
        Relative to the squared norm; inf for those that are not in question.
    used : bool (n_templates, n_templates)
        ``used[k, j]`` if j takes part in explaining the spikes of k.
    sizes : int64 (n_templates,)
        Spikes behind each template.
    least : float
        A template that loses at least this is needed.

    Returns
    -------
    bool (n_templates,)
    """
    gone = np.zeros(losses.size, bool)
    unsettled = np.zeros(losses.size, bool)
    for k in np.argsort(sizes, kind="stable"):
        if losses[k] < least:
            gone[k] = not (used[k] & unsettled).any()
            unsettled[k] = True
    return gone
