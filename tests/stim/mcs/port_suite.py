"""The ports on the C# simulator, on one runtime: run by `test_ports.py` in a process.

Its environment says on which one: CIRCUS_DOTNET and MCS_GENERATION.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from circus_io import errors
from stim.mcs import simulated_bus
from stim.mcs.simulated import SimulatedStg
from stim.stg.status import Status

GENERATION = int(os.environ["MCS_GENERATION"])
RATE_HZ = 50_000
NS_PER_FRAME = 20_000
CAPACITY = 10_000  # bytes of each trigger: 5000 frames, 100 ms


@pytest.fixture
def make_bus(tmp_path):
    def make_bus(*devices):
        return simulated_bus(
            devices or [SimulatedStg("16mA", 2, "one")],
            generation=GENERATION,
            lock_folder=tmp_path,
        )

    return make_bus


@pytest.fixture
def bus(make_bus):
    return make_bus()


@pytest.fixture
def device(bus):
    return bus.devices[0]


@pytest.fixture
def download(bus):
    port = bus.open_download()
    yield port
    port.disconnect()


@pytest.fixture
def stream(bus):
    """Open a stream of two channels, a trigger each, ready to be started."""
    opened = []

    def stream(ring=2500, is_continuous=True, **callbacks):
        port = bus.open_streaming(ring, **callbacks)
        opened.append(port)
        port.set_mode("current")
        port.set_continuous(is_continuous)
        port.set_output_rate(RATE_HZ)
        port.set_capacity([CAPACITY] * 2)
        port.setup_trigger([1, 2], [1, 2], [0, 0], [0, 0], [50, 50])
        return port

    yield stream
    for port in opened:
        port.disconnect()


def wait_for(condition, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.002)


def changes(values):
    """Return where values change, from 0 before the first, and to what."""
    values = np.asarray(values)
    at = np.flatnonzero(np.diff(values, prepend=0))
    return at, values[at]


# ------------------------------------------------------------------ devices and facts


@pytest.mark.parametrize(
    ("variant", "range_na", "resolution_na"),
    [
        ("160uA", 160_000, 20),
        ("1.6mA", 1_600_000, 200),
        ("16mA", 16_000_000, 2_000),
        ("160mA", 160_000_000, 20_000),
    ],
)
@pytest.mark.parametrize("n_channels", [2, 8])
def test_a_device_says_what_it_is(
    make_bus, variant, range_na, resolution_na, n_channels
):
    bus = make_bus(SimulatedStg(variant, n_channels, "a1"))
    port = bus.open_download("a1")
    facts = port.facts()
    port.disconnect()
    assert (facts.name, facts.serial_number) == (f"STG400{n_channels}-{variant}", "a1")
    assert facts.n_channels == facts.n_triggers == facts.n_syncouts == n_channels
    assert facts.dac_bits == 14
    assert facts.current_range_na == (range_na,) * n_channels
    assert facts.current_resolution_na == (resolution_na,) * n_channels
    assert facts.voltage_range_uv == (8_000_000,) * n_channels
    assert facts.voltage_resolution_uv == (1_000,) * n_channels
    assert facts.total_memory_bytes == 64 << 20


def test_the_bus_has_the_version_of_its_generation(bus):
    assert bus.version == {3: "3.2.45.0", 5: "5.3.15.0"}[GENERATION]
    assert bus.name == "mcs-simulated"


def test_one_of_several_devices_is_chosen_by_its_serial_number(make_bus):
    bus = make_bus(SimulatedStg(serial_number="x"), SimulatedStg(serial_number="y"))
    assert [entry.serial_number for entry in bus.list_devices()] == ["x", "y"]
    with pytest.raises(errors.DeviceNotFoundError, match=r"several.* \(x\), .* \(y\)"):
        bus.open_download()
    with pytest.raises(errors.DeviceNotFoundError, match=r"z is not plugged in.*\(x\)"):
        bus.open_download("z")
    ports = [bus.open_download("y"), bus.open_streaming(100, "x")]
    assert [port.facts().serial_number for port in ports] == ["y", "x"]
    for port in ports:
        port.disconnect()


def test_a_device_is_used_by_one_at_a_time(bus, download):
    with pytest.raises(errors.DeviceBusyError) as caught:
        bus.open_streaming(100)
    assert caught.value.status == Status.DEVICE_LOCKED
    download.disconnect()
    download.disconnect()
    bus.open_streaming(100).disconnect()


def test_a_locked_device_is_refused(bus, device):
    device.lock()
    with pytest.raises(errors.DeviceBusyError):
        bus.open_download()
    device.lock(False)
    bus.open_download().disconnect()


HOLD = """
import sys, time
from stim.mcs import simulated_bus
from stim.mcs.simulated import SimulatedStg
bus = simulated_bus([SimulatedStg("16mA", 2, "one")], generation=int(sys.argv[1]),
                    lock_folder=sys.argv[2])
