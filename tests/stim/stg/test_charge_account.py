"""The account of charge of each channel, against what its output sums up to.

The simulated device keeps all that has left it; the integral of that is the charge that
the electrode holds, however it came about. It has to lie where the account says.
"""

from contextlib import suppress

import numpy as np
import pytest

from circus_io.errors import DeviceTimeoutError, SafetyError, StimulatorStateError
from stim.running_charge import RunningCharge
from stim.safety import SafetyLimits
from stim.scale import Scale
from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.stg import STG4000
from stim.stg.outflow import LAG_S, Downloaded
from stim.waveform import Waveform

MA = 1_000_000  # nA
FREE = {"max_net_charge_fc": 10**12, "max_running_charge_fc": 10**13}
RINGS = {"capacity_in_s": 0.05, "buffer_in_s": 0.02}
PHASE_FC = 200_000_000  # 1 mA for 0.2 ms
PULSE = [1, -1, 0], [0.2, 0.2, 19.6]


def integral_fc(device, channel=0):
    """Return the charge that has left an output until now; nA × ns are 1e-3 fC."""
    times_ns, levels = device.trace.changes(channel)
    if not times_ns.size:
        return 0.0
    until_ns = np.r_[times_ns[1:], device.clock.now_ns()]
    return float(levels @ (until_ns - times_ns)) / 1e3


def held_fc(stg, channel=0):
    connection = stg._connection
    return connection.history.charges[channel].at(connection.clock.now())


def assert_accounted(device, stg, channel=0):
    low, high = held_fc(stg, channel)
    charge = integral_fc(device, channel)
    times_ns, levels = device.trace.changes(channel)
    # it goes on with the sample before the one in which a stream is cut
    reserve = 20 * np.abs(levels).max(initial=0)
    if device.drift_ppm:  # counts are accounted for, and they last as long as they do
        moved_fc = np.abs(levels[:-1]) @ np.diff(times_ns) / 1e3
        reserve += 1e-6 * abs(device.drift_ppm) * moved_fc + 2 * levels.size
    assert low - reserve <= charge <= high + reserve


class SlowDevice(SimulatedDevice):
    """Takes a while to do what it is told, and to say so; and fails if it is told to.

    In `failures` is what the next stops do: nothing, or what they should, and raise.
    """

    def __init__(self, rng, **settings):
        super().__init__(n_channels=2, clock=VirtualClock(), **settings)
        self.rng, self.most_s, self.failures = rng, 0.0, []

    def _wait(self, share=1.0):
        self.clock.sleep(share * float(self.rng.uniform(0, self.most_s)))

    def frames_buffered(self, trigger):
        self._wait(0.05)
        frames = super().frames_buffered(trigger)
        self._wait(0.05)
        return frames

    def send_start(self, triggers):
        self._wait()
        super().send_start(triggers)
        self._wait()

    def send_stop(self, triggers):
        failure = self.failures.pop() if self.failures else None
        self._wait()
        if failure != "nothing":
            super().send_stop(triggers)
        self._wait()
        if failure is not None:
            raise DeviceTimeoutError("no answer")


def stg_of(device, **limits):
    limits = SafetyLimits(2 * MA, 10**9, 20, unit="nA", **(FREE | limits))
    return STG4000(limits=limits, bus=SimulatedBus([device]))


def random_waveform(rng, *, is_balanced):
    """Return some runs of both signs with pauses; the last one may be a pause."""
    n = int(rng.integers(2, 6))
    counts = rng.integers(-400, 401, n)
    counts[:2] = rng.integers(1, 400), -rng.integers(1, 400)
    ticks = rng.integers(1, 60, n)
    if is_balanced:
        counts, ticks = np.r_[counts, -counts], np.r_[ticks, ticks]
    if rng.random() < 0.7:
        counts, ticks = np.r_[counts, 0], np.r_[ticks, rng.integers(1, 2000)]
    return Waveform(counts * 2000, ticks * 20, "nA")


