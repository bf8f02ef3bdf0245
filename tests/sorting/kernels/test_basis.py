import numpy as np
import pytest

from sorting.kernels.basis import (
    Projector,
    correlations,
    fit_basis,
    project_windows,
    reduce_basis,
    shift_waveforms,
)

TIME = np.arange(61)
WIDTHS = np.linspace(2, 5, 20)
ANGLES = np.linspace(0.1, 0.5, 20)


def wave(time: np.ndarray, centre: float, width: float, angle: float) -> np.ndarray:
    """Gaussian wave packet: band-limited to rounding, known between frames."""
    x = (time - centre) / width
    return -np.exp(-0.5 * x**2) * np.cos(angle * (time - centre))


def family() -> np.ndarray:
    return np.array([wave(TIME, 30, w, a) for w, a in zip(WIDTHS, ANGLES, strict=True)])


@pytest.mark.parametrize("shift", [-2.0, -0.5, -0.125, 0, 0.3, 0.5, 1, 3.7])
@pytest.mark.parametrize("n_frames", [60, 61])
def test_shift_delays_a_band_limited_waveform(shift, n_frames):
    time = np.arange(n_frames)
    waves = np.array([wave(time, 30, 3, 0.4), wave(time, 28, 4, 0.1)])
    expected = np.array(
        [wave(time, 30 + shift, 3, 0.4), wave(time, 28 + shift, 4, 0.1)]
    )
    np.testing.assert_allclose(shift_waveforms(waves, shift), expected, atol=1e-7)


def test_shift_works_on_the_last_axis_of_any_shape():
    waves = family()[:6].reshape(2, 3, 61)
    shifted = shift_waveforms(waves, 0.25)
    np.testing.assert_allclose(shifted[1, 2], shift_waveforms(waves[1, 2], 0.25))
    assert shifted.shape == waves.shape


def test_basis_is_orthonormal_with_troughs_and_falling_energy():
    basis, energy = fit_basis(family(), np.zeros((61, 61)), 6)
    assert basis.dtype == np.float32
    np.testing.assert_allclose(basis @ basis.T, np.eye(6), atol=1e-5)
    extreme = np.abs(basis).argmax(axis=1)
    assert np.all(basis[np.arange(6), extreme] < 0)
    gains = np.diff(energy, prepend=0)
    assert np.all(np.diff(gains) <= 1e-12)
    assert np.all((energy > 0) & (energy <= 1 + 1e-12))


def test_energy_is_what_projection_keeps_at_sub_sample_positions():
    waveforms = family()
    basis, energy = fit_basis(waveforms, np.zeros((61, 61)), 5)
    shifts = np.arange(-4, 4) / 8
    shifted = np.array(
        [
            wave(TIME, 30 + shift, width, angle)
            for shift in shifts
            for width, angle in zip(WIDTHS, ANGLES, strict=True)
        ]
    )
    total = (shifted**2).sum()
    for n_components in range(1, 6):
        kept = ((shifted @ basis[:n_components].T.astype("f8")) ** 2).sum() / total
        assert energy[n_components - 1] == pytest.approx(kept, abs=1e-5)


def test_basis_reaches_positions_that_it_was_not_fitted_to():
    basis, _ = fit_basis(family(), np.zeros((61, 61)), 8)
    between = np.array([wave(TIME, 30.3, w, 0.2) for w in (2.2, 3.3, 4.4)])
    residue = between - between @ basis.T.astype("f8") @ basis
    assert (residue**2).sum() / (between**2).sum() < 1e-3


def test_all_components_keep_everything():
    _, energy = fit_basis(family(), np.zeros((61, 61)), 61)
    assert energy[-1] == pytest.approx(1, abs=1e-12)


def test_basis_of_one_sine_is_the_plane_of_sine_and_cosine():
    angle = 2 * np.pi * 4 * TIME / 61
    basis, energy = fit_basis(np.sin(angle)[None], np.zeros((61, 61)), 2)
    assert energy[1] == pytest.approx(1, abs=1e-9)
    plane = np.array([np.sin(angle), np.cos(angle)]) / np.sqrt(61 / 2)
    np.testing.assert_allclose(basis.T @ basis, plane.T @ plane, atol=1e-5)


