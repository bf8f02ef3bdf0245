"""Defects of the package whose names `STG4000` has; each would come back here.

Defects 1, 12 and 13 are those of values, and tested with them.
"""

import gc
import threading
import time

import numpy as np
import pytest

from circus_io.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceNotFoundError,
    DeviceRefusedError,
    DeviceRemovedError,
    DeviceTimeoutError,
    SafetyError,
    StimulatorStateError,
)
from stim.safety import SafetyLimits
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.simulated.variants import VARIANTS
from stim.stg import STG4000, SignalMapping, diagonalize_triggermap, queue, set_capacity
from stim.stg.clock import WallClock
from stim.stg.statistics import State

LIMITS = [
    SafetyLimits(100_000_000, 400, 400, unit="nA"),
    SafetyLimits(2_000_000, 400, 400, unit="uV"),
]
RINGS = {"capacity_in_s": 0.1, "buffer_in_s": 0.05}


@pytest.fixture
def make():
    """Return a device and the stimulator that has it; all are closed in the end."""
    made = []

    def make(variant="16mA", n_channels=2, clock=None, **settings):
        clock = VirtualClock() if clock is None else clock
        device = SimulatedDevice(variant, n_channels=n_channels, clock=clock)
        bus = SimulatedBus([device])
        made.append(STG4000(limits=LIMITS, bus=bus, **settings))
        return device, made[-1]

    yield make
    for stg in made:
        stg.close()


@pytest.mark.parametrize("variant", VARIANTS)
def test_2_the_scale_is_that_of_the_device(make, variant):
    """Not 2000 counts per mA, which is that of one model of four."""
    device, stg = make(variant)
    asked_na = VARIANTS[variant].current_range_na // 2
    stg.set_signal(0, [asked_na / 1e6, -asked_na / 1e6, 0], [0.2, 0.2, 9.6])
    stg.start_streaming(**RINGS)
    stg.sleep(200)
    _, levels = device.trace.changes(0)
    assert levels[:3].tolist() == [asked_na, -asked_na, 0]


def test_2_voltages_can_be_streamed(make):
    device, stg = make()
    stg.set_mode(0, "voltage")
    stg.set_signal(0, amplitudes_in_mV=[1500, -1500], durations_in_ms=[0.2, 0.2])
    stg.start_streaming(**RINGS)
    stg.sleep(100)
    assert device.trace.changes(0)[1][:2].tolist() == [1_500_000, -1_500_000]


@pytest.mark.parametrize("n_channels", [2, 4, 8])
def test_3_all_channels_start(make, n_channels):
    """Triggers are bits, not numbers: the last channels start, and with the first."""
    device, stg = make(n_channels=n_channels)
    for channel in range(n_channels):
        stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 9.6])
        stg.sleep(1)
    stg.start_streaming(**RINGS)
    stg.sleep(100)
    begins = {int(device.trace.changes(c)[0][0]) for c in range(n_channels)}
    assert len(begins) == 1
    assert all(stream.is_running for stream in device.streams)


def test_4_capacities_are_bytes_of_the_device_and_buffers_are_of_the_host(make):
    device, stg = make()
    stg.start_streaming(capacity_in_s=0.4, buffer_in_s=0.05)
    stg.sleep(100)
    # 0.4 s at 50 kHz is 20 000 frames of 2 bytes; the device is kept half full
    assert [stream.target for stream in device.streams] == [10_000] * 2
    assert device.streams[0].ring.level == 10_000
    assert stg.stats().latency_s == pytest.approx(0.05 + 0.4 / 2)
    with stg_streamer(stg) as streamer:
        set_capacity(streamer, 20_000)
        assert [stream.target for stream in device.streams] == [10_000] * 2


def stg_streamer(stg):
    stg.stop_streaming()
    return stg.streamer(dll_buffer_size=5000)


def test_5_a_signal_longer_than_the_ring_is_streamed(make):
    device, stg = make()
    n = 40_000  # of a ring of 5000
    durations = [0.2, 0.2, (n - 20) / 50]
    stg.set_signal(0, [1, -1, 0], durations)
    stg.start_streaming(**RINGS)
    stg.sleep(2000)
    times, levels = device.trace.changes(0)
    begins = times[levels == 1_000_000]
    assert np.diff(begins).tolist() == [n * 20_000] * (begins.size - 1)
    assert begins.size == 3
    assert stg.stats().n_underruns == 0