port = bus.open_download()
print("held", flush=True)
time.sleep(60)
"""


def test_a_device_is_locked_among_processes_until_one_is_killed(bus, tmp_path):
    command = [sys.executable, "-c", HOLD, str(GENERATION), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(errors.DeviceBusyError):
            bus.open_download()
        other.send_signal(signal.SIGKILL)
        other.wait()
        bus.open_download().disconnect()


def test_plugs_are_told_of(bus, device):
    told, here = [], threading.get_ident()
    end = bus.watch(
        lambda entry: told.append(("in", entry.serial_number, threading.get_ident())),
        lambda entry: told.append(("out", entry.serial_number, threading.get_ident())),
    )
    device.unplug()
    wait_for(lambda: len(told) == 1)
    assert bus.list_devices() == []
    device.plug_in()
    wait_for(lambda: len(told) == 2)
    assert [what[:2] for what in told] == [("out", "one"), ("in", "one")]
    assert here not in [thread for _, _, thread in told]
    end()
    device.unplug()
    time.sleep(0.1)
    assert len(told) == 2


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("rate_hz", [0, 999, 50_001, 2**31])
def test_rates_out_of_range_are_refused(download, rate_hz):
    with pytest.raises(errors.DeviceRefusedError, match="SetOutputRate"):
        download.set_output_rate(rate_hz)


def test_injected_faults_are_named_errors(device, download):
    device.refuse_rate(20_000)
    with pytest.raises(errors.DeviceRefusedError):
        download.set_output_rate(20_000)
    download.set_output_rate(25_000)
    for status, kind in [
        (Status.IO_TIMEOUT, errors.DeviceTimeoutError),
        (Status.NOT_SUPPORTED, errors.DeviceRefusedError),
        (0xE0110000, errors.DeviceError),
    ]:
        device.fail_once(status)
        with pytest.raises(kind) as caught:
            download.send_start(1)
        assert caught.value.status == status
    download.send_start(1)


@pytest.mark.parametrize("triggers", [-1, 0b100, 1 << 32])
def test_triggers_that_are_not_there_are_refused(download, triggers):
    for call in (download.send_start, download.send_stop):
        with pytest.raises(errors.DeviceRefusedError):
            call(triggers)


def test_values_that_do_not_fit_are_refused(download):
    for amplitudes, durations in [([2**31], [20]), ([1], [-20])]:
        with pytest.raises(errors.DeviceRefusedError):
            download.send_data(0, amplitudes, durations, "current")
    with pytest.raises(errors.DeviceRefusedError):
        download.send_data(2, [1], [20], "current")
    with pytest.raises(errors.DeviceRefusedError, match="mode ampere"):
        download.set_mode("ampere")


def test_an_unplugged_device_says_so_in_every_call(device, download):
    device.unplug()
    for call in (download.facts, lambda: download.send_start(1)):
        with pytest.raises(errors.DeviceRemovedError):
            call()
    download.disconnect()


# -------------------------------------------------------------------------- streaming


def test_samples_out_equal_samples_posted(stream, device):
    """At the times at which the device's rate has them, without the lowest bits."""
    rng = np.random.default_rng(7)
    words = rng.integers(-32768, 32768, (2, 1500)).astype(np.int16)
    port = stream(ring=4000)
    for channel in range(2):
        assert port.enqueue(channel, words[channel]) == 1500
    port.start_loop()
    wait_for(lambda: port.frames_buffered(0) == port.frames_buffered(1) == 1500)
    before = time.monotonic_ns()
    port.send_start(0b11)
    after = time.monotonic_ns()
    wait_for(lambda: port.frames_done() > 1500)
    starts = []
    for channel in range(2):
        times, levels = device.trace(channel)
        at, expected = changes((words[channel].astype(int) >> 2) * 2000)
        assert levels[: at.size].tolist() == expected.tolist()
        assert levels[at.size :].tolist() == [0]  # out of data: zero
        starts.append(np.unique(times[: at.size] - at * NS_PER_FRAME))
        assert times[-1] == starts[-1] + 1500 * NS_PER_FRAME
    assert starts[0].size == 1
    assert starts[0] == starts[1]
    if sys.platform == "linux":  # both clocks are CLOCK_MONOTONIC
        assert before <= starts[0] <= after
    assert device.stream_counts(0).n_played == 1500


