"""Displacements from histograms of depths."""

import tracemalloc

import numpy as np
import pytest

from sorting.kernels.registration import (
    pairwise_shifts,
    smooth_histograms,
    solve_displacement,
)

STEP_UM = 4.0


def histograms_of(displacement, n_spikes=400, seed=0):
    """Ten neurons of their own size at places of their own, Poisson counts."""
    random = np.random.default_rng(seed)
    places = random.uniform(100, 500, 10)
    sizes = random.integers(0, 6, 10)
    counts = np.zeros((len(displacement), 6, 150), np.int32)
    for period, shift in enumerate(displacement):
        unit = random.integers(0, 10, n_spikes)
        depth = places[unit] + shift + random.normal(0, 3, n_spikes)
        np.add.at(counts[period], (sizes[unit], (depth / STEP_UM).astype(int)), 1)
    return counts


def solved(counts):
    shifts, weights = pairwise_shifts(smooth_histograms(counts, STEP_UM), 20)
    return solve_displacement(shifts * STEP_UM, weights)


def test_displacement_is_measured_to_a_fraction_of_a_bin():
    truth = 20 * np.sin(np.arange(40) / 5)
    truth -= np.median(truth)
    np.testing.assert_allclose(solved(histograms_of(truth)), truth, atol=1.0)


def test_many_periods_take_little_memory_beside_their_histograms():
    """Ten minutes of them are as well measured as forty seconds."""
    truth = 20 * np.sin(np.arange(200) / 30)
    truth -= np.median(truth)
    counts = histograms_of(truth)
    tracemalloc.start()
    try:
        found = solved(counts)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(found, truth, atol=1.0)
    histograms = 8 * counts.size
    all_products = 8 * 200 * 200 * 41
    assert most < histograms + all_products


def test_what_stands_still_moves_by_less_than_a_micrometre():
    assert np.ptp(solved(histograms_of(np.zeros(30)))) < 1.0


def test_the_sign_of_a_shift():
    counts = histograms_of([0.0, 12.0])
    shifts, _ = pairwise_shifts(smooth_histograms(counts, STEP_UM), 20)
    assert shifts[1, 0] == pytest.approx(3.0, abs=0.3)
    assert shifts[0, 1] == pytest.approx(-3.0, abs=0.3)


def test_periods_without_spikes_are_bridged():
    truth = np.linspace(-10, 10, 21)
    counts = histograms_of(truth)
    counts[8:11] = 0
    np.testing.assert_allclose(solved(counts), truth, atol=1.5)


def test_wrong_pairs_are_forgiven():
    truth = np.linspace(-15, 15, 31)
    shifts = truth[:, None] - truth[None]
    random = np.random.default_rng(1)
    wrong = random.random(shifts.shape) < 0.2
    shifts = np.where(wrong, random.uniform(-100, 100, shifts.shape), shifts)
    found = solve_displacement(shifts, np.ones(shifts.shape))
    np.testing.assert_allclose(found, truth, atol=0.5)


def test_blurring_keeps_counts():
    counts = np.zeros((1, 3, 30), np.int32)
    counts[0, 1, 15] = 100
    blurred = smooth_histograms(counts, STEP_UM) ** 2
    np.testing.assert_allclose(blurred.sum(), 100)
    np.testing.assert_allclose(blurred[0].sum(axis=1), [25, 50, 25])