def test_5_feeding_is_no_busy_loop(make):
    """Eight channels on the wall clock take less than a third of one processor."""
    _, stg = make(n_channels=8, clock=WallClock())
    for channel in range(8):
        stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 9.6])
    stg.start_streaming(capacity_in_s=1.0, buffer_in_s=0.05)
    before = time.process_time(), time.monotonic()
    time.sleep(1.0)
    used = time.process_time() - before[0]
    assert used < 0.7 * (time.monotonic() - before[1])  # with the simulator in it
    assert stg.stats().cpu_share < 0.35
    assert stg.stats().n_steps < 1500


def test_5_what_was_queued_is_said_and_not_queued_twice(make):
    """Also where the device takes samples away in the same moment."""
    device, stg = make()
    with stg.streamer(dll_buffer_size=500) as streamer:
        set_capacity(streamer, 1000)
        diagonalize_triggermap(streamer)
        pulse = [2000] * 10 + [-2000] * 10 + [0] * 80
        assert queue(streamer, pulse, 0) == 100
        streamer.start()
        posted = 1
        for _ in range(400):
            posted += queue(streamer, pulse, 0) == 100
            device.clock.sleep(0.001)
        assert queue(streamer, [0] * 501, 0) == 0  # more than the ring
        stg.sleep(100)
        _, levels = device.trace.changes(0)
    assert 150 < posted < 400
    assert np.count_nonzero(levels == 1_000_000) == posted


def test_6_nothing_is_shared_between_stimulators():
    clock = VirtualClock()
    devices = [SimulatedDevice(serial_number=s, clock=clock) for s in ("1", "2")]
    bus = SimulatedBus(devices)
    one, two = (STG4000(serial, limits=LIMITS, bus=bus) for serial in (1, 2))
    one.set_signal(0, [1, -1, 0], [0.2, 0.2, 9.6])
    assert dict(one.signals) == {0: ([1.0, -1.0, 0.0], [0.2, 0.2, 9.6])}
    assert dict(two.signals) == {}
    for stg in (one, two):
        stg.start_streaming(**RINGS)
    one.sleep(50)
    assert (one.state, two.state) == (State.STREAMING, State.STREAMING)
    one.stop_streaming()
    assert (one.state, two.state) == (State.IDLE, State.STREAMING)
    assert devices[0].trace.changes(0)[1].size
    assert not devices[1].trace.changes(0)[1].size
    one.close()
    again = STG4000(1, limits=LIMITS, bus=bus)  # nothing of before is played
    n_changes = devices[0].trace.changes(0)[1].size
    again.start_streaming(**RINGS)
    again.sleep(100)
    assert devices[0].trace.changes(0)[1].size == n_changes
    again.close()
    two.close()


def test_7_signals_may_be_set_by_threads_while_it_streams(make):
    """Channels come and go under a feeder that goes over them all the time."""
    device, stg = make(n_channels=8, clock=WallClock())
    heard = [[] for _ in range(8)]  # without the zeros of underruns: threads are busy
    device.sink = lambda channel, first, words: heard[channel].append(words.copy())
    stg.start_streaming(capacity_in_s=0.2, buffer_in_s=0.02)
    end, failures = time.monotonic() + 1.0, []

    def change(channel):
        try:
            while time.monotonic() < end:
                stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 0.6])
                assert all(len(signal) == 2 for signal in stg.signals.values())
                stg.set_signal(channel)
                time.sleep(0.001)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=change, args=(c,)) for c in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stg.state is State.STREAMING
    stg.stop_streaming()
    n_changes = 0
    for channel in range(8):
        words = np.concatenate(heard[channel])
        changes = words[np.flatnonzero(np.diff(words, prepend=0))]
        n_changes += changes.size
        # no pulse is cut: each has its two phases, and only then something else
        assert changes.tolist() == [2000, -2000, 0] * (changes.size // 3)
    assert n_changes > 3


def test_7_a_mapping_changes_channels_at_one_moment(make):
    device, stg = make()
    assert isinstance(stg.signals, SignalMapping)
    stg.start_streaming(**RINGS)
    stg.signals.update({0: ([1, -1], [0.2, 0.2]), 1: ([2, -2], [0.2, 0.2])})
    stg.sleep(200)
    begins = [device.trace.changes(channel)[0][0] for channel in (0, 1)]
    assert begins[0] == begins[1]
    del stg.signals[1]
    assert list(stg.signals) == [0]
    with pytest.raises(KeyError):
        del stg.signals[1]
    with pytest.raises(SafetyError, match="channel 9"):
        stg.signals[9] = ([1, -1], [0.2, 0.2])


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda f: setattr(f, "is_locked", True), DeviceBusyError),
        (lambda f: setattr(f, "is_unplugged", True), DeviceNotFoundError),
        (lambda f: f.refused_rates_hz.add(50_000), DeviceRefusedError),
        (lambda f: setattr(f, "total_memory_bytes", 1000), DeviceError),
        (lambda f: setattr(f, "is_usb_stalled", True), DeviceTimeoutError),
    ],
    ids=["locked", "unplugged", "rate", "memory", "stalled"],
)
@pytest.mark.parametrize("clock", [VirtualClock, WallClock])
def test_8_whatever_fails_in_the_set_up_is_raised_and_nothing_hangs(
    make, break_it, error, clock
):
    device, stg = make(clock=clock())
    break_it(device.faults)
    n_threads = threading.active_count()
    with pytest.raises(error):
        stg.start_streaming(**RINGS, timeout_s=0.3)
    assert stg.state is State.IDLE
    assert threading.active_count() <= n_threads
    device.faults.__init__()
    stg.start_streaming(**RINGS)
    stg.sleep(20)
    assert stg.stats().n_posted > 0


