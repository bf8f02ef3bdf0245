"""Units that are seen at some displacements only."""

import numpy as np

from sorting.kernels.occupancy import (
    N_PLACES,
    displacement_classes,
    shared_occupancy,
)


def test_classes_last_equally_long():
    displacement = np.random.default_rng(0).normal(0, 10, 800)
    classes = displacement_classes(displacement)
    np.testing.assert_allclose(np.bincount(classes), 800 / N_PLACES, atol=1)
    assert displacement[classes == 0].max() < displacement[classes == 1].min()


def test_parts_of_a_neuron_take_turns_and_neurons_do_not():
    counts = np.array(
        [[30, 30, 0, 0], [0, 0, 10, 10], [25, 25, 25, 25], [1, 1, 1, 1], [0, 0, 0, 0]]
    )
    first, second = np.array([0, 0, 2, 0]), np.array([1, 2, 3, 4])
    shared = shared_occupancy(counts, first, second)
    np.testing.assert_allclose(shared, [0, 0.5, 1, 0])
