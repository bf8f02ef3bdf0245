"""How long a sort takes on any number of ranks, from the CPU seconds of its parts.

For each step, on N ranks, with the constants measured here::

    time = alike + alone + spread / N + busiest rank's items + communication

* **alike**: what every rank does for itself, such as importing and preparing templates;
* **alone**: what rank 0 does while the others wait, such as merging and writing;
* **spread**: what is dealt out evenly in small pieces;
* **items** are handed out whole: chunks, channels, parts of at most 16 chunks. The
  busiest rank has at least ceil(n / N) of the n items of a loop, and at least the
  longest one;
* **communication**: a broadcast reaches N ranks in log2(N) rounds.

Each of these is a sum of terms in the number of channels C and the duration D:
1, C, C² (a matrix over channels), D and C·D. Coefficients are not negative.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rank_meter import StepUse
from scipy.optimize import nnls

__all__ = ["Model", "Size", "StepCost", "observe"]

TERMS = ("1", "C", "C²", "D", "C·D")
PARTS = ("items_s", "spread_s", "alike_s", "alone_s", "n_bytes")


@dataclass(frozen=True)
class Size:
    """Of a recording; `n_chunks` is the number of chunks that it is sorted in."""

    n_channels: int
    duration_s: float
    n_chunks: int

    def terms(self) -> list[float]:
        """Return the value of each of `TERMS`."""
        channels, seconds = float(self.n_channels), self.duration_s
        return [1.0, channels, channels**2, seconds, channels * seconds]


@dataclass(frozen=True)
class StepCost:
    """Of one step on a recording of one size.

    Attributes
    ----------
    items_s, spread_s : float
        CPU seconds of all ranks together.
    alike_s, alone_s : float
        CPU seconds of each rank; of rank 0.
    n_bytes : float
        Payload that reaches a rank.
    n_items, n_loops : float
        Items, and in how many loops, one after the other.
    unevenness : float
        The longest item over the mean of them.
    """

    items_s: float
    spread_s: float
    alike_s: float
    alone_s: float
    n_bytes: float
    n_items: float
    n_loops: float
    unevenness: float

    def time_s(self, n_ranks: int, bytes_per_s: float = math.inf) -> float:
        """Return what the step takes on ranks that have a core each."""
        moving_s = self.n_bytes * math.ceil(math.log2(n_ranks)) / bytes_per_s
        own_s = self.alike_s + self.alone_s + self.spread_s / n_ranks
        return own_s + self.busiest_s(n_ranks) + moving_s

    def busiest_s(self, n_ranks: int) -> float:
        """Return what the items of the busiest rank take."""
        loops, items = self.n_loops, max(self.n_items, 1.0)
        in_turn = math.ceil(items / loops / n_ranks) * self.items_s * loops / items
        longest = self.unevenness * self.items_s / items
        return min(max(in_turn, longest), self.items_s)


def observe(alone: StepUse, ranks: Sequence[StepUse]) -> StepCost:
    """Tell the parts of a step apart, from one sort on 1 rank and one on 2.

    The CPU time that is neither an item's nor the communicator's is alike + alone +
    spread on one rank; on two, rank 0 has alike + alone + spread / 2, and rank 1 has
    alike + spread / 2.
    """
    first, second = (use.own_s for use in ranks)
    spread = max(0.0, 2 * (alone.own_s - max(first, second)))
    n_items = sum(use.n_items for use in ranks)
    items_s = sum(use.items_s for use in ranks)
    longest = max(use.longest_s for use in ranks)
    return StepCost(
        items_s=items_s,
        spread_s=spread,
        alike_s=max(0.0, min(first, second) - spread / 2),
        alone_s=max(0.0, first - second),
        n_bytes=max(use.n_bytes for use in ranks),
        n_items=n_items,
        n_loops=max(1, *(use.n_loops for use in ranks)),
        unevenness=longest * n_items / items_s if items_s else 1.0,
    )


class Model:
    """The constants of all steps.

    Parameters
    ----------
    sizes : sequence of Size
    costs : sequence of dict of str to StepCost
        Of a sort of each size, by step.

    Attributes
    ----------
    steps : list of str
    constants : dict of str to dict of str to numpy.ndarray
        By step and by part, a coefficient for each of `TERMS`.
    largest : Size
        Of the sorts, the one with the most samples.
    """

    def __init__(self, sizes: Sequence[Size], costs: Sequence[dict[str, StepCost]]):
        self.steps = list(costs[0])
        number = max(range(len(sizes)), key=lambda n: sizes[n].terms()[-1])
        self.largest, self._of_largest = sizes[number], costs[number]
        use = _usable(sizes)
        rows = np.array([size.terms() for size in sizes])
        counts = np.array([[1.0, s.n_channels, s.n_chunks] for s in sizes])
        self.constants: dict[str, dict[str, np.ndarray]] = {}
        self._n_items: dict[str, np.ndarray] = {}
        for step in self.steps:
            seen = {p: [getattr(c[step], p) for c in costs] for p in PARTS}
            self.constants[step] = {p: _fit(rows, seen[p], use) for p in PARTS}
            n_items = [cost[step].n_items for cost in costs]
            self._n_items[step] = _fit(counts, n_items, np.ones(3, bool))

    def cost(self, step: str, size: Size) -> StepCost:
        """Return what a step costs on a recording of any size."""
        parts = {
            part: float(np.dot(constants, size.terms()))
            for part, constants in self.constants[step].items()
        }
        counts = [1.0, size.n_channels, size.n_chunks]
        return StepCost(
            **parts,
            n_items=math.ceil(round(float(self._n_items[step] @ counts), 3)),
            n_loops=self._of_largest[step].n_loops,
            unevenness=self._of_largest[step].unevenness,
        )

    def time_s(self, size: Size, n_ranks: int, bytes_per_s: float = math.inf) -> float:
        """Return what a sort takes on ranks that have a core each."""
        return sum(
            self.cost(step, size).time_s(n_ranks, bytes_per_s) for step in self.steps
        )


def _usable(sizes: Sequence[Size]) -> np.ndarray:
    """Tell which terms can be told apart: C² needs three numbers of channels."""
    use = np.ones(len(TERMS), bool)
    use[TERMS.index("C²")] = len({size.n_channels for size in sizes}) > 2
    return use


def _fit(rows: np.ndarray, values: Sequence[float], use: np.ndarray) -> np.ndarray:
    """Least squares of the relative errors, without negative coefficients."""
    values = np.asarray(values, float)
    weights = 1 / np.maximum(values, 1e-3 * values.max(initial=0) or 1.0)
    scale = rows[:, use].max(axis=0)  # terms of very unequal size are hard to solve for
    found = np.zeros(rows.shape[1])
    scaled = rows[:, use] / scale * weights[:, None]
    found[use] = nnls(scaled, values * weights)[0] / scale
    return found