def test_9_what_goes_wrong_while_it_streams_is_raised_by_the_next_call(make):
    device, stg = make()
    stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 9.6])
    stg.start_streaming(**RINGS)
    stg.sleep(50)
    device.unplug()
    assert stg.state is State.FAULT
    with pytest.raises(DeviceRemovedError, match="unplugged"):
        stg.set_signal(0)
    assert "unplugged" in stg.stats().error
    with pytest.raises(DeviceNotFoundError):
        stg.start_streaming(**RINGS)
    device.plug_in()
    stg.start_streaming(**RINGS)
    stg.sleep(50)
    assert stg.state is State.STREAMING


def test_9_a_callback_that_does_not_return_is_noticed(make, monkeypatch):
    monkeypatch.setattr("stim.stg.stream.STUCK_S", 0.3)
    monkeypatch.setattr("stim.stg.clock.JOIN_S", 0.1)
    device, stg = make(clock=WallClock())
    stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 9.6])
    release = threading.Event()
    stg.start_streaming(**RINGS, callback=lambda tick: release.wait(30))
    time.sleep(0.6)
    with pytest.raises(DeviceTimeoutError, match="a callback does not return"):
        stg.set_signal(0)
    assert not any(stream.is_running for stream in device.streams)
    release.set()
    stg.start_streaming(**RINGS)
    stg.stop_streaming()


def test_9_underruns_are_seen(make):
    device, stg = make()
    stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 9.6])
    stg.start_streaming(**RINGS)
    stg.sleep(100)
    device.faults.is_usb_stalled = True
    stg.sleep(90)  # 40 ms more than there is in the device
    device.faults.is_usb_stalled = False
    stg.sleep(100)
    stats, stream = stg.stats(), device.streams[0]
    assert stream.n_underruns == 1
    assert stats.n_underruns >= 1
    assert stats.n_lost == pytest.approx(stream.n_zeros, abs=2)
    assert stats.n_lost == pytest.approx(40 * 50, abs=100)
    assert stg.set_signal(0) > stats.n_posted  # the device has counted its zeros too


def test_9_samples_that_were_not_taken_are_an_error(make):
    device, stg = make()
    stg.start_streaming(**RINGS)
    port = stg._connection.gate._port
    enqueue = port.enqueue
    port.enqueue = lambda channel, words: enqueue(channel, words[: words.size // 2])
    device.clock.sleep(0.02)
    with pytest.raises(DeviceError, match="out of step"):
        stg.stop()
    assert not any(stream.is_running for stream in device.streams)


@pytest.mark.parametrize("counts_bytes", [False, True])
def test_9_samples_may_be_counted_in_bytes(make, counts_bytes):
    device, stg = make()
    device.faults.counts_bytes = counts_bytes
    stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 9.6])
    stg.start_streaming(**RINGS)
    stg.sleep(200)
    assert stg.stats().n_underruns == 0
    assert device.streams[0].n_played == stg.stats().n_played


def test_10_channels_of_different_lengths_do_not_drift(make):
    device, stg = make(n_channels=8)
    for channel in range(8):
        stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 5 + 0.02 * channel])
    stg.start_streaming(**RINGS)
    stg.sleep(3000)
    for channel in range(8):
        times, levels = device.trace.changes(channel)
        begins = times[levels == 1_000_000]
        assert set(np.diff(begins).tolist()) == {(270 + channel) * 20_000}
    assert stg.stats().n_underruns == 0


