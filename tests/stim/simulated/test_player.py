"""The download mode of the simulator, against waveforms written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io.errors import DeviceMemoryError, DeviceRefusedError
from stim.loops import decode, encode
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.simulated.player import unrolled


@pytest.fixture
def device():
    return SimulatedDevice(clock=VirtualClock(), n_channels=2)


@pytest.fixture
def port(device):
    return SimulatedBus([device]).open_download()


def heard(device, output=0):
    times, levels = device.trace.changes(output)
    return [(int(t) // 1000, int(v)) for t, v in zip(times, levels, strict=True)]


def test_repeats_and_the_end(device, port):
    port.setup_trigger([1], [0], [2])
    port.send_data(0, [2000, -2000, 0], [100, 100, 60], "current")
    device.clock.sleep(0.001)
    port.send_start(1)
    assert port.trigger_states()[0] == "running"
    device.clock.sleep(0.01)
    assert port.trigger_states()[0] == "finished"
    once = [(0, 2000), (100, -2000), (200, 0)]  # and 60 µs of pause
    assert heard(device) == [(1000 + r + t, v) for r in (0, 260) for t, v in once]


def test_the_shorter_waits_for_the_longer(device, port):
    port.setup_trigger([0b11], [0], [3])
    port.send_data(0, [2000], [100], "current")
    port.send_data(1, [4000], [1000], "voltage")
    port.send_start(1)
    device.clock.sleep(0.1)
    assert heard(device, 0) == [
        (0, 2000), (100, 0), (1000, 2000), (1100, 0), (2000, 2000), (2100, 0),
    ]  # fmt: skip
    assert heard(device, 1) == [(0, 4000), (3000, 0)]


def test_for_ever_is_until_a_stop(device, port):
    port.setup_trigger([1], [0], [0])
    port.send_data(0, [2000, -2000], [100, 100], "current")
    port.send_start(1)
    device.clock.sleep(10.00005)
    port.send_stop(1)
    device.clock.sleep(1)
    times = np.array([t for t, _ in heard(device)])
    assert np.all(np.diff(times[:-1]) == 100)
    assert heard(device)[-1] == (10_000_050, 0)
    assert port.trigger_states()[0] == "idle"


def test_a_start_of_what_runs_stops_it(device, port):
    port.setup_trigger([1], [0], [0])
    port.send_data(0, [2000, -2000], [100, 100], "current")
    port.send_start(1)
    device.clock.sleep(0.001)
    port.send_start(1)
    assert port.trigger_states()[0] == "idle"


def test_segments_hold_waveforms_of_their_own(device, port):
    for segment, level in ((0, 2000), (7, 4000)):
        port.select_segment(segment)
        port.setup_trigger([1], [0], [1])
        port.send_data(0, [level], [100], "current")
    port.send_start(1)
    device.clock.sleep(0.01)
    port.select_segment(0)
    port.send_start(1)
    device.clock.sleep(0.01)
    assert [v for _, v in heard(device)] == [4000, 0, 2000, 0]
    with pytest.raises(DeviceRefusedError, match="0 to 99"):
        port.select_segment(100)


def test_data_are_appended_cleared_and_rounded_to_steps(device, port):
    port.setup_trigger([1], [0], [1])
    port.send_data(0, [2999], [100], "current")  # steps of 2000 nA
    port.send_data(0, [3001], [100], "current", is_appended=True)
    port.send_start(1)
    device.clock.sleep(0.01)
    assert heard(device) == [(0, 2000), (100, 4000), (200, 0)]
    port.clear_channel(0)
    port.send_start(1)
    assert port.trigger_states()[0] == "finished"


def test_memory_is_short(device, port):
    free = port.available_memory_bytes()
    port.send_data(0, [2000] * 100, [20] * 100, "current")
    assert port.available_memory_bytes() == free - 800
    device.faults.total_memory_bytes = 1000
    with pytest.raises(DeviceMemoryError, match="do not fit"):
        port.send_data(1, [2000] * 100, [20] * 100, "current")


def test_what_a_device_refuses(port):
    for call, words in (
        (lambda: port.send_data(0, [16_000_001], [20], "current"), "beyond the range"),
        (lambda: port.send_data(9, [1], [20], "current"), "0 to 1"),
        (lambda: port.send_start(0b100), "has 2"),
        (lambda: port.send_stop(-1), "has 2"),
        (lambda: port.set_output_rate(50_001), "1000 to 50000"),
        (lambda: port.set_mode("charge"), "current or voltage"),
    ):
        with pytest.raises(DeviceRefusedError, match=words):
            call()


runs = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(1, 3)), min_size=1, max_size=6
)


@settings(deadline=None)
@given(runs, st.integers(1, 9), st.integers(1, 4))
def test_loops_are_unrolled_as_they_are_encoded(block, inner, outer):
    flat = [*(block * inner), (7, 20)] * outer
    levels, durations = zip(*flat, strict=True)
    encoded = [part.tolist() for part in encode(levels, durations)]
    assert unrolled(*encoded) == (list(levels), list(durations))
    assert [part.tolist() for part in decode(*encoded)] == [
        *map(list, unrolled(*encoded))
    ]


def test_loops_that_are_none():
    for levels in ([0], [3], [0, 3, 3]):
        with pytest.raises(DeviceRefusedError, match="loop"):
            unrolled(levels, [0] * len(levels))
    nested = [0, 0, 5, 2, 3], [0, 0, 20, 0, 0]
    assert unrolled(*nested) == ([5] * 6, [20] * 6)


def test_without_loops_entries_of_no_duration_are_nothing():
    device = SimulatedDevice(clock=VirtualClock(), n_channels=2, has_loops=False)
    port = SimulatedBus([device]).open_download()
    assert not port.has_loops
    port.setup_trigger([1], [0], [1])
    port.send_data(0, [0, 2000, 5], [0, 100, 0], "current")
    port.send_start(1)
    device.clock.sleep(0.01)
    assert heard(device) == [(0, 2000), (100, 0)]
