import numpy as np
import pytest

from sorting.kernels import merging
from sorting.kernels.merging import FLANKS, greedy_merges

N_FRAMES = 20_000_000  # 1000 s at 20 kHz
REACH = 60  # 3 ms


def coincidences(first: np.ndarray, second: np.ndarray, reach: int) -> int:
    """Pairs of spikes of two trains at most `reach` frames apart."""
    after = np.searchsorted(second, first + reach, side="right")
    before = np.searchsorted(second, first - reach, side="left")
    return int((after - before).sum())


def dip_score(first: np.ndarray, second: np.ndarray, reach: int) -> float:
    near, far = (coincidences(first, second, r) for r in (reach, FLANKS * reach))
    return merging.dip_score(near, far, reach)


def poisson(rng: np.random.Generator, n_spikes: int) -> np.ndarray:
    return np.sort(rng.integers(0, N_FRAMES, n_spikes))


def refractory(rng: np.random.Generator, n_spikes: int) -> np.ndarray:
    """A train without intervals up to `REACH`."""
    gaps = rng.exponential(N_FRAMES / n_spikes - REACH, n_spikes).astype(np.int64)
    return np.cumsum(gaps + REACH + 1)


def split(rng: np.random.Generator, train: np.ndarray, fraction: float = 0.5):
    chosen = rng.random(train.size) < fraction
    return train[chosen], train[~chosen]


def test_independent_trains_do_not_dip():
    rng = np.random.default_rng(0)
    for _ in range(10):
        first, second = poisson(rng, 10_000), poisson(rng, 5000)
        expected = 10_000 * 5000 * (2 * REACH + 1) / N_FRAMES  # 302
        score = dip_score(first, second, REACH)
        assert 0 <= score < 5 / np.sqrt(expected)


def test_halves_of_one_neuron_dip_all_the_way():
    rng = np.random.default_rng(1)
    first, second = split(rng, refractory(rng, 15_000))
    assert dip_score(first, second, REACH) == 1


@pytest.mark.parametrize(
    ("near", "expected", "dips"),
    [(0, 4.5, False), (0, 4.7, True), (1, 6.5, False), (1, 6.8, True), (0, 1.0, False)],
)
def test_a_dip_that_may_be_chance_is_none(near, expected, dips):
    # P(0 | 4.61) = 0.01, and P(0 or 1 | 6.64) = 0.01 of a Poisson number
    far = near + expected * 2 * REACH * (FLANKS - 1) / (2 * REACH + 1)
    score = merging.dip_score(near, far, REACH)
    assert score == (pytest.approx(1 - near / expected) if dips else 0)


def test_a_partial_dip_is_the_missing_fraction():
    # half of the first train is refractory to the second, half is independent
    rng = np.random.default_rng(2)
    first, second = split(rng, refractory(rng, 20_000))
    first = np.sort(np.concatenate([first, poisson(rng, first.size)]))
    assert dip_score(first, second, REACH) == pytest.approx(0.5, abs=0.1)


def test_trains_that_fire_together_score_zero_and_never_less():
    rng = np.random.default_rng(3)
    train = poisson(rng, 5000)
    assert dip_score(train, train + 5, REACH) == 0


def test_too_few_spikes_say_nothing():
    apart = np.arange(0, N_FRAMES, N_FRAMES // 50)
    assert dip_score(apart, apart + 100_000, REACH) == 0
    none = np.empty(0, np.int64)
    assert dip_score(none, none, REACH) == 0


def merge(trains, pairs, **keywords):
    near, far = (
        np.array([[coincidences(a, b, reach) for b in trains] for a in trains])
        for reach in (REACH, FLANKS * REACH)
    )
    sizes = np.array([train.size for train in trains])
    options = {"reach": REACH, "least_dip": 0.75} | keywords
    return greedy_merges(sizes, near, far, pairs, **options).tolist()


def test_pieces_of_a_neuron_join_the_largest_and_others_stay():
    rng = np.random.default_rng(4)
    whole = refractory(rng, 30_000)
    first, rest = split(rng, whole, 0.3)
    second, third = split(rng, rest, 0.7)
    other = poisson(rng, 10_000)
    pairs = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    trains = [first, other, second, third]
    sizes = [train.size for train in trains]
    assert max(sizes) == sizes[2]
    assert merge(trains, pairs) == [2, 1, 2, 2]


def test_merges_do_not_depend_on_the_order_or_direction_of_pairs():
    rng = np.random.default_rng(5)
    first, second = split(rng, refractory(rng, 20_000))
    third, fourth = split(rng, refractory(rng, 20_000), 0.4)
    trains = [first, third, second, fourth]
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    expected = merge(trains, pairs)
    assert expected[0] == expected[2] != expected[1] == expected[3]
    assert merge(trains, [(b, a) for a, b in reversed(pairs)]) == expected


def test_only_candidate_pairs_merge():
    rng = np.random.default_rng(6)
    first, second = split(rng, refractory(rng, 20_000))
    assert merge([first, second], []) == [0, 1]


def test_a_merged_train_is_tested_anew():
    # b shares its refractory time with a; so does c, but not with b
    rng = np.random.default_rng(7)
    a, b = split(rng, refractory(rng, 24_000))
    c = refractory(rng, 12_000)
    after = np.searchsorted(a, c)
    nearest = np.minimum(c - a[after.clip(1) - 1], a[after.clip(max=a.size - 1)] - c)
    c = c[np.abs(nearest) > REACH]
    assert dip_score(a, c, REACH) == 1
    assert dip_score(b, c, REACH) < 0.2
    assert dip_score(np.sort(np.concatenate([a, b])), c, REACH) < 0.75
    # a and b are tested first (the lower pair of two equals); c then stays alone
    assert len(set(merge([a, b, c], [(0, 1), (0, 2)]))) == 2
    assert merge([a, b, c], [(0, 2)])[1] == 1


def test_a_merge_with_too_many_violations_is_refused():
    rng = np.random.default_rng(8)
    first, second = split(rng, refractory(rng, 40_000))
    joined = second.size + 1600
    second = np.sort(np.concatenate([second, first[:1600] + 2]))
    dip = dip_score(first, second, REACH)
    assert dip < 1
    share = coincidences(first, second, REACH) / (first.size + joined)
    kept = merge([first, second], [(0, 1)], least_dip=0.1, max_violations=share / 2)
    assert kept == [0, 1]
    owner = merge([first, second], [(0, 1)], least_dip=0.1, max_violations=share * 2)
    assert len(set(owner)) == 1


def test_counts_that_are_given_stay_as_they_are():
    rng = np.random.default_rng(9)
    first, second = split(rng, refractory(rng, 20_000))
    far = np.full((2, 2), coincidences(first, second, FLANKS * REACH))
    given = np.array([first.size, second.size]), np.zeros((2, 2), int), far
    copies = [array.copy() for array in given]
    owner = greedy_merges(*given, [(0, 1)], reach=REACH, least_dip=0.75)
    assert len(set(owner)) == 1
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_neurons_of_different_times_are_not_one():
    # they never coincide, but neither do they a second apart
    rng = np.random.default_rng(10)
    first, second = poisson(rng, 5000), poisson(rng, 5000)
    first = first[first < N_FRAMES // 2]
    second = second[second >= N_FRAMES // 2]
    assert dip_score(first, second, REACH) == 0
    assert merge([first, second], [(0, 1)]) == [0, 1]