def download(rng, device, stg):
    waveform = random_waveform(rng, is_balanced=rng.random() < 0.5)
    stg.download_waveform(0, waveform, repeats=int(rng.integers(1, 6)))
    if rng.random() < 0.5:  # it goes on longer than the program
        more = random_waveform(rng, is_balanced=True)
        repeats = int(rng.integers(1, 4))
        stg.download_waveform(1, more, repeats=repeats)
        stg.map_triggers([[0, 1]], [repeats])
    before = np.array(held_fc(stg))
    stg.start_stimulation([0])
    if rng.random() < 0.3:
        assert stg.wait()
        left = np.array(held_fc(stg)) - before
        assert left[0] == pytest.approx(left[1])
    elif rng.random() < 0.4:
        device.clock.sleep(1e-4 + float(rng.exponential(0.03)))
        with suppress(SafetyError):  # a pulse has begun just now
            stg.start_stimulation([0])
    device.clock.sleep(float(rng.exponential(0.03)))
    stg.diagonalize_triggermap()


def stream(rng, device, stg):
    stg.set_waveforms({0: random_waveform(rng, is_balanced=rng.random() < 0.5)})
    stg.start_streaming(**RINGS)
    for _ in range(int(rng.integers(0, 3))):
        device.clock.sleep(float(rng.exponential(0.05)))
        stg.set_waveforms({0: random_waveform(rng, is_balanced=rng.random() < 0.5)})
    device.clock.sleep(float(rng.exponential(0.05)))
    if rng.random() < 0.3 and not device.failures:
        stg.stop_streaming()


@pytest.mark.parametrize("seed", range(10))
def test_the_charge_that_is_left_lies_where_the_account_says(seed):
    """Downloads and streams, stopped, ended, replaced, and begun again, at any time."""
    rng = np.random.default_rng(seed)
    drift_ppm = int(rng.integers(-200, 201)) if seed % 3 == 0 else 0
    device = SlowDevice(rng, drift_ppm=drift_ppm)
    widths = []
    with stg_of(device) as stg:
        for _ in range(25):
            device.most_s = float(rng.choice([0, 0.002, 0.02]))
            failure = rng.choice(["nothing", "answer"], int(rng.random() < 0.2))
            play = download if rng.random() < 0.5 else stream
            device.clock.sleep(1e-4)  # from one pulse to the next
            play(rng, device, stg)
            device.failures = failure.tolist()
            if device.failures:
                with suppress(DeviceTimeoutError):  # or there is nothing to be stopped
                    stg.stop()
                device.clock.sleep(float(rng.exponential(0.02)))
                device.failures = []
            stg.stop()
            widths.append(held_fc(stg)[1] - held_fc(stg)[0])
            for channel in range(2):
                assert_accounted(device, stg, channel)
            if rng.random() < 0.2:
                device.trace.clear()
                stg.discharged()
                assert held_fc(stg) == (0, 0)
    assert len(set(widths)) >= 3  # it was cut, more or less


@pytest.mark.parametrize("mode", ["download", "stream"])
def test_a_stop_in_a_pause_leaves_nothing_and_says_so(mode):
    """Wherever it comes, beyond what a start and a stop may take."""
    rng = np.random.default_rng(1)
    device = SlowDevice(rng)
    with stg_of(device) as stg:
        for _ in range(40):
            signal = [1, -1, 0], [0.2, 0.2, 39.6]
            if mode == "download":
                stg.download(0, *signal, repeats=1000)
                stg.start_stimulation([0])
            else:
                stg.set_signal(0, *signal)
                stg.start_streaming(**RINGS)
            phase_s = float(rng.uniform(0.0004 + 2 * LAG_S, 0.04 - 2 * LAG_S))
            device.clock.sleep(int(rng.integers(2, 50)) * 0.04 + phase_s)
            stg.stop()
            assert held_fc(stg) == (0, 0)
            assert integral_fc(device) == 0
            device.clock.sleep(0.001)


