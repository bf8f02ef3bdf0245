import numpy as np
import pytest
from scipy.stats import norm

from sorting.kernels.amplitudes import AmplitudeCounts, missing_fraction


def moments(values):
    return values.size, values.sum(), (values**2).sum()


@pytest.mark.parametrize("sd", [0.05, 0.2])
@pytest.mark.parametrize("cut", [-3.0, -2.0, -1.0, -0.5])
def test_the_missing_part_of_a_normal(sd, cut):
    values = np.random.default_rng(0).normal(1, sd, 40_000)
    smallest = 1 + cut * sd
    found = missing_fraction(*moments(values[values > smallest]), smallest)
    assert found == pytest.approx(norm.cdf(cut), abs=0.02)


def test_nothing_is_missing_far_above_the_smallest():
    values = np.random.default_rng(1).normal(1, 0.1, 1000)
    assert missing_fraction(*moments(values), 0.1) == 0


def test_a_falling_flank_misses_at_least_half():
    values = 0.5 + np.random.default_rng(2).exponential(0.1, 1000)
    assert missing_fraction(*moments(values), 0.5) == 0.5


@pytest.mark.parametrize("values", [[], [1.0], [0.5, 0.5]])
def test_too_little_to_tell(values):
    assert missing_fraction(*moments(np.array(values)), 0.5) in (0.0, 0.5)


def drift_of(values, times, cuts=()):
    counts = AmplitudeCounts(2, 1000)
    units = np.arange(times.size) % 2
    for part in np.split(np.arange(times.size), cuts):
        counts.add(values[part], units[part].astype(np.int32), times[part])
    return counts


@pytest.mark.parametrize("cuts", [(), (1, 7, 7, 300), tuple(range(1, 800))])
def test_drift_is_the_range_of_the_means_wherever_the_stream_is_cut(cuts):
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(0, 9_500, 800))
    values = rng.normal(1 + 0.1 * np.sin(times / 3000), 0.05).astype(np.float32)
    counts = drift_of(values, times, cuts)
    for unit in (0, 1):
        mine = slice(unit, None, 2)
        means = [
            values[mine][times[mine] // 1000 == b].mean(dtype=np.float64)
            for b in range(10)
        ]
        assert counts.drift()[unit] == pytest.approx(np.ptp(means), abs=1e-9)
        assert counts.n_spikes[unit] == 400
        np.testing.assert_allclose(counts.total[unit], values[mine].sum(), rtol=1e-5)


def test_bins_of_few_spikes_say_nothing():
    times = np.arange(0, 8000, 400)
    assert drift_of(np.linspace(1, 2, 20), times).drift().tolist() == [0, 0]
