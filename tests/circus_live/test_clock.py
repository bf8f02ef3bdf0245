"""`SampleClock` against clocks that are known: their drift, and how late blocks are."""

import time
import tracemalloc

import numpy as np
import pytest

from circus_io.errors import LiveError
from circus_live.block import Block, BlockFlag
from circus_live.clock import SampleClock
from circus_live.sources.synthetic import SyntheticSource

RATE = 20_000.0
START_S = 123_456.789


def arrivals(generator, duration_s, ppm=35.0, mean_s=5e-4, n_frames=100):
    """Return the ends of blocks, when they are true, and when they are seen (s)."""
    t_stops = np.arange(n_frames, duration_s * RATE, n_frames, dtype=np.int64)
    true_s = START_S + t_stops / (RATE * (1 + ppm * 1e-6))
    return t_stops, true_s, true_s + generator.exponential(mean_s, len(t_stops))


def clock_of(t_stops, seen_s):
    clock = SampleClock(RATE)
    for t_stop, seen in zip(t_stops.tolist(), seen_s.tolist(), strict=True):
        clock.note(t_stop, round(seen * 1e9))
    return clock


@pytest.mark.parametrize("ppm", [-80.0, 0.0, 35.0])
def test_drift_and_jitter_are_told_apart(ppm):
    t_stops, true_s, seen_s = arrivals(np.random.default_rng(1), 60, ppm)
    fit = clock_of(t_stops, seen_s).fit
    assert fit.rate_hz == pytest.approx(RATE * (1 + ppm * 1e-6), rel=2e-7)
    error_s = fit.to_host_s(t_stops) - true_s
    assert np.abs(error_s).max() < 10e-6  # where single blocks are late by 500 µs
    assert fit.residual_s < 10e-6


def test_one_direction_is_the_inverse_of_the_other():
    t_stops, _, seen_s = arrivals(np.random.default_rng(2), 20)
    fit = clock_of(t_stops, seen_s).fit
    samples = np.array([0, 10, 399_990])
    # a float of this size holds 1e-11 s
    assert fit.to_sample(fit.to_host_s(samples)) == pytest.approx(samples, abs=1e-5)


def test_what_is_stated_covers_what_is_true():
    n_covered = 0
    for seed in range(100):
        t_stops, _, seen_s = arrivals(np.random.default_rng(seed), 12)
        fit = clock_of(t_stops, seen_s).fit
        # within what was seen, and ten times as far ahead
        for index in (0, t_stops[-1], 10 * t_stops[-1]):
            ideal_s = START_S + index / (RATE * (1 + 35e-6))
            error_s = abs(fit.to_host_s(index) - ideal_s)
            n_covered += error_s < 2 * fit.uncertainty_s(index)
    assert n_covered > 0.9 * 300


def test_seconds_in_which_all_was_late_do_not_count():
    t_stops, true_s, seen_s = arrivals(np.random.default_rng(3), 60)
    for begin in (10, 25, 40):  # nothing for 2.5 s, then all of it at once
        is_held = (true_s > START_S + begin) & (true_s < START_S + begin + 2.5)
        seen_s[is_held] = START_S + begin + 2.5 + 1e-4
    fit = clock_of(t_stops, seen_s).fit
    assert np.abs(fit.to_host_s(t_stops) - true_s).max() < 20e-6


def test_a_crystal_that_warms_up_is_within_the_uncertainty():
    t_stops, _, seen_s = arrivals(np.random.default_rng(4), 120, ppm=0)
    wander_s = 2e-5 * np.sin(t_stops / t_stops[-1] * 6)  # 20 µs, up and down
    fit = clock_of(t_stops, seen_s + wander_s).fit
    error_s = np.abs(fit.to_host_s(t_stops) - (START_S + t_stops / RATE + wander_s))
    uncertainty_s = fit.uncertainty_s(t_stops)
    assert np.mean(error_s < 2 * uncertainty_s) > 0.95
    assert uncertainty_s.max() < 4 * 2e-5


def test_the_first_seconds_say_how_little_they_know():
    clock = SampleClock(RATE)
    with pytest.raises(LiveError, match="no block has come"):
        _ = clock.fit
    clock.note(100, 1_000_000_000)
    assert clock.fit.uncertainty_s(100) == pytest.approx(0.02)  # it may have been late
    clock.note(200, 1_007_000_000)  # 2 ms late
    assert clock.fit.uncertainty_s(100) == pytest.approx(0.01)
    for number in range(3, 21):
        clock.note(100 * number, 995_000_000 + number * 5_000_000)
    fit = clock.fit
    assert fit.rate_hz == RATE
    assert fit.to_host_s(100) == 1.0
    assert fit.uncertainty_s(100) == pytest.approx(2e-3)
    # an hour ahead, 100 ppm are 0.36 s
    assert fit.uncertainty_s(3600 * RATE) == pytest.approx(0.36, rel=1e-3)


def test_a_new_connection_begins_anew():
    clock = SampleClock(RATE)
    traces = np.zeros((100, 1), "i4")
    clock.note_block(Block(0, traces, 1_000_000_000))
    flags = BlockFlag.RECONNECTED
    clock.note_block(Block(50_000, traces, 9_000_000_000, 49_900, flags))
    assert clock.fit.to_host_s(50_100) == 9.0
    assert clock.fit.n_points == 1


def test_days_take_no_more_memory_than_minutes():
    clock = SampleClock(RATE, most_s=10)
    tracemalloc.start()
    for second in range(20_000):
        clock.note(int(second * RATE), second * 1_000_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clock.fit.n_points == 10
    assert peak < 100_000


def test_the_blocks_of_a_real_source():
    source = SyntheticSource(
        n_channels=2, sampling_rate=10_000, duration_s=1.5, loop_s=0.5, n_units=1
    )
    clock = SampleClock(source.info.sampling_rate)
    for block in source:
        clock.note_block(block)
    left_s = clock.fit.to_host_s(block.t_stop) - time.monotonic()
    assert -0.5 < left_s <= 0.01