@pytest.mark.parametrize("mode", ["download", "stream"])
def test_what_ends_by_itself_leaves_what_it_leaves(mode):
    """To the last bit, though its last pulse is at its very end."""
    device = SlowDevice(np.random.default_rng(2))
    with stg_of(device) as stg:
        for n in range(1, 6):
            amplitudes, durations = [0, 1, -0.5], [9, 0.2, 0.2]
            if mode == "download":
                stg.download(0, amplitudes, durations, repeats=3)
                stg.start_stimulation([0])
                assert stg.wait()
                assert held_fc(stg) == (1.5 * n * PHASE_FC,) * 2
            else:
                stg.set_signal(0, amplitudes, durations)
                stg.start_streaming(**RINGS)
                device.clock.sleep(0.1)
                stg.stop_streaming()
                low, high = held_fc(stg)
                assert low == high > 0
            assert integral_fc(device) == held_fc(stg)[0]


def test_of_a_voltage_a_charge_is_known_to_a_bound():
    device = SlowDevice(np.random.default_rng(3))
    limits = SafetyLimits(10**6, 10**6, 20, unit="uV", **FREE, min_impedance_ohm=10_000)
    with STG4000(limits=limits, bus=SimulatedBus([device])) as stg:
        stg.download(0, None, [0.2, 20], "voltage", amplitudes_in_mV=[100, 0])
        for n in range(1, 4):
            stg.start_stimulation([0])
            assert stg.wait()
            # 100 mV over 10 kΩ are 10 µA, for 200 µs: 2 nC
            assert held_fc(stg) == (0, n * 2_000_000)


# ------------------------------------------------------------- what is refused by it


def cut(device, stg, mode, sign=1):
    """Stop in the middle of a pulse, behind its first phase."""
    amplitudes, durations = [sign, -sign, 0], [0.2, 0.2, 99.6]
    if mode == "download":
        stg.download(0, amplitudes, durations, repeats=5)
        stg.start_stimulation([0])
    else:
        stg.set_signal(0, amplitudes, durations)
        stg.start_streaming(**RINGS)
    device.clock.sleep(0.2002)
    stg.stop()
    device.clock.sleep(0.001)


@pytest.mark.parametrize("then", ["download", "stream"])
@pytest.mark.parametrize("first", ["download", "stream"])
def test_stops_in_mid_pulse_are_refused_before_the_limit_is_passed(first, then):
    device = SlowDevice(np.random.default_rng(4))
    most_fc = int(3.5 * PHASE_FC)
    with stg_of(device, max_running_charge_fc=most_fc) as stg:
        for n, mode in enumerate([first, first, then], 1):
            cut(device, stg, mode)
            assert integral_fc(device) == n * PHASE_FC
        with pytest.raises(SafetyError, match="may hold 0 to 600 nC, by") as refused:
            cut(device, stg, then)
        assert integral_fc(device) == 3 * PHASE_FC
        assert "discharged([0])" in str(refused.value)
        times_ns, levels = device.trace.changes(0)
        assert np.max(np.cumsum(levels[:-1] * np.diff(times_ns))) / 1e3 <= most_fc
        # what goes the other way first has room, and another channel too
        cut(device, stg, then, sign=-1)
        stg.set_signal(0)
        stg.set_signal(1, *PULSE)
        stg.start_streaming(**RINGS)
        stg.stop()


