"""Joint amplitudes against numpy's least squares on the whole traces."""

import numpy as np
import pytest

from sorting.kernels.basis import correlations
from sorting.kernels.correlation import correlate
from sorting.kernels.matching import Bank, add_template
from sorting.kernels.overlaps import overlap_table
from sorting.kernels.refit import refit

N_FRAMES, N_CHANNELS, N_UNITS, T = 400, 4, 5, 31
LAM = 25.0


@pytest.fixture(scope="module")
def templates():
    """Smooth random waveforms, all overlapping, of norms near 20."""
    rng = np.random.default_rng(5)
    time = np.arange(T) - T // 3
    shapes = [np.exp(-0.5 * ((time - c) / 3.0) ** 2) for c in (-3, 0, 4, 8)]
    mixing = rng.normal(size=(N_UNITS, len(shapes), N_CHANNELS))
    full = np.einsum("st,ksc->ktc", np.array(shapes), mixing)
    return 20 * full / np.sqrt((full**2).sum(axis=(1, 2), keepdims=True))


@pytest.fixture(scope="module")
def basis(templates):
    rows = templates.transpose(0, 2, 1).reshape(-1, T)
    return np.linalg.svd(rows, full_matrices=False)[2][:4].astype(np.float32)


def make_bank(templates, basis, floor=1.0, bounds=(0.1, 5.0)):
    coefficients = np.einsum("ktc,pt->kcp", templates, basis).astype(np.float32)
    table = overlap_table(coefficients, correlations(basis))
    n = len(templates)
    return coefficients, Bank(
        norms=(templates**2).sum(axis=(1, 2)),
        lams=np.full(n, LAM),
        floors=np.full(n, floor),
        a_min=np.full(n, bounds[0]),
        a_max=np.full(n, bounds[1]),
        ptr=table.ptr,
        neighbours=table.neighbours,
        overlaps=table.values,
    )


def residual(traces, templates, basis, bank, coefficients, spikes, amplitudes):
    """Correlation with the traces less the spikes, by direct subtraction."""
    left = traces.copy()
    for (frame, unit), amplitude in zip(spikes, amplitudes, strict=True):
        left[frame : frame + T] -= amplitude * templates[unit]
    return correlate(left.astype(np.float32), basis, coefficients)


def ridge(traces, templates, spikes):
    """Minimise |x - sum a U|^2 + lam (a - 1)^2 with the design matrix in full."""
    design = np.zeros((traces.size, len(spikes)))
    for column, (frame, unit) in enumerate(spikes):
        placed = np.zeros_like(traces)
        placed[frame : frame + T] = templates[unit]
        design[:, column] = placed.ravel()
    gram = design.T @ design + LAM * np.eye(len(spikes))
    return np.linalg.solve(gram, design.T @ traces.ravel() + LAM), gram


SPIKES = [(60, 0), (66, 1), (75, 2), (200, 3), (300, 4), (309, 0)]


def run(traces, templates, basis, start, **limits):
    coefficients, bank = make_bank(templates, basis, **limits)
    left = residual(traces, templates, basis, bank, coefficients, SPIKES, start)
    frames, units = (np.array(column) for column in zip(*SPIKES, strict=True))
    fitted, gains = refit(
        left, bank, frames, units, np.zeros(len(SPIKES)), np.array(start, float)
    )
    return fitted, gains, left, (coefficients, bank)


def make_traces(templates, amplitudes, noise=1.0):
    traces = np.random.default_rng(1).normal(0, noise, (N_FRAMES, N_CHANNELS))
    for (frame, unit), amplitude in zip(SPIKES, amplitudes, strict=True):
        traces[frame : frame + T] += amplitude * templates[unit]
    return traces


@pytest.mark.parametrize("start", [[1.0] * 6, [0.8, 1.3, 0.9, 1.0, 1.2, 0.7]])
def test_amplitudes_are_those_of_ridge_regression(templates, basis, start):
    traces = make_traces(templates, [1.1, 0.9, 1.2, 0.8, 1.0, 1.05])
    fitted, _, _, _ = run(traces, templates, basis, start)
    expected, _ = ridge(traces, templates, SPIKES)
    np.testing.assert_allclose(fitted, expected, atol=2e-3)


def test_worth_is_the_rise_of_the_cost_without_the_spike(templates, basis):
    traces = make_traces(templates, [1.0] * 6)
    _, gains, _, _ = run(traces, templates, basis, [1.0] * 6)

    def cost(spikes):
        amplitudes, _ = ridge(traces, templates, spikes)
        left = traces.copy()
        for (frame, unit), amplitude in zip(spikes, amplitudes, strict=True):
            left[frame : frame + T] -= amplitude * templates[unit]
        return (left**2).sum() + LAM * ((amplitudes - 1) ** 2).sum()

    whole = cost(SPIKES)
    for i in range(len(SPIKES)):
        rise = cost(SPIKES[:i] + SPIKES[i + 1 :]) - whole
        assert gains[i] == pytest.approx(rise, rel=0.02, abs=1.0)


def test_a_spike_that_is_not_there_is_dropped(templates, basis):
    traces = make_traces(templates, [1, 0, 1, 1, 1, 1])
    fitted, _, left, (coefficients, bank) = run(
        traces, templates, basis, [1.0, 0.4, 1.0, 1.0, 1.0, 1.0], floor=42.0
    )
    assert fitted[1] == 0
    assert (np.delete(fitted, 1) > 0.8).all()
    expected = residual(traces, templates, basis, bank, coefficients, SPIKES, fitted)
    assert np.abs(left - expected).max() < 0.05


def test_amplitudes_stay_within_their_upper_bound(templates, basis):
    traces = make_traces(templates, [3.0, 1, 1, 3.0, 1, 1], noise=0.1)
    fitted, _, _, _ = run(traces, templates, basis, [1.0] * 6, bounds=(0.5, 2.0))
    assert fitted.max() == 2.0
    assert fitted[3] == 2.0


def test_no_spikes_are_no_work(templates, basis):
    _, bank = make_bank(templates, basis)
    empty = np.zeros(0, np.int64)
    fitted, gains = refit(
        np.zeros((N_UNITS, 50), np.float32),
        bank,
        empty,
        empty,
        empty * 0.0,
        empty * 0.0,
    )
    assert fitted.size == gains.size == 0


def test_a_template_is_added_where_it_is_placed(templates, basis):
    coefficients, bank = make_bank(templates, basis)
    correlation = np.zeros((N_UNITS, 120), np.float32)
    add_template(correlation, bank, 2, 50, 0.0, 1.5)
    traces = np.zeros((120, N_CHANNELS), np.float32)
    traces[50 : 50 + T] = 1.5 * templates[2]
    expected = correlate(traces, basis, coefficients)
    assert np.abs(correlation - expected).max() < 1e-2 * np.abs(expected).max()
