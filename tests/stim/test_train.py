"""Trains: the same thing again and again."""

import numpy as np
import pytest

from circus_io.errors import SafetyError
from stim import Pulse, SafetyLimits, Scale, Train, Waveform

PULSE = Pulse.biphasic(10_000, 200, "nA")


def test_a_train_is_its_pulse_at_a_period():
    train = Train(PULSE, 10_000, 7)
    samples = train.waveform.samples()
    once = Waveform.from_pulse(PULSE).samples()
    expected = np.zeros((7, 500), np.int64)
    expected[:, : once.size] = once
    assert np.array_equal(samples, expected.ravel())
    assert train.duration_us == 70_000
    assert train.period.duration_us == 10_000
    assert Train(PULSE, 400, 2).waveform.samples().tolist() == once.tolist() * 2


def test_checked_at_once_and_period_by_period_it_is_the_same():
    scale = Scale(2000, 14, 16_000_000)
    bounds = SafetyLimits(10_000, 200, 10_000, unit="nA", max_on_time_s=0.0028)
    train = Train(PULSE, 10_000, 7)
    bounds.check_program(scale.quantize(train.once), train.period_us, train.repeats)
    bounds.check_program(scale.quantize(train.waveform))
    for period_us, repeats in ((9980, 7), (10_000, 8)):
        train = Train(PULSE, period_us, repeats)
        for given in (
            (scale.quantize(train.once), period_us, repeats),
            (scale.quantize(train.waveform),),
        ):
            with pytest.raises(SafetyError, match="the limit of"):
                bounds.check_program(*given)


@pytest.mark.parametrize(
    ("period_us", "repeats", "words"),
    [
        (399, 2, "no less than the 400 µs"),
        (1000.5, 2, "a whole number"),
        (1000, 0, "repeats = 0: expected 1 or more"),
        (1000, 1.5, "repeats = 1.5"),
    ],
)
def test_what_is_no_train(period_us, repeats, words):
    with pytest.raises(SafetyError, match=words):
        Train(PULSE, period_us, repeats)
