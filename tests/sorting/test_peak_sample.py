"""The sample against sorting all peaks at once, whatever came when and where."""

import numpy as np
import pytest

from sorting.peak_sample import PEAK, PeakSample, smallest

SHAPE, PER_CLASS, N_FEATURES = (5, 3), 7, 6


def make_peaks(n_peaks, seed=0):
    rng = np.random.default_rng(seed)
    peaks = np.zeros(n_peaks, PEAK)
    peaks["time"] = np.arange(n_peaks)
    peaks["key"] = rng.permutation(n_peaks).astype(np.uint64) * np.uint64(2**40)
    peaks["channel"] = rng.integers(0, SHAPE[0], n_peaks)
    peaks["amplitude_class"] = rng.integers(0, SHAPE[1], n_peaks)
    return peaks


def features_of(peaks):
    """Whole numbers that half precision holds exactly, different for each peak."""
    return (peaks["time"][:, None] % 500 + np.arange(N_FEATURES) * 300).astype("f4")


def expected(peaks):
    """Sort all, keep the first of each channel and class."""
    rows = [
        group[np.argsort(group["key"])][:PER_CLASS]
        for channel in range(SHAPE[0])
        for number in range(SHAPE[1])
        for group in [
            peaks[(peaks["channel"] == channel) & (peaks["amplitude_class"] == number)]
        ]
    ]
    return np.concatenate(rows)["time"]


def feed(sample, peaks, n_chunks):
    for part in np.array_split(peaks, n_chunks):
        chosen = part[sample.wanted(part)]
        sample.add(chosen, features_of(chosen))
    return sample


@pytest.mark.parametrize("n_chunks", [1, 17, 60, 400])
@pytest.mark.parametrize("n_peaks", [0, 3, 400, 3000])
def test_the_sample_is_the_smallest_keys(tmp_path, n_peaks, n_chunks):
    sample = PeakSample(tmp_path / "features", SHAPE, PER_CLASS, N_FEATURES)
    kept = feed(sample, make_peaks(n_peaks), n_chunks).peaks()
    np.testing.assert_array_equal(kept["time"], expected(make_peaks(n_peaks)))


def test_features_come_back_with_their_peaks(tmp_path):
    sample = PeakSample(tmp_path / "features", SHAPE, PER_CLASS, N_FEATURES)
    kept = feed(sample, make_peaks(2000), 90).peaks()
    np.testing.assert_array_equal(sample.features(kept), features_of(kept))


def test_two_ranks_hold_what_one_would(tmp_path):
    peaks = make_peaks(2500, seed=3)
    halves = [
        feed(
            PeakSample(tmp_path / f"{rank}", SHAPE, PER_CLASS, N_FEATURES),
            peaks[rank::2],
            40,
        ).peaks()
        for rank in range(2)
    ]
    both = np.concatenate(halves)
    kept = both[smallest(both, SHAPE[1], PER_CLASS)]
    np.testing.assert_array_equal(kept["time"], expected(peaks))


def test_peaks_that_cannot_stay_are_not_wanted(tmp_path):
    sample = PeakSample(tmp_path / "features", SHAPE, PER_CLASS, N_FEATURES)
    feed(sample, make_peaks(4000), 200).peaks()
    late = make_peaks(200, seed=9)
    late["key"] = np.iinfo(np.uint64).max
    assert not sample.wanted(late).any()
    assert sample.n_rows < 1500
