import itertools

import numpy as np
import pytest

from sorting.quality import (
    LabelRule,
    contamination,
    correlogram,
    count_close_pairs,
    firing_rate_hz,
    isi_violations,
    peak_and_snr,
    presence_ratio,
    template_similarity,
)

FS = 20_000


def poisson(rng, rate_hz, duration_s):
    n_spikes = rng.poisson(rate_hz * duration_s)
    return np.sort(rng.integers(0, int(duration_s * FS), n_spikes))


def refractory_poisson(rng, rate_hz, duration_s, refractory):
    mean = FS / rate_hz - refractory
    n_spikes = int(1.2 * rate_hz * duration_s)
    times = np.cumsum(refractory + 1 + rng.exponential(mean, n_spikes).astype(np.int64))
    return times[times < duration_s * FS]


@pytest.mark.parametrize("true", [0.0, 0.05, 0.2, 0.4])
def test_contamination_of_a_known_mixture(true):
    rng = np.random.default_rng(3)
    duration_s, refractory, censored = 4000, 60, 6
    own = refractory_poisson(rng, 10 * (1 - true), duration_s, refractory)
    foreign = poisson(rng, 10 * true, duration_s)
    merged = np.sort(np.concatenate([own, foreign]))
    # closer spikes merge into one in a real sort
    merged = merged[np.diff(merged, prepend=-FS) > censored]
    found = contamination(merged, duration_s * FS, refractory, censored)
    assert found == pytest.approx(true, abs=0.02)


def test_contamination_by_the_formula():
    # 1000 spikes in 1e7 frames, 2 pairs within 20 frames, 1 of them within 5:
    # 1 - sqrt(1 - 1 * (1e7 - 2 * 1000 * 5) / (1000**2 * 15))
    times = np.arange(1000) * 10_000
    times[1], times[11] = times[0] + 5, times[10] + 20
    expected = 1 - np.sqrt(1 - (1e7 - 1e4) / 15e6)
    assert contamination(times, 10**7, 20, 5) == pytest.approx(expected, rel=1e-12)


def test_contamination_limits():
    assert contamination(np.array([], dtype=np.int64), 1000, 20) == 0
    assert contamination(np.array([5]), 1000, 20) == 0
    assert contamination(np.arange(0, 100, 2), 10_000, 20) == 1


def test_pairs_are_counted_one_by_one():
    times = np.sort(np.random.default_rng(0).integers(0, 2000, 200))
    for distance in (0, 1, 30):
        expected = sum(b - a <= distance for a, b in itertools.combinations(times, 2))
        assert count_close_pairs(times, distance) == expected


def test_isi_violations():
    assert isi_violations(np.array([0, 29, 59, 100]), 30) == pytest.approx(1 / 3)
    assert isi_violations(np.array([0]), 30) == 0


def test_firing_rate():
    assert firing_rate_hz(50, 10 * FS, FS) == 5
    assert firing_rate_hz(0, 0, FS) == 0


@pytest.mark.parametrize(
    ("times", "n_frames", "expected"),
    [
        ([5, 6, 105], 300, 2 / 3),
        ([5, 345], 345, 2 / 3),  # the last 45 frames belong to the third bin
        ([5, 355], 355, 2 / 4),
        ([], 300, 0),
        ([3], 10, 1),
    ],
)
def test_presence_ratio(times, n_frames, expected):
    times = np.array(times, dtype=np.int64)
    assert presence_ratio(times, n_frames, 100) == pytest.approx(expected)


def test_peak_and_snr():
    waveform = np.array([[0, 3], [-40, 90], [10, 0]], dtype=np.float32)
    assert peak_and_snr(waveform, np.array([2, 0]), np.array([30.0, 5, 8])) == (0, 3)
    assert peak_and_snr(waveform, np.array([2, 0]), np.zeros(3)) == (0, 0)
    assert peak_and_snr(np.zeros((3, 0)), np.array([], int), np.ones(3)) == (-1, 0)


@pytest.mark.parametrize(("n_bins", "bin_frames"), [(5, 7), (1, 100), (50, 1)])
def test_correlograms_count_every_pair(n_bins, bin_frames):
    rng = np.random.default_rng(1)
    times, others = (np.sort(rng.integers(2**40, 2**40 + 3000, n)) for n in (150, 220))
    edges = (np.arange(2 * n_bins + 1) - n_bins) * bin_frames
    lags = (others[None, :] - times[:, None]).ravel()
    expected, _ = np.histogram(lags[lags < edges[-1]], edges)
    np.testing.assert_array_equal(
        correlogram(times, others, n_bins, bin_frames), expected
    )
    apart = ~np.eye(len(times), dtype=bool)
    lags = (times[None, :] - times[:, None])[apart]
    expected, _ = np.histogram(lags[lags < edges[-1]], edges)
    np.testing.assert_array_equal(
        correlogram(times, None, n_bins, bin_frames), expected
    )


