"""Sorting with defaults what SyntheticRecording made, judged by SpikeInterface."""

import numpy as np
import pytest

from circus_io import ArrayRecording
from circus_io.synthetic import SyntheticRecording, make_probe

LARGE_SNR = 8
FOUND = 0.8


def assert_all_large_units_found(recording, result, accuracy):
    truth = recording.ground_truth
    large = truth.snr > LARGE_SNR
    assert large.sum() > 0
    assert accuracy(truth, result)[large].min() >= FOUND


def test_sixteen_channels(sort_here, accuracy):
    recording = SyntheticRecording(
        n_channels=16,
        layout="linear",
        duration_s=30,
        n_units=7,
        snr_range=(4.0, 20.0),
        rate_range_hz=(2.0, 12.0),
        lfp_uv=40.0,
        seed=3,
    )
    result = sort_here(recording, recording.probe)
    assert_all_large_units_found(recording, result, accuracy)
    # nothing was invented: as many units as neurons, or less
    assert len(result) <= 7
    # a unit is where its neuron is, as large as it was made
    truth = recording.ground_truth
    peaks = result.channels.column[result.units.peak_channel]
    assert set(truth.peak_channels[truth.snr > LARGE_SNR]) <= set(peaks)


def test_tetrode(sort_here, accuracy):
    recording = SyntheticRecording(
        n_channels=4,
        layout="tetrode",
        duration_s=30,
        n_units=3,
        snr=(9.0, 13.0, 18.0),
        rate_range_hz=(3.0, 10.0),
        seed=6,
    )
    result = sort_here(recording, recording.probe)
    assert_all_large_units_found(recording, result, accuracy)


def test_one_channel(sort_here, accuracy):
    recording = SyntheticRecording(
        n_channels=1,
        layout="linear",
        duration_s=30,
        n_units=2,
        snr=(9.0, 20.0),
        rate_range_hz=(3.0, 10.0),
        seed=2,
    )
    result = sort_here(recording, recording.probe)
    assert_all_large_units_found(recording, result, accuracy)


@pytest.mark.parametrize("correlated", [False, True])
def test_noise_has_no_good_units(sort_here, correlated):
    recording = SyntheticRecording(
        n_channels=16,
        duration_s=30,
        n_units=0,
        noise_decay_um=40.0 if correlated else 0.0,
        lfp_uv=100.0 if correlated else 0.0,
        seed=8,
    )
    result = sort_here(recording, recording.probe)
    assert "good" not in result.units.label


def test_noise_of_heavy_tails_has_no_good_units(sort_here):
    """Student's t with 5 degrees of freedom: excursions of 10 sd without a shape."""
    samples = np.random.default_rng(1).standard_t(5, (600_000, 4)).astype(np.float32)
    recording = ArrayRecording(8 * samples, 20_000)
    result = sort_here(recording, make_probe("linear", 4))
    assert "good" not in result.units.label
