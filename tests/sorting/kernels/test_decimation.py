import math

import numpy as np
import pytest

from sorting.kernels.decimation import decimate, decimated_waveforms


def spikes(width: float) -> np.ndarray:
    """Spikes of three widths, which have died out at both ends."""
    time = np.arange(91.0) - 35
    return np.array(
        [
            -np.exp(-0.5 * (time / w) ** 2)
            + 0.3 * np.exp(-0.5 * ((time - 2.5 * w) / w) ** 2)
            for w in (width, 1.4 * width, 2 * width)
        ],
        np.float32,
    )


def test_weights_of_every_second_frame_are_binomial_ones():
    impulse = np.zeros((9, 1), np.float32)
    impulse[4] = 1
    even = decimate(impulse, 2)[:, 0]
    odd = decimate(impulse[1:], 2)[:, 0]  # the impulse at frame 3
    weights = [math.comb(6, k) / 64 for k in range(7)]
    np.testing.assert_allclose(even, [0, weights[1], weights[3], weights[5], 0, 0])
    np.testing.assert_allclose(odd, [*weights[0::2], 0, 0][: odd.size], atol=1e-7)


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("n_frames", [0, 1, 2, 6, 7, 100, 101])
@pytest.mark.parametrize("n_lead", [0, 1, 2])
def test_rows_are_weighted_sums_of_frames(stride, n_frames, n_lead):
    rng = np.random.default_rng(n_frames)
    traces = rng.normal(size=(n_frames, 5)).astype(np.float32)
    weights = np.ones(1)
    for _ in range(6):
        weights = np.convolve(weights, np.ones(stride) / stride)
    reach = weights.size // 2
    before = stride * n_lead + reach
    padded = np.pad(traces.astype("f8"), ((before, 4 * reach), (0, 0)))
    rows = decimate(traces, stride, n_lead)
    for m, row in enumerate(rows):
        window = padded[stride * m : stride * m + weights.size]
        np.testing.assert_allclose(row, weights @ window, atol=1e-5)
    if n_frames:
        assert stride * (len(rows) - n_lead) - reach > n_frames - 1


@pytest.mark.parametrize(("width", "stride"), [(2.0, 2), (3.0, 2), (4.0, 3)])
def test_decimated_traces_correlate_as_traces_do(width, stride):
    waveforms = spikes(width)
    rng = np.random.default_rng(0)
    traces = rng.normal(size=(2000, 3)).astype(np.float32)
    traces[400:491] += 30 * waveforms[0][:, None]
    coarse, n_lead = decimated_waveforms(waveforms, stride)
    rows = decimate(traces, stride, n_lead)
    norms = np.linalg.norm(waveforms, axis=1)
    for start in range(0, 1900, 7 * stride):
        expected = waveforms @ traces[start : start + 91]
        m = start // stride
        found = coarse @ rows[m : m + coarse.shape[1]]
        # noise has all frequencies, waveforms have not: what is missed is small
        assert np.abs(found - expected).max() < 0.1 * norms.max()


def test_a_sum_of_splines_is_found_exactly():
    weights = decimate(np.eye(41, dtype=np.float32), 2)  # splines in its rows
    waveform = 3 * weights[8] - weights[10] + 0.5 * weights[11]
    coarse, n_lead = decimated_waveforms(waveform[None], 2)
    expected = np.zeros(coarse.shape[1])
    expected[n_lead + np.array([8, 10, 11])] = 3, -1, 0.5
    np.testing.assert_allclose(coarse[0], expected, atol=1e-5)


def test_error_of_a_correlation_is_of_second_order():
    """What splines miss of a spike is at right angles to them: it is missed twice."""
    waveforms = spikes(1.5)
    coarse, n_lead = decimated_waveforms(waveforms, 2)
    traces = np.zeros((91, 1), np.float32)
    traces[:, 0] = waveforms[0]
    found = coarse[0] @ decimate(traces, 2, n_lead)[: coarse.shape[1], 0]
    splines = decimate(np.eye(91, dtype=np.float32), 2, n_lead)
    missed = waveforms[0] - coarse[0] @ splines[: coarse.shape[1]]
    energy = float(waveforms[0] @ waveforms[0])
    assert np.linalg.norm(missed) / np.sqrt(energy) > 0.005
    assert abs(found - energy) <= 1.1 * float(missed @ missed) + 1e-5