class Plain:
    """Passes calls on that hold nothing but plain Python, as .NET asks for."""

    def __init__(self, port):
        self._port = port

    def __getattr__(self, name):
        method = getattr(self._port, name)
        if not callable(method):
            return method

        def call(*arguments, **settings):
            for argument in [*arguments, *settings.values()]:
                if isinstance(argument, np.ndarray):
                    assert argument.dtype == np.int16
                    assert argument.flags.c_contiguous
                    continue
                flat = argument if isinstance(argument, list | tuple) else [argument]
                assert {type(one) for one in flat} <= {int, str, bool, type(None)}
            return method(*arguments, **settings)

        return call


class PlainBus(SimulatedBus):
    def open_download(self, *arguments):
        return Plain(super().open_download(*arguments))

    def open_streaming(self, *arguments, **settings):
        return Plain(super().open_streaming(*arguments, **settings))


def test_11_nothing_but_plain_integers_reaches_the_port():
    """Floats and numbers of numpy are refused by pythonnet from 3 on."""
    clock = VirtualClock()
    bus = PlainBus([SimulatedDevice(clock=clock)])
    with STG4000(limits=LIMITS, bus=bus) as stg:
        stg.download(
            np.int64(1), np.array([0.1, -0.1]), np.array([0.2, 0.2]), syncout=True
        )
        stg.map_triggers([np.array([0, 1])], np.array([2]))
        stg.start_stimulation(np.array([0]))
        assert stg.wait(2.0)
        stg.set_mode(np.int64(0), "voltage")
        stg.set_signal(np.int64(1), np.array([0.1, -0.1, 0]), [0.2, 0.2, 9.6])
        stg.start_streaming(**RINGS)
        stg.sleep(50)
        stg.stop_streaming()


def test_14_a_device_that_is_not_there_is_named():
    clock = VirtualClock()
    bus = SimulatedBus(
        [SimulatedDevice(serial_number=s, clock=clock) for s in ("11", "12")]
    )
    with pytest.raises(DeviceNotFoundError, match=r"device 13 .* there: 11, 12"):
        STG4000(13, bus=bus)
    with pytest.raises(DeviceNotFoundError, match="several devices are there, 11, 12"):
        STG4000(bus=bus)
    with STG4000(12, bus=bus) as stg:
        assert stg.serial_number == 12


def test_14_the_range_is_in_the_unit_that_its_name_says(make):
    _, stg = make()
    assert stg.voltage_range_in_uV == 8_000_000
    assert stg.voltage_range_in_mV == 8_000


def test_14_the_connection_stays_open():
    opened = []

    class Counting(SimulatedBus):
        def open_download(self, *arguments):
            opened.append("download")
            return super().open_download(*arguments)

        def open_streaming(self, *arguments, **settings):
            opened.append("streaming")
            return super().open_streaming(*arguments, **settings)

    device = SimulatedDevice(clock=VirtualClock())
    with STG4000(limits=LIMITS, bus=Counting([device])) as stg:
        for _ in range(10):
            stg.download(0, [1, -1], [0.2, 0.2])
            stg.start_stimulation([0])
            stg.sleep(5)
            assert stg.name
        stg.start_streaming(**RINGS)
        stg.stop_streaming()
        stg.download(0, [1, -1], [0.2, 0.2])
    assert opened == ["download", "streaming", "download"]


def test_14_a_connection_that_fails_leaves_nothing_behind():
    device = SimulatedDevice(clock=VirtualClock())
    bus = SimulatedBus([device])
    device.faults.is_locked = True
    with pytest.raises(DeviceBusyError):
        STG4000(bus=bus)
    device.faults.is_locked = False
    STG4000(bus=bus).close()


def test_15_what_is_forgotten_is_stopped_and_let_go(make):
    device = SimulatedDevice(clock=VirtualClock())
    bus = SimulatedBus([device])
    stg = STG4000(limits=LIMITS, bus=bus)
    stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 9.6])
    stg.start_streaming(**RINGS)
    stg.sleep(20)
    del stg
    gc.collect()
    assert not any(stream.is_running for stream in device.streams)
    STG4000(bus=bus).close()


def test_15_what_an_earlier_program_left_in_the_device_is_not_played():
    device = SimulatedDevice(clock=VirtualClock())
    bus = SimulatedBus([device])
    port = bus.open_download()
    port.setup_trigger([1], [0], [0])
    port.send_data(0, [10_000_000, -1], [50_000, 20], "current")
    port.disconnect()
    with STG4000(limits=LIMITS, bus=bus) as stg:
        with pytest.raises(StimulatorStateError):
            stg.start_stimulation([0])
        stg.download(1, [1, -1], [0.2, 0.2])
        stg.start_stimulation()
        stg.sleep(200)
        assert device.trace.changes(0)[1].size == 0
        assert device.trace.changes(1)[1].tolist() == [1_000_000, -1_000_000, 0]
