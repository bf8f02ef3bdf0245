"""What limits allow, and that nothing goes on that they have not seen."""

import copy
import dataclasses
import math
import pickle

import pytest

from circus_io.errors import SafetyError
from stim import CheckedProgram, SafetyLimits, Scale, Train, Waveform
from stim.charge_density import density_uc_per_cm2, shannon_k

SCALE = Scale(2000, 14, 16_000_000)  # 2 µA
VOLTS = Scale(1000, 14, 8_000_000, "uV")
# 100 µA × 200 µs, twice: 20 nC each
PULSE = Waveform.of([(100_000, 200), (-100_000, 200), (0, 9600)])
LIMITS = SafetyLimits(200_000, 500, 10_000, unit="nA")


def limits(**more):
    return dataclasses.replace(LIMITS, **more)


def program(runs=None, scale=SCALE):
    waveform = PULSE if runs is None else Waveform.of(runs, scale.unit)
    return scale.quantize(waveform)


def problems(settings, runs=None, **played):
    return "; ".join(limits(**settings).problems(program(runs), **played))


def test_what_is_allowed_is_checked_and_carried_on():
    checked = LIMITS.check_program(program(), period_us=20_000, repeats=5)
    assert isinstance(checked, CheckedProgram)
    assert checked.program == program()
    assert (checked.period_us, checked.repeats) == (20_000, 5)
    assert checked.limits is LIMITS
    assert LIMITS.check_program(program()).period_us == 10_000


def test_nothing_else_makes_a_checked_program():
    checked = LIMITS.check_program(program())
    too_much = program([(10_000_000, 200), (-10_000_000, 200)])
    with pytest.raises(SafetyError, match="comes from SafetyLimits"):
        CheckedProgram(too_much, LIMITS, 1000, 1)
    with pytest.raises((SafetyError, ValueError, TypeError)):
        dataclasses.replace(checked, program=too_much)
    with pytest.raises(dataclasses.FrozenInstanceError):
        checked.program = too_much
    for make in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(SafetyError, match="stays in its process"):
            make(checked)
    with pytest.raises(ValueError, match="read-only"):
        checked.program.counts[0] = 8000


@pytest.mark.parametrize(
    ("settings", "runs", "played", "words"),
    [
        ({}, [(202_000, 200), (-202_000, 200)], {}, "amplitude of 202000 nA.* 200000"),
        # 201.1 µA would leave as 202 µA
        ({"max_amplitude": 201_200}, [(201_100, 20), (-201_100, 20)], {}, "202000 nA"),
        ({}, [(2000, 520), (-2000, 520)], {}, "phase of 520 µs .* limit of 500 µs"),
        ({}, [(2000, 300), (0, 20), (2000, 300), (-4000, 300)], {}, "phase of 600 µs"),
        ({}, None, {"repeats": 2, "period_us": 9000}, "does not fit into a period"),
        ({"min_period_us": 20_000}, None, {"repeats": 2}, "period of 10000 µs"),
        ({"min_period_us": 20_000}, None, {"repeats": None}, "period of 10000 µs"),
        ({}, None, {"repeats": 0}, "for ever.* allow_endless"),
        ({}, None, {"repeats": -1}, "repeats = -1"),
        ({"max_phase_charge_fc": 19_999_999}, None, {}, "phase of 20 nC"),
        ({}, [(2000, 220), (-2000, 200)], {}, "leaves a charge: 1 steps .* 0.04 nC"),
        (
            {"max_net_charge_fc": 39_999},
            [(2000, 220), (-2000, 200)],
            {},
            "0.04 nC; the limit is 0.039999 nC",
        ),
        (
            {"max_net_charge_fc": 40_000},
            [(2000, 220), (-2000, 200), (0, 9580)],
            {"repeats": 2},
            "needs a max_running_charge_fc in the limits",
        ),
        (
            {
                "max_net_charge_fc": 40_000,
                "max_running_charge_fc": 10**9,
                "allow_endless": True,
            },
            [(2000, 220), (-2000, 200), (0, 9580)],
            {"repeats": 0},
            "leaves a charge, and is repeated for ever",
        ),
        # 0.44 at most within a pulse, and 0.04 more after each
        (
            {"max_net_charge_fc": 40_000, "max_running_charge_fc": 799_999},
            [(2000, 220), (-2000, 200), (0, 9580)],
            {"repeats": 10},
            "adds up to 0.8 nC, beyond the limit of 0.799999 nC",
        ),
        ({"max_on_time_s": 0.01}, None, {"repeats": 26}, "output for 0.0104 s"),
        (
            {"max_net_charge_fc": 40_000, "max_running_charge_fc": 10**9},
            [(2000, 20), (0, 9980)],
            {"repeats": None},
            "a phase without an end.* give a number of repeats",
        ),
        (
            {"max_on_time_s": 10, "allow_endless": True},
            None,
            {"repeats": 0},
            "has no end",
        ),
        (
            {"electrode_area_um2": 1000.0, "max_charge_density_uc_per_cm2": 1999.0},
            None,
            {},
            "phase of 2000 µC/cm² on 1000 µm²",
        ),
        ({"electrode_area_um2": 1e6, "shannon_k": -1.5}, None, {}, "k = -1.398"),
    ],
)
def test_what_is_beyond_the_limits(settings, runs, played, words):
    with pytest.raises(SafetyError, match=words):
        limits(**settings).check_program(program(runs), **played)


