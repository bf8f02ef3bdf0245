"""The histogram of latencies against numpy."""

import numpy as np
import pytest

from circus_live.latency import N_BINS, Latencies, bin_edges_ms


def test_a_value_falls_between_the_edges_of_its_bin():
    edges_ns = bin_edges_ms() * 1e6
    random = np.random.default_rng(0)
    for latency_ns in np.exp(random.uniform(np.log(300), np.log(1e11), 2000)):
        histogram = Latencies([0] * N_BINS)
        histogram.add(int(latency_ns))
        (place,) = np.flatnonzero(histogram.counts)
        assert edges_ns[place] - 256 <= latency_ns <= edges_ns[place + 1]


def test_percentiles_are_those_of_numpy():
    values_ms = np.random.default_rng(1).lognormal(-1, 1, 20000)
    histogram = Latencies([0] * N_BINS)
    for value_ms in values_ms:
        histogram.add(int(value_ms * 1e6))
    for percent in (1, 50, 90, 99, 100):
        expected = np.percentile(values_ms, percent)
        assert histogram.percentile_ms(percent) == pytest.approx(expected, rel=0.13)


def test_bins_grow_by_an_eighth_and_reach_from_microseconds_to_minutes():
    edges = bin_edges_ms()
    assert np.all(np.diff(edges) / edges[:-1] <= 0.1251)
    assert edges[0] < 0.001
    assert edges[-1] > 60_000


def test_odd_values_are_counted():
    histogram = Latencies([0] * N_BINS)
    for latency_ns in (0, -5, 10**30):
        histogram.add(latency_ns)
    assert histogram.counts.sum() == 3
    assert np.isnan(Latencies([0] * N_BINS).percentile_ms(50))
