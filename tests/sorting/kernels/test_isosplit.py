import numpy as np
import pytest
from scipy import stats

from sorting.kernels.isosplit import isocut, isosplit


def blobs(
    rng: np.random.Generator, centres: list[tuple[float, ...]], sizes: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Spherical Gaussians of sd 1, shuffled, and which one each point is of."""
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    points = np.array(centres, float)[labels]
    return points + rng.normal(size=points.shape), labels


def agreement(found: np.ndarray, true: np.ndarray) -> float:
    """Fraction of points in the cluster that holds most of their blob."""
    table = np.zeros((found.max() + 1, true.max() + 1))
    np.add.at(table, (found, true), 1)
    if len(table) != table.shape[1]:
        return 0.0
    return table.max(axis=0).sum() / true.size


# one dimension ----------------------------------------------------------------


def test_one_gaussian_rarely_has_a_dip_above_two():
    rng = np.random.default_rng(0)
    n_draws = 300
    above = sum(isocut(rng.normal(size=500))[0] > 2 for _ in range(n_draws))
    # about 5 % do
    assert above <= stats.binom.ppf(0.9999, n_draws, 0.05)


@pytest.mark.parametrize("name", ["uniform", "expon", "laplace", "gumbel_r", "t3"])
def test_unimodal_densities_of_other_shapes_rarely_dip(name):
    law = stats.t(3) if name == "t3" else getattr(stats, name)()
    draws = [law.rvs(400, random_state=seed) for seed in range(60)]
    above = sum(isocut(draw)[0] > 2 for draw in draws)
    assert above <= stats.binom.ppf(0.9999, 60, 0.05)


@pytest.mark.parametrize("sizes", [(500, 500), (1000, 100), (100, 2000)])
def test_two_modes_dip_and_are_cut_between_them(sizes):
    rng = np.random.default_rng(1)
    for _ in range(10):
        low, high = rng.normal(-3, 1, sizes[0]), rng.normal(3, 1, sizes[1])
        values = rng.permutation(np.concatenate([low, high]))
        dip, cut = isocut(values)
        assert dip > 2
        wrong = np.count_nonzero(low >= cut) + np.count_nonzero(high < cut)
        assert wrong <= 0.01 * sum(sizes)


def test_cut_lies_in_the_gap():
    values = np.concatenate([np.linspace(0, 1, 100), np.linspace(9, 10, 50)])
    dip, cut = isocut(values)
    assert dip > 2
    assert 1 < cut < 9


def test_dip_grows_with_separation():
    rng = np.random.default_rng(2)
    noise = rng.normal(size=1000)
    side = np.repeat([-0.5, 0.5], 500)
    dips = [isocut(noise + distance * side)[0] for distance in (3.5, 5, 8)]
    assert dips[0] < dips[1] < dips[2]


def test_dip_has_no_scale_and_the_cut_has_that_of_the_values():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(-3, 1, 300), rng.normal(3, 1, 200)])
    dip, cut = isocut(values)
    assert isocut(1024 * values) == (pytest.approx(dip), pytest.approx(1024 * cut))
    moved_dip, moved_cut = isocut(values + 8)
    assert moved_dip == pytest.approx(dip)
    assert moved_cut == pytest.approx(cut + 8)


@pytest.mark.parametrize("values", [[], [1.0], [1, 2], [5, 5, 5], [7.0] * 100])
def test_few_or_equal_values_have_no_dip(values):
    dip, _ = isocut(np.array(values, dtype=np.float64))
    assert dip == 0


def test_values_are_not_changed():
    values = np.random.default_rng(4).normal(size=100)
    copy = values.copy()
    isocut(values)
    np.testing.assert_array_equal(values, copy)


def test_repeated_values_do_not_break_the_test():
    values = np.repeat([0.0, 1.0, 2.0, 30.0, 31.0, 32.0], 50)
    dip, cut = isocut(values)
    assert np.isfinite([dip, cut]).all()


# several dimensions -----------------------------------------------------------


@pytest.mark.parametrize(("n_points", "n_dimensions"), [(300, 2), (1000, 3), (2000, 6)])
def test_one_gaussian_is_almost_never_split(n_points, n_dimensions):
    n_draws = 40
    rng = np.random.default_rng(5)
    split = sum(
        isosplit(rng.normal(size=(n_points, n_dimensions))).max() > 0
        for _ in range(n_draws)
    )
    assert split <= stats.binom.ppf(0.999, n_draws, 0.01)


def test_elongated_and_heavy_tailed_clusters_stay_whole():
    rng = np.random.default_rng(6)
    for _ in range(10):
        long = rng.normal(size=(800, 3)) * [1, 6, 20]
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        assert isosplit(long @ rotation).max() == 0


@pytest.mark.parametrize(
    ("centres", "sizes"),
    [
        ([(0, 0), (8, 0)], [500, 500]),
        ([(0, 0), (8, 0)], [2000, 60]),
        ([(0, 0, 0), (8, 0, 0), (0, 8, 0), (0, 0, 8)], [1000, 300, 150, 50]),
        ([(0,) * 6, (7,) + (0,) * 5, (0,) * 5 + (7,)], [400, 400, 400]),
    ],
)
def test_separated_gaussians_of_unequal_size_are_found(centres, sizes):
    for seed in range(5):
        points, labels = blobs(np.random.default_rng(seed), centres, sizes)
        assert agreement(isosplit(points), labels) > 0.99


def test_labels_are_numbered_by_the_first_point_of_each():
    points, _ = blobs(
        np.random.default_rng(7), [(0, 0), (9, 0), (0, 9), (9, 9)], [200] * 4
    )
    labels = isosplit(points)
    assert labels.dtype == np.int64
    _, first = np.unique(labels, return_index=True)
    assert first.size == 4
    assert np.all(np.diff(first) > 0)


def test_same_points_give_the_same_labels_at_any_scale():
    points, _ = blobs(
        np.random.default_rng(8), [(0, 0), (5, 0), (2, 5)], [300, 200, 90]
    )
    labels = isosplit(points)
    np.testing.assert_array_equal(isosplit(points.copy()), labels)
    for scale in (2.0**-10, 2.0**10):
        np.testing.assert_array_equal(isosplit(scale * points), labels)


@pytest.mark.parametrize("n_points", [0, 1, 2, 29, 30, 59])
def test_few_points_are_one_cluster(n_points):
    points = np.random.default_rng(9).normal(size=(n_points, 3))
    np.testing.assert_array_equal(isosplit(points), np.zeros(n_points))


def test_equal_points_are_one_cluster():
    np.testing.assert_array_equal(isosplit(np.full((400, 3), 2.5)), np.zeros(400))


def test_points_at_two_places_are_two_clusters():
    points = np.repeat([[0.0, 0.0], [1.0, 1.0]], 100, axis=0)
    assert agreement(isosplit(points), np.repeat([0, 1], 100)) == 1


@pytest.mark.parametrize("min_size", [15, 40])
def test_no_cluster_is_smaller_than_the_smallest_allowed(min_size):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        centres = rng.uniform(0, 14, (8, 2))
        sizes = rng.integers(5, 120, 8).tolist()
        points, _ = blobs(rng, centres, sizes)
        counts = np.bincount(isosplit(points, min_size))
        assert counts.size == 1 or counts.min() >= min_size


def test_a_small_cluster_joins_its_nearest_neighbour():
    rng = np.random.default_rng(10)
    points, labels = blobs(rng, [(0, 0), (40, 0), (28, 0)], [400, 400, 6])
    found = isosplit(points, 15)
    assert found.max() == 1
    assert len(set(found[labels > 0])) == 1


def test_points_are_not_changed():
    points = np.random.default_rng(11).normal(size=(200, 3))
    copy = points.copy()
    isosplit(points)
    np.testing.assert_array_equal(points, copy)
