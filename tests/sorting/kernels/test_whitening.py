import numpy as np
import pytest

from sorting.kernels.whitening import BandedMatrix, local_whitening


def probe(n_channels: int = 40, pitch_um: float = 20.0):
    """Distances on a line, and noise that falls off over 30 µm."""
    position = pitch_um * np.arange(n_channels)
    distance = np.abs(position[:, None] - position)
    gains = np.linspace(3, 20, n_channels)
    return distance, np.exp(-distance / 30) * np.outer(gains, gains)


def correlations_of(matrix: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    matrix = matrix.astype(np.float64)
    return matrix @ covariance @ matrix.T


def test_whitened_noise_has_variance_one_and_little_correlation():
    distance, covariance = probe()
    matrix = local_whitening(covariance, distance <= 100)
    assert matrix.dtype == np.float32
    whitened = correlations_of(matrix, covariance)
    np.testing.assert_allclose(np.diag(whitened), 1, rtol=1e-4)
    # the raw correlation of neighbours is exp(-2/3) = 0.51
    assert np.abs(whitened - np.eye(40)).max() < 0.1


def test_whitened_traces_have_a_covariance_near_identity():
    distance, covariance = probe(12)
    rng = np.random.default_rng(0)
    noise = rng.multivariate_normal(np.zeros(12), covariance, 40_000)
    matrix = local_whitening(covariance, distance <= 100)
    whitened = noise.astype(np.float32) @ matrix.T
    assert np.abs(np.cov(whitened.T) - np.eye(12)).max() < 0.1
    np.testing.assert_allclose(whitened.std(axis=0), 1, atol=0.03)


def test_channels_outside_of_the_neighbourhood_do_not_mix():
    distance, covariance = probe(20)
    matrix = local_whitening(covariance, distance <= 50)
    assert np.all(matrix[distance > 50] == 0)
    assert np.all(np.diag(matrix) > 0)


def test_a_lone_channel_is_divided_by_its_sd():
    _, covariance = probe(5)
    matrix = local_whitening(covariance, np.eye(5, dtype=bool))
    expected = np.diag(1 / np.sqrt(np.diag(covariance)))
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)


def test_whitening_stays_closest_to_the_original_channel():
    distance, covariance = probe(9)
    matrix = local_whitening(covariance, distance <= 100)
    assert np.all(np.abs(matrix).argmax(axis=1) == np.arange(9))


def test_dead_channels_give_zeros_and_leave_the_others_as_they_are():
    distance, covariance = probe(10)
    dead = [3, 7]
    damaged = covariance.copy()
    damaged[dead] = damaged[:, dead] = 0
    matrix = local_whitening(damaged, distance <= 100)
    assert np.all(matrix[dead] == 0)
    assert np.all(matrix[:, dead] == 0)
    others = np.setdiff1d(np.arange(10), dead)
    alone = local_whitening(
        covariance[np.ix_(others, others)], (distance <= 100)[np.ix_(others, others)]
    )
    np.testing.assert_allclose(matrix[np.ix_(others, others)], alone, rtol=1e-6)


def test_all_channels_dead_or_equal_stays_finite():
    near = np.ones((3, 3), dtype=bool)
    np.testing.assert_array_equal(local_whitening(np.zeros((3, 3)), near), 0)
    rank_one = local_whitening(np.full((3, 3), 4.0), near)
    whitened = correlations_of(rank_one, np.full((3, 3), 4.0))
    np.testing.assert_allclose(np.diag(whitened), 1, rtol=1e-4)


@pytest.mark.parametrize("n_channels", [1, 31, 32, 33, 100])
@pytest.mark.parametrize("block_size", [1, 7, 32])
def test_banded_product_equals_the_dense_one(n_channels, block_size):
    rng = np.random.default_rng(n_channels)
    index = np.arange(n_channels)
    band = np.abs(index[:, None] - index) <= 5
    matrix = np.where(band, rng.normal(size=band.shape), 0).astype(np.float32)
    matrix[n_channels // 2] = 0  # a dead channel
    banded = BandedMatrix.from_dense(matrix, block_size)
    traces = rng.normal(size=(50, n_channels)).astype(np.float32)
    expected = traces.astype("f8") @ matrix.T.astype("f8")
    product = banded.apply(traces)
    assert product.dtype == np.float32
    np.testing.assert_allclose(product, expected, atol=1e-4)
    by_channel = banded.apply_by_channel(traces)
    assert by_channel.flags.c_contiguous
    np.testing.assert_allclose(by_channel.T, product, atol=1e-4)
    rows = banded.apply_rows(np.ascontiguousarray(traces.T))
    np.testing.assert_allclose(rows, expected.T, atol=1e-4)


def test_banded_product_of_zeros_and_of_no_frames():
    banded = BandedMatrix.from_dense(np.zeros((40, 40), np.float32))
    np.testing.assert_array_equal(banded.apply(np.ones((3, 40), np.float32)), 0)
    assert banded.apply(np.ones((0, 40), np.float32)).shape == (0, 40)
    assert banded.apply_by_channel(np.ones((0, 40), np.float32)).shape == (40, 0)
    assert banded.apply_rows(np.ones((40, 0), np.float32)).shape == (40, 0)
