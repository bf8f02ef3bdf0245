"""What may be driven, how it comes up and down, and how long things are."""

import math

import numpy as np
import pytest

from circus_io.errors import ParameterError, SafetyError
from stim import SafetyLimits
from stim.sampling.limits import DriveLimits
from stim.sampling.ramps import down_from, ramped
from stim.sampling.timing import convert, count_samples


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"),
    [
        (0.29, 100, 29),  # the product of the floats is 28.999999999999996
        (0.57, 100, 57),
        (1.1, 1000, 1100),
        (0.015, 100, 2),
        (1 / 3, 30, 10),
        (0, 5, 0),
        (1e-5, 50_000, 1),
    ],
)
def test_durations_are_whole_samples(seconds, rate, expected):
    assert count_samples(seconds, rate) == expected


@pytest.mark.parametrize(
    ("seconds", "rate"), [(-1, 1), (1, 0), (math.nan, 1), ("1", 1)]
)
def test_what_is_no_duration(seconds, rate):
    with pytest.raises(ParameterError):
        count_samples(seconds, rate)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 10, 360.0), "1:00:00"),
        ((9, 10, 61.7), "0:01:01"),
        ((10, 10, 5.0), "0:00:00"),
        ((0, 3880, 101.5), "109:23:40"),
    ],
)
def test_the_time_that_is_left(arguments, expected):
    assert convert(*arguments) == expected


def test_ramps_begin_and_end_at_rest_and_repeat_the_edges():
    batch = np.array([[2.0, -1.0], [5.0, 5.0], [4.0, -2.0]])
    wave, is_batch = ramped(batch, 3)
    assert wave[:, 0].tolist() == [0, 1, 2, 2, 5, 4, 4, 2, 0]
    assert wave[:, 1].tolist() == [0, -0.5, -1, -1, 5, -2, -2, -1, 0]
    assert wave[is_batch].tolist() == batch.tolist()
    assert ramped(batch, 0)[0].tolist() == batch.tolist()


def test_the_way_down_is_no_steeper_than_allowed():
    down = down_from(np.array([1.0, -0.25]), 100.0, 2.0)
    assert len(down) == 50
    whole = np.concatenate([[[1.0, -0.25]], down])
    assert np.abs(np.diff(whole, axis=0)).max() * 100 <= 2.0 + 1e-9
    assert down[-1].tolist() == [0, 0]
    assert len(down_from(np.array([1.0]), 100.0, math.inf)) == 10


LIMITS = DriveLimits((-1.0, -0.5), (1.0, 0.2), 100.0)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (0, 1.1, r"electrode 0, sample 2: 1.1 V is beyond .* -1 to 1 V"),
        (1, -0.6, r"electrode 1, sample 2: -0.6 V is beyond"),
        (0, math.nan, "nan V is beyond"),
        (0, -0.9, r"-900 V per second is more than 100 V"),
    ],
)
def test_waves_beyond_the_limits_are_refused(column, value, words):
    wave = np.zeros((5, 2))
    wave[2, column] = value
    with pytest.raises(SafetyError, match=words):
        LIMITS.check(wave, 1000)


def test_steps_from_rest_and_to_rest_count():
    for sample in (0, 4):
        wave = np.zeros((5, 2))
        wave[sample:, 0] = 0.9
        wave[:sample, 0] = np.linspace(0, 0.9, sample, endpoint=False)
        if sample == 0:
            wave[:, 0] = np.linspace(0.9, 0, 5)
        with pytest.raises(SafetyError, match="per second"):
            LIMITS.check(wave, 200)


def test_limits_are_limits():
    for low, high, slew, words in (
        ((0.1,), (1.0,), 1, "with 0, where it rests"),
        ((-1.0,), (math.inf,), 1, "finite"),
        ((-1.0, -1.0), (1.0,), 1, "one of each"),
        ((-1.0,), (1.0,), 0, "max_slew_per_s = 0"),
        ((-1.0,), (1.0,), math.nan, "max_slew_per_s = nan"),
    ):
        with pytest.raises(SafetyError, match=words):
            DriveLimits(low, high, slew)
    with pytest.raises(SafetyError, match="choose from V, A"):
        DriveLimits((-1,), (1,), 1, "mV")
    with pytest.raises(SafetyError, match="low, high"):
        DriveLimits.of([1, 2])


def test_both_limits_hold():
    device = DriveLimits.from_safety(SafetyLimits(800_000, 1000, 1000), 2)
    assert device.ranges.tolist() == [[-0.8, 0.8]] * 2
    both = LIMITS.intersection(device)
    assert both.ranges.tolist() == [[-0.8, 0.8], [-0.5, 0.2]]
    assert both.max_slew_per_s == 100.0
    current = DriveLimits.from_safety(SafetyLimits(5000, 1, 1, unit="nA"), 1)
    assert (current.unit, current.high) == ("A", (pytest.approx(5e-6),))
    with pytest.raises(SafetyError, match="in A"):
        LIMITS.intersection(current)
