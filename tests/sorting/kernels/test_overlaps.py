import numpy as np
import pytest

from sorting.kernels.basis import correlations
from sorting.kernels.overlaps import overlap_table


def bank(n_templates: int = 7, n_channels: int = 6, seed: int = 0):
    """Random templates on one to three channels each, and a random basis."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(4, 15)).astype(np.float32)
    coefficients = np.zeros((n_templates, n_channels, 4), np.float32)
    for template in coefficients:
        first = rng.integers(0, n_channels)
        used = slice(first, first + rng.integers(1, 4))
        template[used] = rng.normal(size=template[used].shape)
    return basis, coefficients


def brute_overlap(placed: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlation of `other` with traces that hold `placed`, at every lag."""
    n_frames, n_channels = placed.shape
    traces = np.zeros((3 * n_frames - 2, n_channels))
    traces[n_frames - 1 : 2 * n_frames - 1] = placed
    return np.array(
        [
            (traces[start : start + n_frames] * other).sum()
            for start in range(2 * n_frames - 1)
        ]
    )


@pytest.mark.parametrize("seed", range(3))
def test_table_equals_the_correlation_of_full_templates(seed):
    basis, coefficients = bank(seed=seed)
    full = np.einsum("kcp,pt->ktc", coefficients.astype("f8"), basis.astype("f8"))
    table = overlap_table(coefficients, correlations(basis))
    used = np.any(coefficients != 0, axis=2)
    assert table.values.dtype == np.float32
    for k in range(len(full)):
        entries = range(table.ptr[k], table.ptr[k + 1])
        shares = [j for j in range(len(full)) if (used[k] & used[j]).any()]
        assert table.neighbours[entries.start : entries.stop].tolist() == shares
        for entry, j in zip(entries, shares, strict=True):
            expected = brute_overlap(full[k], full[j])
            np.testing.assert_allclose(table.values[entry], expected, atol=1e-4)


def test_table_reads_the_same_from_either_side():
    basis, coefficients = bank()
    table = overlap_table(coefficients, correlations(basis))
    rows = {}
    for k in range(len(coefficients)):
        for entry in range(table.ptr[k], table.ptr[k + 1]):
            rows[k, int(table.neighbours[entry])] = table.values[entry]
    assert len(rows) > len(coefficients)  # not only with themselves
    for (k, j), row in rows.items():
        np.testing.assert_allclose(rows[j, k], row[::-1], atol=1e-5)


def test_a_template_overlaps_itself_most_at_lag_zero_by_its_squared_norm():
    basis, coefficients = bank()
    full = np.einsum("kcp,pt->ktc", coefficients, basis)
    table = overlap_table(coefficients, correlations(basis))
    for k, template in enumerate(full):
        mine = table.neighbours[table.ptr[k] : table.ptr[k + 1]].tolist()
        row = table.values[table.ptr[k] + mine.index(k)]
        assert row.argmax() == row.size // 2
        assert row.max() == pytest.approx((template.astype("f8") ** 2).sum(), rel=1e-4)


def test_an_empty_template_overlaps_only_itself_with_zero():
    basis, coefficients = bank()
    coefficients[2] = 0
    table = overlap_table(coefficients, correlations(basis))
    assert table.neighbours[table.ptr[2] : table.ptr[3]].tolist() == [2]
    np.testing.assert_array_equal(table.values[table.ptr[2]], 0)


def test_no_templates():
    basis, coefficients = bank()
    table = overlap_table(coefficients[:0], correlations(basis))
    assert table.ptr.tolist() == [0]
    assert table.values.shape == (0, 29)
