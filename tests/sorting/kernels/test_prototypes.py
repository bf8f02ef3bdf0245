import numpy as np
import pytest

from sorting.kernels.neighbours import neighbour_lists
from sorting.kernels.prototypes import default_waveforms, prototypes, snippets


def test_snippets_are_cut_on_the_peak_and_on_those_near_it():
    rng = np.random.default_rng(0)
    traces = rng.normal(size=(60, 5)).astype(np.float32)
    near = np.abs(np.arange(5)[:, None] - np.arange(5)) <= 1
    ptr, neighbours = neighbour_lists(near)
    starts = np.array([-1, 0, 17, 49, 50, 51, 60])
    channels = np.array([2, 0, 2, 4, 1, 3, 0])
    waveforms, peaks = snippets(traces, starts, channels, ptr, neighbours, 10)
    inside = [(0, 0), (17, 2), (49, 4), (50, 1)]
    expected_peaks = [traces[s : s + 10, c] for s, c in inside]
    expected = [
        traces[s : s + 10, d]
        for s, c in inside
        for d in range(max(c - 1, 0), min(c + 2, 5))
    ]
    np.testing.assert_array_equal(peaks, expected_peaks)
    np.testing.assert_array_equal(waveforms, expected)


def test_no_peaks_give_no_snippets():
    ptr, neighbours = neighbour_lists(np.eye(2, dtype=bool))
    none = np.empty(0, np.int64)
    traces = np.zeros((20, 2), np.float32)
    waveforms, peaks = snippets(traces, none, none, ptr, neighbours, 7)
    assert waveforms.shape == peaks.shape == (0, 7)


@pytest.mark.parametrize("rate", [10_000.0, 20_000.0, 30_000.0])
def test_default_waveforms_have_their_trough_at_the_frame_asked_for(rate):
    n_frames = round(0.003 * rate) | 1
    waveforms = default_waveforms(n_frames, n_frames // 3, rate)
    assert waveforms.dtype == np.float32
    assert waveforms.shape[1] == n_frames
    assert np.all(waveforms.argmin(axis=1) == n_frames // 3)
    assert np.all(np.abs(waveforms).argmax(axis=1) == n_frames // 3)
    repolarisation = waveforms[:, n_frames // 3 :].max(axis=1)
    assert np.all(repolarisation > 0)
    assert np.all(repolarisation < -waveforms.min(axis=1))


def troughs(widths: np.ndarray, n_frames: int = 41, before: int = 13) -> np.ndarray:
    time = np.arange(n_frames) - before
    return -np.exp(-0.5 * (time / np.asarray(widths)[:, None]) ** 2)


def test_prototypes_average_narrow_middle_and_broad_spikes():
    widths = np.array([1.5, 6.0, 3.0] * 20)  # half widths far apart
    sizes = np.random.default_rng(1).uniform(5, 50, 60)
    signs = np.resize([1, -1, -1, 1], 60)
    peaks = (troughs(widths) * (sizes * signs)[:, None]).astype(np.float32)
    found = prototypes(peaks, np.eye(41, dtype=np.float32), 13)
    expected = troughs(np.array([1.5, 3.0, 6.0]))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_prototypes_are_unit_coefficients_on_the_basis():
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.normal(size=(41, 6)))[0].T.astype(np.float32)
    peaks = troughs(rng.uniform(1, 6, 100)) * rng.uniform(3, 9, (100, 1))
    found = prototypes(peaks.astype(np.float32), basis, 13)
    assert found.shape == (3, 6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_prototypes_do_not_depend_on_size_or_polarity():
    rng = np.random.default_rng(3)
    peaks = (troughs(rng.uniform(1, 6, 50)) + rng.normal(0, 0.01, (50, 41))).astype(
        "f4"
    )
    basis = np.eye(41, dtype=np.float32)
    scale = rng.choice([-1, 1], 50) * rng.uniform(1, 9, 50)
    expected = prototypes(peaks, basis, 13)
    scaled = prototypes((peaks * scale[:, None]).astype("f4"), basis, 13)
    np.testing.assert_allclose(scaled, expected, atol=1e-5)
    assert np.all(expected[:, 13] < 0)


@pytest.mark.parametrize("n_peaks", [1, 2])
def test_fewer_peaks_than_prototypes_stand_for_themselves(n_peaks):
    peaks = troughs(np.array([2.0, 5.0])[:n_peaks]).astype(np.float32)
    found = prototypes(peaks, np.eye(41, dtype=np.float32), 13)
    expected = peaks / np.linalg.norm(peaks, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)
