"""The running charge of programs, against the sum over every quarter of a tick."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stim import Program, Scale
from stim.running_charge import RunningCharge

GRID_US = 20
PARTS = 4  # of a tick
SCALE = Scale(1000, 14, 8_000_000)
RUNS = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(1, 4)), min_size=1, max_size=8
)


def program_of(runs):
    counts, ticks = zip(*runs, strict=True)
    return Program(counts, ticks, SCALE)


def sums(program, period, repeats):
    """Return the charge after each part of a tick of all repetitions, from 0 on."""
    once = np.repeat(program.counts, program.ticks * PARTS)
    padded = np.r_[once, np.zeros(period * PARTS - once.size, np.int64)]
    return np.cumsum(np.r_[0, np.tile(padded, repeats)]) / PARTS


@settings(max_examples=300, deadline=None, derandomize=True)
@given(RUNS, st.integers(1, 6), st.integers(0, 9), st.data())
def test_extremes_are_those_of_all_sums(runs, repeats, pause, data):
    program = program_of(runs)
    period = program.n_ticks + pause
    expected = sums(program, period, repeats)
    running = RunningCharge(program)
    assert running.over(repeats) == (expected.min(), expected.max())
    for _ in range(5):
        ends = st.integers(-PARTS, expected.size + 3 * PARTS)
        begin, end = sorted([data.draw(ends), data.draw(ends)])
        part = expected[np.clip(np.arange(begin, end + 1), 0, expected.size - 1)]
        found = running.between(
            begin * GRID_US / PARTS, end * GRID_US / PARTS, period * GRID_US, repeats
        )
        assert found == (part.min(), part.max())


@pytest.mark.parametrize("first", [0, 3, 1_000_000])
def test_what_is_balanced_goes_on_for_ever(first):
    running = RunningCharge(program_of([(2, 3), (-3, 2), (0, 5)]))
    begin_us = first * 200
    assert running.over(0) == (0, 6)
    assert running.between(begin_us, begin_us + 30, 200, 0) == (0, 3)
    assert running.between(begin_us + 100, begin_us + 200, 200, 0) == (0, 0)
    assert running.between(begin_us + 100, math.inf, 200, 9 + first) == (0, 6)


def test_what_leaves_a_charge_adds_up_without_an_end():
    running = RunningCharge(program_of([(2, 3), (-1, 2), (0, 5)]))
    assert running.over(0) == (0, math.inf)
    assert running.between(200 * 1000 + 100, 200 * 1001, 200, 0) == (4004, 4004)
    assert RunningCharge(program_of([(-1, 3)])).over(0) == (-math.inf, 0)
