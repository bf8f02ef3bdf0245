"""The two rings of the simulator, by its port alone."""

import numpy as np
import pytest

from circus_io.errors import DeviceMemoryError, DeviceRefusedError
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock

RATE_HZ = 50_000


class Rig:
    """One trigger per channel; 5000 samples in the host, 10 000 bytes in the device."""

    def __init__(self, is_continuous=True, clock=None, on_data=None, **device):
        self.clock = VirtualClock() if clock is None else clock
        self.device = SimulatedDevice(clock=self.clock, n_channels=2, **device)
        bus = SimulatedBus([self.device])
        self.port = bus.open_streaming(5000, on_data=on_data)
        self.port.set_continuous(is_continuous)
        self.port.set_output_rate(RATE_HZ)
        self.port.set_capacity([10_000, 10_000])
        self.port.setup_trigger([1, 2], [0, 0], [0, 0], [0, 0], [10, 10])

    def post(self, n, first=1):
        words = (np.arange(first, first + n) * 4).astype(np.int16)  # steps of 2 µA
        return [self.port.enqueue(channel, words) for channel in (0, 1)]

    def heard(self, channel=0):
        times, levels = self.device.trace.changes(channel)
        return times, levels // 2000


def test_samples_move_in_slices_until_the_device_is_half_full():
    rig = Rig()
    assert rig.post(4000) == [4000, 4000]
    rig.port.start_loop()
    rig.clock.sleep(0.0009)
    assert (rig.port.queue_space(0), rig.port.frames_buffered(0)) == (1000, 0)
    rig.clock.sleep(0.0002)
    assert (rig.port.queue_space(0), rig.port.frames_buffered(0)) == (3500, 2500)
    rig.clock.sleep(1)
    assert rig.port.frames_buffered(0) == 2500  # nothing leaves before the start
    assert rig.post(4000) == [3500, 3500]  # as many as there is room for


def test_a_sample_is_heard_when_those_before_it_have_been():
    rig = Rig()
    rig.post(5000)
    rig.port.start_loop()
    rig.clock.sleep(0.01)
    rig.port.send_start(0b11)
    started_ns = rig.clock.now_ns()
    rig.clock.sleep(0.05)
    times, counts = rig.heard()
    assert counts.tolist() == list(range(1, 2501))
    assert times.tolist() == [started_ns + 20_000 * i for i in range(2500)]
    rig.clock.sleep(0.0505)
    assert rig.port.frames_done() == 5025
    assert rig.heard()[1][-1] == 0


def test_continuous_puts_out_zeros_and_goes_on():
    rig = Rig()
    rig.post(100)
    rig.port.start_loop()
    rig.clock.sleep(0.0015)
    rig.port.send_start(1)
    rig.clock.sleep(0.01)
    rig.post(100)
    rig.clock.sleep(0.01)
    rig.device.advance()
    stream = rig.device.streams[0]
    assert (stream.n_underruns, stream.n_played, stream.is_running) == (2, 200, True)
    assert stream.n_zeros == stream.n_frames - 200 == 1000 - 200
    times, counts = rig.heard()
    assert np.count_nonzero(counts == 100) == 2
    assert counts[100] == 0
    assert times[101] - times[100] == 400 * 20_000 + 20_000 * 25  # until the next slice


def test_otherwise_the_trigger_stops():
    rig = Rig(is_continuous=False)
    rig.post(100)
    rig.port.start_loop()
    rig.clock.sleep(0.0015)
    rig.port.send_start(1)
    rig.clock.sleep(0.01)
    rig.post(100)
    rig.clock.sleep(0.01)
    rig.device.advance()
    assert not rig.device.streams[0].is_running
    assert rig.device.streams[0].n_played == 100
    rig.port.send_start(1)
    rig.clock.sleep(0.01)
    rig.device.advance()
    assert rig.device.streams[0].n_played == 200


