"""How often units fire within a short time of each other, counted in a stream."""

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np

__all__ = ["Families", "count_coincidences", "families"]


@dataclass(frozen=True, eq=False)
class Families:
    """Units in groups; only pairs of one group are of interest.

    Attributes
    ----------
    family : int64 (n_units,)
        Number of the group, -1 for a unit of none.
    member : int64 (n_units,)
        Place in the group.
    sizes : int64 (n_families,)
    """

    family: np.ndarray
    member: np.ndarray
    sizes: np.ndarray

    def units(self, family: int) -> np.ndarray:
        """List the units of a group, in the order of their places."""
        return np.flatnonzero(self.family == family)


def families(n_units: int, pairs: Iterable[tuple[int, int]]) -> Families:
    """Group units that are linked by pairs, directly or through others."""
    root = np.arange(n_units)
    paired = np.zeros(n_units, bool)
    for first, second in pairs:
        low, high = sorted((root[first], root[second]))
        root[root == high] = low
        paired[[first, second]] = True
    family = np.full(n_units, -1)
    _, family[paired] = np.unique(root[paired], return_inverse=True)
    member = np.zeros(n_units, np.int64)
    sizes = np.bincount(family[paired])
    for number in range(sizes.size):
        member[family == number] = np.arange(sizes[number])
    return Families(family, member, sizes)


def count_coincidences(
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    families: Families,
    reaches: tuple[int, ...],
) -> list[np.ndarray]:
    """Count pairs of spikes at most so far apart, for all pairs of units of a family.

    Parameters
    ----------
    parts : iterable of (int64 (n,), int32 (n,))
        Rising frames and units of consecutive spikes. Of all that came before, only
        what the widest reach needs is kept.
    families : Families
    reaches : tuple of int
        Frames, rising.

    Returns
    -------
    list of int64 (n_reaches, size, size)
        For each family, symmetric. The diagonal counts a unit's own pairs, twice.
    """
    reach = np.array(reaches, np.int64)
    starts = np.concatenate([[0], np.cumsum(families.sizes**2)])
    counts = np.zeros((reach.size, int(starts[-1])), np.int64)
    times, units = np.empty(0, np.int64), np.empty(0, np.int64)
    for new_times, new_units in parts:
        chosen = families.family[new_units] >= 0
        n_old = times.size
        times = np.concatenate([times, new_times[chosen]])
        units = np.concatenate([units, new_units[chosen]])
        _count(
            times,
            families.family[units],
            families.member[units],
            n_old,
            reach,
            starts,
            families.sizes,
            counts,
        )
        if times.size:
            kept = np.searchsorted(times, times[-1] - reach[-1])
            times, units = times[kept:], units[kept:]
    return [
        _symmetric(counts[:, a:b].reshape(reach.size, size, size))
        for a, b, size in zip(starts[:-1], starts[1:], families.sizes, strict=True)
    ]


def _symmetric(counts: np.ndarray) -> np.ndarray:
    return counts + counts.transpose(0, 2, 1)


@numba.njit(cache=True)
def _count(times, family, member, n_old, reach, starts, sizes, counts):
    """Count each new spike with those before it; the later unit is the row."""
    for late in range(n_old, times.size):
        early = late - 1
        while early >= 0 and times[late] - times[early] <= reach[-1]:
            if family[early] == family[late]:
                number = family[late]
                at = starts[number] + member[late] * sizes[number] + member[early]
                gap = times[late] - times[early]
                for which in range(reach.size):
                    if gap <= reach[which]:
                        counts[which, at] += 1
            early -= 1
