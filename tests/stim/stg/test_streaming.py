"""Streaming on a virtual clock: latency, a late host, and what is lost by it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stim.safety import SafetyLimits
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.stg import STG4000
from stim.stg.lateness import Preflight
from tests.stim.stg.replay import replay

LIMITS = SafetyLimits(2_000_000, 400, 400, unit="nA")
RATE_HZ = 50_000
SLICE_S = 0.001
TRACE = Path(__file__).with_name("lateness.npz")  # of a busy machine with two cores


def streaming(clock, n_channels=2, **device):
    """Return a device, and the stimulator that has it."""
    device = SimulatedDevice(clock=clock, n_channels=n_channels, **device)
    return device, STG4000(limits=LIMITS, bus=SimulatedBus([device]))


class Listener:
    """Compares what leaves with periodic signals, sample by sample."""

    def __init__(self, periods):
        self.periods, self.n = periods, [0] * len(periods)
        longest = max(periods, key=len).size
        self.tiled = [np.tile(p, 2 + (60_000 + longest) // p.size) for p in periods]

    def __call__(self, channel, first, words):
        at = self.n[channel] % self.periods[channel].size
        expected = self.tiled[channel][at : at + words.size]
        assert np.array_equal(words, expected), f"channel {channel}, frame {first}"
        self.n[channel] += words.size


def test_latency_is_fill_and_half_of_the_capacity():
    """1000 random configurations; each block is posted and heard as the model says."""
    rng = np.random.default_rng(6)
    worst_s, n_blocks = 0.0, 0
    for _ in range(1000):
        capacity = 2 * int(rng.integers(100, 10_000))
        fill = int(rng.integers(150, 8_000))
        clock = VirtualClock()
        device, stg = streaming(clock, n_channels=1, trace=False)
        posted = []

        def note(tick, clock=clock, posted=posted):
            posted.append((clock.now(), tick.sample_index))

        stg.start_streaming(
            capacity / RATE_HZ, 0.01, fill_in_s=fill / RATE_HZ, callback=note
        )
        clock.sleep(float(rng.uniform(0.02, 0.04)))
        clockwork = device.streams[0].clockwork
        assert device.streams[0].n_underruns == 0
        for (time_s, first), (_, end) in pairwise(posted):
            if end > first:  # that much is posted, to the level; heard, up to here
                heard_s = clockwork.time_of(end) / 1e9
                model_s = (fill + capacity / 2) / RATE_HZ
                worst_s = max(worst_s, abs(heard_s - time_s - model_s))
                n_blocks += 1
        stg.close()
    assert n_blocks > 5000
    assert worst_s <= SLICE_S + 1e-9


def soak(lateness_s, seconds, capacity_in_s=0.1, buffer_in_s=0.05):
    """Stream eight channels of different lengths; return device, stimulator, replay."""
    clock = VirtualClock(lateness_s)
    device, stg = streaming(clock, n_channels=8, trace=False)
    periods = []
    for channel in range(8):
        stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 10.02 + channel])
        words = np.zeros(521 + 50 * channel, np.int16)
        words[:10], words[10:20] = 2000, -2000  # 1 mA, 2 µA a step, two bits free
        periods.append(words)
    device.sink = listener = Listener(periods)
    stg.start_streaming(capacity_in_s, buffer_in_s)
    clock.sleep(seconds)
    device.advance()
    expected = replay(
        lateness_s,
        round(capacity_in_s * RATE_HZ),
        round(buffer_in_s * RATE_HZ),
        stg._streaming._stream.settings.period_s,
        seconds,
    )
    return device, stg, listener, expected


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_underruns_are_those_that_a_replay_of_the_times_predicts(scale):
    trace = Preflight.load(TRACE)
    print(f"late by {trace.percentile_s(99.9)} s (99.9 %), {trace.max_s} s (worst)")
    worst = int(trace.lateness_s.argmax())
    part = trace.lateness_s[max(0, worst - 4000) : worst + 4000]
    device, stg, listener, expected = soak(part * scale, seconds=20)
    underruns, zeros, played = expected
    for stream in device.streams:
        assert (stream.n_underruns, stream.n_zeros) == (underruns, zeros)
        assert stream.n_played == played
    assert listener.n == [played] * 8  # bit by bit what was posted
    is_late = trace.max_s * scale > 0.05
    assert (underruns > 0) == is_late
    stats = stg.stats()
    assert (stats.n_underruns > 0) == is_late
    assert stats.n_played == played
    assert abs(stats.n_lost - zeros) <= 0.02 * zeros  # told without being told
    assert stats.cpu_share < 0.5
    device.sink = None
    stg.stop_streaming()
    assert stg.stats().charges == (0,) * 8
    stg.close()