@pytest.mark.parametrize("then", ["download", "stream"])
def test_downloads_that_leave_a_charge_are_added_up(then):
    """Each of them is within the limits; a balanced pulse on top of them is not."""
    device = SlowDevice(np.random.default_rng(5))
    most_fc = int(3.2 * PHASE_FC)
    with stg_of(device, max_running_charge_fc=most_fc) as stg:
        stg.download(0, [1, 0], [0.2, 20])
        for n in range(1, 4):
            stg.start_stimulation([0])
            assert stg.wait()
            assert integral_fc(device) == n * PHASE_FC
        with pytest.raises(SafetyError, match="holds 600 nC, which stimuli have left"):
            stg.start_stimulation([0])
        with pytest.raises(SafetyError, match=r"adds up to 800 nC, .* of 640 nC"):
            cut(device, stg, then)
        assert integral_fc(device) == 3 * PHASE_FC
        stg.download(0, [-1, 0], [0.2, 20])  # what takes it back may go
        stg.start_stimulation([0])
        assert stg.wait()
        assert held_fc(stg) == (2 * PHASE_FC,) * 2


def test_a_signal_that_is_too_much_is_refused_and_the_old_one_goes_on():
    device = SlowDevice(np.random.default_rng(6))
    with stg_of(device, max_running_charge_fc=int(1.5 * PHASE_FC)) as stg:
        cut(device, stg, "stream")
        stg.set_signal(0, [0.5, -0.5, 0], [0.2, 0.2, 19.6])
        stg.start_streaming(**RINGS)
        with pytest.raises(SafetyError, match="may hold 0 to 200 nC"):
            stg.set_signal(0, *PULSE)
        stg.sleep(100)
        stg.stop_streaming()
    assert set(device.trace.changes(0)[1][-6:].tolist()) == {MA // 2, -MA // 2, 0}


def test_a_streamer_that_was_left_is_accounted_for():
    device = SlowDevice(np.random.default_rng(7))
    words = np.repeat([2000, -2000], [10, 10]).tolist()
    with stg_of(device, max_running_charge_fc=int(1.5 * PHASE_FC)) as stg:
        with stg.streamer(5000) as streamer:
            streamer.set_capacity(5000)
            streamer.queue(words)
            streamer.start()
            stg.sleep(100)
        assert held_fc(stg) == (0, 0)
        stg.sleep(1)
        with stg.streamer(5000) as streamer:
            streamer.set_capacity(5000)
            streamer.queue(words)
            streamer.start()
            with pytest.raises(StimulatorStateError, match="still plays"):
                stg.discharged()
            device.clock.sleep(0.0012)  # a slice, and a phase
        assert held_fc(stg) == (0, PHASE_FC)
        assert integral_fc(device) == PHASE_FC
        stg.sleep(1)
        with stg.streamer(5000) as streamer:
            streamer.set_capacity(5000)
            with pytest.raises(SafetyError, match="may hold 0 to 200 nC"):
                streamer.queue(words)
            half = [word // 2 for word in words]  # what was refused does not count
            assert streamer.queue(half) == len(half)
            streamer.start()
            stg.sleep(100)
        assert held_fc(stg) == (0, PHASE_FC)
        assert device.trace.changes(0)[1][-3:].tolist() == [MA // 2, -MA // 2, 0]


def test_a_streamer_that_is_stopped_and_started_again():
    """Its rings may be as they were, or empty: nobody knows what was left out."""
    device = SlowDevice(np.random.default_rng(8))
    words = np.repeat([2000, -2000], [10, 10]).tolist()
    with stg_of(device) as stg, stg.streamer(5000) as streamer:
        streamer.set_capacity(5000)
        streamer.queue(words)
        streamer.start()
        device.clock.sleep(0.0012)
        streamer.stop()
        stg.sleep(1)
        streamer.start()
        stg.sleep(100)
        streamer.queue([0])
        assert held_fc(stg) == (-PHASE_FC, PHASE_FC)
        assert integral_fc(device) == 0


def test_a_device_that_was_unplugged_may_have_stopped_anywhere():
    device = SlowDevice(np.random.default_rng(9))
    bus = SimulatedBus([device])
    limits = SafetyLimits(2 * MA, 10**9, 20, unit="nA", **FREE)
    with STG4000(limits=limits, bus=bus) as stg:
        stg.download(0, *PULSE, repeats=1000)
        stg.start_stimulation([0])
        device.clock.sleep(0.2002)
        device.unplug()
        device.clock.sleep(0.51)  # there would be a pause by now
        bus.plug_in(device)
        stg.download(0, *PULSE)
        assert held_fc(stg) == (0, PHASE_FC)
        assert_accounted(device, stg)


def test_what_is_mapped_anew_is_stopped():
    """Or nobody would know any more what plays."""
    device = SlowDevice(np.random.default_rng(13))
    with stg_of(device) as stg:
        stg.download(0, *PULSE, repeats=100)
        stg.start_stimulation([0])
        device.clock.sleep(0.2002)
        stg.map_triggers([[1], [0]], [1, 1])
        assert stg.trigger_states() == ("idle", "idle")
        device.clock.sleep(1)
        assert held_fc(stg) == (0, PHASE_FC)
        assert integral_fc(device) == PHASE_FC


def test_a_start_that_failed_may_have_started_something():
    device = SlowDevice(np.random.default_rng(14))
    start = device.send_start

    def fail(triggers):
        start(triggers)
        raise DeviceTimeoutError("no answer")

    device.send_start = fail
    with stg_of(device) as stg:
        stg.download(0, *PULSE, repeats=100)
        with pytest.raises(DeviceTimeoutError):
            stg.start_stimulation([0])
        device.clock.sleep(0.2002)
        assert_accounted(device, stg)
        with pytest.raises(StimulatorStateError, match="still plays"):
            stg.discharged()
        stg.stop()
        assert_accounted(device, stg)
        assert held_fc(stg) == (0, PHASE_FC)
        stg.set_signal(0, *PULSE)
        with pytest.raises(DeviceTimeoutError):
            stg.start_streaming(**RINGS)
        assert_accounted(device, stg)


def test_a_start_that_failed_may_have_started_nothing():
    device = SlowDevice(np.random.default_rng(15))

    def fail(triggers):
        raise DeviceTimeoutError("no answer")

    device.send_start = fail
    with stg_of(device) as stg:
        stg.download(0, [1, 0], [0.2, 19.8], repeats=10)
        with pytest.raises(DeviceTimeoutError):
            stg.start_stimulation([0])
        device.clock.sleep(1)
        assert held_fc(stg) == (0, 10 * PHASE_FC)


def test_what_moves_between_looks_into_the_rings_was_not_put_out():
    device = SlowDevice(np.random.default_rng(16))
    look = device.frames_buffered

    def be_slow(trigger):
        frames = look(trigger)
        device.clock.sleep(0.0031)  # slices move meanwhile
        return frames

    with stg_of(device) as stg:
        stg.set_signal(0, *PULSE)
        stg.start_streaming(0.05, 0.05)
        gate = stg._streaming._stream.gate
        device.frames_buffered = be_slow
        for _ in range(20):
            before = device.streams[0].n_played
            gate.look()
            device.advance()
            most = gate._streamed[0]._looks[-1].most
            assert gate.played_surely() <= device.streams[0].n_played
            assert before <= most
            device.clock.sleep(0.0007)


def test_a_stop_between_a_start_and_its_note(monkeypatch):
    """Of another thread, or of a handler of a signal; and it takes its time."""
    device = SlowDevice(np.random.default_rng(17))
    with stg_of(device) as stg:
        stg.download(0, *PULSE, repeats=1000)
        now, stops = device.clock.now, []

        def stop_late():
            time_s = now()
            if device.trigger_states()[0] == "running" and not stops:
                stops.append(time_s)
                device.clock.sleep(0.0002)  # behind the first phase
                stg.stop()
                device.clock.sleep(0.0498)  # a while until anybody can note it
            return time_s

        monkeypatch.setattr(device.clock, "now", stop_late)
        with pytest.raises(StimulatorStateError, match="stopped before"):
            stg.start_stimulation([0])
        assert stops
        assert integral_fc(device) == PHASE_FC
        assert_accounted(device, stg)
        assert not stg._connection.is_open([0])
        stg.discharged()


def test_a_device_that_begins_a_while_after_it_has_answered():
    """It says that it does not play, which is not the end of what it will play."""
    device = SlowDevice(np.random.default_rng(18))
    start = device.send_start

    def begin_late(triggers):
        end = device.clock.every(0.6 * LAG_S, lambda: (end(), start(triggers)))

    device.send_start = begin_late
    with stg_of(device) as stg:
        stg.download(0, *PULSE)
        for n in range(1, 4):
            stg.start_stimulation([0])
            assert stg.wait()
            assert device.trace.changes(0)[1].size == 3 * n  # all of it
            assert held_fc(stg) == (0, 0)
            device.clock.sleep(0.001)
        stg.download(0, [1, -1], [0.2, 0.2])
        stg.start_stimulation([0])
        device.clock.sleep(0.0005)  # longer than the program
        assert stg.trigger_states()[0] != "running"
        device.clock.sleep(0.6 * LAG_S - 0.0003)
        stg.stop()
        assert integral_fc(device) == PHASE_FC
        assert_accounted(device, stg)
        device.clock.sleep(0.001)
        before = held_fc(stg)
        for _ in range(3):  # again and again, as soon as it is over
            stg.start_stimulation([0])
            device.clock.sleep(0.6 * LAG_S + 0.0005)
        assert stg.wait()
        assert held_fc(stg) == before


@pytest.mark.parametrize("step", ["channel", "syncout", "clear"])
def test_a_download_that_failed_is_not_started_as_the_one_before(step, monkeypatch):
    """Not by its own trigger, and not beside another channel."""
    device = SlowDevice(np.random.default_rng(19))
    with stg_of(device) as stg:
        for channel in range(2):
            stg.download(channel, [0.1, -0.1, 0], [0.2, 0.2, 19.6])
        stg.map_triggers([[0, 1]], [1])
        send = device.send_data

        def fail_to_send(channel, amplitudes, durations, destination, *rest):
            is_syncout = destination == "syncout"
            if step == "channel" or not is_syncout:
                send(channel, amplitudes, durations, destination, *rest)
            if step == "channel" or is_syncout:
                raise DeviceTimeoutError("no answer")

        def fail_to_clear(channel):
            raise DeviceTimeoutError("no answer")

        with monkeypatch.context() as patch:
            if step == "clear":
                patch.setattr(device, "clear_channel", fail_to_clear)
                with pytest.raises(DeviceTimeoutError):
                    stg.set_mode(0, "voltage")
            else:
                patch.setattr(device, "send_data", fail_to_send)
                with pytest.raises(DeviceTimeoutError):
                    stg.download(0, *PULSE, syncout=True)
        with pytest.raises(StimulatorStateError, match="channel 0: its download has"):
            stg.start_stimulation([0])
        device.clock.sleep(0.1)
        assert device.trace.changes(0)[0].size == 0
        stg.download(0, *PULSE)
        stg.start_stimulation([0])
        assert stg.wait()
        assert device.trace.changes(0)[1].tolist() == [MA, -MA, 0]


def test_triggers_that_may_be_mapped_anew_or_not(monkeypatch):
    device = SlowDevice(np.random.default_rng(20))
    with stg_of(device) as stg:
        for channel in range(2):
            stg.download(channel, *PULSE, repeats=100)
        stg.start_stimulation([0])
        device.clock.sleep(0.2002)
        set_up = device.setup_download_trigger

        def fail(*maps):
            set_up(*maps)
            raise DeviceTimeoutError("no answer")

        with monkeypatch.context() as patch:
            patch.setattr(device, "setup_download_trigger", fail)
            with pytest.raises(DeviceTimeoutError):
                stg.map_triggers([[0], [1]], [100, 5])
        assert stg.trigger_states()[0] != "running"
        assert_accounted(device, stg)
        with pytest.raises(StimulatorStateError, match="nothing to play"):
            stg.start_stimulation([1])
        stg.diagonalize_triggermap()
        device.clock.sleep(0.001)
        stg.start_stimulation([1])
        assert stg.wait()
        assert_accounted(device, stg, 1)


def test_stops_and_starts_at_the_same_time():
    """A stop that was told before the start was answered may have come before it."""
    runs = Waveform([1000, -1000, 0], [200, 200, 600], "nA")
    program = Scale(1000, 14, 8_000_000).quantize(runs)
    outflow = Downloaded(RunningCharge(program), 1000, 0, lambda *both: both)
    outflow.begin(10.0)
    outflow.end(10.0001, 10.0002)
    outflow.started(10.0003, is_sure=True)
    assert outflow.is_open(20.0)
    assert outflow.charge_fc(20.0) == (0, 10)  # counts x ticks of one phase
    outflow.end(20.0, 20.1)
    assert not outflow.is_open(30.0)


# ----------------------------------------------------------------------- begun anew


class Log(list):
    def write(self, command, **fields):
        self.append((command, fields))


def test_an_electrode_that_was_shorted_begins_anew():
    device, log = SlowDevice(np.random.default_rng(10)), Log()
    limits = SafetyLimits(
        2 * MA, 10**9, 20, unit="nA", max_running_charge_fc=int(1.5 * PHASE_FC)
    )
    with STG4000(limits=limits, bus=SimulatedBus([device]), event_log=log) as stg:
        cut(device, stg, "download")
        with pytest.raises(SafetyError, match="may hold 0 to 200 nC"):
            stg.start_stimulation([0])
        stg.discharged([1])
        with pytest.raises(SafetyError, match="may hold 0 to 200 nC"):
            stg.start_stimulation([0])
        stg.discharged([0])
        assert log[-1] == ("discharged", {"channels": [0]})
        stg.start_stimulation([0])
        with pytest.raises(StimulatorStateError, match=r"wait\(\) or stop\(\) before"):
            stg.discharged()
        stg.discharged([1])
        stg.stop()
        stg.discharged()
        assert log[-1] == ("discharged", {"channels": [0, 1]})
        stg.set_signal(0, *PULSE)
        stg.start_streaming(**RINGS)
        with pytest.raises(StimulatorStateError, match="stop_streaming"):
            stg.discharged()
        stg.stop()
        with pytest.raises(SafetyError, match="0 to 1"):
            stg.discharged([2])


def test_after_a_stop_that_failed_it_may_still_play():
    device = SlowDevice(np.random.default_rng(11))
    with stg_of(device, allow_endless=True) as stg:
        stg.download(0, *PULSE, repeats=0)
        stg.start_stimulation([0])
        device.clock.sleep(0.11)
        device.failures = ["nothing"]
        with pytest.raises(DeviceTimeoutError):
            stg.stop()
        assert held_fc(stg) == (0, 0)  # in a pause, as far as anybody knows
        with pytest.raises(StimulatorStateError, match="still plays"):
            stg.discharged()
        device.clock.sleep(0.0902)
        assert_accounted(device, stg)
        assert held_fc(stg) == (0, PHASE_FC)
        stg.stop()
        assert_accounted(device, stg)
        stg.discharged()


def test_without_a_limit_it_is_counted_and_refuses_nothing():
    device = SlowDevice(np.random.default_rng(12))
    with stg_of(device, max_running_charge_fc=None) as stg:
        for _ in range(5):
            cut(device, stg, "download")
            cut(device, stg, "stream")
        assert held_fc(stg) == (0, 10 * PHASE_FC)
        assert integral_fc(device) == 10 * PHASE_FC
