"""How well spikes that a sorter found agree with those that were put in.

Units are matched, and judged, by SpikeInterface's ``compare_sorter_to_ground_truth``:
spikes agree if they are at most 0.4 ms apart, and accuracy is the number on which both
agree over the number that either has.
"""

import warnings
from dataclasses import asdict, dataclass, field

import numpy as np

from circus_cli.comparison import DELTA_TIME_MS, import_comparison
from circus_io.synthetic import GroundTruth

__all__ = ["SNR_BINS", "WELL", "Score", "colliding", "pool", "score"]

WELL = 0.8  # accuracy of a unit that is well detected
MATCHED = 0.5  # accuracy from which on a unit says how collisions are resolved
SNR_BINS = ((0.0, 5.0), (5.0, 8.0), (8.0, 12.0), (12.0, np.inf))
COLLISION_MS = 1.0  # spikes this near in time, of units this near in space, overlap
COLLISION_UM = 100.0


@dataclass(frozen=True)
class Score:
    """Of one sort, or of several together; holds what JSON can.

    Attributes
    ----------
    accuracy, snr : list of float
        Of each true unit.
    n_found, n_false_positive, n_redundant, n_overmerged : int
        Units that the sorter found; those of them that match no true unit, one that
        another matches better, or several.
    n_colliding, n_colliding_found : int
        True spikes that overlap one of another unit nearby, of units at an accuracy of
        at least 0.5; those of them that the matched unit has.
    """

    accuracy: list[float] = field(default_factory=list)
    snr: list[float] = field(default_factory=list)
    n_found: int = 0
    n_false_positive: int = 0
    n_redundant: int = 0
    n_overmerged: int = 0
    n_colliding: int = 0
    n_colliding_found: int = 0

    @property
    def mean_accuracy(self) -> float:
        """Mean over the true units; NaN without any."""
        return float(np.mean(self.accuracy)) if self.accuracy else np.nan

    @property
    def n_well(self) -> int:
        """True units at an accuracy of at least 0.8."""
        return int(np.sum(np.array(self.accuracy) >= WELL))

    @property
    def colliding_recall(self) -> float:
        """Part of the colliding spikes that is found; NaN without any."""
        found, there = self.n_colliding_found, self.n_colliding
        return found / there if there else np.nan

    def accuracy_by_snr(self) -> list[float]:
        """Mean accuracy of the units in each of `SNR_BINS`; NaN without any."""
        accuracy, snr = np.array(self.accuracy), np.array(self.snr)
        inside = [(snr >= low) & (snr < high) for low, high in SNR_BINS]
        return [float(accuracy[m].mean()) if m.any() else np.nan for m in inside]


def pool(scores: list[Score]) -> Score:
    """Count several sorts as one: every true unit weighs the same."""
    whole = asdict(Score())
    for one in map(asdict, scores):
        whole = {name: whole[name] + one[name] for name in whole}
    return Score(**whole)


def score(truth: GroundTruth, times: np.ndarray, units: np.ndarray) -> Score:
    """Hold found spikes against the truth.

    Parameters
    ----------
    truth : GroundTruth
        Of a recording that begins at frame 0.
    times, units : int64 (n_spikes,)
        Frame and label of each found spike, in any order.
    """
    order = np.argsort(times, kind="stable")
    times, units = times[order], units[order]
    snr = truth.snr.tolist()
    if not times.size:
        return Score([0.0] * truth.n_units, snr)
    comparison = _compare(truth, times, units)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas deprecates, empty units divide by 0
        table = comparison.get_performance(method="by_unit", output="pandas")
        counts = {
            "n_false_positive": int(comparison.count_false_positive_units()),
            "n_redundant": int(comparison.count_redundant_units()),
            "n_overmerged": int(comparison.count_overmerged_units()),
        }
    accuracy = table["accuracy"].astype(float).fillna(0.0)
    accuracy = accuracy.loc[np.arange(truth.n_units)].to_numpy()
    matches = comparison.hungarian_match_12
    seen = _seen(truth, times, units, [matches[u] for u in range(truth.n_units)])
    counted = colliding(truth) & (accuracy >= MATCHED)[truth.spike_units]
    return Score(
        accuracy.tolist(),
        snr,
        n_found=int(np.unique(units).size),
        n_colliding=int(counted.sum()),
        n_colliding_found=int((counted & seen).sum()),
        **counts,
    )


def _compare(truth: GroundTruth, times: np.ndarray, units: np.ndarray):
    compare, NumpySorting = import_comparison()
    make = NumpySorting.from_samples_and_labels
    rate, names = truth.sampling_rate, np.arange(truth.n_units)
    true = make([truth.spike_times], [truth.spike_units], rate, unit_ids=names)
    found = make([times], [units], rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compare(true, found, exhaustive_gt=True, delta_time=DELTA_TIME_MS)


def _seen(truth: GroundTruth, times, units, matches) -> np.ndarray:
    """Tell which true spikes the matched unit has within 0.4 ms; bool (n_true,)."""
    reach = DELTA_TIME_MS * truth.sampling_rate / 1000
    seen = np.zeros(truth.spike_times.size, bool)
    for unit, match in enumerate(matches):
        mine, train = truth.spike_units == unit, times[units == match]
        if train.size:
            wanted = truth.spike_times[mine]
            after = np.searchsorted(train, wanted).clip(max=train.size - 1)
            before = (after - 1).clip(min=0)
            apart = [np.abs(train[at] - wanted) for at in (before, after)]
            seen[mine] = np.minimum(*apart) <= reach
    return seen


def colliding(truth: GroundTruth) -> np.ndarray:
    """Tell which true spikes overlap one of another unit nearby; bool (n_true,)."""
    times, units = truth.spike_times, truth.spike_units
    place = truth.unit_positions
    near = np.linalg.norm(place[:, None] - place[None], axis=2) <= COLLISION_UM
    np.fill_diagonal(near, False)
    reach = COLLISION_MS * truth.sampling_rate / 1000
    found = np.zeros(times.size, bool)
    for step in range(1, times.size):  # spike and step-th spike after it
        close = times[step:] - times[:-step] <= reach
        if not close.any():
            break
        close &= near[units[step:], units[:-step]]
        found[step:] |= close
        found[:-step] |= close
    return found
