import numpy as np
import pytest

from sorting.kernels.saturation import all_within, near_saturation

LIMITS = np.array([100.0, 200.0], np.float32)


def test_nothing_is_marked_within_the_limits():
    traces = np.full((50, 2), 99.0, np.float32)
    assert near_saturation(traces, LIMITS, 3) is None
    assert near_saturation(traces, None, 3) is None
    assert near_saturation(traces[:0], LIMITS, 3) is None


def test_either_sign_is_marked_with_its_surroundings():
    traces = np.zeros((50, 2), np.float32)
    traces[10, 0], traces[30:32, 0], traces[48, 1] = 100, -150, 201
    marked = near_saturation(traces, LIMITS, 3)
    expected = np.zeros((50, 2), bool)
    for rows, channel in (((7, 14), 0), ((27, 35), 0), ((45, 50), 1)):
        expected[slice(*rows), channel] = True
    np.testing.assert_array_equal(marked, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 200, -200])
def test_one_sample_that_is_no_number_or_too_large_is_noticed(bad):
    traces = np.full((50, 2), 99.0, np.float32)
    assert all_within(traces, LIMITS)
    traces[31, 1] = bad
    assert not all_within(traces, LIMITS)
    infinite = np.full(2, np.inf, np.float32)
    assert all_within(traces, infinite) == np.isfinite(bad)
