"""`preflight`: lateness from times, and what it proposes."""

import time

import numpy as np
import pytest

from stim.simulated import VirtualClock
from stim.stg import preflight
from stim.stg.clock import WallClock
from stim.stg.lateness import Preflight
from stim.stg.underruns import Underruns

# on time at least once, 5 ms at worst; calls that are missed are not in the list
LATE_S = [0.0, 0.0002, 0.0053, 0.0001, 0.0014]


def test_a_lateness_that_is_known_is_found():
    found = preflight(1.0, clock=VirtualClock(LATE_S))
    assert np.allclose(found.lateness_s[:50], np.tile(LATE_S, 10), atol=1e-9)
    assert found.max_s == pytest.approx(0.0053)
    assert found.percentile_s(50) == pytest.approx(0.0002)
    counts, edges = found.histogram()
    assert counts.sum() == found.lateness_s.size
    assert counts[0] == np.count_nonzero(found.lateness_s < edges[1])


def test_it_proposes_what_would_have_lasted():
    found = Preflight(np.array([0.0, 0.0199]))
    assert found.fill_s >= 0.0199 + 0.001
    assert found.capacity_s / 2 >= 0.0199 + 0.001
    assert found.latency_s == pytest.approx(found.fill_s + found.capacity_s / 2)
    text = str(found)
    assert f"buffer_in_s={found.fill_s:g}, capacity_in_s={found.capacity_s:g}" in text
    assert "10 to 30" in text


def test_it_can_be_kept(tmp_path):
    found = preflight(1.0, clock=VirtualClock(LATE_S))
    found.save(tmp_path / "late.npz")
    kept = Preflight.load(tmp_path / "late.npz")
    assert np.allclose(kept.lateness_s, found.lateness_s, atol=5e-7)
    assert kept.period_s == found.period_s


def test_this_computer_is_measured():
    found = preflight(0.3)
    assert 10 < found.lateness_s.size <= 301
    assert found.lateness_s.min() == 0


def test_the_wall_clock_repeats_on_time_and_leaves_out_what_it_has_missed():
    calls, clock = [], WallClock()

    def call():
        calls.append(time.monotonic())
        if len(calls) == 3:
            time.sleep(0.035)

    begin = time.monotonic()
    end = clock.every(0.01, call)
    while len(calls) < 10 and time.monotonic() < begin + 20:
        time.sleep(0.01)
    end()
    n, elapsed = len(calls), time.monotonic() - begin
    time.sleep(0.05)
    assert len(calls) == n >= 10  # it has ended
    assert n <= elapsed / 0.01 - 2  # three were missed in those 35 ms, at least
    assert np.diff(calls).max() >= 0.035


def test_a_look_while_samples_move_is_no_underrun_later():
    """The first look saw 127 frames too many as put out; none was lost."""
    underruns = Underruns(50_000, tolerance_frames=100)
    underruns.start(0.0)
    for step in range(1, 200):
        time_s = step * 0.005
        played = round(time_s * 50_000) - 200 + (127 if step == 1 else 0)
        assert underruns.look(time_s, time_s, played, [5000, 5000]) == 0
    assert (underruns.n_underruns, underruns.n_lost) == (0, 0)
    for step in range(200, 400):  # 3000 frames at 1 s, once
        time_s = step * 0.005
        underruns.look(time_s, time_s, round(time_s * 50_000) - 3200, [5000, 5000])
    assert underruns.n_underruns == 1
    assert underruns.n_lost == pytest.approx(3000, abs=1)
