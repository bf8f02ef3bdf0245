import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sorting.kernels.coincidences import count_coincidences, families

QUICK = settings(max_examples=80, deadline=None, derandomize=True)
SPIKES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4)), max_size=30)
PAIRS = [(3, 0), (4, 1), (4, 0)]


def split(rows, cuts):
    times, units = np.array(sorted(rows), np.int64).reshape(-1, 2).T
    places = sorted(cuts)
    parts = zip(np.split(times, places), np.split(units, places), strict=True)
    return [(time, unit.astype(np.int32)) for time, unit in parts]


@QUICK
@given(SPIKES, st.lists(st.integers(0, 30), max_size=4))
def test_counts_equal_the_double_loop_wherever_the_stream_is_cut(rows, cuts):
    related = families(5, PAIRS)
    ((near, far),) = count_coincidences(split(rows, cuts), related, (2, 9))
    units = related.units(0).tolist()
    assert units == [0, 1, 3, 4]
    for counts, reach in ((near, 2), (far, 9)):
        for i, a in enumerate(units):
            for j, b in enumerate(units):
                pairs = [
                    abs(s - t) <= reach
                    for m, (s, u) in enumerate(sorted(rows))
                    for n, (t, v) in enumerate(sorted(rows))
                    if (u, v) == (a, b) and m != n
                ]
                assert counts[i, j] == sum(pairs)


def test_units_of_different_families_are_not_counted():
    related = families(5, [(0, 1), (2, 3)])
    assert related.family.tolist() == [0, 0, 1, 1, -1]
    assert related.member.tolist() == [0, 1, 0, 1, 0]
    rows = [(0, 0), (1, 2), (2, 4), (3, 3)]
    first, second = count_coincidences(split(rows, []), related, (5,))
    assert first.tolist() == [[[0, 0], [0, 0]]]
    assert second.tolist() == [[[0, 1], [1, 0]]]


def test_links_make_one_family_whatever_their_order():
    chain = [(0, 1), (2, 3), (3, 4), (4, 1)]
    for pairs in (chain, chain[::-1], [(b, a) for a, b in chain]):
        assert families(6, pairs).family.tolist() == [0, 0, 0, 0, 0, -1]


def test_no_families_and_no_spikes():
    assert count_coincidences(split([(0, 0)], []), families(3, []), (5,)) == []
    ((counts,),) = count_coincidences([], families(2, [(0, 1)]), (5,))
    assert not counts.any()
