import numpy as np
import pytest

from sorting.kernels.artefacts import artefact_amplitude, artefact_shape


def test_the_shape_is_the_median_from_the_level_before_the_onset():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(30, 2)).astype(np.float32)
    levels = rng.normal(0, 100, (21, 1, 2)).astype(np.float32)
    windows = np.concatenate([np.zeros((21, 10, 2)), np.tile(true, (21, 1, 1))], axis=1)
    windows = (windows + levels).astype(np.float32)
    windows[:5] += rng.normal(0, 50, (5, 40, 2))  # a few with other things in them
    np.testing.assert_allclose(artefact_shape(windows, 10), true, atol=1e-4)


@pytest.mark.parametrize("size", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("length", [40, 25])
def test_the_amplitude_is_that_of_least_squares(size, length):
    rng = np.random.default_rng(1)
    shape = rng.normal(size=(30, 3))
    window = np.concatenate([np.full((10, 3), 7.0), 7 + size * shape])[:length]
    window[10:] += rng.normal(0, 0.01, window[10:].shape)
    found = artefact_amplitude(window, shape, 10)
    used = shape[: length - 10].ravel()
    level = window[:10].mean(axis=0)
    fit = np.linalg.lstsq(used[:, None], (window[10:] - level).ravel())[0]
    assert found == pytest.approx(float(fit[0]), rel=1e-6)


def test_amplitudes_have_limits():
    shape = np.ones((5, 1))
    assert artefact_amplitude(-shape, shape, 0) == 0
    assert artefact_amplitude(9 * shape, shape, 0) == 3
    assert artefact_amplitude(shape, 0 * shape, 0) == 0