def test_the_device_is_half_full_and_counts_capacity_in_bytes(stream, device):
    port = stream(ring=4000)
    port.enqueue(0, np.zeros(4000, np.int16))
    port.start_loop()
    wait_for(lambda: port.frames_buffered(0) == CAPACITY // 4)
    time.sleep(0.02)
    assert port.frames_buffered(0) == CAPACITY // 4
    assert port.queue_space(0) == CAPACITY // 4
    assert port.frames_buffered(1) == 0
    with pytest.raises(errors.DeviceMemoryError):
        port.set_capacity([64 << 20, 2])


def test_channels_of_a_trigger_share_its_memory(bus):
    port = bus.open_streaming(4000)
    port.set_capacity([CAPACITY])
    port.setup_trigger([0b11], [0], [0], [0], [10])
    port.start_loop()
    port.enqueue(0, np.zeros(4000, np.int16))
    time.sleep(0.02)
    assert port.frames_buffered(0) == 0  # a frame needs all of its channels
    port.enqueue(1, np.zeros(4000, np.int16))
    wait_for(lambda: port.frames_buffered(0) == CAPACITY // 8)
    port.disconnect()


def test_latency_is_what_lies_in_both_rings(stream, device):
    """The last block is behind 2500 frames in the host and 2500 in the device."""
    port = stream(ring=2600)
    port.start_loop()
    port.enqueue(0, np.zeros(2500, np.int16))
    wait_for(lambda: port.frames_buffered(0) == 2500)
    port.enqueue(0, np.zeros(2500, np.int16))
    port.enqueue(0, np.zeros(50, np.int16))
    port.send_start(1)
    wait_for(lambda: device.stream_counts(0).n_played == 5050)
    latency = device.take_latencies(0)
    assert latency.size == 3
    assert latency[2] >= 0.1  # 5000 frames; later by what passed before the start
    assert device.take_latencies(0).size == 0


def test_the_device_does_not_wait_for_a_late_host(stream, device):
    port = stream()
    port.enqueue(0, np.full(1000, 4000, np.int16))
    port.start_loop()
    wait_for(lambda: port.frames_buffered(0) == 1000)
    device.stall_usb()
    port.enqueue(0, np.full(500, 4000, np.int16))
    port.send_start(1)
    start = time.monotonic()
    wait_for(lambda: device.stream_counts(0).n_zeros > 500)
    counts = device.stream_counts(0)
    assert (counts.n_played, counts.n_underruns) == (1000, 1)
    assert port.frames_buffered(0) == 0
    device.stall_usb(False)
    wait_for(lambda: device.stream_counts(0).n_played == 1500)
    elapsed_s = time.monotonic() - start
    assert device.stream_counts(0).n_zeros <= elapsed_s * RATE_HZ
    times, levels = device.trace(0)
    assert levels[:4].tolist() == [2_000_000, 0, 2_000_000, 0]
    assert times[1] - times[0] == 1000 * NS_PER_FRAME
    assert times[3] - times[2] == 500 * NS_PER_FRAME


def test_without_continuous_mode_a_trigger_stops_for_want_of_data(stream, device):
    port = stream(is_continuous=False)
    port.enqueue(0, np.full(100, 400, np.int16))
    port.start_loop()
    wait_for(lambda: port.frames_buffered(0) == 100)
    port.send_start(1)
    wait_for(lambda: device.stream_counts(0).n_underruns == 1)
    port.enqueue(0, np.full(100, 400, np.int16))
    wait_for(lambda: port.frames_buffered(0) == 100)
    time.sleep(0.02)
    assert port.frames_buffered(0) == 100
    assert device.stream_counts(0).n_played == 100
    port.send_start(1)
    wait_for(lambda: device.stream_counts(0).n_played == 200)


def test_triggers_are_bits_not_numbers(stream, device):
    port = stream()
    for channel in range(2):
        port.enqueue(channel, np.full(500, 4000, np.int16))
    port.start_loop()
    wait_for(lambda: port.frames_buffered(1) == 500)
    port.send_start(0b10)
    wait_for(lambda: device.stream_counts(1).n_played == 500)
    assert device.stream_counts(0).n_played == 0
    assert device.trace(0)[0].size == 0


def test_a_stop_is_zero_at_once_and_leaves_what_is_queued(stream, device):
    port = stream()
    port.enqueue(0, np.full(2500, 4000, np.int16))
    port.start_loop()
    wait_for(lambda: port.frames_buffered(0) == 2500)
    port.enqueue(0, np.full(2500, 4000, np.int16))
    port.send_start(1)
    before = time.monotonic_ns()
    port.send_stop(1)
    after = time.monotonic_ns()
    times, levels = device.trace(0)
    assert levels.tolist() == [2_000_000, 0]
    assert before <= times[1] <= after
    n_played = device.stream_counts(0).n_played
    wait_for(lambda: port.frames_buffered(0) == 2500)
    assert port.queue_space(0) == n_played
    port.send_stop(1)
    port.stop_loop()


def test_a_stop_of_a_device_that_was_let_go_is_nothing(stream, device):
    port = stream()
    device.fail_once(Status.IO_TIMEOUT)
    with pytest.raises(errors.DeviceTimeoutError):
        port.send_stop(1)
    port.disconnect()
    port.send_stop(1)
    with pytest.raises(errors.DeviceNotFoundError):
        port.send_start(1)


def test_stops_of_many_threads_race_with_the_end(bus):
    failures = []

    def stop(port):
        try:
            for _ in range(20):
                port.send_stop(0b11)
        except Exception as error:
            failures.append(error)

    for _ in range(5):
        port = bus.open_streaming(100)
        threads = [threading.Thread(target=stop, args=(port,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        port.disconnect()
        for thread in threads:
            thread.join()
    assert failures == []


@pytest.mark.parametrize("is_in_bytes", [False, True])
def test_enqueued_samples_are_counted_whatever_the_assembly_counts(
    bus, stream, is_in_bytes
):
    bus.count_bytes(is_in_bytes)
    port = stream(ring=1000)
    try:
        taken = [port.enqueue(0, np.zeros(n, np.int16)) for n in (0, 600, 600, 100)]
    finally:
        bus.count_bytes(False)
    assert taken == [0, 600, 400, 0]
    assert port.queue_space(0) == 0


def test_a_first_block_longer_than_the_ring_is_taken_in_part(stream):
    port = stream(ring=100)
    assert port.enqueue(0, np.zeros(1000, np.int16)) == 100
    assert port.enqueue(0, np.zeros(1000, np.int16)) == 0


def test_words_of_another_type_are_refused(stream):
    port = stream()
    for words in (np.zeros(5), np.zeros(5, np.uint16), np.zeros((2, 5), np.int16)):
        with pytest.raises(TypeError, match="int16"):
            port.enqueue(0, words)


def test_blocks_of_many_lengths_arrive_as_they_are(stream, device):
    port = stream(ring=20_000)
    port.set_capacity([160_000, 0])
    blocks = [np.arange(n, 2 * n, dtype=np.int16) * 4 for n in range(1, 190)]
    for block in blocks:
        assert port.enqueue(0, block) == block.size
    posted = np.concatenate(blocks).astype(int)
    port.start_loop()
    wait_for(lambda: port.frames_buffered(0) == posted.size)
    port.send_start(1)
    wait_for(lambda: device.stream_counts(0).n_played == posted.size)
    at, expected = changes(posted // 4 * 2000)
    times, levels = device.trace(0)
    assert levels[: at.size].tolist() == expected.tolist()
    steps = np.diff(times[: at.size]) // NS_PER_FRAME
    assert steps.tolist() == np.diff(at).tolist()


def test_sync_outs_are_streamed_beside_their_channels(stream, device):
    port = stream()
    marks = np.zeros(1000, np.uint16)
    marks[100:200], marks[300:400] = 1, 0xFFFF
    assert port.syncout_queue_space(0) == 2500
    assert port.enqueue_syncout(0, marks) == 1000
    assert port.enqueue_syncout(0, np.zeros(2000, np.uint16)) == 1500
    port.enqueue(0, np.full(1000, 4000, np.int16))
    port.start_loop()
    wait_for(lambda: port.frames_buffered(0) == 1000)
    port.send_start(1)
    wait_for(lambda: device.stream_counts(0).n_played == 1000)
    start = device.trace(0)[0][0]
    times, levels = device.trace(2)
    assert levels.tolist() == [1, 0, 0xFFFF, 0]
    at = (times - start) // NS_PER_FRAME
    assert at.tolist() == [100, 200, 300, 400]


# -------------------------------------------------------------------------- callbacks


def test_data_are_called_for_by_another_thread_below_the_threshold(stream):
    calls = []
    port = stream(
        on_data=lambda trigger: calls.append((trigger, threading.get_ident()))
    )
    for channel in range(2):
        port.enqueue(channel, np.zeros(2500, np.int16))
    time.sleep(0.05)
    assert not calls
    port.start_loop()  # the device takes all of them
    wait_for(lambda: {trigger for trigger, _ in calls} == {0, 1})
    assert threading.get_ident() not in {thread for _, thread in calls}


def test_what_a_callback_raises_is_raised_by_the_next_call(stream):
    def on_data(trigger):
        raise KeyError(trigger)

    port = stream(on_data=on_data)
    port.start_loop()
    with pytest.raises(KeyError):
        wait_for(lambda: port.frames_buffered(0) < 0)
    port.send_stop(0b11)  # never held up by it
    port.stop_loop()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, RecursionError])
def test_nothing_that_a_callback_raises_ends_the_process(stream, kind):
    def on_data(_):
        raise kind

    port = stream(on_data=on_data)
    port.start_loop()
    with pytest.raises(kind):
        wait_for(lambda: port.queue_space(0) < 0)


def test_a_collection_in_a_callback_waits_for_nobody_who_waits_for_python(stream):
    """The thread that collects holds Python's lock, which the other one asks for."""
    from System import GC

    collected = []

    def on_data(_):
        time.sleep(0.01)  # so long that the other one has to give the lock away
        GC.Collect()
        collected.append(1)

    port = stream(on_data=on_data)
    port.start_loop()
    end = time.monotonic() + 20
    while len(collected) < 150 and time.monotonic() < end:
        port.queue_space(0)  # as fast as it can: one of them is under way
    assert len(collected) >= 150


def test_an_unplugged_device_calls_its_error_handler(stream, device):
    errors_told = []
    port = stream(on_error=lambda: errors_told.append(1))
    port.start_loop()
    device.unplug()
    wait_for(lambda: errors_told == [1])
    with pytest.raises(errors.DeviceRemovedError):
        port.enqueue(0, np.zeros(5, np.int16))
    port.disconnect()


def test_a_late_callback_holds_up_the_samples(stream, device):
    """They lie in the queue: the thread that would send them calls for more."""
    full = np.zeros(2500, np.int16)
    port = stream(on_data=lambda trigger: port.enqueue(trigger, full))
    port.start_loop()
    wait_for(lambda: all(port.frames_buffered(trigger) == 2500 for trigger in (0, 1)))
    wait_for(lambda: all(port.queue_space(channel) == 0 for channel in (0, 1)))
    device.delay_callbacks(0.2)  # the device holds 50 ms
    port.send_start(0b11)
    wait_for(lambda: device.stream_counts(0).n_underruns > 0)
    assert port.queue_space(0) < 2500


# --------------------------------------------------------------------------- download


def test_a_program_is_played_as_often_as_it_says(download, device):
    download.set_mode("current")
    download.send_data(0, [1_000_000, -1_000_000, 0], [100, 100, 800], "current")
    download.setup_trigger([1, 0], [0, 0], [3, 0])
    before = time.monotonic_ns()
    download.send_start(1)
    after = time.monotonic_ns()
    wait_for(lambda: download.trigger_states() == ("finished", "idle"))
    times, levels = device.trace(0)
    assert before <= times[0] <= after
    assert levels.tolist() == [1_000_000, -1_000_000, 0] * 3
    at_us = (times - times[0]) // 1000
    expected = [start + edge for start in (0, 1000, 2000) for edge in (0, 100, 200)]
    assert at_us.tolist() == expected


def test_channels_and_sync_outs_of_a_trigger_start_together(download, device):
    download.send_data(0, [2000, 0], [100, 100], "current")
    download.send_data(1, [-4000, 0], [40, 20], "current")
    download.send_data(1, [1, 0], [200, 20], "syncout")
    download.setup_trigger([0b11], [0b10], [1])
    download.send_start(1)
    wait_for(lambda: download.trigger_states()[0] == "finished")
    (start, *_), _ = device.trace(0)
    edges = {
        output: [
            ((t - start) // 1000, level)
            for t, level in zip(*device.trace(output), strict=True)
        ]
        for output in range(4)
    }
    assert edges == {
        0: [(0, 2000), (100, 0)],
        1: [(0, -4000), (40, 0)],
        2: [],
        3: [(0, 1), (200, 0)],
    }


def test_repeats_without_end_go_on_without_the_host_until_they_are_stopped(bus, device):
    port = bus.open_download()
    port.send_data(0, [2000, 0], [500, 500], "current")
    port.setup_trigger([1], [0], [0])
    port.send_start(1)
    port.disconnect()
    n_before = device.trace(0)[0].size
    wait_for(lambda: device.trace(0)[0].size > n_before + 20)
    port = bus.open_download()
    assert port.trigger_states()[0] == "running"
    port.send_stop(1)
    assert port.trigger_states()[0] == "idle"
    n_after = device.trace(0)[0].size
    time.sleep(0.05)
    assert device.trace(0)[0].size == n_after
    assert device.level(0) == 0
    port.disconnect()


def test_a_start_stops_what_is_running(download):
    """The retrigger mode that a device has before it is told another one."""
    download.send_data(0, [2000, 0], [500, 500], "current")
    download.setup_trigger([1], [0], [0])
    states = []
    for _ in range(3):
        download.send_start(1)
        states.append(download.trigger_states()[0])
    assert states == ["running", "idle", "running"]
    download.send_stop(1)


def test_amplitudes_are_rounded_to_steps_and_clipped_in_silence(download, device):
    given = [999, 1001, -2999, -3001, 20_000_000, 0]
    download.send_data(0, given, [20] * 6, "current")
    download.setup_trigger([1], [0], [1])
    download.send_start(1)
    wait_for(lambda: download.trigger_states()[0] == "finished")
    assert device.trace(0)[1].tolist() == [2000, -2000, -4000, 16_000_000, 0]
    assert device.n_clipped(0) == 1


def test_voltages_have_their_own_step(download, device):
    download.set_mode("voltage", 1)
    download.send_data(1, [1_499, -2_501, 0], [20, 20, 20], "voltage")
    download.setup_trigger([2], [0], [1])
    download.send_start(1)
    wait_for(lambda: download.trigger_states()[0] == "finished")
    assert device.trace(1)[1].tolist() == [1000, -3000, 0]


def test_durations_off_the_grid_become_those_of_the_manual(download, device):
    """STG4002 manual: 249 µs is 240 µs, 250 µs is 260 µs."""
    download.send_data(0, [2000, 4000, 0], [249, 250, 20], "current")
    download.setup_trigger([1], [0], [1])
    download.send_start(1)
    wait_for(lambda: download.trigger_states()[0] == "finished")
    assert (np.diff(device.trace(0)[0]) // 1000).tolist() == [240, 260]


def test_appended_runs_come_behind(download, device):
    download.send_data(0, [2000], [100], "current")
    download.send_data(0, [-2000, 0], [100, 20], "current", is_appended=True)
    download.setup_trigger([1], [0], [1])
    download.send_start(1)
    wait_for(lambda: download.trigger_states()[0] == "finished")
    assert device.trace(0)[1].tolist() == [2000, -2000, 0]
    download.clear_channel(0)
    download.send_start(1)
    assert download.trigger_states()[0] == "finished"  # there is nothing to play
    assert device.trace(0)[1].size == 3


def test_entries_without_duration_are_loops_from_version_5_on(download, device):
    assert download.has_loops is (GENERATION == 5)
    # 2 times (A, 3 times B)
    amplitudes = [0, 2000, 0, -2000, 0, 3, 2, 0]
    durations = [0, 20, 0, 20, 20, 0, 0, 20]
    download.send_data(0, amplitudes, durations, "current")
    download.setup_trigger([1], [0], [1])
    download.send_start(1)
    wait_for(lambda: download.trigger_states()[0] == "finished")
    looped, plain = [2000, *[-2000, 0] * 3] * 2, [2000, -2000, 0]
    assert device.trace(0)[1].tolist() == (looped if GENERATION == 5 else plain)


def test_segments_are_chosen_before_a_start(download, device):
    for segment, level in [(1, 2000), (7, 4000)]:
        download.select_segment(segment)
        download.send_data(0, [level, 0], [20, 20], "current")
    download.setup_trigger([1], [0], [1])
    for segment in (7, 1, 7):
        download.select_segment(segment)
        download.send_start(1)
        wait_for(lambda: download.trigger_states()[0] == "finished")
    assert device.trace(0)[1].tolist() == [4000, 0, 2000, 0, 4000, 0]
    with pytest.raises(errors.DeviceRefusedError, match="0 to 99"):
        download.select_segment(100)


def test_dividing_the_memory_does_not_lose_what_is_stored(download):
    download.send_data(0, [2000], [20], "current")
    download.select_segment(0)
    with pytest.raises(errors.DeviceRefusedError, match="before the first download"):
        download.select_segment(1)


def test_memory_is_used_up_and_its_end_is_an_error(make_bus):
    bus = make_bus()
    bus.devices[0].set_total_memory(800)
    port = bus.open_download()
    assert port.available_memory_bytes() == 800
    port.send_data(0, [2000, 0] * 20, [20] * 40, "current")
    assert port.available_memory_bytes() == 480
    with pytest.raises(errors.DeviceMemoryError):
        port.send_data(1, [2000, 0] * 40, [20] * 80, "current")
    port.set_capacity([100, 100], [0, 0])  # before version 5 only; else nothing
    if GENERATION == 3:
        with pytest.raises(errors.DeviceMemoryError):
            port.send_data(1, [2000, 0] * 7, [20] * 14, "current")
    port.disconnect()
