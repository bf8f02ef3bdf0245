"""Accounts of charge and time, against sums over every single sample."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stim import Dose, Program, Scale
from stim.dose import Account

QUICK = settings(max_examples=100, deadline=None, derandomize=True)

SCALE = Scale(1000, 14, 8_000_000)
RUNS = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(1, 4)), min_size=1, max_size=8
).filter(lambda runs: any(counts for counts, _ in runs))


def program_of(runs):
    counts, ticks = zip(*runs, strict=True)
    return Program(counts, ticks, SCALE)


def played(runs, period, repeats):
    """Return the samples of some repetitions, with pauses in between."""
    once = [counts for counts, ticks in runs for _ in range(ticks)]
    return (once + [0] * (period - len(once))) * repeats


def phases_by_hand(samples):
    """Return charge and ticks of each stretch of one sign, cut where none is left."""
    phases, running, sign = [], 0, 0
    for sample in samples:
        if not sample:
            continue
        if running == 0 or np.sign(sample) != sign:
            phases.append([0, 0])
        sign = np.sign(sample)
        phases[-1][0] += abs(sample)
        phases[-1][1] += 1
        running += sample
        # within a run the charge may pass 0, which is no moment without any
    return phases


@QUICK
@given(RUNS, st.integers(1, 5), st.integers(0, 9))
def test_sums_are_those_over_all_samples(runs, repeats, pause):
    program = program_of(runs)
    period = program.n_ticks + pause
    samples = np.array(played(runs, period, repeats))
    account = Account.of(program, repeats, period)
    assert account.largest_counts == np.abs(samples).max()
    assert account.on_ticks == np.count_nonzero(samples)
    assert account.pulse_charge * repeats == abs(samples.sum())
    assert account.running_charge == np.abs(samples.cumsum()).max()


@QUICK
@given(RUNS)
def test_phases_are_those_of_the_samples(runs):
    program = program_of(runs)
    samples = played(runs, program.n_ticks, 1)
    # a run that passes 0 is one phase; by samples it would be two
    running = np.cumsum(program.counts * program.ticks)
    before = running - program.counts * program.ticks
    if np.any(before * running < 0):
        return
    phases = phases_by_hand(samples)
    account = Account.of(program, 1, program.n_ticks)
    assert account.phase_charge == max(charge for charge, _ in phases)
    assert account.phase_ticks == max(ticks for _, ticks in phases)


def account_of(runs, repeats=1, period=None):
    program = program_of(runs)
    return Account.of(program, repeats, period or program.n_ticks)


def test_parts_of_one_sign_count_together_until_charge_is_back():
    assert account_of([(2, 3), (0, 9), (2, 3), (-4, 3)]).phase_charge == 12
    assert account_of([(2, 3), (-2, 3), (0, 9), (-2, 3), (2, 3)]).phase_charge == 6
    # the same, but something is left before the pause
    assert account_of([(2, 3), (-1, 3), (0, 9), (-2, 3), (2, 3)]).phase_charge == 9


def test_what_goes_one_way_adds_up_over_repetitions():
    assert account_of([(2, 3), (0, 5)], repeats=7).phase_charge == 42
    assert account_of([(2, 3), (0, 5)], repeats=7).running_charge == 42
    endless = account_of([(2, 3), (0, 5)], repeats=None)
    assert endless.phase_charge is endless.phase_ticks is None
    assert endless.running_charge is endless.on_ticks is None
    # the end of one repetition goes on in the next
    assert account_of([(2, 1), (-1, 1), (2, 1)], repeats=2).phase_charge == 4


def test_what_is_balanced_does_not_add_up():
    endless = account_of([(2, 3), (-3, 2), (0, 5)], repeats=None)
    assert (endless.phase_charge, endless.running_charge) == (6, 6)
    assert endless.on_ticks is None


def test_periods_within_a_program_count():
    pulse = [(2, 3), (0, 2), (-2, 3), (0, 12)]
    assert account_of(pulse).period_ticks is None
    assert account_of(pulse, repeats=2).period_ticks == 20
    assert account_of(pulse, repeats=2, period=50).period_ticks == 50
    train = pulse * 3 + [(0, 100)]
    assert account_of(train).period_ticks == 20
    assert account_of(train, repeats=None).period_ticks == 20
    assert account_of([(0, 7), *pulse, *pulse], repeats=None).period_ticks == 20


def test_pulses_of_one_sign_are_counted_too():
    monophasic = [(2, 3), (0, 12)]
    assert account_of(monophasic * 4).period_ticks == 15
    assert account_of(monophasic, repeats=2).period_ticks == 15
    # what brings charge back, late, is no pulse of its own
    assert account_of([(2, 3), (0, 4), (-2, 2), (0, 9)]).period_ticks is None


def test_silence_does_nothing():
    assert account_of([(0, 5)], repeats=None) == Account(0, 0, 0, 0, 0, None, 0)


@QUICK
@given(st.lists(st.lists(st.integers(-8192, 8191), max_size=30), max_size=6))
def test_a_dose_is_that_of_everything_that_was_posted(blocks):
    dose = Dose(SCALE.shift)
    for block in blocks:
        words = np.array(block, np.int64).astype(np.int16) << SCALE.shift
        before = dict(vars(dose))
        expected = dose.after(words)
        assert vars(dose) == before
        dose.add(words)
        assert vars(dose) == vars(expected)
    counts = np.concatenate([[0], *blocks]).astype(int)
    assert dose.charge == counts.sum()
    assert dose.running_charge == np.abs(counts.cumsum()).max()
    assert dose.on_samples == np.count_nonzero(counts)
    assert dose.n_samples == counts.size - 1


def test_a_dose_does_not_overflow():
    dose = Dose(0)
    words = np.full(100_000, -32768, np.int16)
    for _ in range(3):
        dose.add(words)
    assert dose.charge == -3 * 100_000 * 32768
