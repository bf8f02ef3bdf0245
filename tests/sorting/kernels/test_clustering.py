import numpy as np
import pytest

from sorting.kernels.clustering import (
    cluster_features,
    core_members,
    principal_components,
)


def test_components_of_equal_radii_are_those_of_the_singular_value_decomposition():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 7)) * [9, 7, 5, 3, 2, 1, 0.5]
    points *= 20 / np.linalg.norm(points, axis=1, keepdims=True)
    features = np.concatenate([points, -points]) + 100  # the median is the middle
    scores = principal_components(features.astype(np.float32), 4)
    centred = features - 100
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    for column, axis in enumerate(axes[:4]):
        upright = axis * np.sign(axis[np.abs(axis).argmax()])
        np.testing.assert_allclose(scores[:, column], centred @ upright, atol=0.05)
    assert scores.dtype == np.float64


def test_there_are_no_more_components_than_features():
    features = np.random.default_rng(1).normal(size=(50, 3))
    scores = principal_components(features, 10)
    assert scores.shape == (50, 3)
    # all of them keep all distances
    square = ((features - np.median(features, axis=0)) ** 2).sum(axis=1)
    np.testing.assert_allclose((scores**2).sum(axis=1), square)


def test_collisions_do_not_turn_the_axes():
    # two units 6 sd apart; four in ten windows hold a large spike of their own kind
    rng = np.random.default_rng(10)
    labels = np.arange(600) % 2
    features = rng.normal(size=(600, 20))
    features[:, 0] += 6 * labels
    collided = rng.permutation(600)[:240]
    features[collided, rng.integers(1, 20, 240)] += rng.choice([-60, 60], 240)
    scores = principal_components(features, 5)
    apart = scores[labels == 1].mean(axis=0) - scores[labels == 0].mean(axis=0)
    assert np.linalg.norm(apart) > 5


def mixture(rng, centres, sizes):
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = np.array(centres)[labels] + rng.normal(size=(labels.size, 12))
    return features.astype(np.float32), labels


def same_partition(found, true) -> float:
    """Fraction of points that the one-to-one best labels place right."""
    table = np.zeros((found.max() + 1, true.max() + 1))
    np.add.at(table, (found, true), 1)
    matched = table.shape[0] == table.shape[1]
    return table.max(axis=0).sum() / true.size if matched else 0.0


def test_small_units_come_apart_once_the_large_ones_are_gone():
    # two units 7 sd apart on an axis that two large and distant units outshine
    rng = np.random.default_rng(2)
    centres = np.zeros((5, 12))
    centres[0, 0] = centres[1, 1] = centres[2, 2] = 120
    centres[3, 3], centres[4, 4] = 5, 5
    features, labels = mixture(rng, centres, [400, 400, 400, 300, 300])
    flat = cluster_features(features, 2, 15, depth=1)
    assert flat.max() + 1 < 5
    assert same_partition(cluster_features(features, 2, 15), labels) > 0.98


@pytest.mark.parametrize("n_spikes", [0, 1, 10, 59])
def test_few_spikes_are_one_cluster(n_spikes):
    features = np.random.default_rng(3).normal(size=(n_spikes, 8)).astype(np.float32)
    np.testing.assert_array_equal(cluster_features(features, 5, 15), np.zeros(n_spikes))


def test_no_depth_means_one_cluster():
    features, _ = mixture(np.random.default_rng(4), np.eye(12)[:2] * 50, [100, 100])
    assert cluster_features(features, 3, 15, depth=0).max() == 0
    assert cluster_features(features, 3, 15, depth=1).max() == 1


def test_labels_have_no_holes_and_clusters_are_large_enough():
    rng = np.random.default_rng(5)
    features, _ = mixture(
        rng, rng.normal(0, 8, (9, 12)), [25, 40, 60, 80, 100] + [150] * 4
    )
    labels = cluster_features(features, 5, 20)
    counts = np.bincount(labels)
    assert counts.size > 4
    assert counts.min() >= 20


def test_clustering_is_deterministic():
    rng = np.random.default_rng(6)
    features, _ = mixture(rng, rng.normal(0, 5, (6, 12)), [120] * 6)
    first = cluster_features(features, 5, 15)
    np.testing.assert_array_equal(cluster_features(features.copy(), 5, 15), first)


@pytest.mark.parametrize(("n_spikes", "n_kept"), [(1, 1), (5, 4), (10, 8), (11, 9)])
def test_core_of_even_spread_is_a_fraction_rounded_up(n_spikes, n_kept):
    features = np.random.default_rng(7).normal(size=(n_spikes, 400)).astype("f4")
    members = core_members(features)
    assert members.size == n_kept
    assert np.all(np.diff(members) > 0)


def test_core_of_a_large_unit_is_nearest_the_median():
    features = 3 * np.random.default_rng(8).normal(size=(101, 30)).astype(np.float32)
    median = np.sort(features, axis=0)[50].astype("f8")
    distance = np.linalg.norm(features - median, axis=1)
    expected = sorted(np.argsort(distance)[:51].tolist())
    assert core_members(features, 0.5).tolist() == expected


def test_core_of_a_small_unit_leaves_the_background_out():
    rng = np.random.default_rng(9)
    unit = rng.normal(size=(500, 35)) + 8 / np.sqrt(35)
    places = rng.normal(size=(500, 35))
    places *= 8 / np.linalg.norm(places, axis=1, keepdims=True)
    background = rng.normal(size=(500, 35)) + places
    members = core_members(np.concatenate([unit, background]).astype(np.float32))
    assert np.mean(members < 500) > 0.9
    assert members.size > 300


def test_core_leaves_collisions_out():
    features = np.random.default_rng(9).normal(size=(100, 3)).astype(np.float32)
    features[::10] += 50
    assert not np.isin(core_members(features), np.arange(0, 100, 10)).any()
