from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sorting.kernels.basis import correlations
from sorting.kernels.overlaps import overlap_table
from sorting.kernels.template_shapes import (
    FIXED_POINT,
    add_snippets,
    average_sets,
    merge_sets,
    pair_similarity,
    quantise,
    recentre,
    support_mask,
    template_norms,
)

QUICK = settings(max_examples=100, deadline=None, derandomize=True)


# exact sums -------------------------------------------------------------------


@QUICK
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=30), st.randoms())
def test_quantised_sums_do_not_depend_on_their_order(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    total = sum(quantise(np.float32([value]))[0] for value in values)
    assert quantise(np.array(shuffled, np.float32)).sum() == total
    exact = sum(float(np.float32(value)) for value in values)
    assert abs(total / 2**20 - exact) <= len(values) * 2.0**-21 + 1e-9


def test_quantisation_is_rounding_to_the_nearest_unit():
    values = np.array([0, 1, -1, 0.3, -2.7, 9999.9, 3 * 2.0**-20, 2.0**-22])
    expected = [round(value * 2**20) for value in values.tolist()]
    assert quantise(values).tolist() == expected
    assert quantise(values).dtype == np.int64
    assert FIXED_POINT == 2**20


def snippet_case():
    rng = np.random.default_rng(0)
    traces = rng.normal(0, 50, (500, 6)).astype(np.float32)
    starts = rng.integers(0, 500 - 11, 80)
    starts[:2] = 0, 489  # the first and the last window
    channels = np.array([[0, 1, 2], [3, 4, -1], [5, -1, -1]])
    return traces, starts, rng.integers(0, 3, 80), channels


def test_snippets_add_up_to_the_sum_of_windows():
    traces, starts, templates, channels = snippet_case()
    sums = np.zeros((3, 11, 3), np.int64)
    add_snippets(sums, traces, starts, templates, channels)
    for template in range(3):
        mine = starts[templates == template]
        for column, channel in enumerate(channels[template]):
            windows = [traces[s : s + 11, channel].astype("f8") for s in mine]
            expected = np.sum(windows, axis=0) if channel >= 0 else 0
            rounding = mine.size * 2.0**-21
            error = np.abs(sums[template, :, column] / 2**20 - expected)
            assert error.max() <= rounding + 1e-9


def test_snippets_in_any_order_and_in_parts_give_the_same_sums():
    traces, starts, templates, channels = snippet_case()
    once = np.zeros((3, 11, 3), np.int64)
    add_snippets(once, traces, starts, templates, channels)
    order = np.random.default_rng(1).permutation(80)
    parts = np.zeros_like(once)
    for part in np.array_split(order, 7):
        add_snippets(parts, traces, starts[part], templates[part], channels)
    np.testing.assert_array_equal(parts, once)
    rounded = sum(
        quantise(traces[s : s + 11, :3]) for s in starts[templates == 0].tolist()
    )
    np.testing.assert_array_equal(once[0], rounded)


# windows ----------------------------------------------------------------------


def test_extremum_falls_where_it_is_asked_for():
    waveforms = np.zeros((4, 60, 3))
    at = [(20, 1, -9.0), (31, 2, 7.0), (3, 0, -5.0), (59, 1, -5.0)]
    for waveform, (frame, channel, value) in zip(waveforms, at, strict=True):
        waveform[frame, channel] = value
        waveform[frame - 1 if frame else 1, channel] = value / 2
    starts, channels = recentre(waveforms, 10, 30)
    # the last two windows are held inside of the wide one
    assert starts.tolist() == [10, 21, 0, 30]
    assert channels.tolist() == [1, 2, 0, 1]
    for waveform, start in zip(waveforms[:2], starts[:2], strict=True):
        window = np.abs(waveform[start : start + 30])
        assert np.unravel_index(window.argmax(), window.shape)[0] == 10


def test_average_is_weighted_over_windows_that_are_moved():
    rng = np.random.default_rng(2)
    waveforms = rng.normal(size=(3, 40, 2))
    starts, weights = np.array([4, 10, 7]), np.array([5.0, 1.0, 2.0])
    expected = sum(
        weight * waveform[start : start + 20]
        for waveform, start, weight in zip(waveforms, starts, weights, strict=True)
    )
    averaged = average_sets(waveforms, starts, weights, 20)
    np.testing.assert_allclose(averaged, expected / 8)


def test_windows_that_reach_over_an_edge_are_held_inside():
    waveforms = np.arange(10.0).reshape(1, 10, 1)
    low = average_sets(waveforms, np.array([-3]), np.ones(1), 4)
    high = average_sets(waveforms, np.array([99]), np.ones(1), 4)
    np.testing.assert_allclose(low[:, 0], [0, 1, 2, 3])
    np.testing.assert_allclose(high[:, 0], [6, 7, 8, 9])


def test_support_is_large_near_the_peak_channel_and_nothing_else():
    rng = np.random.default_rng(3)
    waveforms = rng.normal(0, 1, (20, 15, 8)) * rng.uniform(0, 2, (20, 1, 8))
    waveforms[0] = 0
    position = 25.0 * np.arange(8)
    distance = np.abs(position[:, None] - position)
    distance[:4, 4:] = distance[4:, :4] = np.inf
    mask = support_mask(waveforms, distance, 50.0, 1.5)
    for template, supported in zip(waveforms, mask, strict=True):
        peaks = [max(abs(template[:, c])) for c in range(8)]
        best = peaks.index(max(peaks))
        expected = [
            c == best or (peaks[c] > 1.5 and distance[best, c] <= 50) for c in range(8)
        ]
        assert supported.tolist() == expected


# similarity -------------------------------------------------------------------


def orthonormal(n_components: int, n_frames: int) -> np.ndarray:
    square = np.random.default_rng(4).normal(size=(n_frames, n_components))
    return np.linalg.qr(square)[0].T.astype(np.float32)


def test_norms_are_those_of_full_templates():
    basis = orthonormal(5, 21)
    coefficients = np.random.default_rng(5).normal(size=(6, 4, 5)).astype(np.float32)
    full = np.einsum("kcp,pt->ktc", coefficients.astype("f8"), basis.astype("f8"))
    norms = template_norms(coefficients)
    assert norms.dtype == np.float64
    np.testing.assert_allclose(norms, (full**2).sum(axis=(1, 2)), rtol=1e-5)


def place(frame: float, n_frames: int = 41) -> np.ndarray:
    """A spike on two channels with its trough at `frame`."""
    time = np.arange(n_frames) - frame
    shape = -np.exp(-0.5 * (time / 2) ** 2) + 0.3 * np.exp(-0.5 * ((time - 7) / 3) ** 2)
    return np.stack([shape, 0.6 * shape], axis=1)


def full_bank(templates: np.ndarray):
    """Overlaps and norms of templates, on the basis of single frames."""
    basis = np.eye(templates.shape[1], dtype=np.float32)
    coefficients = templates.transpose(0, 2, 1).astype(np.float32)
    table = overlap_table(coefficients, correlations(basis))
    return table, template_norms(coefficients)


def test_similarity_equals_the_best_overlap_of_full_templates():
    templates = np.random.default_rng(6).normal(size=(5, 15, 3))
    templates[3, :, 1:] = 0
    templates[4, :, :1] = 0  # shares no channel with the one before
    first, second, similarity, _ = pair_similarity(*full_bank(templates), 4)
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    assert pairs == [p for p in combinations(range(5), 2) if p != (3, 4)]
    for (i, j), found in zip(pairs, similarity, strict=True):
        a, b = templates[i], templates[j]
        overlaps = [
            sum((a[t] * b[t + shift]).sum() for t in range(15) if 0 <= t + shift < 15)
            for shift in range(-4, 5)
        ]
        sizes = (a**2).sum() + (b**2).sum()
        assert found == pytest.approx(2 * max(overlaps) / sizes, abs=1e-5)


def test_similarity_is_one_only_for_the_same_shape_and_size():
    templates = np.stack([place(15), place(18), 0.5 * place(15), -place(15)])
    first, second, similarity, _ = pair_similarity(*full_bank(templates), 5)
    found = dict(zip(zip(first, second, strict=True), similarity, strict=True))
    assert found[0, 1] == pytest.approx(1, abs=1e-3)
    assert found[0, 2] == pytest.approx(0.8, abs=1e-4)  # 2 a / (1 + a^2), a = 1/2
    assert found[0, 3] < 0.5


@pytest.mark.parametrize("delay", [-4, -1, 0, 1, 3, 5])
def test_lag_is_how_much_later_the_second_is(delay):
    templates = np.stack([place(18), place(18 + delay)])
    _, _, _, lag = pair_similarity(*full_bank(templates), 5)
    assert lag.tolist() == [delay]


@pytest.mark.parametrize("delay", [-4, -1, 2, 5])
def test_windows_moved_by_the_lag_hold_the_same_waveform(delay):
    wide = np.stack([place(30, 61), place(30 + delay, 61)])
    starts = np.array([10, 10])
    narrow = np.stack([w[s : s + 41] for w, s in zip(wide, starts, strict=True)])
    _, _, _, lag = pair_similarity(*full_bank(narrow), 5)
    averaged = average_sets(wide, starts + np.array([0, lag[0]]), np.ones(2), 41)
    np.testing.assert_allclose(averaged, place(20), atol=1e-3)


def test_lag_is_not_longer_than_allowed():
    templates = np.stack([place(15), place(25)])
    _, _, similarity, lag = pair_similarity(*full_bank(templates), 3)
    assert abs(lag[0]) <= 3
    assert similarity[0] < 0.9


# sets -------------------------------------------------------------------------

N_ITEMS = 6
PAIRS = list(combinations(range(N_ITEMS), 2))
GRAPHS = st.dictionaries(
    st.sampled_from(PAIRS), st.sampled_from([0.5, 0.79, 0.8, 0.85, 0.9, 0.95])
)


def merge(graph: dict[tuple[int, int], float], threshold: float = 0.8) -> list[int]:
    first, second = np.array([*graph], dtype=np.int64).reshape(-1, 2).T
    similarity = np.array([*graph.values()], dtype=np.float64)
    return merge_sets(N_ITEMS, first, second, similarity, threshold).tolist()


@QUICK
@given(GRAPHS)
def test_all_members_of_a_set_are_alike_and_no_two_sets_could_join(graph):
    labels = merge(graph)
    sets = [{i for i, s in enumerate(labels) if s == label} for label in set(labels)]

    def alike(members):
        return all(
            graph.get((i, j), 0) >= 0.8 for i in members for j in members if i < j
        )

    assert all(alike(members) for members in sets)
    assert not any(alike(a | b) for a in sets for b in sets if a != b)


@QUICK
@given(GRAPHS)
def test_sets_are_numbered_by_their_lowest_member(graph):
    labels = merge(graph)
    lowest = [labels.index(label) for label in sorted(set(labels))]
    assert sorted(set(labels)) == list(range(len(lowest)))
    assert lowest == sorted(lowest)


@QUICK
@given(GRAPHS, st.randoms(use_true_random=False))
def test_sets_do_not_depend_on_the_order_of_pairs(graph, random):
    pairs = list(graph.items())
    random.shuffle(pairs)
    assert merge(dict(pairs)) == merge(graph)


def test_a_chain_does_not_collapse():
    chain = {(0, 1): 0.9, (1, 2): 0.95, (2, 3): 0.9, (3, 4): 0.85}
    assert merge(chain) == [0, 1, 1, 2, 2, 3]


def test_a_clique_is_one_set_and_the_threshold_is_included():
    clique = {(i, j): 0.8 for i, j in PAIRS if i in (1, 3, 5) and j in (1, 3, 5)}
    assert merge(clique) == [0, 1, 2, 1, 3, 1]


def test_no_pairs_no_items():
    none = np.empty(0, np.int64)
    assert merge({}) == list(range(N_ITEMS))
    assert merge_sets(0, none, none, np.empty(0), 0.8).shape == (0,)
