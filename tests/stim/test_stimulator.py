"""Pulses, limits, and a stimulator that notes what reaches it."""

import gc
import subprocess
import sys

import numpy as np
import pytest

from circus_io.errors import DeviceError, SafetyError
from stim import Phase, Pulse, SafetyLimits, Scale, Stimulator

LIMITS = SafetyLimits(
    max_amplitude=500_000, max_phase_us=500, min_period_us=10_000, electrodes={12, 13}
)
PULSE = Pulse.biphasic(100_000, 200)


class Noting(Stimulator):
    """A device whose steps are 1000 µV and 20 µs."""

    n_outputs = 2

    def __init__(self, limits=LIMITS, fails=()):
        super().__init__(limits)
        self.heard, self.fails = [], set(fails)

    def note(self, *words):
        self.heard.append(words)
        if words[0] in self.fails:
            raise DeviceError(words[0])

    def _connect(self):
        self.note("connect")

    def _disconnect(self):
        self.note("disconnect")

    def _quantize(self, output, waveform):
        return Scale(1000, 14, 8_000_000, "uV").quantize(waveform)

    def _set_signal(self, output, checked, electrodes):
        runs = zip(
            checked.program.amplitudes, checked.program.durations_us, strict=True
        )
        pulse = Pulse.of([*runs])
        self.note("signal", output, pulse, checked.period_us, tuple(electrodes))

    def _start(self):
        self.note("start")

    def _stop(self):
        self.note("stop")


def test_a_run_in_order():
    with Noting() as device:
        device.set_signal(1, PULSE, period_us=20_000, electrodes=[12])
        device.start()
        assert device.is_running
    assert device.heard == [
        ("connect",),
        ("signal", 1, PULSE, 20_000, (12,)),
        ("start",),
        ("stop",),
        ("disconnect",),
    ]
    assert not device.is_running
    device.disconnect()
    device.stop()
    assert len(device.heard) == 5


def test_it_stops_when_the_block_fails():
    device = Noting()

    def fail():
        with device:
            device.start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert device.heard[-2:] == [("stop",), ("disconnect",)]


def test_it_stops_when_the_start_fails_half_way():
    with Noting(fails={"start"}) as device:
        with pytest.raises(DeviceError):
            device.start()
        assert device.heard[-1] == ("stop",)
        assert not device.is_running


def test_it_lets_go_when_connecting_fails_and_when_stopping_fails():
    device = Noting(fails={"connect"})
    with pytest.raises(DeviceError):
        device.connect()
    assert device.heard[-1] == ("disconnect",)
    assert not device.is_connected
    device = Noting(fails={"stop"}).connect()
    with pytest.raises(DeviceError):
        device.disconnect()
    assert device.heard[-1] == ("disconnect",)


@pytest.mark.parametrize(
    ("pulse", "settings", "words"),
    [
        (Pulse.biphasic(501_000, 200), {}, "beyond the limit of 500000 uV"),
        (Pulse.biphasic(-501_000, 200), {}, "amplitude of 501000"),
        # within the limit as asked for, beyond it as it would leave: 500.6 mV is 501
        (Pulse.biphasic(500_600, 200), {}, "amplitude of 501000"),
        (Pulse.biphasic(100_000, 520), {}, "phase of 520 µs"),
        # a long phase in pieces, with and without a pause
        (
            Pulse.of([(1000, 300), (2000, 300), (-1000, 300), (-2000, 300)]),
            {},
            "phase of 600",
        ),
        (
            Pulse.of([(1000, 260), (0, 20), (1000, 260), (-1000, 520)]),
            {},
            "phase of 520",
        ),
        (PULSE, {"period_us": 9999}, "below the limit of 10000"),
        (Pulse.of([(0, 500)] * 30), {}, "does not fit into a period"),
        (PULSE, {"electrodes": [12, 14, 11]}, "electrode 11, 14 may not"),
        (Pulse.biphasic(100, 200, "nA"), {}, "in nA for a channel"),
        (Pulse.of([(100_000, 200), (-100_000, 220)]), {}, "leaves a charge: 100 steps"),
        (Pulse.biphasic(499, 200), {}, "too little for the steps"),
        (Pulse.biphasic(100_000, 210), {}, "counts in 20 µs"),
        (PULSE, {"output": 2}, "has 0 to 1"),
    ],
)
def test_what_is_not_allowed_does_not_reach_the_device(pulse, settings, words):
    given = {"output": 0, "period_us": 12_000, **settings}
    with Noting() as device:
        with pytest.raises(SafetyError, match=words):
            device.set_signal(given.pop("output"), pulse, **given)
        assert device.heard == [("connect",)]


