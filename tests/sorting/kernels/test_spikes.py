import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sorting.kernels.spikes import SPIKE, drop_duplicates, without_duplicates

QUICK = settings(max_examples=150, deadline=None, derandomize=True)
TRAINS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 6)), max_size=14
)


def spikes(rows: list[tuple[int, int, float]]) -> np.ndarray:
    """Spikes of (time, unit, objective), sorted as sorting leaves them."""
    array = np.zeros(len(rows), SPIKE)
    for row, values in zip(array, sorted(rows), strict=True):
        row["time"], row["unit"], row["objective"] = values
    return array


def rivals(train: np.ndarray, index: int, refractory: int) -> np.ndarray:
    """Other spikes of the same unit within the refractory time."""
    gap = np.abs(train["time"] - train["time"][index])
    near = (gap <= refractory) & (train["unit"] == train["unit"][index])
    near[index] = False
    return near


@QUICK
@given(TRAINS, st.integers(0, 8))
def test_no_two_spikes_of_a_unit_stay_within_the_refractory_time(rows, refractory):
    train = spikes(rows)
    keep = drop_duplicates(train, refractory)
    for index in np.flatnonzero(keep):
        assert not (keep & rivals(train, index, refractory)).any()


@QUICK
@given(TRAINS, st.integers(0, 8))
def test_a_spike_is_dropped_only_for_one_that_is_as_good(rows, refractory):
    train = spikes(rows)
    keep = drop_duplicates(train, refractory)
    for index in np.flatnonzero(~keep):
        near = rivals(train, index, refractory)
        assert train["objective"][near].max() >= train["objective"][index]


def test_the_better_of_two_stays():
    train = spikes([(10, 0, 5.0), (12, 0, 9.0), (50, 0, 9.0), (52, 0, 5.0)])
    assert drop_duplicates(train, 2).tolist() == [False, True, True, False]


def test_the_first_of_two_equals_stays():
    train = spikes([(10, 0, 5.0), (11, 0, 5.0)])
    assert drop_duplicates(train, 5).tolist() == [True, False]


def test_the_border_between_two_good_spikes_is_not_lost():
    # the one in the middle is worse than both, which are apart
    train = spikes([(10, 0, 9.0), (14, 0, 3.0), (18, 0, 8.0)])
    assert drop_duplicates(train, 5).tolist() == [True, False, True]


def test_the_best_of_three_within_the_refractory_time_stays_alone():
    train = spikes([(10, 0, 9.0), (12, 0, 3.0), (14, 0, 8.0)])
    assert drop_duplicates(train, 5).tolist() == [True, False, False]


def test_units_do_not_compete():
    train = spikes([(10, 0, 5.0), (10, 1, 9.0), (11, 2, 7.0)])
    assert drop_duplicates(train, 20).all()


def test_no_spikes():
    assert drop_duplicates(np.empty(0, SPIKE), 5).shape == (0,)


@QUICK
@given(TRAINS, st.integers(0, 8), st.lists(st.integers(0, 14), max_size=5))
def test_a_stream_keeps_what_the_whole_keeps_wherever_it_is_cut(rows, reach, cuts):
    train = spikes(rows)
    parts = np.split(train, sorted(cuts))
    kept = np.concatenate(list(without_duplicates(parts, reach)))
    np.testing.assert_array_equal(kept, train[drop_duplicates(train, reach)])


def test_a_stream_is_put_in_order_of_time_and_unit():
    train = spikes([(10, 0, 1.0), (10, 2, 1.0), (30, 0, 1.0), (31, 1, 1.0)])
    parts = [train[[1, 0]], train[[3, 2]]]
    kept = np.concatenate(list(without_duplicates(parts, 5)))
    np.testing.assert_array_equal(kept, train)


def test_a_stream_does_not_wait_longer_than_it_must():
    train = spikes([(1000 * i, 0, 1.0) for i in range(100)])
    sizes = [len(piece) for piece in without_duplicates(np.split(train, 10), 20)]
    assert sizes == [9, *[10] * 9, 1]


def test_a_stream_of_nothing():
    assert not np.concatenate(list(without_duplicates([], 5))).size
    assert not np.concatenate(list(without_duplicates([spikes([])], 5))).size
