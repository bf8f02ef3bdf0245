import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sorting.kernels.sampling import bottom_k, hash_keys

WORD = 2**64
QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def splitmix64(state: int) -> int:
    """One output of splitmix64, in Python integers."""
    z = (state + 0x9E3779B97F4A7C15) % WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % WORD
    return z ^ (z >> 31)


def reference_key(seed: int, stage: int, *fields: int) -> int:
    state = splitmix64(splitmix64(seed) ^ stage)
    for field in fields:
        state = splitmix64(state ^ (field % WORD))
    return state


def test_the_reference_gives_the_published_sequence():
    state, outputs = 1234567, []
    for _ in range(3):
        outputs.append(splitmix64(state))
        state = (state + 0x9E3779B97F4A7C15) % WORD
    assert outputs == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@QUICK
@given(
    st.integers(0, 2**63),
    st.integers(0, 1000),
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-5, 4000)),
        min_size=1,
        max_size=20,
    ),
)
def test_keys_equal_the_reference(seed, stage, events):
    times, channels = np.array(events, dtype=np.int64).T
    keys = hash_keys(seed, stage, times, channels.astype(np.int32))
    assert keys.dtype == np.uint64
    assert keys.tolist() == [reference_key(seed, stage, t, c) for t, c in events]


def test_a_number_is_a_field_of_every_event():
    times = np.arange(5)
    keys = hash_keys(3, 1, times, 7)
    assert keys.tolist() == [reference_key(3, 1, t, 7) for t in range(5)]
    assert hash_keys(3, 1, 11).tolist() == [reference_key(3, 1, 11)]


def test_keys_of_neighbouring_events_are_uniform():
    keys = hash_keys(0, 2, np.arange(64_000), np.zeros(64_000, np.int64))
    assert np.unique(keys).size == keys.size
    for shift in (58, 29, 0):  # high, middle and low bits
        counts = np.bincount((keys >> np.uint64(shift)) & np.uint64(63), minlength=64)
        chi_square = ((counts - 1000.0) ** 2 / 1000).sum()
        assert chi_square < 63 + 5 * np.sqrt(2 * 63)


@pytest.mark.parametrize("other", [(1, 2), (0, 3)])
def test_other_seeds_and_stages_draw_independent_samples(other):
    events = np.arange(20_000)
    first = hash_keys(0, 2, events) / WORD
    second = hash_keys(*other, events) / WORD
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(20_000)


def test_key_of_an_event_does_not_depend_on_the_events_around_it():
    times = np.arange(100)
    keys = hash_keys(5, 1, times, times % 7)
    order = np.random.default_rng(0).permutation(100)[:30]
    np.testing.assert_array_equal(
        hash_keys(5, 1, times[order], times[order] % 7), keys[order]
    )


def by_sorting(strata: list[int], keys: list[int], k: int) -> list[int]:
    kept = []
    for stratum in sorted(set(strata)):
        members = [i for i, s in enumerate(strata) if s == stratum]
        kept += sorted(members, key=lambda i: keys[i])[:k]
    return kept


EVENTS = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(0, WORD - 1)),
    max_size=40,
    unique_by=lambda event: event[1],
)


@QUICK
@given(EVENTS, st.integers(0, 6))
def test_bottom_k_equals_sorting(events, k):
    strata = [s for s, _ in events]
    keys = [key for _, key in events]
    kept = bottom_k(np.array(strata, np.int64), np.array(keys, np.uint64), k)
    assert kept.tolist() == by_sorting(strata, keys, k)


@QUICK
@given(EVENTS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_parts_reduced_in_any_order_give_the_same_sample(events, k, random):
    def reduce(part):
        strata = np.array([s for s, _ in part], np.int64)
        keys = np.array([key for _, key in part], np.uint64)
        return [part[i] for i in bottom_k(strata, keys, k)]

    shuffled = list(events)
    random.shuffle(shuffled)
    sample = []
    while shuffled:
        cut = random.randint(1, len(shuffled))
        part, shuffled = shuffled[:cut], shuffled[cut:]
        sample = reduce(sample + reduce(part))
    assert sample == reduce(events)


def test_a_sample_is_fair():
    # each of 2000 events has the same chance of being among the 100 kept
    chosen = np.zeros(2000)
    for seed in range(200):
        keys = hash_keys(seed, 1, np.arange(2000))
        chosen[bottom_k(np.zeros(2000, np.int64), keys, 100)] += 1
    assert chosen.sum() == 200 * 100
    variance = 200 * 0.05 * 0.95
    assert chosen.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / 2000))
