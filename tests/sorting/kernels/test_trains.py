import numpy as np
import pytest

from sorting.kernels.trains import TrainCounts

REFRACTORY, CENSORED, BIN, N_BINS = 30, 6, 1000, 10


def make_spikes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of three busy units and a silent one, dense enough to violate."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 10_400, 1500))
    return times, rng.choice(np.array([0, 1, 3], np.int32), times.size)


def count(times, units, cuts) -> TrainCounts:
    counts = TrainCounts(4, REFRACTORY, CENSORED, BIN, N_BINS)
    places = sorted(cuts)
    for part, owners in zip(
        np.split(times, places), np.split(units, places), strict=True
    ):
        counts.add(part + 50_000, owners, part)
    return counts


@pytest.mark.parametrize("seed", range(6))
def test_counts_equal_those_of_each_whole_train(seed):
    times, units = make_spikes(seed)
    cuts = np.random.default_rng(seed).integers(0, times.size, 3 * seed)
    counts = count(times, units, cuts)
    for unit in range(4):
        train = times[units == unit]
        gaps = np.abs(train[:, None] - train)[np.triu_indices(train.size, 1)]
        assert counts.n_spikes[unit] == train.size
        assert counts.n_short[unit] == (np.diff(train) < REFRACTORY).sum()
        assert counts.n_refractory[unit] == (gaps <= REFRACTORY).sum()
        assert counts.n_censored[unit] == (gaps <= CENSORED).sum()
        bins = np.minimum(train // BIN, N_BINS - 1)
        assert counts.n_occupied[unit] == np.unique(bins).size


def test_every_spike_a_block_of_its_own():
    times, units = make_spikes(9)
    times, units = times[:200], units[:200]
    whole, single = count(times, units, []), count(times, units, range(1, 200))
    for name in ("n_spikes", "n_short", "n_refractory", "n_censored", "n_occupied"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(single, name))


def test_no_spikes():
    none = np.empty(0, np.int64)
    counts = count(none, none.astype(np.int32), [])
    assert counts.n_spikes.tolist() == counts.n_occupied.tolist() == [0, 0, 0, 0]