def test_a_stop_leaves_the_rings_filled():
    """A next start would play them: who starts has to empty them."""
    rig = Rig()
    rig.post(5000)
    rig.port.start_loop()
    rig.clock.sleep(0.01)
    rig.port.send_start(1)
    rig.clock.sleep(0.01)
    rig.port.send_stop(1)
    assert rig.heard()[1][-1] == 0
    rig.clock.sleep(0.1)
    rig.port.send_start(1)
    rig.clock.sleep(0.001)
    assert rig.heard()[1][-1] > 500


@pytest.mark.parametrize("late_s", [[], [0.0123, 0.0001, 0.0305], [0.06, 0, 0.002]])
def test_jumping_over_slices_is_the_same_as_looking_at_each(late_s):
    """A look every 10 µs of one rig, none of the other for as long as it lasts."""
    looked, jumped = Rig(clock=VirtualClock(late_s)), Rig(clock=VirtualClock(late_s))
    rng = np.random.default_rng(3)
    for rig in (looked, jumped):
        rig.post(3000)
        rig.port.start_loop()
    for rig in (looked, jumped):
        rig.clock.sleep(0.08)
        rig.port.send_start(0b11)
    for _ in range(30):
        pause_us = int(rng.integers(1, 60_000))
        n, first = int(rng.integers(0, 3000)), int(rng.integers(1, 5000))
        jumped.clock.sleep(pause_us / 1e6)
        for _ in range(pause_us // 100):
            looked.clock.sleep(1e-4)
            looked.port.frames_buffered(1)
        looked.clock.sleep(pause_us % 100 / 1e6)
        assert looked.post(n, first) == jumped.post(n, first)
        for one, other in zip(
            looked.device.streams, jumped.device.streams, strict=True
        ):
            for name in ("n_frames", "n_played", "n_zeros", "n_underruns"):
                looked.device.advance()
                jumped.device.advance()
                assert getattr(one, name) == getattr(other, name)
    for part in (0, 1):
        assert np.array_equal(looked.heard()[part], jumped.heard()[part])
    assert looked.device.streams[0].n_underruns > 0


def test_a_device_with_a_fast_clock_runs_out_in_the_end():
    rig = Rig(drift_ppm=1000)
    rig.post(2500)
    rig.port.start_loop()
    rig.clock.sleep(0.002)
    rig.port.send_start(1)
    for _ in range(1000):
        rig.clock.sleep(0.01)
        rig.post(500)
    # 0.1 % of 500 000 samples are 500; it has 2500 to spare
    assert rig.device.streams[0].n_frames == 500_500
    assert rig.device.streams[0].n_zeros == 0


def test_it_calls_for_data_when_there_are_few():
    calls = []
    rig = Rig(on_data=lambda trigger: calls.append((rig.clock.now_ns(), trigger)))
    rig.post(5000)
    rig.port.start_loop()
    rig.clock.sleep(0.01)
    assert calls == []
    rig.port.send_start(1)
    rig.clock.sleep(0.06)
    # 500 of 5000 are left when 2000 of 2500 have moved on: after 40 ms
    assert [trigger for _, trigger in calls] == [0]
    assert calls[0][0] == pytest.approx(50_000_000, abs=1_100_000)
    calls.clear()
    rig.device.faults.callback_delay_s = 0.007
    rig.post(2500)
    rig.clock.sleep(0.06)
    late = calls[0][0]
    assert late % 1_000_000 == pytest.approx(0, abs=1)
    assert len(calls) == 1


def test_what_does_not_fit_or_is_out_of_order():
    rig = Rig()
    with pytest.raises(DeviceMemoryError, match="bytes are asked for"):
        rig.port.set_capacity([2**26, 1])
    with pytest.raises(DeviceRefusedError, match="capacities; set those first"):
        rig.port.setup_trigger([1, 2, 0], [0] * 3, [0] * 3, [0] * 3, [10] * 3)


def test_samples_are_enqueued_in_bytes_by_one_that_counts_so():
    rig = Rig()
    rig.device.faults.counts_bytes = True
    assert rig.post(10) == [20, 20]
    assert rig.port.queue_space(0) == 4990
