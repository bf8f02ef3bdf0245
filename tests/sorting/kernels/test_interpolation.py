"""A band-limited signal is known between its samples."""

import numpy as np
import pytest

from sorting.kernels.interpolation import (
    fractional_taps,
    parabola_vertex,
    read_between,
)


def wave(time):
    """A pulse with no energy above a third of the Nyquist frequency."""
    return np.exp(-0.5 * ((time - 40) / 4.0) ** 2)


@pytest.mark.parametrize("delta", [-1.75, -0.5, -0.1, 0.0, 0.25, 0.5, 0.9, 3.3])
def test_values_between_samples_are_those_of_the_signal(delta):
    row = wave(np.arange(80.0))
    for frame in (30, 38, 40, 45):
        assert read_between(row, frame, delta) == pytest.approx(
            wave(frame + delta), abs=2e-3
        )


def test_whole_shifts_read_samples_exactly():
    row = np.random.default_rng(0).normal(size=30)
    for delta in (-3.0, 0.0, 2.0):
        assert read_between(row, 12, delta) == pytest.approx(row[12 + int(delta)])


def test_sequences_are_zero_outside():
    assert read_between(np.ones(5), 100, 0.3) == 0
    assert read_between(np.ones(5), -50, 0.3) == 0


@pytest.mark.parametrize("delta", [-2.6, -0.3, 0.0, 0.5, 1.2])
def test_taps_add_up_to_one(delta):
    whole, taps = fractional_taps(delta)
    assert whole == np.floor(delta)
    assert taps.sum() == pytest.approx(1)


@pytest.mark.parametrize("vertex", [-0.4, 0.0, 0.3, 0.5])
def test_vertex_of_a_parabola_is_exact(vertex):
    values = [7 - 2 * (x - vertex) ** 2 for x in (-1, 0, 1)]
    assert parabola_vertex(*values) == pytest.approx(vertex)


def test_vertex_stays_within_half_a_frame_and_off_valleys():
    assert parabola_vertex(0.0, 1.0, 1.9) == 0.5
    assert parabola_vertex(2.0, 1.0, 2.0) == 0.0
    assert parabola_vertex(1.0, 1.0, 1.0) == 0.0