@pytest.mark.parametrize(
    ("settings", "runs", "played"),
    [
        ({}, [(200_000, 500), (-200_000, 500)], {}),
        ({"max_phase_charge_fc": 20_000_000}, None, {}),
        ({"max_running_charge_fc": 20_000_000}, None, {"repeats": None}),
        ({"max_net_charge_fc": 40_000}, [(2000, 220), (-2000, 200)], {}),
        (
            {"max_net_charge_fc": 40_000, "max_running_charge_fc": 800_000},
            [(2000, 220), (-2000, 200), (0, 9580)],
            {"repeats": 10},
        ),
        ({"max_on_time_s": 0.01}, None, {"repeats": 25}),
        ({"max_on_time_s": 0.01}, None, {"repeats": None}),  # counted by a Dose
        ({"allow_endless": True}, None, {"repeats": 0}),
        (
            {"electrode_area_um2": 1000.0, "max_charge_density_uc_per_cm2": 2000.0},
            None,
            {},
        ),
        ({"electrode_area_um2": 1e6, "shannon_k": -1.39}, None, {}),
        ({}, [(0, 10**9)], {"repeats": 0}),  # silence may last
    ],
)
def test_what_is_just_within_them(settings, runs, played):
    assert problems(settings, runs, **played) == ""


def test_all_problems_are_told_at_once():
    found = problems({}, [(202_000, 520), (-202_000, 500)], repeats=0)
    for words in ("amplitude of", "phase of 520", "leaves a charge", "for ever"):
        assert words in found


def test_a_train_in_one_program_is_held_to_the_rate():
    train = Train(Waveform.of([(2000, 200), (-2000, 200)]), 5000, 3)
    with pytest.raises(SafetyError, match="period of 5000 µs is below"):
        LIMITS.check_program(SCALE.quantize(train.waveform))


def test_rounding_does_not_carry_a_pulse_over_its_limit():
    """Checked as asked for, 99.7 mV would be let through, and leave as 99.925 mV."""
    meame = Scale(571, 16, 12_000_000, "uV")
    bounds = SafetyLimits(100_000, 500, 10_000)
    asked_for = Waveform.of([(100_000, 200), (-100_000, 200)], "uV")
    assert asked_for.largest <= bounds.max_amplitude
    assert meame.quantize(asked_for).amplitudes.max() == 99_925
    bounds.check_program(meame.quantize(asked_for))
    asked_for = Waveform.of([(99_700, 200), (-99_700, 200)], "uV")
    with pytest.raises(SafetyError, match="99925 uV, in steps of 571 uV"):
        dataclasses.replace(bounds, max_amplitude=99_800).check_program(
            meame.quantize(asked_for)
        )


def test_units_are_not_mixed_up():
    volts = program([(1000, 20), (-1000, 20)], VOLTS)
    with pytest.raises(SafetyError, match="in uV for a device that is limited in nA"):
        LIMITS.check_program(volts)
    with pytest.raises(SafetyError, match="in uV for a device that is limited in nA"):
        LIMITS.largest_counts(VOLTS)


def test_voltages_need_an_impedance_where_charge_is_limited():
    for name in ("max_phase_charge_fc", "max_net_charge_fc", "max_running_charge_fc"):
        with pytest.raises(SafetyError, match="give min_impedance_ohm"):
            SafetyLimits(1000, 20, 20, unit="uV", **{name: 1})
    with pytest.raises(SafetyError, match="give min_impedance_ohm"):
        SafetyLimits(
            1000,
            20,
            20,
            electrode_area_um2=1.0,
            max_charge_density_uc_per_cm2=1.0,
        )
    # 100 mV over 10 kΩ are 10 µA; in 200 µs, 2 nC
    bounds = SafetyLimits(
        200_000, 500, 500, max_phase_charge_fc=1_999_999, min_impedance_ohm=10_000
    )
    runs = [(100_000, 200), (-100_000, 200)]
    with pytest.raises(SafetyError, match="phase of 2 nC"):
        bounds.check_program(program(runs, VOLTS))
    dataclasses.replace(bounds, max_phase_charge_fc=2_000_000).check_program(
        program(runs, VOLTS)
    )


def test_a_voltage_is_balanced_without_an_impedance():
    bounds = SafetyLimits(200_000, 500, 500)
    bounds.check_program(program([(100_000, 200), (-50_000, 400)], VOLTS))
    with pytest.raises(SafetyError, match="leaves a charge: 100 steps"):
        bounds.check_program(program([(100_000, 200), (-100_000, 220)], VOLTS))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_amplitude": 0}, "max_amplitude = 0: expected above 0"),
        ({"max_on_time_s": math.nan}, "max_on_time_s = nan"),
        ({"max_net_charge_fc": -1}, "expected 0 or above"),
        ({"unit": "mA"}, "choose from uV, nA"),
        ({"shannon_k": 1.5}, "need electrode_area_um2"),
        ({"shannon_k": math.inf}, "shannon_k = inf"),
        ({"max_charge_density_uc_per_cm2": 30.0}, "need electrode_area_um2"),
    ],
)
def test_limits_that_cannot_be(settings, words):
    with pytest.raises(SafetyError, match=words):
        limits(**settings)


def test_the_most_counts_for_a_look_at_every_word():
    assert LIMITS.largest_counts(SCALE) == 100
    assert limits(max_amplitude=201_999).largest_counts(SCALE) == 100
    assert limits(max_amplitude=10**9).largest_counts(SCALE) == 8000


def test_density_and_shannon_of_the_published_example():
    """1 µC per phase on 0.01 cm² is 100 µC/cm²; log 100 + log 1 = 2."""
    area_um2 = 0.01 * 1e8
    assert density_uc_per_cm2(1e9, area_um2) == pytest.approx(100)
    assert shannon_k(1e9, area_um2) == pytest.approx(2)
    assert shannon_k(0, area_um2) == -math.inf
