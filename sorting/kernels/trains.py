"""What is counted of every unit's spike train, block by block."""

import numpy as np

__all__ = ["TrainCounts"]


class TrainCounts:
    """Counts over the spikes of K units that arrive in time order.

    They are exact whatever the blocks, and need memory for the units and for the last
    moment only.

    Parameters
    ----------
    n_units : int
    refractory, censored : int
        Frames within which pairs of spikes are counted.
    bin_frames, n_bins : int
        Of the bins of recorded time that are occupied or not; what is left over belongs
        to the last.

    Attributes
    ----------
    n_spikes : int64 (K,)
    n_short : int64 (K,)
        Intervals shorter than `refractory`.
    n_refractory, n_censored : int64 (K,)
        Pairs of spikes at most that far apart.
    n_occupied : int64 (K,)
        Bins that hold a spike.
    """

    def __init__(
        self, n_units: int, refractory: int, censored: int, bin_frames: int, n_bins: int
    ):
        self.refractory, self.censored = refractory, censored
        self.bin_frames, self.last_bin = bin_frames, n_bins - 1
        self.n_spikes, self.n_short, self.n_refractory, self.n_censored = (
            np.zeros(n_units, np.int64) for _ in range(4)
        )
        self.n_occupied = np.zeros(n_units, np.int64)
        self._bin = np.full(n_units, -1)  # that the last spike lay in
        self._time = np.full(n_units, np.iinfo(np.int64).min // 2)  # of that spike
        self._recent = np.empty(0, np.int64), np.empty(0, np.int64)

    def add(self, times: np.ndarray, units: np.ndarray, recorded: np.ndarray) -> None:
        """Take the next spikes.

        Parameters
        ----------
        times : int64 (n,)
            Frames, ascending.
        units : int32 (n,)
        recorded : int64 (n,)
            The same times counted without gaps.
        """
        if not times.size:
            return
        order = np.argsort(units, kind="stable")
        self._count_intervals(times[order], units[order])
        self._count_bins(recorded[order], units[order])
        self.n_spikes += self._per_unit(units)
        self._count_pairs(times, units)

    def _per_unit(self, units: np.ndarray) -> np.ndarray:
        return np.bincount(units, minlength=self.n_spikes.size)

    def _count_intervals(self, times: np.ndarray, units: np.ndarray) -> None:
        before = _previous(times, units, self._time)
        self.n_short += self._per_unit(units[times - before < self.refractory])

    def _count_bins(self, recorded: np.ndarray, units: np.ndarray) -> None:
        bins = np.minimum(recorded // self.bin_frames, self.last_bin)
        before = _previous(bins, units, self._bin)
        self.n_occupied += self._per_unit(units[bins != before])

    def _count_pairs(self, times: np.ndarray, units: np.ndarray) -> None:
        old_times, old_units = self._recent
        times = np.concatenate([old_times, times])
        units = np.concatenate([old_units, units])
        for counts, distance in (
            (self.n_refractory, self.refractory),
            (self.n_censored, self.censored),
        ):
            counts += self._close_pairs(times, units, distance)
            counts -= self._close_pairs(old_times, old_units, distance)
        reach = max(self.refractory, self.censored)
        kept = np.searchsorted(times, times[-1] - reach)
        self._recent = times[kept:], units[kept:]

    def _close_pairs(self, times, units, distance: int) -> np.ndarray:
        if not times.size:
            return np.zeros(self.n_spikes.size, np.int64)
        # one axis for all units, on which the trains lie end to end, far apart
        start = times - times[0] + units * (times[-1] - times[0] + distance + 1)
        start = np.sort(start)
        followers = np.searchsorted(start, start + distance, side="right")
        n_close = followers - np.arange(1, start.size + 1)
        pairs = np.bincount(np.sort(units), n_close, minlength=self.n_spikes.size)
        return pairs.astype(np.int64)


def _previous(values: np.ndarray, units: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the value before each one of the same unit, and keep the last of each.

    `units` is sorted; `last` holds the values of earlier calls, and is written to.
    """
    before = np.empty_like(values)
    before[1:] = values[:-1]
    first = np.flatnonzero(np.diff(units, prepend=-1))
    before[first] = last[units[first]]
    stop = np.append(first[1:], units.size)
    last[units[first]] = values[stop - 1]
    return before
