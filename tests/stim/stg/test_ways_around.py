"""Ways around the limits, each of which would come back here.

What counts is what has left the device: its trace.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from circus_io.errors import (
    DeviceError,
    DeviceTimeoutError,
    SafetyError,
    StimulatorStateError,
)
from stim.guardian import Guardian
from stim.mcs.bus import McsBus
from stim.pulse import Pulse
from stim.safety import SafetyLimits
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.stg import STG4000
from stim.stg.guarding import check_reach
from stim.stg.limits import scale_of
from stim.stg.statistics import State
from stim.stg.stimulator import StgStimulator
from stim.stg.streaming_gate import StreamingGate
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


# ------------------------------------------------- what follows what, while it streams


def test_pulses_of_two_signals_keep_their_distance(device, stg):
    """The old one ends with its pulse, the new one begins with it."""
    at_the_end = [0, 1, -1], [PERIOD_MS - 0.4, 0.2, 0.2]
    stg.set_signal(0, *at_the_end)
    stg.start_streaming(**RINGS)
    stg.sleep(250)
    stg.set_signal(0)  # silence between both does not make them forget
    stg.sleep(1)
    sample = stg.set_signal(0, *PULSE)
    stg.sleep(500)
    onsets = onsets_ms(device)
    assert onsets.size >= 5
    assert np.diff(onsets).min() >= PERIOD_MS - 1e-6
    assert np.isclose(onsets - onsets[0], sample / 50 - (PERIOD_MS - 0.4)).any()


WORDS = [2000] * 10 + [-2000] * 10


@pytest.fixture
def streamer(stg):
    with stg.streamer(50_000) as streamer:
        streamer.set_capacity(5000)
        yield streamer


def test_pulses_that_are_queued_keep_their_distance(device, stg, streamer):
    assert streamer.queue(WORDS) == len(WORDS)
    for _ in range(2):
        streamer.set_capacity(5000)
        with pytest.raises(SafetyError, match="channel 0: a pulse 400 µs after"):
            streamer.queue(WORDS)
    assert streamer.queue([0] * (5000 - len(WORDS))) == 5000 - len(WORDS)
    assert streamer.queue(WORDS) == len(WORDS)
    streamer.start()
    stg.sleep(300)
    np.testing.assert_allclose(np.diff(onsets_ms(device)), PERIOD_MS)


@pytest.mark.parametrize("n_parts", [1, 5])
def test_a_phase_without_an_end_is_not_posted(device, stg, streamer, n_parts):
    """Also by whoever has the gate itself, and something that it admits."""
    checked = stg._limits.of("nA").check_program(program_of(stg), 100_000, None)
    streamer._gate.admit(0, checked)
    for part in range(n_parts):
        words = np.full(5 if n_parts > 1 else 5000, 2000, np.int16)
        if part < 4 and n_parts > 1:
            streamer._gate.post_one(0, words)
            continue
        with pytest.raises(SafetyError, match="channel 0: a phase of"):
            streamer._gate.post_one(0, words)
    streamer.start()
    stg.sleep(300)
    times_ns, _ = device.trace.changes(0)
    assert np.diff(times_ns).max(initial=0) <= 400_000


# ------------------------------------------------------------ starts and starts again


def test_one_channel_started_by_two_triggers(device, stg):
    stg.download(0, [1, -1], [0.2, 0.2])
    stg.start_stimulation([0])
    stg.sleep(10)
    stg.map_triggers([[], [0]], [1, 1])
    with pytest.raises(SafetyError, match=r"pulse was 10 ms ago.*wait 90 ms"):
        stg.start_stimulation([1])
    stg.sleep(90)
    stg.start_stimulation([1])
    stg.sleep(1)
    np.testing.assert_allclose(onsets_ms(device), [0, 100])


def test_a_start_after_the_last_of_several_repetitions(device, stg):
    stg.download(0, *PULSE, repeats=10)
    stg.start_stimulation([0])
    stg.sleep(910)
    with pytest.raises(SafetyError, match="pulse was 10 ms ago"):
        stg.start_stimulation([0])
    stg.sleep(90)
    stg.start_stimulation([0])
    stg.sleep(1)
    np.testing.assert_allclose(onsets_ms(device), np.arange(11) * 100)


def test_after_a_stop_only_what_was_played_counts(device, stg):
    stg.download(0, *PULSE, repeats=1000)
    stg.start_stimulation([0])
    stg.sleep(150)
    stg.stop_stimulation([0])
    stg.sleep(160)
    stg.start_stimulation([0])  # the next would have been 10 ms ago
    stg.sleep(1)
    np.testing.assert_allclose(onsets_ms(device), [0, 100, 310])


def test_streams_that_are_started_again_and_again(device, stg):
    stg.set_signal(0, *PULSE)
    for _ in range(4):
        stg.start_streaming(0.004, 0.004)
        stg.sleep(8)
        stg.stop()
    stg.download(0, [1, -1], [0.2, 0.2])
    with pytest.raises(SafetyError, match="its last pulse was"):
        stg.start_stimulation([0])
    onsets = onsets_ms(device)
    assert onsets.size == 4
    assert np.diff(onsets).min() >= PERIOD_MS


def test_a_wait_that_is_too_long_is_said(bus):
    limits = SafetyLimits(2_000_000, 400, 10_000_000, unit="nA")
    with STG4000(limits=limits, bus=bus) as stg:
        stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 9_999.6])
        stg.start_streaming(**RINGS)
        stg.stop()
        with pytest.raises(SafetyError, match=r"wait 1e\+04 ms"):
            stg.start_streaming(**RINGS)


def test_time_of_output_counts_over_modes(device, bus):
    with STG4000(limits=limits_of(max_on_time_s=0.001), bus=bus) as stg:
        stg.download(0, [1, -1], [0.2, 0.2])
        for _ in range(2):
            stg.start_stimulation([0])
            stg.sleep(200)
            stg.start_streaming(**RINGS)
            stg.stop_streaming()
            stg.download(0, [1, -1], [0.2, 0.2])
        with pytest.raises(SafetyError, match=r"output for 0\.0012 s"):
            stg.start_stimulation([0])
        stg.set_signal(0, *PULSE)
        with pytest.raises(SafetyError, match=r"output for 0\.0012 s"):
            stg.start_streaming(0.3, 0.2)
    assert onsets_ms(device).size == 2


def test_time_of_output_counts_over_currents_and_voltages(device, bus):
    in_nA = limits_of(max_on_time_s=0.0025)
    with STG4000(limits=[in_nA, replace(in_nA, unit="uV")], bus=bus) as stg:
        for mode, quantity in [("current", "mA"), ("voltage", "mV"), ("current", "mA")]:
            stg.set_mode(0, mode)
            signal = {f"amplitudes_in_{quantity}": [1, -1, 0]}
            stg.set_signal(0, durations_in_ms=[0.2, 0.2, 99.6], **signal)
            stg.start_streaming(capacity_in_s=0.1, buffer_in_s=0.12)  # posts two
            stg.stop()
            stg.sleep(200)
        stg.download(0, [1, -1], [0.2, 0.2])
        with pytest.raises(SafetyError, match=r"output for 0\.0028 s"):
            stg.start_stimulation([0])


def test_samples_that_were_refused_are_no_time_of_output(bus):
    words = np.repeat([2000, -2000], [10, 10]).tolist()
    with STG4000(limits=limits_of(max_on_time_s=0.001), bus=bus) as stg:
        with stg.streamer(5000) as streamer:
            streamer.queue(words)
            with pytest.raises(SafetyError, match="a pulse 400 µs after the one"):
                streamer.queue(words)
        stg.download(0, [1, -1], [0.2, 0.2])
        stg.start_stimulation([0])
        assert stg.wait()
        stg.sleep(200)
        with pytest.raises(SafetyError, match=r"output for 0\.0012 s"):
            stg.start_stimulation([0])


def test_another_device_with_the_same_number(device, bus, stg):
    stg.set_signal(0, *PULSE)
    facts = device.facts()
    coarser = tuple(10 * step for step in facts.current_resolution_na)
    device.facts = lambda: replace(facts, current_resolution_na=coarser)
    with pytest.raises(DeviceError, match="other ranges or steps than before"):
        stg.start_streaming(**RINGS)
    assert onsets_ms(device).size == 0


def test_a_stop_while_the_guard_is_started(device, bus, monkeypatch):
    """Which takes a while; what was stopped then must not begin after it."""
    with STG4000(limits=limits_of(allow_endless=True), bus=bus) as stg:
        monkeypatch.setattr("stim.stg.downloads.guard", lambda _: stg.stop())
        stg.download(0, *PULSE, repeats=0)
        with pytest.raises(StimulatorStateError, match="stopped before"):
            stg.start_stimulation([0])
        stg.sleep(300)
    assert onsets_ms(device).size == 0


def test_a_stop_while_the_stream_is_opened(device, bus, stg, monkeypatch):
    opened = bus.open_streaming

    def open_and_stop(*arguments, **settings):
        stg.stop()
        return opened(*arguments, **settings)

    monkeypatch.setattr(bus, "open_streaming", open_and_stop)
    stg.set_signal(0, *PULSE)
    with pytest.raises(StimulatorStateError, match="stopped before"):
        stg.start_streaming(**RINGS)
    stg.sleep(300)
    assert onsets_ms(device).size == 0


@pytest.mark.parametrize("call", ["start_loop", "start"])
def test_a_stop_while_a_streamer_starts(device, stg, monkeypatch, call):
    before = getattr(StreamingGate, call)

    def stop_first(gate):
        stg.stop()
        return before(gate)

    monkeypatch.setattr(StreamingGate, call, stop_first)
    with stg.streamer(5000) as streamer:
        streamer.set_capacity(5000)
        streamer.queue(np.repeat([2000, -2000], [10, 10]).tolist())
        with pytest.raises(StimulatorStateError, match="stopped before"):
            streamer.start()
        device.clock.sleep(0.3)
        assert device.trigger_states()[0] != "running"


def fail_to_stop(device, monkeypatch, n_failures):
    """Let the next stops that are sent to a device fail, and then none."""
    send_stop, failures = device.send_stop, iter(range(n_failures))

    def fail(triggers):
        if next(failures, None) is not None:
            raise DeviceTimeoutError("no answer")
        send_stop(triggers)

    monkeypatch.setattr(device, "send_stop", fail)


@pytest.mark.parametrize("end", ["stop", "stop_streaming", "close"])
def test_a_stream_that_could_not_be_stopped_is_stopped_by_the_next_call(
    device, bus, stg, monkeypatch, end
):
    """Before it runs dry: the device has half a second of pulses in its ring."""
    stg.set_signal(0, *PULSE)
    stg.start_streaming(capacity_in_s=1.0, buffer_in_s=0.05)
    stg.sleep(250)
    fail_to_stop(device, monkeypatch, 1)
    with pytest.raises(DeviceTimeoutError, match="no answer") as failed:
        stg.stop()
    assert "stop() tries again" in failed.value.__notes__[0]
    assert stg.state is State.FAULT
    with pytest.raises(StimulatorStateError, match="streams already"):
        stg.start_streaming(**RINGS)
    device.clock.sleep(0.1)
    assert onsets_ms(device).size == 4  # it goes on, as was said
    getattr(stg, end)()
    device.clock.sleep(1)
    assert onsets_ms(device).size == 4
    assert stg.state is State.IDLE
    if end != "close":
        stg.start_streaming(**RINGS)
        stg.sleep(1)
        assert onsets_ms(device).size == 5


def test_a_fault_after_which_it_could_not_be_stopped(device, stg, monkeypatch):
    def callback(tick):
        if tick.sample_index > 40_000:
            raise ZeroDivisionError("in the callback")

    stg.set_signal(0, *PULSE)
    stg.start_streaming(capacity_in_s=1.0, buffer_in_s=0.05, callback=callback)
    fail_to_stop(device, monkeypatch, 1)
    with pytest.raises(ZeroDivisionError) as failed:
        stg.sleep(400)
    assert "could not be stopped (no answer)" in failed.value.__notes__[0]
    stg.stop()
    n_onsets = onsets_ms(device).size
    device.clock.sleep(1)
    assert onsets_ms(device).size == n_onsets


@pytest.mark.parametrize("n_failures", [2, 99])
def test_a_stop_that_fails_is_tried_again_before_the_device_is_let_go(
    device, bus, monkeypatch, n_failures
):
    stg = STG4000(limits=limits_of(allow_endless=True), bus=bus)
    stg.download(0, *PULSE, repeats=0)
    stg.start_stimulation([0])
    stg.sleep(250)
    fail_to_stop(device, monkeypatch, n_failures)
    if n_failures == 99:  # it goes on, which has to be said
        with pytest.raises(DeviceTimeoutError, match="no answer"):
            stg.close()
        return
    stg.close()
    device.clock.sleep(1)
    assert onsets_ms(device).size == 3


@pytest.mark.parametrize("mode", ["download", "stream"])
def test_without_a_beat_a_stop_that_fails_is_tried_again(
    device, bus, monkeypatch, mode
):
    limits = limits_of(allow_endless=True)
    with STG4000(limits=limits, bus=bus, heartbeat_s=0.2) as stg:
        if mode == "download":
            stg.download(0, *PULSE, repeats=0)
            stg.start_stimulation([0])
        else:
            stg.set_signal(0, *PULSE)
            stg.start_streaming(capacity_in_s=4.0, buffer_in_s=0.05)
        n_failures = 3
        fail_to_stop(device, monkeypatch, n_failures)
        device.clock.sleep(2)
        # 0.2 s and a look of 0.05 s, and another look for each stop that has failed
        assert onsets_ms(device).max() <= 250 + 50 * n_failures
        with pytest.raises(DeviceTimeoutError, match=r"no beat for 0\.25 s"):
            stg.sleep(1)
        assert stg.trigger_states()[0] == "idle"


def test_a_heartbeat_goes_on_after_it_has_stopped_the_device(device, bus):
    with STG4000(limits=limits_of(), bus=bus, heartbeat_s=0.2) as stg:
        stg.download(0, *PULSE, repeats=100)
        for n in (1, 2):
            stg.start_stimulation([0])
            device.clock.sleep(1)
            with pytest.raises(DeviceTimeoutError, match="no beat"):
                stg.sleep(1)
            assert onsets_ms(device).size == 3 * n


# ------------------------------------------------------------------------------ guards


def test_a_guard_opens_the_bus_before_it_says_that_it_watches():
    """Or the first to learn that it cannot would be nobody."""
    with pytest.raises(DeviceError, match=r"does not start .* guarded=False"):
        Guardian("stim.stg.guarding", ["simulated@127.0.0.1:9", "40008"])


def test_a_guard_finds_the_assembly_that_was_given_by_its_path():
    path = "/opt/some@where/McsUsbNet.dll"
    bus = McsBus("stg4000", SimpleNamespace(version="5"), reach=f"stg4000@{path}")
    kind, _, place = check_reach(bus).partition("@")
    assert (kind, place) == ("stg4000", path)
    with pytest.raises(DeviceError, match="cannot be reached"):
        check_reach(McsBus("stg4000", SimpleNamespace(version="5")))


def test_a_guard_that_cannot_reach_the_device_is_refused(device, bus):
    """Before the device is taken: the next one can have it."""
    with pytest.raises(DeviceError, match=r"bus simulated cannot be .* guarded=False"):
        STG4000(limits=limits_of(), bus=bus, guarded=True)
    STG4000(bus=bus).close()


@pytest.mark.parametrize(
    ("goes_on", "guarded", "n_onsets"),
    [(True, None, 0), (True, False, 3), (False, None, 3)],
    ids=["nobody could stop it", "as asked for", "it ends with its process"],
)
def test_without_an_end_and_without_a_guard(device, goes_on, guarded, n_onsets):
    class Bus(SimulatedBus):
        ends_with_process = not goes_on

    limits = limits_of(allow_endless=True)
    with STG4000(limits=limits, bus=Bus([device]), guarded=guarded) as stg:
        stg.download(0, *PULSE, repeats=0)
        if n_onsets:
            stg.start_stimulation([0])
        else:
            with pytest.raises(DeviceError, match="nothing would stop the device"):
                stg.start_stimulation([0])
        stg.sleep(250)
    assert onsets_ms(device).size == n_onsets
