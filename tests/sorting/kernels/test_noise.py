import statistics

import numpy as np
import pytest

from sorting.kernels.noise import MAD, masked_covariance, noise_level


def test_noise_level_is_the_scaled_median_absolute_deviation():
    rng = np.random.default_rng(0)
    offsets = np.array([0, 50, -300])
    traces = (rng.standard_t(2, (101, 3)) + offsets).astype(np.float32)
    levels = noise_level(traces)
    for channel, values in enumerate(traces.T.tolist()):
        centre = statistics.median(values)
        mad = statistics.median(abs(v - centre) for v in values)
        mad_of_unit_gaussian = statistics.NormalDist().inv_cdf(0.75)
        assert levels[channel] == pytest.approx(mad / mad_of_unit_gaussian, rel=1e-4)


def test_noise_level_of_a_gaussian_is_its_sd_whatever_the_spikes():
    rng = np.random.default_rng(1)
    traces = rng.normal(0, [1, 10, 25], (40_000, 3)).astype(np.float32)
    traces[::50] = -1000  # 2 % of the frames
    np.testing.assert_allclose(noise_level(traces), [1, 10, 25], rtol=0.04)
    np.testing.assert_allclose(1 / MAD, 1.4826, rtol=1e-4)


def test_noise_level_without_frames_or_variation_is_zero():
    np.testing.assert_array_equal(noise_level(np.zeros((0, 2), np.float32)), [0, 0])
    np.testing.assert_array_equal(noise_level(np.full((9, 2), 7, np.float32)), [0, 0])


ALL = [(slice(None), slice(None))]


def dense(parts, blocks) -> np.ndarray:
    matrix = np.zeros((3, 3))
    for (rows, inputs), part in zip(blocks, parts, strict=True):
        matrix[rows, inputs] = part
    return matrix


@pytest.mark.parametrize("exclude_frames", [0, 1, 4, 300])
def test_masked_covariance_equals_the_double_loop(exclude_frames):
    rng = np.random.default_rng(2)
    levels = np.array([1.0, 2.0, 0.5])
    traces = (rng.normal(0, 1, (120, 3)) * levels).astype(np.float32)
    blocks = [(slice(0, 1), np.array([0, 2])), (slice(1, 3), slice(0, 3))]
    sums = masked_covariance(traces, levels, 2.5, exclude_frames, blocks)
    products, counts = (dense(parts, blocks) for parts in sums)
    loud = np.abs(traces.astype("f8")) > 2.5 * levels
    quiet = np.array(
        [
            [
                not loud[max(t - exclude_frames, 0) : t + exclude_frames + 1, c].any()
                for c in range(3)
            ]
            for t in range(120)
        ]
    )
    for i in range(3):
        for j in range(3):
            both = quiet[:, i] & quiet[:, j]
            if (i, j) == (0, 1):  # not asked for
                both[:] = False
            expected = (traces[both, i].astype("f8") * traces[both, j]).sum()
            assert counts[i, j] == both.sum()
            assert products[i, j] == pytest.approx(expected, abs=1e-3)
    assert 0 < quiet.sum() < quiet.size


def test_masked_covariance_is_that_of_the_noise_below_the_spikes():
    rng = np.random.default_rng(3)
    covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
    noise = rng.multivariate_normal([0, 0], covariance, 30_000)
    spikes = np.zeros_like(noise)
    spikes[100::200] = [-30, -45]
    (products,), (counts,) = masked_covariance(
        (noise + spikes).astype(np.float32), np.sqrt([1.0, 2.0]), 6.0, 2, ALL
    )
    np.testing.assert_allclose(products / counts, covariance, atol=0.05)


def test_masked_covariance_of_nothing_is_nothing():
    (products,), (counts,) = masked_covariance(
        np.zeros((0, 3), np.float32), np.ones(3), 5.0, 4, ALL
    )
    np.testing.assert_array_equal(products, np.zeros((3, 3)))
    np.testing.assert_array_equal(counts, np.zeros((3, 3)))


def test_a_channel_without_noise_takes_no_part():
    traces = np.ones((50, 2), np.float32)
    (products,), (counts,) = masked_covariance(traces, np.array([0, 1]), 5.0, 4, ALL)
    assert products.tolist() == counts.tolist() == [[0, 0], [0, 50]]
