"""Waves against their closed forms, in exact arithmetic where floats would blur."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy import signal

from stim.sampling import waves

getcontext().prec = 60
TAU = Decimal("6.28318530717958647692528676655900576839433879875021164194989")


def exact_turns(frequency, factor, sample):
    """Turns modulo one, of the true square root, to 40 digits and more."""
    return (Decimal(frequency).sqrt() * Decimal(factor) * Decimal(int(sample))) % 1


# the record of 3880 batches of 1 s at 10 kHz has 38.8 million samples
SAMPLES = [0, 1, 2, 99, 1000, 387_999, 38_799_999, 2**27 - 1]


@pytest.mark.parametrize("frequency", ["2", "3", "13", "19", "0.5"])
@pytest.mark.parametrize("factor", ["0.001", "0.0173"])
def test_sines_equal_the_closed_form_however_late(frequency, factor):
    phase = 1.234
    got = waves.sine(
        waves.turns(float(frequency), float(factor), np.array(SAMPLES)), phase
    )
    for sample, value in zip(SAMPLES, got, strict=True):
        angle = exact_turns(frequency, factor, sample) * TAU + Decimal(phase)
        assert abs(value - math.sin(float(angle % TAU))) < 1e-13


def test_triangles_equal_the_closed_form_however_late():
    got = waves.triangle(waves.turns(7, 0.001, np.array(SAMPLES)), 0.4)
    for sample, value in zip(SAMPLES, got, strict=True):
        turn = (exact_turns("7", "0.001", sample) + Decimal("0.4") / TAU) % 1
        # 0 upwards at the start, 1 after a quarter, -1 after three
        if turn < Decimal("0.25"):
            expected = 4 * turn
        elif turn < Decimal("0.75"):
            expected = 2 - 4 * turn
        else:
            expected = 4 * turn - 4
        assert abs(value - float(expected)) < 1e-13


def test_triangles_are_those_of_scipy():
    at = np.linspace(0, 3, 1001)
    expected = signal.sawtooth(2 * np.pi * at + 0.3 + np.pi / 2, width=0.5)
    np.testing.assert_allclose(waves.triangle(at, 0.3), expected, atol=1e-12)


def test_multisines_are_sums_of_their_harmonics():
    harmonics, phases = np.array([1, 4, 7]), np.array([0.3, 1.0, 2.0])
    got = waves.multisine(harmonics, phases, 100, np.arange(250))
    time = np.arange(100) / 100
    whole = sum(
        np.sin(2 * np.pi * h * time + p) for h, p in zip(harmonics, phases, strict=True)
    )
    expected = np.tile(whole / np.abs(whole).max(), 3)[:250]
    np.testing.assert_allclose(got, expected, atol=1e-12)
    spectrum = np.abs(np.fft.rfft(got[:100]))
    assert set(np.flatnonzero(spectrum > 1e-9)) == {1, 4, 7}


@pytest.mark.parametrize(
    ("is_log", "method"), [(True, "logarithmic"), (False, "linear")]
)
def test_chirps_are_those_of_scipy(is_log, method):
    got = waves.chirp(3.0, 300.0, 5000, 10_000.0, is_log=is_log)
    time_s = np.arange(5000) / 10_000
    # scipy starts with a cosine
    expected = signal.chirp(time_s, 3.0, 0.5, 300.0, method=method, phi=-90)
    np.testing.assert_allclose(got, expected, atol=1e-11)


def test_a_chirp_of_one_frequency_is_a_sine():
    got = waves.chirp(5.0, 5.0, 100, 100.0, is_log=True)
    np.testing.assert_allclose(
        got, np.sin(2 * np.pi * 5 * np.arange(100) / 100), atol=1e-12
    )


def test_levels_are_held_and_joined():
    levels = np.array([[1.0, -1.0], [4.0, 2.0]])
    got = waves.held_levels(levels, n_hold=2, n_rise=2)
    assert got[:, 0].tolist() == [1, 1, 1, 1, 2, 3, 4, 4]
    np.testing.assert_allclose(got[:, 1], [-1, -1, -1, -1, 0, 1, 2, 2])


def test_staircases_pass_each_level_on_both_ways():
    down = waves.staircase(-1.0, 1.0, 4, up_first=False)
    assert down.tolist() == [0, -0.5, -1, -0.5, 0, 0.5, 1, 0.5, 0]
    assert waves.staircase(-1.0, 1.0, 4, up_first=True).tolist() == (-down).tolist()
    assert waves.staircase(-1.0, 1.0, 2, up_first=True).tolist() == [0, 1, 0, -1, 0]


def test_pulses_sum_up_to_nothing():
    amplitudes = np.array([0.1, 0.7, 0.3])
    got = waves.biphasic_train(amplitudes, n_phase=3, n_gap=1, n_period=10)
    one = np.array([1, 1, 1, 0, -1, -1, -1, 0, 0, 0.0])
    assert got.tolist() == np.concatenate([a * one for a in amplitudes]).tolist()
    assert [got[start : start + 10].sum() for start in (0, 10, 20)] == [0, 0, 0]
