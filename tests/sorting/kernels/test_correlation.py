import numpy as np
import pytest

from sorting.bank import make_bank
from sorting.kernels.correlation import (
    MAX_ERROR,
    coarsest_stride,
    correlate,
    interpolate,
    interpolation_error,
)


def packet(time: np.ndarray, width: float) -> np.ndarray:
    """Gaussian wave packet; its spectrum is a Gaussian of sd 1 / (2 pi width)."""
    return -np.exp(-0.5 * (time / width) ** 2) * np.cos(0.3 * time / width)


@pytest.mark.parametrize("n_frames", [1, 40, 41, 500, 4096, 4500])
@pytest.mark.parametrize("n_templates", [1, 16, 20])
def test_correlation_equals_the_direct_sum_of_products(n_frames, n_templates):
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(3, 21)).astype(np.float32)
    coefficients = rng.normal(size=(n_templates, 5, 3)).astype(np.float32)
    coefficients[rng.random((n_templates, 5)) < 0.5] = 0
    traces = rng.normal(size=(n_frames, 5)).astype(np.float32)
    full = np.einsum("kcp,pt->ktc", coefficients.astype("f8"), basis.astype("f8"))
    padded = np.pad(traces.astype("f8"), ((0, 20), (0, 0)))
    expected = [
        sum(np.correlate(padded[:, c], template[:, c], "valid") for c in range(5))
        for template in full
    ]
    found = correlate(traces, basis, coefficients)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=5e-4)


def test_correlation_of_empty_templates_is_zero():
    basis = np.ones((2, 9), np.float32)
    traces = np.ones((50, 4), np.float32)
    coefficients = np.zeros((17, 4, 2), np.float32)
    np.testing.assert_array_equal(correlate(traces, basis, coefficients), 0)


def test_correlation_of_no_templates_or_no_frames_is_empty():
    basis = np.ones((2, 9), np.float32)
    traces = np.ones((50, 4), np.float32)
    assert correlate(traces, basis, np.zeros((0, 4, 2), "f4")).shape == (0, 50)
    assert correlate(traces[:0], basis, np.ones((3, 4, 2), "f4")).shape == (3, 0)


def test_correlation_does_not_depend_on_the_order_of_templates():
    rng = np.random.default_rng(1)
    basis = rng.normal(size=(3, 21)).astype(np.float32)
    coefficients = np.zeros((40, 90, 3), np.float32)
    for row in coefficients:  # scattered channels: read as a band and one by one
        row[rng.choice(90, 5)] = rng.normal(size=(5, 3))
    traces = rng.normal(size=(700, 90)).astype(np.float32)
    order = rng.permutation(40)
    found = correlate(traces, basis, coefficients)
    other = correlate(traces, basis, coefficients[order])
    np.testing.assert_allclose(other, found[order], atol=1e-3)


# interpolation ----------------------------------------------------------------


@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("n_fine", [1, 50, 399, 400])
def test_interpolation_reads_a_band_limited_sequence_between_its_values(stride, n_fine):
    time = np.arange(400.0)
    exact = np.array([packet(time - c, 3.0 * stride) for c in (120, 201.3, 260)])
    n_coarse = -(-n_fine // stride)
    coarse = exact[:, ::stride][:, :n_coarse].astype(np.float32)
    fine = interpolate(coarse, stride, n_fine)
    assert fine.dtype == np.float32
    np.testing.assert_array_equal(fine[:, ::stride], coarse)
    if n_fine >= 399:
        np.testing.assert_allclose(fine, exact[:, :n_fine], atol=3e-3)


@pytest.mark.parametrize("width", [4.0, 6.0])
def test_correlations_of_smooth_templates_can_be_computed_at_a_stride(width):
    rng = np.random.default_rng(2)
    basis = packet(np.arange(61.0) - 25, width)[None].astype(np.float32)
    coefficients = rng.normal(size=(20, 6, 1)).astype(np.float32)
    traces = rng.normal(size=(5000, 6)).astype(np.float32)
    every = correlate(traces, basis, coefficients)
    for stride in (2, 3):
        found = correlate(traces, basis, coefficients, stride)
        assert found.shape == every.shape
        # but for the ends, beyond which nothing is known
        error = (found - every)[:, 8 * stride : -8 * stride]
        assert np.abs(error).max() < 0.01 * np.abs(every).max()


def test_error_of_interpolation_is_that_of_the_worst_offset():
    width = 1.5
    overlap = 20 * packet(np.arange(-60.0, 61), width)[None]
    error = interpolation_error(overlap, 2)
    worst = 0.0
    for start in (0, 1):
        fine = interpolate(overlap[:, start::2].astype("f4"), 2, 121 - start)
        worst = max(worst, np.abs(fine - overlap[:, start:]).max())
    assert error == pytest.approx([worst])
    assert worst > 0.05
    assert interpolation_error(overlap, 1) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("width", "peak", "stride"), [(4, 30, 2), (0.6, 30, 1)])
def test_stride_is_as_coarse_as_the_templates_are_smooth(width, peak, stride):
    basis = packet(np.arange(61.0) - 25, width)[None].astype(np.float32)
    basis /= np.linalg.norm(basis)
    bank = make_bank(
        np.full((3, 1, 1), peak, np.float32),
        basis,
        bounds=(0.5, 2.0),
        amplitude_sd=0.1,
        min_norm=6.5,
    )
    assert coarsest_stride(bank) == stride
    own = bank.overlaps[[0, 4, 8]]
    assert np.all(interpolation_error(own, stride) <= MAX_ERROR * peak)


def test_stride_of_no_templates():
    bank = make_bank(
        np.zeros((0, 2, 1), np.float32),
        np.ones((1, 9), np.float32),
        bounds=(0.5, 2.0),
        amplitude_sd=0.1,
        min_norm=6.5,
    )
    assert coarsest_stride(bank) in (1, 2)
