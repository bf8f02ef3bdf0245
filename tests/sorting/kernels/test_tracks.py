"""Templates that follow the displacement."""

import numpy as np
import pytest

from sorting.kernels.tracks import hat_weights, solve_tracks, track_support

KNOTS = np.array([-10.0, -5.0, 0.0, 5.0, 10.0])


def test_weights_interpolate_and_stay_within_the_knots():
    values = 3 * KNOTS + 1
    at = np.array([-10.0, -6.0, 0.0, 7.5, 10.0])
    np.testing.assert_allclose(hat_weights(at, KNOTS) @ values, 3 * at + 1)
    np.testing.assert_allclose(
        hat_weights(np.array([-30.0, 12.0]), KNOTS)[:, 0], [1, 0]
    )


def drifting_template():
    random = np.random.default_rng(0)
    start, slope = random.normal(0, 5, (2, 6, 4))
    return start, slope / 20


def spikes_at(displacement, noise_sd):
    """Sums that a step would make of spikes of a template linear in displacement."""
    start, slope = drifting_template()
    random = np.random.default_rng(1)
    clean = start + displacement[:, None, None] * slope
    spikes = clean + noise_sd * random.normal(size=clean.shape)
    hats = hat_weights(displacement, KNOTS)
    return np.einsum("nj,ncp->jcp", hats, spikes)[None], (hats.T @ hats)[None]


def truth():
    start, slope = drifting_template()
    return (start + KNOTS[:, None, None] * slope)[None]


def test_without_spikes_the_expected_template_stays():
    sums, weights = np.zeros((1, 5, 6, 4)), np.zeros((1, 5, 5))
    found = solve_tracks(sums, weights, truth(), KNOTS)
    np.testing.assert_allclose(found, truth())


def test_many_spikes_correct_what_was_expected():
    displacement = np.random.default_rng(2).uniform(-10, 10, 4000)
    found = solve_tracks(*spikes_at(displacement, 1.0), 0.8 * truth(), KNOTS)
    np.testing.assert_allclose(found, truth(), atol=0.25)


def test_displacements_that_were_never_seen_follow_their_neighbours():
    """An expected template that is too large by a fifth is so at the next knot too."""
    displacement = np.random.default_rng(3).uniform(-10, 5, 4000)
    found = solve_tracks(*spikes_at(displacement, 1.0), 1.2 * truth(), KNOTS)
    wrong, corrected = (
        np.abs(x - truth())[0, -1].mean() for x in (1.2 * truth(), found)
    )
    assert corrected < 0.8 * wrong


@pytest.mark.parametrize(("size", "kept"), [(0.3, False), (0.4, True)])
def test_support_needs_a_peak(size, kept):
    basis = np.eye(2, 5)
    tracks = np.zeros((1, 1, 3, 2))
    tracks[0, 0, 1] = (0.0, -size)
    support = track_support(tracks, basis, 0.35)
    assert support.tolist() == [[[[False], [kept], [False]]]]
