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
from stim.mcs.simulated import SimulatedStg
from stim.stg.status import Status
from tests.waiting import wait_until

GENERATION = int(os.environ["MCS_GENERATION"])


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
    wait_until(lambda: len(told) == 1)
    assert bus.list_devices() == []
    device.plug_in()
    wait_until(lambda: len(told) == 2)
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


# --------------------------------------------------------------------------- download


def test_a_program_is_played_as_often_as_it_says(download, device):
    download.set_mode("current")
    download.send_data(0, [1_000_000, -1_000_000, 0], [100, 100, 800], "current")
    download.setup_trigger([1, 0], [0, 0], [3, 0])
    before = time.monotonic_ns()
    download.send_start(1)
    after = time.monotonic_ns()
    wait_until(lambda: download.trigger_states() == ("finished", "idle"))
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
    wait_until(lambda: download.trigger_states()[0] == "finished")
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
    wait_until(lambda: device.trace(0)[0].size > n_before + 20)
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
    wait_until(lambda: download.trigger_states()[0] == "finished")
    assert device.trace(0)[1].tolist() == [2000, -2000, -4000, 16_000_000, 0]
    assert device.n_clipped(0) == 1


def test_voltages_have_their_own_step(download, device):
    download.set_mode("voltage", 1)
    download.send_data(1, [1_499, -2_501, 0], [20, 20, 20], "voltage")
    download.setup_trigger([2], [0], [1])
    download.send_start(1)
    wait_until(lambda: download.trigger_states()[0] == "finished")
    assert device.trace(1)[1].tolist() == [1000, -3000, 0]


def test_durations_off_the_grid_become_those_of_the_manual(download, device):
    """STG4002 manual: 249 µs is 240 µs, 250 µs is 260 µs."""
    download.send_data(0, [2000, 4000, 0], [249, 250, 20], "current")
    download.setup_trigger([1], [0], [1])
    download.send_start(1)
    wait_until(lambda: download.trigger_states()[0] == "finished")
    assert (np.diff(device.trace(0)[0]) // 1000).tolist() == [240, 260]


def test_appended_runs_come_behind(download, device):
    download.send_data(0, [2000], [100], "current")
    download.send_data(0, [-2000, 0], [100, 20], "current", is_appended=True)
    download.setup_trigger([1], [0], [1])
    download.send_start(1)
    wait_until(lambda: download.trigger_states()[0] == "finished")
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
    wait_until(lambda: download.trigger_states()[0] == "finished")
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
        wait_until(lambda: download.trigger_states()[0] == "finished")
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
