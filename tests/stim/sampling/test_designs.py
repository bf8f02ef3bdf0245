"""Designs: bounds, seeds, and what they say of wrong values."""

import dataclasses

import numpy as np
import pytest

from circus_io.errors import ParameterError
from stim.sampling.designs import DESIGNS, make_design
from stim.sampling.limits import DriveLimits

COMMON = {
    "rate_hz": 1000,
    "batch_samples": 1000,
    "n_batches": 8,
    "n_electrodes": 3,
    "seed": 5,
}
OWN = {
    "sine": {"random_phase_shift_each": 2},
    "sawtooth": {"phase": [0.1, 0.2, 0.3]},
    "sobol": {"hold_s": 0.009, "rise_s": 0.004},
    "multisine": {"n_harmonics": 20, "periods": 2},
    "chirp": {"start_hz": 1, "stop_hz": 200},
    "staircase": {"n_steps": 20, "hold_s": 0.01, "rise_s": 0.002},
    "recruitment": {
        "n_amplitudes": 5,
        "repeats": 3,
        "phase_s": 0.002,
        "period_s": 0.02,
    },
}
LIMITS = DriveLimits((-1.2, -1.0, -0.3), (0.6, 1.0, 0.1), 1e9)


def design(kind, **changes):
    settings = {"kind": kind, **COMMON, **OWN[kind], **changes}
    return make_design(settings).within(LIMITS)


def test_each_kind_is_tried():
    assert set(OWN) == set(DESIGNS)


@pytest.mark.parametrize("kind", sorted(OWN))
def test_all_batches_are_within_the_limits_and_use_them(kind):
    made = design(kind)
    batches = np.stack([made.batch(index) for index in range(8)])
    assert batches.shape == (8, 1000, 3)
    bounds = made.bounds()
    assert (batches >= bounds[0] - 1e-9).all()
    assert (batches <= bounds[1] + 1e-9).all()
    for values in batches.reshape(-1, 3), bounds:
        LIMITS.check(values, 1000)
    # over all batches each electrode goes through nearly all of its range
    spread = np.ptp(batches.reshape(-1, 3), axis=0)
    assert (spread > 0.9 * (bounds[1] - bounds[0])).all()


@pytest.mark.parametrize("kind", sorted(OWN))
def test_the_same_seed_is_the_same_to_the_bit_in_any_order(kind):
    first, again = design(kind), design(kind)
    order = [5, 0, 7, 3]
    for index in order:
        assert first.batch(index).tobytes() == again.batch(index).tobytes()
    # as after a resume: the later batches alone
    assert design(kind).batch(6).tobytes() == first.batch(6).tobytes()
    assert first.phases(6).tobytes() == again.phases(6).tobytes()


@pytest.mark.parametrize("kind", ["sine", "sobol", "multisine", "recruitment"])
def test_another_seed_is_another_design(kind):
    assert (design(kind).batch(6) != design(kind, seed=6).batch(6)).any()


def test_sines_are_the_documented_ones():
    made = design("sine", random_phase_shift_each=0, phase=[0.3, -1, 2])
    wave = np.concatenate([made.batch(index) for index in range(8)])
    time_s = np.arange(8000) / 1000
    for electrode, prime in enumerate((2, 3, 5)):
        frequency = np.sqrt(prime) * 0.001 * 1000
        low, high = LIMITS.ranges[electrode]
        expected = (high - low) / 2 * np.sin(
            2 * np.pi * frequency * time_s + (0.3, -1, 2)[electrode]
        ) + (high + low) / 2
        np.testing.assert_allclose(wave[:, electrode], expected, atol=1e-12)
        assert made.frequencies_hz()[electrode] == pytest.approx(frequency, rel=1e-15)


