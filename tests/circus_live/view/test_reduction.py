"""Columns of pictures, against loops over plain numbers."""

import numpy as np
import pytest

from circus_live.view.reduction import (
    crossings,
    extremes,
    mean_square,
    merge,
    noise_levels,
    polylines,
)


@pytest.fixture
def traces():
    return np.random.default_rng(4).normal(0, 10, (60, 3)).astype(np.float32)


def test_a_column_has_the_lowest_and_the_highest_value(traces):
    low, high = extremes(traces, 12)
    for column in range(5):
        for channel in range(3):
            values = traces[12 * column : 12 * column + 12, channel].tolist()
            assert low[column, channel] == min(values)
            assert high[column, channel] == max(values)
    assert low.shape == high.shape == (5, 3)


def test_no_value_is_so_short_that_it_is_not_seen():
    traces = np.zeros((1000, 1), np.float32)
    traces[777] = -80
    low, high = extremes(traces, 100)
    assert low[:, 0].tolist() == [0, 0, 0, 0, 0, 0, 0, -80, 0, 0]
    assert not high.any()


def test_the_mean_square_is_that_of_numpy(traces):
    expected = np.stack([np.mean(part**2, axis=0) for part in np.split(traces, 5)])
    np.testing.assert_allclose(mean_square(traces, 12), expected, rtol=1e-5)


def test_a_crossing_is_counted_where_a_trace_goes_below():
    trace = np.array([0, -6, -7, 0, -6, 0, 0, -9, -9, -9, -4, -5], np.float32)
    counts = crossings(trace[:, None], np.zeros(1), np.array([-5.0]), 4)
    assert counts[:, 0].tolist() == [1, 2, 0]  # frames 1, 4 and 7; -5 is not below -5


def test_a_trace_that_was_below_does_not_cross_again():
    trace = np.full((4, 2), -6, np.float32)
    counts = crossings(trace, np.array([-6.0, 0.0]), np.array([-5.0, -5.0]), 4)
    assert counts.tolist() == [[0, 1]]


def test_crossings_are_those_of_a_loop(traces):
    threshold, before = np.array([-5.0, -10.0, -15.0]), np.array([-9.0, 0.0, -20.0])
    expected = np.zeros((6, 3), int)
    for channel in range(3):
        last = before[channel]
        for frame, value in enumerate(traces[:, channel]):
            expected[frame // 10, channel] += value < threshold[channel] <= last
            last = value
    assert crossings(traces, before, threshold, 10).tolist() == expected.tolist()
    assert expected.sum() > 10


def test_without_a_known_noise_nothing_crosses(traces):
    assert not crossings(traces, traces[0], np.full(3, np.nan), 12).any()


def test_the_noise_is_the_standard_deviation_with_spikes_left_out():
    rng = np.random.default_rng(1)
    traces = rng.normal(3, [5, 20], (50_000, 2))
    traces[::200] -= 500
    np.testing.assert_allclose(noise_levels(traces), [5, 20], rtol=0.03)


@pytest.mark.parametrize("how", [np.minimum, np.maximum, np.add])
def test_columns_merge_into_longer_ones(traces, how):
    expected = [how.reduce(part) for part in np.split(traces, 20)]
    np.testing.assert_array_equal(merge(traces, 3, how), expected)


def test_lines_lie_one_under_another():
    low = np.array([[-10, -20, -30], [-1, -2, -3]], np.float32)
    lines = polylines(low, -low, row_uv=10)
    assert lines.dtype == np.float32
    np.testing.assert_allclose(
        lines,
        [
            [2 - 1, 2 + 1, 2 - 0.1, 2 + 0.1],
            [1 - 2, 1 + 2, 1 - 0.2, 1 + 0.2],
            [0 - 3, 0 + 3, 0 - 0.3, 0 + 0.3],
        ],
        rtol=1e-6,
    )


def test_a_gap_is_a_gap_of_the_line():
    lines = polylines(np.array([[0.0], [np.nan]]), np.array([[1.0], [np.nan]]), 1)
    assert np.isnan(lines).tolist() == [[False, False, True, True]]
