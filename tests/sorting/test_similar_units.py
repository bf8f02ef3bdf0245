"""Neurons whose spikes look much alike on all channels."""

import numpy as np
import pytest

from circus_io import ArrayRecording
from circus_io.synthetic import make_probe

RATE_HZ = 20_000.0
DURATION_S = 60
NOISE_UV = 10.0
PEAK_UV = 160.0
REFRACTORY_S = 0.003
SHAPE = np.array([-0.1, -0.55, -1.0, -0.6, -0.1, 0.2, 0.3, 0.25, 0.15, 0.08, 0.03])
TROUGH = 2


def train(rng, rate_hz):
    """A refractory Poisson train, in frames."""
    n_spikes = int(2 * rate_hz * DURATION_S)
    gaps = REFRACTORY_S + rng.exponential(1 / rate_hz, n_spikes)
    times_s = np.cumsum(gaps)
    return np.rint(times_s[times_s < DURATION_S - 0.1] * RATE_HZ).astype(int)


def recording_of(shares, rates_hz):
    """One shape for all units, which reaches the four channels in these shares."""
    rng = np.random.default_rng(5)
    traces = rng.normal(0, NOISE_UV, (int(DURATION_S * RATE_HZ), 4)).astype(np.float32)
    trains = [train(rng, rate) for rate in rates_hz]
    for share, times in zip(shares, trains, strict=True):
        spike = PEAK_UV * SHAPE[:, None] * np.asarray(share)
        for time in times:
            size = rng.normal(1, 0.05)
            traces[time - TROUGH : time - TROUGH + SHAPE.size] += size * spike
    return ArrayRecording(traces, RATE_HZ), trains


def recall_and_purity(times, result):
    """Of the unit that has most of the spikes: which part of them, and nothing else?"""
    best = (0.0, 0.0)
    for unit in result.unit_ids:
        found = result.spike_train(unit)
        at = np.searchsorted(found, times - 3)
        hit = (at < found.size) & (found[np.minimum(at, found.size - 1)] <= times + 3)
        best = max(best, (hit.mean(), hit.sum() / found.size))
    return best


@pytest.mark.parametrize("rates_hz", [(8, 6), (12, 4)])
def test_two_neurons_of_a_cosine_of_093_stay_two(sort_here, rates_hz):
    shares = [(1, 0.5, 0.3, 0.2), (1, 0.2, 0.5, 0.45)]
    a, b = np.array(shares)
    assert 0.92 < a @ b / np.sqrt((a @ a) * (b @ b)) < 0.94
    recording, trains = recording_of(shares, rates_hz)
    result = sort_here(recording, make_probe("tetrode", 4))
    assert len(result) == 2
    for times in trains:
        recall, purity = recall_and_purity(times, result)
        assert recall > 0.97
        assert purity > 0.97
