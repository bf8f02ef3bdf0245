"""Depths of spikes, from what the channels near the largest one see."""

import numpy as np
import pytest

from sorting.kernels.localisation import locate_depths, spatial_profile

CONTACTS = np.array([(32.0 * (i % 2), 10.0 * i) for i in range(-8, 8)])
CONTACTS = CONTACTS[np.argsort((CONTACTS**2).sum(axis=1), kind="stable")]


def profile_of(places, decay_um):
    """Fields that fall off exponentially, which is not the shape that is fitted."""
    distance = np.linalg.norm(CONTACTS[None] - places[:, None], axis=2)
    return 20 * np.exp(-distance / decay_um)


@pytest.mark.parametrize("decay_um", [20.0, 30.0])
def test_depths_are_found_between_contacts(decay_um):
    depths = np.linspace(-12, 12, 25)
    places = np.column_stack([np.full(25, 9.0), depths])
    found, _ = locate_depths(profile_of(places, decay_um), CONTACTS)
    np.testing.assert_allclose(found, depths, atol=4.0)
    assert abs(np.polyfit(depths, found, 1)[0] - 1) < 0.15


def test_size_is_the_norm_of_a_bell():
    bell = 7 * np.exp(-0.5 * (CONTACTS**2).sum(axis=1) / 18**2)
    depths, sizes = locate_depths(bell[None], CONTACTS)
    np.testing.assert_allclose(depths, 0, atol=0.5)
    np.testing.assert_allclose(sizes, np.linalg.norm(bell), rtol=1e-6)


def test_channels_that_are_not_there_do_not_count():
    places = np.array([[5.0, 4.0]])
    profile = np.pad(profile_of(places, 25.0), ((0, 0), (0, 3)))
    positions = np.concatenate([CONTACTS, np.full((3, 2), np.inf)])
    found = locate_depths(profile, positions)
    for one, other in zip(found, locate_depths(profile[:, :-3], CONTACTS), strict=True):
        np.testing.assert_allclose(one, other)


def test_the_profile_follows_the_waveform_of_the_peak():
    shape = np.array([3.0, -4.0, 0.0])
    features = np.array([1.0, 0.5, -0.2])[:, None] * shape
    np.testing.assert_allclose(spatial_profile(features[None]), [[5.0, 2.5, -1.0]])


def test_no_spikes_have_no_depths():
    depths, sizes = locate_depths(np.zeros((0, len(CONTACTS))), CONTACTS)
    assert depths.shape == sizes.shape == (0,)