def test_what_is_balanced_as_asked_is_balanced_as_it_leaves():
    # the nearest steps, 100 and -201, would leave -200 steps × ticks
    with Noting() as device:
        pulse = Pulse.of([(100_400, 400), (-200_800, 200)])
        device.set_signal(0, pulse, period_us=20_000)
        (_, _, sent, _, _) = device.heard[-1]
    assert sum(phase.amplitude * phase.duration_us for phase in sent.phases) == 0
    assert sent.phases[0] == Phase(100_000, 400)
    assert all(abs(phase.amplitude + 200_800) < 1000 for phase in sent.phases[1:])


def test_what_cannot_count_time_has_no_limit_of_it():
    limits = SafetyLimits(500_000, 500, 10_000, max_on_time_s=1.0)
    device = Noting(limits).connect()
    with pytest.raises(SafetyError, match="cannot count how long"):
        device.set_signal(0, PULSE, period_us=20_000)
    assert device.heard == [("connect",)]


def test_no_limits_no_stimulation():
    with pytest.raises(SafetyError, match="needs SafetyLimits"):
        Noting(None)
    with pytest.raises(SafetyError, match="limits are in nA"):
        Noting(SafetyLimits(1, 1, 1, unit="nA"))
    for values in ((0, 1, 1), (1, 0, 1), (1, 1, -1)):
        with pytest.raises(SafetyError, match="expected above 0"):
            SafetyLimits(*values)


def test_what_is_no_pulse_is_refused():
    for phases, words in (
        ([], "without phases"),
        ([(1, 0)], "more than 0"),
        ([(0.5, 20)], "whole number"),
    ):
        with pytest.raises(SafetyError, match=words):
            Pulse.of(phases)
    with pytest.raises(SafetyError, match="choose from uV, nA"):
        Pulse.biphasic(1, 20, "mV")
    assert PULSE.duration_us == 400
    with pytest.raises(SafetyError, match="whole number"):
        Pulse.of([(float("nan"), 20)])
    # abs() of this one is below 0, as numpy counts
    assert Pulse.biphasic(np.int16(-32768), 20).largest == 32768
    assert Pulse.of([(3, 20), (-7, 20)]).largest == 7


def test_without_a_connection_nothing_is_told():
    device = Noting()
    with pytest.raises(DeviceError, match="not connected"):
        device.start()
    with pytest.raises(DeviceError, match="not connected"):
        device.set_signal(0, PULSE, period_us=20_000)


class LastResort(Noting):
    """Writes a line when it is stopped without `self`."""

    def _last_resort(self):
        return print, "stopped"


def test_a_device_that_is_forgotten_is_stopped(capsys):
    device = LastResort().connect()
    del device
    gc.collect()
    assert capsys.readouterr().out == "stopped\n"
    LastResort().connect().disconnect()
    gc.collect()
    assert capsys.readouterr().out == ""


def test_a_fork_that_ends_does_not_stop_the_device_of_its_parent():
    code = (
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('m', {__file__!r})\n"
        "m = module_from_spec(spec); spec.loader.exec_module(m)\n"
        "import os; device = m.LastResort().connect()\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0); print('child is gone')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "child is gone\nstopped\n")


def test_a_device_is_stopped_when_the_program_ends(tmp_path):
    code = (
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('m', {__file__!r})\n"
        "m = module_from_spec(spec); spec.loader.exec_module(m)\n"
        "device = m.LastResort().connect()\n"
        "raise SystemExit(3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "stopped\n")
