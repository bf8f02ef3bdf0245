"""What contacts would see at places between them."""

import numpy as np
import pytest

from sorting.kernels.kriging import kriging_weights

STAGGERED = np.array([(32.0 * (i % 2), 10.0 * i) for i in range(40)])


def test_a_contact_predicts_itself():
    weights = kriging_weights(STAGGERED, STAGGERED)
    np.testing.assert_allclose(weights, np.eye(40), atol=0.1)


def test_far_from_all_contacts_nothing_is_seen():
    far = np.array([[16.0, -300.0], [1e6, 200.0]])
    assert not kriging_weights(far, STAGGERED).any()


@pytest.mark.parametrize("shift", [-15.0, -5.0, 3.0, 10.0])
def test_a_smooth_field_is_read_between_contacts(shift):
    centres = np.array([[5.0, 120.0], [28.0, 203.0], [16.0, 250.0]])
    targets = STAGGERED[5:-5] + np.array([0.0, shift])

    def field(places):
        return np.exp(-0.5 * ((places - centres[:, None]) ** 2).sum(axis=2) / 30**2)

    predicted = field(STAGGERED) @ kriging_weights(targets, STAGGERED).T
    np.testing.assert_allclose(predicted, field(targets), atol=0.03)


def test_weights_reach_a_few_contacts_only():
    targets = STAGGERED + np.array([0.0, 7.0])
    used = kriging_weights(targets, STAGGERED) != 0
    distance = np.linalg.norm(targets[:, None] - STAGGERED[None], axis=2)
    assert distance[used].max() < 220
    assert used[distance < 20].all()
