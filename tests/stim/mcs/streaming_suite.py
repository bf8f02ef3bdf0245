"""Streams on the C# simulator, on one runtime: run by `test_ports.py` in a process.

Its environment says on which one: CIRCUS_DOTNET and MCS_GENERATION.
"""

import sys
import threading
import time

import numpy as np
import pytest

from circus_io import errors
from stim.stg.status import Status
from tests.stim.mcs.rates import CAPACITY, NS_PER_FRAME, RATE_HZ
from tests.waiting import wait_until


def changes(values):
    """Return where values change, from 0 before the first, and to what."""
    values = np.asarray(values)
    at = np.flatnonzero(np.diff(values, prepend=0))
    return at, values[at]


# -------------------------------------------------------------------------- streaming


def test_samples_out_equal_samples_posted(stream, device):
    """At the times at which the device's rate has them, without the lowest bits."""
    rng = np.random.default_rng(7)
    words = rng.integers(-32768, 32768, (2, 1500)).astype(np.int16)
    port = stream(ring=4000)
    for channel in range(2):
        assert port.enqueue(channel, words[channel]) == 1500
    port.start_loop()
    wait_until(lambda: port.frames_buffered(0) == port.frames_buffered(1) == 1500)
    before = time.monotonic_ns()
    port.send_start(0b11)
    after = time.monotonic_ns()
    wait_until(lambda: port.frames_done() > 1500)
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
    wait_until(lambda: port.frames_buffered(0) == CAPACITY // 4)
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
    wait_until(lambda: port.frames_buffered(0) == CAPACITY // 8)
    port.disconnect()


def test_latency_is_what_lies_in_both_rings(stream, device):
    """The last block is behind 2500 frames in the host and 2500 in the device."""
    port = stream(ring=2600)
    port.start_loop()
    port.enqueue(0, np.zeros(2500, np.int16))
    wait_until(lambda: port.frames_buffered(0) == 2500)
    port.enqueue(0, np.zeros(2500, np.int16))
    port.enqueue(0, np.zeros(50, np.int16))
    port.send_start(1)
    wait_until(lambda: device.stream_counts(0).n_played == 5050)
    latency = device.take_latencies(0)
    assert latency.size == 3
    assert latency[2] >= 0.1  # 5000 frames; later by what passed before the start
    assert device.take_latencies(0).size == 0


def test_the_device_does_not_wait_for_a_late_host(stream, device):
    port = stream()
    port.enqueue(0, np.full(1000, 4000, np.int16))
    port.start_loop()
    wait_until(lambda: port.frames_buffered(0) == 1000)
    device.stall_usb()
    port.enqueue(0, np.full(500, 4000, np.int16))
    port.send_start(1)
    start = time.monotonic()
    wait_until(lambda: device.stream_counts(0).n_zeros > 500)
    counts = device.stream_counts(0)
    assert (counts.n_played, counts.n_underruns) == (1000, 1)
    assert port.frames_buffered(0) == 0
    device.stall_usb(False)
    wait_until(lambda: device.stream_counts(0).n_played == 1500)
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
    wait_until(lambda: port.frames_buffered(0) == 100)
    port.send_start(1)
    wait_until(lambda: device.stream_counts(0).n_underruns == 1)
    port.enqueue(0, np.full(100, 400, np.int16))
    wait_until(lambda: port.frames_buffered(0) == 100)
    time.sleep(0.02)
    assert port.frames_buffered(0) == 100
    assert device.stream_counts(0).n_played == 100
    port.send_start(1)
    wait_until(lambda: device.stream_counts(0).n_played == 200)


def test_triggers_are_bits_not_numbers(stream, device):
    port = stream()
    for channel in range(2):
        port.enqueue(channel, np.full(500, 4000, np.int16))
    port.start_loop()
    wait_until(lambda: port.frames_buffered(1) == 500)
    port.send_start(0b10)
    wait_until(lambda: device.stream_counts(1).n_played == 500)
    assert device.stream_counts(0).n_played == 0
    assert device.trace(0)[0].size == 0


def test_a_stop_is_zero_at_once_and_leaves_what_is_queued(stream, device):
    port = stream()
    port.enqueue(0, np.full(2500, 4000, np.int16))
    port.start_loop()
    wait_until(lambda: port.frames_buffered(0) == 2500)
    port.enqueue(0, np.full(2500, 4000, np.int16))
    port.send_start(1)
    before = time.monotonic_ns()
    port.send_stop(1)
    after = time.monotonic_ns()
    times, levels = device.trace(0)
    assert levels.tolist() == [2_000_000, 0]
    assert before <= times[1] <= after
    n_played = device.stream_counts(0).n_played
    wait_until(lambda: port.frames_buffered(0) == 2500)
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
    wait_until(lambda: port.frames_buffered(0) == posted.size)
    port.send_start(1)
    wait_until(lambda: device.stream_counts(0).n_played == posted.size)
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
    wait_until(lambda: port.frames_buffered(0) == 1000)
    port.send_start(1)
    wait_until(lambda: device.stream_counts(0).n_played == 1000)
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
    wait_until(lambda: {trigger for trigger, _ in calls} == {0, 1})
    assert threading.get_ident() not in {thread for _, thread in calls}


def test_what_a_callback_raises_is_raised_by_the_next_call(stream):
    def on_data(trigger):
        raise KeyError(trigger)

    port = stream(on_data=on_data)
    port.start_loop()
    with pytest.raises(KeyError):
        wait_until(lambda: port.frames_buffered(0) < 0)
    port.send_stop(0b11)  # never held up by it
    port.stop_loop()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, RecursionError])
def test_nothing_that_a_callback_raises_ends_the_process(stream, kind):
    def on_data(_):
        raise kind

    port = stream(on_data=on_data)
    port.start_loop()
    with pytest.raises(kind):
        wait_until(lambda: port.queue_space(0) < 0)


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
    wait_until(lambda: errors_told == [1])
    with pytest.raises(errors.DeviceRemovedError):
        port.enqueue(0, np.zeros(5, np.int16))
    port.disconnect()


def test_a_late_callback_holds_up_the_samples(stream, device):
    """They lie in the queue: the thread that would send them calls for more."""
    full = np.zeros(2500, np.int16)
    port = stream(on_data=lambda trigger: port.enqueue(trigger, full))
    port.start_loop()
    wait_until(lambda: all(port.frames_buffered(trigger) == 2500 for trigger in (0, 1)))
    wait_until(lambda: all(port.queue_space(channel) == 0 for channel in (0, 1)))
    device.delay_callbacks(0.2)  # the device holds 50 ms
    port.send_start(0b11)
    wait_until(lambda: device.stream_counts(0).n_underruns > 0)
    assert port.queue_space(0) < 2500