def test_basis_does_not_depend_on_order_scale_or_polarity():
    waveforms = family()
    basis, energy = fit_basis(waveforms, np.zeros((61, 61)), 4)
    order = np.random.default_rng(0).permutation(20)
    for other in (waveforms[order], 100 * waveforms, -waveforms):
        other_basis, other_energy = fit_basis(other, np.zeros((61, 61)), 4)
        np.testing.assert_allclose(other_basis, basis, atol=1e-4)
        np.testing.assert_allclose(other_energy, energy, atol=1e-9)


def test_noise_covariance_is_taken_out():
    rng = np.random.default_rng(1)
    low = np.linalg.qr(rng.normal(size=(61, 3)))[0].T  # three directions of noise
    amplitudes = rng.normal(10, 1, (5000, 1))
    signal = amplitudes * wave(TIME, 30, 3, 0.1) / 2
    noise = rng.normal(0, 20, (5000, 3)) @ low
    # what sub-sample positions do to that noise
    shifted = [shift_waveforms(low, s) for s in np.arange(-4, 4) / 8]
    covariance = 400 * np.mean([s.T @ s for s in shifted], axis=0)
    with_noise, _ = fit_basis(signal + noise, np.zeros((61, 61)), 1)
    without, _ = fit_basis(signal + noise, covariance, 1)
    shape = wave(TIME, 30, 3, 0.1)
    shape /= np.linalg.norm(shape)
    assert abs(with_noise[0] @ shape) < 0.9
    assert abs(without[0] @ shape) > 0.97


def test_no_waveforms_give_no_energy():
    basis, energy = fit_basis(np.zeros((0, 9)), np.zeros((9, 9)), 3)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-6)
    np.testing.assert_array_equal(energy, 0)


def test_correlations_are_the_sums_that_define_them():
    rng = np.random.default_rng(2)
    basis = rng.normal(size=(3, 7)).astype(np.float32)
    table = correlations(basis)
    assert table.shape == (3, 3, 13)
    for p in range(3):
        for q in range(3):
            for lag in range(-6, 7):
                expected = sum(
                    float(basis[p, t + lag]) * float(basis[q, t])
                    for t in range(7)
                    if 0 <= t + lag < 7
                )
                assert table[p, q, lag + 6] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(table, table.transpose(1, 0, 2)[:, :, ::-1])


def test_correlations_of_an_orthonormal_basis_are_the_identity_at_lag_zero():
    basis, _ = fit_basis(family(), np.zeros((61, 61)), 5)
    np.testing.assert_allclose(correlations(basis)[:, :, 60], np.eye(5), atol=1e-5)


