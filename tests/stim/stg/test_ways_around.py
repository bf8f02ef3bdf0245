"""Ways around the limits, each of which would come back here.

What counts is what has left the device: its trace.
"""

import threading

import numpy as np
import pytest

from circus_io.errors import SafetyError
from stim.pulse import Pulse
from stim.safety import SafetyLimits
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.stg import STG4000
from stim.stg.limits import scale_of
from stim.stg.stimulator import StgStimulator
from stim.waveform import Waveform

RINGS = {"capacity_in_s": 0.1, "buffer_in_s": 0.05}
PERIOD_MS = 100
PULSE = [1, -1, 0], [0.2, 0.2, PERIOD_MS - 0.4]


def limits_of(**more):
    return SafetyLimits(2_000_000, 400, PERIOD_MS * 1000, unit="nA", **more)


@pytest.fixture
def device():
    return SimulatedDevice(n_channels=4, clock=VirtualClock())


@pytest.fixture
def bus(device):
    return SimulatedBus([device])


@pytest.fixture
def stg(bus):
    with STG4000(limits=limits_of(), bus=bus) as stg:
        yield stg


def onsets_ms(device, channel=0):
    """Return when positive phases began."""
    times_ns, levels = device.trace.changes(channel)
    return times_ns[levels > 0] / 1e6


def program_of(stg, amplitudes=(1, -1), durations=(0.2, 0.2)):
    scale = scale_of(stg.facts, 0, "current")
    return scale.quantize(Waveform.from_mA(amplitudes, durations))


def test_a_channel_that_may_not_be_stimulated(device, bus):
    """Also where a caller names no electrodes: those of an STG are its channels."""
    pulse = Pulse.biphasic(100_000, 200, unit="nA")
    limits = limits_of(electrodes={0})
    with StgStimulator(limits, bus) as stimulator:
        with pytest.raises(SafetyError, match="electrode 3"):
            stimulator.set_signal(3, pulse, period_us=100_000)
        checked = limits.check_program(program_of(stimulator.stg), 100_000, None)
        with pytest.raises(SafetyError, match="electrode 3"):
            stimulator.stg.set_checked({3: checked})
        stimulator.start()
        stimulator.stg.sleep(300)
    assert onsets_ms(device, 3).size == 0


def test_what_was_checked_to_be_played_once_is_not_repeated(device, stg):
    once = stg._limits.of("nA").check_program(program_of(stg))
    with pytest.raises(SafetyError, match="a period of 400 µs"):
        stg.set_checked({0: once})
    stg.start_streaming(**RINGS)
    stg.sleep(300)
    assert onsets_ms(device).size == 0


@pytest.mark.parametrize("channel", [-1, 4])
def test_a_channel_that_is_none(stg, channel):
    checked = stg._limits.of("nA").check_program(program_of(stg), 100_000, None)
    with pytest.raises(SafetyError, match="0 to 3"):
        stg.set_checked({channel: checked})


def test_what_no_limits_have_made(stg):
    with pytest.raises(SafetyError, match="expected what SafetyLimits"):
        stg.set_checked({0: program_of(stg)})


@pytest.mark.parametrize("number", [np.nan, np.inf, 0.5])
def test_numbers_that_are_none(stg, number):
    limits = stg._limits.of("nA")
    with pytest.raises(SafetyError, match="repeats"):
        stg.download(0, *PULSE, repeats=number)
    with pytest.raises(SafetyError, match="period_us"):
        limits.check_program(program_of(stg), number, None)
