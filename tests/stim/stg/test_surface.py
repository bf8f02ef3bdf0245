"""The documented names, and the documented example as it is printed."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stim
from circus_io.errors import DeviceError, SafetyError, StimulatorStateError
from stim.safety import SafetyLimits
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.stg import STG4000, STG4000Streamer, list_devices, open_bus
from stim.stg.history import History
from stim.stg.limits import LimitSet, scale_of
from stim.stg.streaming_gate import StreamingGate

CHECKOUT = Path(__file__).resolve().parents[3]
LIMITS = SafetyLimits(2_000_000, 400, 400, unit="nA")

# the page of the package `stg`, but for the import, which was: from stg.api import *
EXAMPLE = """
import time
from stim import STG4000
buffer_in_s = 0.05                     # ring in the PC (DLL)
capacity_in_s = 0.1                    # ring on the device
stg = STG4000()
stg.start_streaming(capacity_in_s=capacity_in_s, buffer_in_s=buffer_in_s)
while True:                            # alternate silence and a pulse every 50 ms
    stg.set_signal(0, amplitudes_in_mA=[0], durations_in_ms=[0.1])
    time.sleep(0.5)
    stg.set_signal(0, amplitudes_in_mA=[1, -1, 0], durations_in_ms=[0.1, 0.1, 49.7])
    time.sleep(buffer_in_s / 2)
"""

INTERRUPTED = """
import _thread, threading
import stim.simulated, stim.stg.stg4000  # not while the time runs
threading.Timer(1.8, _thread.interrupt_main).start()
try:
    exec(compile(EXAMPLE, "example", "exec"))
except KeyboardInterrupt:
    from stim.stg import open_bus
    times, levels = open_bus().devices[0].trace.changes(0)
    print(stg.state, levels.tolist(), stg.stats().n_underruns)