def correlated(traces: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Direct correlation in float64; traces are 0 past the end."""
    if len(traces) == 0:
        return np.zeros((traces.shape[1], len(basis), 0))
    padded = np.pad(traces.astype("f8"), ((0, basis.shape[1] - 1), (0, 0)))
    return np.array(
        [
            [np.correlate(column, row, "valid") for row in basis.astype("f8")]
            for column in padded.T
        ]
    )


def mixed_coefficients(noise_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Templates in a plane of six components, and noise in all of them."""
    rng = np.random.default_rng(8)
    basis, _ = fit_basis(family(), np.zeros((61, 61)), 6)
    plane = np.linalg.qr(rng.normal(size=(6, 2)))[0].T
    coefficients = rng.normal(0, 10, (30, 8, 2)) @ plane
    coefficients += rng.normal(0, noise_sd, coefficients.shape)
    coefficients[:, 5:] = 0
    return basis, coefficients.astype(np.float32)


def test_reduced_basis_keeps_the_templates():
    basis, coefficients = mixed_coefficients(0.0)
    templates = coefficients @ basis
    for least in (1, 2):
        other, reduced = reduce_basis(basis, coefficients, np.zeros(30), 0.999, least)
        assert other.shape == (2, 61)
        np.testing.assert_allclose(other @ other.T, np.eye(2), atol=1e-5)
        np.testing.assert_allclose(reduced @ other, templates, atol=1e-3)
    assert np.all(reduced[:, 5:] == 0)


def test_reduced_basis_leaves_known_noise_out():
    basis, coefficients = mixed_coefficients(2.0)
    counted, _ = reduce_basis(basis, coefficients, np.zeros(30), 0.99, 1)
    known, _ = reduce_basis(basis, coefficients, np.full(30, 4.0), 0.99, 1)
    assert len(counted) > len(known) == 2


def test_reduced_basis_of_nothing_keeps_the_least():
    basis, coefficients = mixed_coefficients(1.0)
    other, reduced = reduce_basis(basis, coefficients[:0], np.zeros(0), 0.9, 3)
    assert other.shape == (3, 61)
    assert reduced.shape == (0, 8, 3)


def project(traces: np.ndarray, basis: np.ndarray, n: int | None = None) -> np.ndarray:
    """All tiles, in the order of time, side by side."""
    projector = Projector(basis)
    shape = (traces.shape[1], len(basis))
    found = np.zeros((*shape, len(traces) if n is None else n), np.float32)
    for at, tile in projector.tiles(traces, n):
        assert tile.shape == (*shape, projector.tile_size)
        ordered = projector.in_time_order(tile).reshape(tile.shape)
        found[:, :, at] = ordered[:, :, : at.stop - at.start]
    return found


@pytest.mark.parametrize("n_frames", [0, 1, 31, 32, 33, 500, 2048, 2049, 4500])
@pytest.mark.parametrize(("n_components", "width"), [(1, 1), (3, 5), (8, 61)])
@pytest.mark.parametrize("n_channels", [1, 17])
def test_projection_equals_direct_correlation(
    n_frames, n_components, width, n_channels
):
    rng = np.random.default_rng(n_frames)
    traces = rng.normal(0, 5, (n_frames, n_channels)).astype(np.float32)
    basis = rng.normal(0, 1, (n_components, width)).astype(np.float32)
    projected = project(traces, basis)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected, correlated(traces, basis), atol=2e-3)


def test_tiles_are_no_longer_than_traces_that_are_known_to_be_short():
    basis = np.random.default_rng(0).normal(size=(3, 61)).astype(np.float32)
    traces = np.random.default_rng(1).normal(size=(183, 2)).astype(np.float32)
    projector = Projector(basis, n_frames=183)
    assert 183 <= projector.tile_size < 183 + 32
    ((at, tile),) = projector.tiles(traces)
    ordered = projector.in_time_order(tile).reshape(tile.shape)
    expected = correlated(traces, basis)
    np.testing.assert_allclose(ordered[:, :, : at.stop], expected, atol=1e-3)


@pytest.mark.parametrize("n_wanted", [0, 1, 15, 16, 2048, 2500, 3000])
def test_no_more_is_projected_than_wanted(n_wanted):
    rng = np.random.default_rng(7)
    traces = rng.normal(size=(3000, 3)).astype(np.float32)
    basis = rng.normal(size=(4, 21)).astype(np.float32)
    expected = correlated(traces, basis)[:, :, :n_wanted]
    found = project(traces, basis, n_wanted)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_windows_are_projected_as_the_whole_is():
    rng = np.random.default_rng(5)
    traces = rng.normal(size=(200, 6)).astype(np.float32)
    basis = rng.normal(size=(4, 21)).astype(np.float32)
    starts = np.array([0, 50, 179, 180, 190, 199])  # the last ones reach past the end
    channels = rng.integers(0, 6, (6, 3))
    features = project_windows(traces, starts, channels, basis)
    expected = correlated(traces, basis)
    for row, start in enumerate(starts):
        for column, channel in enumerate(channels[row]):
            np.testing.assert_allclose(
                features[row, column], expected[channel, :, start], atol=1e-4
            )