def test_sobol_points_are_those_of_scipy_and_fill_the_space():
    from scipy.stats import qmc

    made = design("sobol", batch_samples=832)  # 64 levels
    levels = np.concatenate([made.levels(index) for index in range(8)])
    generator = np.random.default_rng(5)
    expected = qmc.Sobol(3, rng=generator).random(512)
    assert levels.tobytes() == expected.tobytes()
    uniform = np.random.default_rng(0).random((512, 3))
    assert qmc.discrepancy(levels) < qmc.discrepancy(uniform) / 5
    held = made.batch(0)[8::13]
    np.testing.assert_allclose(
        held, made.offset + np.array(made.amplitude) * (2 * levels[:64] - 1), atol=1e-12
    )


def test_multisines_of_electrodes_share_no_frequency():
    made = design("multisine")
    spectra = np.abs(np.fft.rfft(made.batch(3)[:500] - made.offset, axis=0)) > 1e-6
    assert (spectra.sum(axis=1) <= 1).all()
    assert spectra.sum(axis=0).tolist() == [20, 20, 20]
    # two periods of 500 samples
    np.testing.assert_array_equal(made.batch(3)[:500], made.batch(3)[500:])


def test_recruitment_pulses_come_in_random_order_and_balance():
    made = design("recruitment")
    wave = made.batch(4)[:, 1]  # electrode 4 modulo 3
    assert wave.sum() == pytest.approx(0, abs=1e-12)
    firsts = -wave[:300:20]
    assert sorted(np.round(firsts, 12)) == sorted(
        np.round(np.repeat(np.arange(1, 6) / 5, 3), 12)
    )
    assert (np.diff(firsts) < 0).any()
    others = np.delete(made.batch(4), 1, axis=1)
    assert not others.any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "square"}, "choose from sine, sawtooth"),
        ({"kind": "sine", "factory": 1}, "no factory; did you mean factor"),
        ({"kind": "sine", "rate_hz": 0}, "rate_hz = 0: expected a rate above 0"),
        ({"kind": "sine", "n_batches": 2.5}, "n_batches = 2.5: expected a whole"),
        ({"kind": "sine", "phase": [1, 2]}, "expected one number, or 3"),
        ({"kind": "sine", "amplitude": -1}, "amplitude = .* at least 0"),
        ({"kind": "sine", "factor": 0}, "factor = 0"),
        ({"kind": "sobol", "hold_s": 2}, "at most a batch"),
        ({"kind": "chirp", "stop_hz": 500}, "below 500 Hz"),
        ({"kind": "chirp", "scale": "lin"}, "choose from log, linear"),
        ({"kind": "staircase", "n_steps": 3}, "an even number"),
        (
            {"kind": "staircase", "hold_s": 1},
            "batch_samples = 1000: expected at least 41",
        ),
        ({"kind": "recruitment", "period_s": 0.003}, "room for a pulse"),
        ({"kind": "multisine", "n_harmonics": 100}, "below half of the sampling rate"),
        ({"kind": "multisine", "periods": 3}, "a divisor of the 1000"),
        ({"kind": "sine", "batch_s": 1}, "batch_s and batch_samples"),
    ],
)
def test_what_is_wrong_is_named(settings, words):
    given = {**COMMON, **OWN.get(settings["kind"], {}), **settings}
    with pytest.raises(ParameterError, match=words):
        make_design(given)


def test_what_is_absent_is_named():
    with pytest.raises(ParameterError, match="n_batches"):
        make_design({"kind": "sine", "rate_hz": 10, "batch_s": 1, "n_electrodes": 1})
    with pytest.raises(ParameterError, match="no amplitude or offset"):
        make_design({"kind": "sine", **COMMON}).batch(0)
    with pytest.raises(IndexError, match="0 to 7"):
        design("sine").batch(8)
    with pytest.raises(ParameterError, match="n_electrodes = 2: expected 3"):
        make_design({"kind": "sine", **COMMON, "n_electrodes": 2}).within(LIMITS)


def test_a_design_goes_through_json_and_back():
    for kind in OWN:
        made = design(kind)
        again = make_design(made.to_dict())
        assert again == made
        assert dataclasses.asdict(again) == dataclasses.asdict(made)
