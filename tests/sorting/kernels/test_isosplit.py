import numpy as np
import pytest
from scipy import stats

from sorting.kernels import isosplit as isosplit_module
from sorting.kernels.isocut import isocut
from sorting.kernels.isosplit import isosplit


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


# against plain numpy ----------------------------------------------------------


def plain_isosplit(points: np.ndarray, min_size: int) -> np.ndarray:
    """Isosplit from the same parcels on, pair by pair."""
    labels = isosplit_module._parcels(points, min(200, len(points) // 10))
    while plain_pass(points, labels, min_size):
        pass
    plain_pass(points, labels, min_size)
    _, first = np.unique(labels, return_index=True)
    order = [labels[at] for at in sorted(first)]
    return np.array([order.index(label) for label in labels])


def plain_pass(points, labels, min_size) -> bool:
    ridge = 1e-6 * points.var(axis=0).sum() * np.eye(points.shape[1])
    compared, merged = set(), False
    while pairs := closest_pairs(points, labels, compared):
        for a, b in pairs:
            compared.add((a, b))
            inside, before = np.isin(labels, (a, b)), labels.copy()
            of_a, of_b = points[labels == a], points[labels == b]
            if min(len(of_a), len(of_b)) < min_size:
                labels[inside], merged = a, True
                continue
            pooled = 0.5 * (np.cov(of_a.T) + np.cov(of_b.T)) + ridge
            axis = np.linalg.solve(pooled, of_b.mean(axis=0) - of_a.mean(axis=0))
            dip, cut = isocut(points[inside] @ axis)
            if dip < 2:
                labels[inside], merged = a, True
                continue
            labels[inside] = np.where(points[inside] @ axis >= cut, b, a)
            moved = [np.mean(labels[before == k] != k) for k in (a, b)]
            if sum(moved) >= 1 or len(np.unique(labels[inside])) < 2:
                labels[:] = before
    return merged


def closest_pairs(points, labels, compared) -> list[tuple[int, int]]:
    """Clusters that are each other's nearest, of those not compared yet."""
    keys = np.unique(labels)
    centres = np.array([points[labels == k].mean(axis=0) for k in keys])
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    for i, j in np.ndindex(distance.shape):
        if i == j or {(keys[i], keys[j]), (keys[j], keys[i])} & compared:
            distance[i, j] = np.inf
    nearest = distance.argmin(axis=1)
    return [
        (keys[i], keys[j])
        for i, j in enumerate(nearest)
        if i < j and nearest[j] == i and np.isfinite(distance[i, j])
    ]


@pytest.mark.parametrize("seed", range(6))
def test_clusters_are_those_of_plain_numpy(seed):
    rng = np.random.default_rng(seed)
    n, sizes = 2 + seed % 3, rng.integers(20, 150, 4)
    centres = [tuple(rng.normal(scale=4, size=n)) for _ in sizes]
    points, _ = blobs(rng, centres, sizes.tolist())
    np.testing.assert_array_equal(isosplit(points), plain_isosplit(points, 15))