"""


def test_the_documented_example_runs_with_its_import_changed(tmp_path):
    limits = tmp_path / "limits.toml"
    limits.write_text(
        "max_amplitude = 2_000_000\nmax_phase_us = 200\n"
        'min_period_us = 10_000\nunit = "nA"\n'
    )
    environment = os.environ | {
        "CIRCUS_STIM_BUS": "simulated",
        "CIRCUS_STIM_LIMITS": str(limits),
    }
    done = subprocess.run(
        [sys.executable, "-c", f"EXAMPLE = {EXAMPLE!r}\n{INTERRUPTED}"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=CHECKOUT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    state, _, rest = done.stdout.partition(" ")
    assert state == "idle"  # the interrupt has stopped it before anything else
    assert rest.startswith("[1000000, -1000000, 0")


@pytest.fixture
def device():
    return SimulatedDevice(clock=VirtualClock(), n_channels=2)


@pytest.fixture
def stg(device):
    with STG4000(limits=LIMITS, bus=SimulatedBus([device])) as stg:
        yield stg


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("__init__", ["serial"]),
        (
            "download",
            ["channel_index", "amplitudes_in_mA", "durations_in_ms", "mode"],
        ),
        ("start_stimulation", ["triggerIndex"]),
        ("stop_stimulation", ["triggerIndex"]),
        ("set_mode", ["channel_index", "mode"]),
        ("set_signal", ["channel_index", "amplitudes_in_mA", "durations_in_ms"]),
        (
            "start_streaming",
            ["capacity_in_s", "buffer_in_s", "callback_percent"],
        ),
        ("streamer", ["dll_buffer_size"]),
        ("sleep", ["duration_in_ms"]),
        ("stop_streaming", []),
        ("diagonalize_triggermap", []),
    ],
)
def test_keywords_are_those_of_the_package(name, keywords):
    parameters = inspect.signature(getattr(STG4000, name)).parameters
    assert list(parameters)[1 : 1 + len(keywords)] == keywords
    assert STG4000Streamer is STG4000
    assert {"STG4000", "PulseFile", "entrain", "compress", "decompress"} <= set(
        stim.__all__
    )


def test_what_has_no_arguments_is_silence(stg, device):
    assert stg.set_signal() is None
    stg.start_streaming(0.1, 0.05)
    assert stg.set_signal() == 5000  # what is in the rings comes first
    stg.set_signal(1, [0, 0], [10, 20])
    stg.sleep(100)
    assert device.trace.changes(0)[0].size == 0


def test_trigger_maps_play_channels_together(stg, device):
    stg.download(0, [1, -1], [0.2, 0.2])
    stg.download(1, [0.5, -0.5, 0], [0.2, 0.2, 9.6])
    stg.map_triggers([[0, 1]], [3])
    stg.start_stimulation([0])
    assert stg.wait(1.0)
    for channel, level in ((0, 1_000_000), (1, 500_000)):
        times, levels = device.trace.changes(channel)
        begins = times[levels == level]
        assert np.diff(begins).tolist() == [10_000_000] * 2
    for channels, repeats in (([[0, 0]], [1]), ([[5]], [1]), ([[0]], [1, 2])):
        with pytest.raises(SafetyError):
            stg.map_triggers(channels, repeats)
    with pytest.raises(SafetyError, match="for ever"):
        stg.map_triggers([[0, 1]], [0])
    stg.diagonalize_triggermap()
    stg.start_stimulation([1])
    assert stg.wait(1.0)
    assert np.count_nonzero(device.trace.changes(1)[1] == 500_000) == 4


def test_long_trains_are_loops_and_sync_outs_mark_them(stg, device):
    stg.download(0, [1, -1, 0] * 1000, [0.2, 0.2, 9.6] * 1000, syncout=True)
    used = 64 * 2**20 - stg._connection.gate.free_bytes()
    assert used < 30_000  # of 24 000 bytes for the runs; 8 000 for the marks
    stg.start_stimulation([0])
    assert stg.wait(20.0)
    times, levels = device.trace.changes(0)
    assert np.count_nonzero(levels == 1_000_000) == 1000
    marks, high = device.trace.changes(2)  # the sync-out of channel 0
    assert marks[high == 1].tolist() == times[levels == 1_000_000].tolist()


def test_starts_may_not_come_faster_than_pulses_may(device):
    limits = SafetyLimits(2_000_000, 400, 50_000, unit="nA", max_on_time_s=0.001)
    with STG4000(limits=limits, bus=SimulatedBus([device])) as stg:
        stg.download(0, [1, -1], [0.2, 0.2])
        stg.start_stimulation([0])
        stg.sleep(10)
        with pytest.raises(SafetyError, match="10 ms ago, and the limit is 50 ms"):
            stg.start_stimulation([0])
        stg.sleep(45)
        stg.start_stimulation([0])
        stg.sleep(60)
        with pytest.raises(SafetyError, match=r"limit of 0\.001 s"):
            stg.start_stimulation([0])


def test_a_stream_ends_where_its_limit_of_time_is(device):
    limits = SafetyLimits(2_000_000, 400, 400, unit="nA", max_on_time_s=0.02)
    stg = STG4000(limits=limits, bus=SimulatedBus([device]))
    stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 3.6])  # 0.1 s per second and 0.4 ms
    stg.start_streaming(0.1, 0.05)
    with pytest.raises(SafetyError, match=r"limit of 0\.02 s"):
        stg.sleep(1000)
    on_s = np.count_nonzero(device.trace.changes(0)[1]) * 0.0002
    assert 0.005 < on_s <= 0.02
    with pytest.raises(SafetyError, match=r"limit of 0\.02 s"):
        stg.start_streaming(0.1, 0.05)  # it is a limit of all in all
    stg.close()


def test_the_gate_lets_nothing_through_that_was_not_checked(device):
    port = SimulatedBus([device]).open_streaming(5000)
    facts = port.facts()
    scale = scale_of(facts, 0, "current")
    doses = [stim.Dose(scale.shift) for _ in range(2)]
    gate = StreamingGate(
        port, facts, LimitSet(LIMITS), 5000, doses, History(2, device.clock)
    )
    gate.set_up(50_000, 5000, 10)
    program = scale.quantize(stim.Waveform.of([(1_000_000, 200), (-1_000_000, 200)]))
    for thing in (program, program.words(), None):
        with pytest.raises(SafetyError, match="only what limits have checked"):
            gate.admit(0, thing)
    foreign = SafetyLimits(9_000_000, 400, 400, unit="nA")
    with pytest.raises(SafetyError, match="other limits have checked"):
        gate.admit(0, foreign.check_program(program))
    volts = SafetyLimits(9_000_000, 400, 400, unit="uV")
    wave = stim.Waveform.of([(1000, 20), (-1000, 20)], "uV")
    checked = volts.check_program(scale_of(facts, 0, "voltage").quantize(wave))
    with pytest.raises(SafetyError, match="quantize it with the scale"):
        gate.admit(0, checked)
    block = np.zeros((2, 100), np.int16)
    block[0, :10] = 2000
    with pytest.raises(SafetyError, match=r"channel 0: a word of 2000 .* not sent"):
        gate.post(block)  # nothing was admitted yet
    gate.admit(0, LIMITS.check_program(program, repeats=None))
    gate.post(block)
    block[0, 50] = 4001  # 2 mA are 4000
    with pytest.raises(SafetyError, match="beyond the limit of 4000"):
        gate.post(block)
    block[0, 50] = -32768
    with pytest.raises(SafetyError, match="a word of 32768"):
        gate.post(block)
    assert port.queue_space(0) == 4900


def test_names_of_buses(monkeypatch):
    monkeypatch.delenv("CIRCUS_STIM_BUS", raising=False)
    if sys.platform != "win32":
        with pytest.raises(DeviceError, match="simulated or mcs-simulated"):
            open_bus()
    with pytest.raises(DeviceError, match="choose from stg4000, mcs-simulated, simul"):
        open_bus("usb")
    monkeypatch.setenv("CIRCUS_STIM_BUS", "simulated")
    assert open_bus() is open_bus("simulated")
    (entry,) = list_devices()
    assert entry.name == "STG4008"


def test_plugging_in_and_out_is_told_and_told_no_more(device):
    bus, told = SimulatedBus([device]), []
    end = bus.watch(lambda e: told.append("in"), lambda e: told.append("out"))
    device.unplug()
    assert list_devices(bus) == []
    bus.plug_in(device)
    bus.plug_in(SimulatedDevice(serial_number="2", clock=device.clock))
    assert told == ["out", "in", "in"]
    end()
    device.unplug()
    assert told == ["out", "in", "in"]


def test_a_device_that_was_pulled_is_used_again(stg, device):
    stg.download(0, [1, -1], [0.2, 0.2])
    device.unplug()
    with pytest.raises(DeviceError, match="not plugged in"):
        stg.download(0, [1, -1], [0.2, 0.2])
    device.plug_in()
    with pytest.raises(StimulatorStateError):  # it has forgotten
        stg.start_stimulation([0])
    stg.download(0, [1, -1], [0.2, 0.2])
    stg.start_stimulation([0])
    assert stg.wait(1.0)
    assert device.trace.changes(0)[1].tolist() == [1_000_000, -1_000_000, 0]


def test_names_of_the_page_for_those_who_come_from_stg():
    page = (CHECKOUT / "docs" / "how-to" / "come-from-app-stg.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| `PulseFile`")]
    names = [part.strip(" |`") for part in row.split("from")[0].split(",")]
    assert "dump" in names
    assert [name for name in names if not hasattr(stim, name)] == []
