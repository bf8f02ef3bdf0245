import numpy as np
import pytest

from sorting.kernels.basis import correlations
from sorting.kernels.isolation import isolation
from sorting.kernels.overlaps import overlap_table


def test_isolation_is_the_smallest_distance_at_any_lag():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(21, 4)))[0].T
    coefficients = rng.normal(size=(5, 6, 4)).astype(np.float32)
    coefficients[1] = 0.9 * coefficients[0] + 0.1 * coefficients[2]
    coefficients[4, :5] = 0  # alone on a channel of its own
    coefficients[:4, 5] = 0
    waveforms = (coefficients.astype(np.float64) @ basis).reshape(5, 6, 21)
    padded = np.pad(waveforms, ((0, 0), (0, 0), (30, 30)))
    norms = (waveforms**2).sum(axis=(1, 2))
    table = overlap_table(coefficients, correlations(basis))
    for max_lag in (0, 3):
        found = isolation(table, norms, max_lag)
        for k in range(5):
            distances = [np.sqrt(norms[k])] + [
                np.linalg.norm(padded[k] - np.roll(padded[j], lag, axis=-1))
                for j in range(5)
                for lag in range(-max_lag, max_lag + 1)
                if j != k
            ]
            if k == 4:  # templates without a common channel are no neighbours
                distances = distances[:1]
            assert found[k] == pytest.approx(min(distances), rel=1e-4)