def test_correlograms_of_empty_trains():
    empty = np.array([], dtype=np.int64)
    for pair in ((empty, None), (empty, np.arange(3)), (np.arange(3), empty)):
        assert correlogram(*pair, 4, 10).tolist() == [0] * 8


def test_similarity_against_dense_arrays():
    rng = np.random.default_rng(2)
    n_units, n_channels, n_frames, max_lag = 6, 5, 20, 3
    pointer, channels = [0], []
    for _ in range(n_units - 1):
        channels += sorted(rng.choice(n_channels, 3, replace=False))
        pointer.append(len(channels))
    pointer.append(len(channels))  # the last unit has no template
    waveforms = rng.normal(size=(len(channels), n_frames)).astype(np.float32)
    dense = np.zeros((n_units, n_channels, n_frames))
    for unit in range(n_units):
        pairs = slice(pointer[unit], pointer[unit + 1])
        dense[unit, channels[pairs]] = waveforms[pairs]
    norms = np.linalg.norm(dense, axis=(1, 2))
    expected = np.zeros((n_units, n_units))
    for a, b in itertools.product(range(n_units - 1), repeat=2):
        dots = [
            np.sum(
                dense[a, :, max(0, -lag) : n_frames - max(0, lag)]
                * dense[b, :, max(0, lag) : n_frames - max(0, -lag)]
            )
            for lag in range(-max_lag, max_lag + 1)
        ]
        expected[a, b] = max(dots) / (norms[a] * norms[b])
    found = template_similarity(
        np.array(pointer), np.array(channels), waveforms, max_lag
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.diag(found), [1, 1, 1, 1, 1, 0], atol=1e-6)


def test_similarity_of_no_templates():
    nothing = np.zeros((0, 20), dtype=np.float32)
    found = template_similarity(np.array([0]), np.array([], int), nothing, 3)
    assert found.shape == (0, 0)


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "good"),
        ({"snr": 0.9}, "noise"),
        ({"norm": 5.9}, "noise"),
        ({"norm": 6.0, "firing_rate_hz": 1.99}, "noise"),
        ({"norm": 6.0}, "mua"),
        ({"norm": 12.0, "firing_rate_hz": 0.124}, "noise"),  # 2 Hz / 2 ** 4
        ({"norm": 12.0, "firing_rate_hz": 0.126}, "good"),
        ({"norm": 6.9, "isolation": 2.9}, "noise"),
        ({"norm": 6.9}, "mua"),
        ({"firing_rate_hz": 1.0}, "noise"),
        ({"norm": np.nan}, "good"),
        ({"snr": np.nan}, "noise"),
        ({"n_spikes": 0}, "noise"),
        ({"snr": 3.9}, "mua"),
        ({"snr": 3.9, "isi_violations": 3 / 49}, "noise"),  # by chance 0.15 of them
        ({"snr": 3.9, "isi_violations": 2 / 49}, "mua"),
        ({"snr": 4.0, "isi_violations": 3 / 49}, "good"),
        ({"snr": 3.9, "isi_violations": 3 / 49, "firing_rate_hz": 20.0}, "mua"),
        ({"n_spikes": 49}, "mua"),
        ({"presence": 0.4}, "mua"),
        ({"contamination": 0.11}, "mua"),
        ({"isolation": 3.9}, "mua"),
        ({"isolation": np.nan}, "good"),
        ({"amplitude_cutoff": 0.21}, "mua"),
        ({"amplitude_cutoff": np.nan}, "good"),
        ({"amplitude_drift": 0.51}, "mua"),
    ],
)
def test_labels(changes, label):
    unit = {"snr": 4, "n_spikes": 50, "presence": 0.5, "contamination": 0.1}
    unit |= {"norm": 7, "isolation": 4, "amplitude_cutoff": 0.2, "amplitude_drift": 0.5}
    unit |= {"firing_rate_hz": 2.0, "isi_violations": 0.0}
    assert LabelRule(min_norm=6.0, clear_norm=7.0).label(unit | changes) == label


def test_without_a_least_norm_no_rate_is_asked_for():
    unit = {"snr": 2.0, "n_spikes": 5, "firing_rate_hz": 0.01, "norm": 0.0}
    unit |= {"presence": 0.1, "contamination": 0.0, "isolation": 1.0}
    unit |= {"amplitude_cutoff": 0.0, "amplitude_drift": 0.0, "isi_violations": 0.0}
    assert LabelRule().label(unit) == "mua"
