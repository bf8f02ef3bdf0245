"""`DeviceContract`: what an STG does, whatever stands behind its port.

A test class inherits it and gives the fixture `bus`, and `changes` where the output can
be looked at. Times are short, since some of these devices live on the wall clock.
"""

import threading
from typing import ClassVar

import numpy as np
import pytest

from circus_io.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceMemoryError,
    DeviceNotFoundError,
    SafetyError,
    StimulatorStateError,
)
from stim.pulse import Pulse
from stim.safety import SafetyLimits
from stim.stg import STG4000
from stim.stg.statistics import State
from stim.stg.stimulator import StgStimulator
from stim.waveform import Waveform

CURRENTS = SafetyLimits(2_000_000, 400, 400, unit="nA")
VOLTAGES = SafetyLimits(2_000_000, 400, 400, unit="uV")
PULSE = {"amplitudes_in_mA": [1, -1, 0], "durations_in_ms": [0.2, 0.2, 9.6]}
MA = 1_000_000  # nA
SAMPLE_NS = 20_000


class Log(list):
    def write(self, command, **fields):
        self.append((command, fields))


class DeviceContract:
    rings: ClassVar = {"capacity_in_s": 0.1, "buffer_in_s": 0.05}
    heard_ms = 200  # longer than the latency of these, by some repetitions of a signal
    late_s = 0.02  # at most, from one line of a program to the next

    @pytest.fixture
    def bus(self):
        raise NotImplementedError

    @pytest.fixture
    def log(self):
        """Commands and their fields, in their order."""
        return Log()

    @pytest.fixture
    def stg(self, bus, log):
        with STG4000(limits=[CURRENTS, VOLTAGES], bus=bus, event_log=log) as stg:
            yield stg

    def changes(self, bus, channel):
        """Return times (ns) and levels (nA or µV) of what has left, or skip."""
        pytest.skip("the output of this device cannot be seen from here")

    # --------------------------------------------------------------------------- facts

    def test_it_says_what_it_is_in_the_stated_units(self, stg):
        facts = stg.facts
        assert stg.channel_count == facts.n_channels > 0
        assert stg.current_range_in_mA * 1e6 == facts.current_range_na[0]
        assert stg.current_range_in_uA * 1e3 == facts.current_range_na[0]
        assert stg.current_resolution_in_uA * 1e3 == facts.current_resolution_na[0]
        assert stg.current_resolution_in_mA * 1e6 == facts.current_resolution_na[0]
        assert stg.voltage_range_in_uV == facts.voltage_range_uv[0]
        assert stg.voltage_range_in_mV * 1e3 == facts.voltage_range_uv[0]
        assert stg.voltage_resolution_in_uV == facts.voltage_resolution_uv[0]
        assert stg.DAC_resolution == facts.dac_bits
        assert stg.trigin_count == facts.n_triggers
        assert stg.output_rate_in_hz == 50_000
        assert (stg.time_resolution_in_us, stg.time_resolution_in_ms) == (20, 0.02)
        assert str(stg.serial_number) in facts.serial_number
        assert stg.name
        assert stg.manufacturer
        assert stg.version.startswith("Hardware - ")

    def test_one_program_has_it_at_a_time(self, stg, bus):
        with pytest.raises(DeviceBusyError, match="another program"):
            STG4000(bus=bus)
        stg.close()
        STG4000(bus=bus).close()

    def test_one_that_is_not_there(self, bus):
        with pytest.raises(DeviceNotFoundError, match="31415"):
            STG4000(31415, bus=bus)

    # ------------------------------------------------------------------------ download

    def test_a_download_is_played_as_often_as_asked(self, stg, bus):
        stg.download(0, [1, -1], [0.2, 0.2], repeats=3)
        stg.start_stimulation([0])
        assert stg.wait(2.0)
        assert stg.trigger_states()[0] == "finished"
        _, levels = self.changes(bus, 0)
        assert levels[levels != 0].tolist() == [MA, -MA] * 3
        assert levels[-1] == 0

    def test_every_trigger_starts(self, stg, bus):
        n = stg.channel_count
        for channel in range(n):
            stg.download(channel, [1, -1], [0.2, 0.2])
        stg.start_stimulation()
        assert stg.wait(2.0)
        for channel in range(n):
            _, levels = self.changes(bus, channel)
            assert levels.tolist() == [MA, -MA, 0]

    def test_voltages(self, stg, bus):
        stg.download(
            1, mode="voltage", amplitudes_in_mV=[500, -500], durations_in_ms=[0.2, 0.2]
        )
        stg.start_stimulation([1])
        assert stg.wait(2.0)
        assert self.changes(bus, 1)[1].tolist() == [500_000, -500_000, 0]

    def test_a_trigger_without_a_download_is_not_started(self, stg):
        with pytest.raises(StimulatorStateError, match="download a signal first"):
            stg.start_stimulation([1])
        with pytest.raises(SafetyError, match="trigger 99"):
            stg.start_stimulation([99])

    def test_a_start_while_it_runs_starts_again(self, stg, bus):
        stg.download(0, [1, -1, 0], [0.2, 0.2, 40], repeats=5)
        stg.start_stimulation([0])
        stg.sleep(100)
        stg.start_stimulation([0])
        assert stg.trigger_states()[0] == "running"
        assert stg.wait(2.0)
        levels = self.changes(bus, 0)[1]
        # three before it, and all five; a busy computer sleeps for longer than it says
        assert 7 <= np.count_nonzero(levels > 0) <= 10

    def test_a_stop_ends_it(self, stg, bus):
        stg.download(0, [1, -1, 0], [0.2, 0.2, 9.6], repeats=1000)
        stg.start_stimulation([0])
        stg.sleep(30)
        stg.stop_stimulation([0])
        assert stg.trigger_states()[0] == "idle"
        assert self.changes(bus, 0)[1][-1] == 0

    # ----------------------------------------------------------------------- streaming

    def test_without_a_signal_it_streams_zeros(self, stg, bus):
        stg.start_streaming(**self.rings)
        stg.sleep(50)
        assert stg.state is State.STREAMING
        stg.stop_streaming()
        assert stg.state is State.IDLE
        assert stg.stats().n_posted > 0
        assert self.changes(bus, 0)[1].size == 0

    def test_a_change_is_heard_at_the_sample_that_it_reports(self, stg, bus):
        stg.set_signal(0, **PULSE)
        stg.start_streaming(**self.rings)
        stg.sleep(60)
        sample = stg.set_signal(0, [0.5, -0.5, 0], [0.2, 0.2, 9.6])
        assert sample % 500 == 0  # a boundary of 10 ms
        stg.sleep(self.heard_ms)
        assert stg.stats().n_underruns == 0
        stg.stop_streaming()
        times, levels = self.changes(bus, 0)
        assert set(levels.tolist()) == {MA, -MA, MA // 2, -MA // 2, 0}
        first = int(np.flatnonzero(levels == MA // 2)[0])
        assert round((times[first] - times[0]) / SAMPLE_NS) == sample
        assert MA not in levels[first:]

    def test_the_log_says_what_was_heard_and_where(self, stg, bus, log):
        stg.set_signal(0, **PULSE)
        stg.start_streaming(**self.rings)
        stg.sleep(60)
        sample = stg.set_signal(0, [0, 1, 0, -1, 0], [0.2, 0.2, 0.1, 0.2, 20])
        stg.sleep(self.heard_ms)
        stg.stop_streaming()
        assert [c for c, _ in log] == ["open", "start", "signal", "signal", "stop"]
        opened, started, first, second, stopped = [fields for _, fields in log]
        assert (opened["device"], opened["rate_hz"]) == (stg.name, 50_000)
        assert (started["mode"], started["device_sample"]) == ("streaming", 0)
        latency_s = self.rings["buffer_in_s"] + self.rings["capacity_in_s"] / 2
        assert started["latency_s"] == pytest.approx(latency_s)
        assert first["device_sample"] == 0
        assert second["device_sample"] == sample
        assert first["onset_samples"] == [0]
        assert second["onset_samples"] == [10, 25]
        assert (second["period_samples"], second["length_samples"]) == (1035, 10)
        assert first["label"] != second["label"]
        assert stopped["device_sample"] > sample
        times, levels = self.changes(bus, 0)
        begins = np.rint((times - times[0]) / SAMPLE_NS)[levels == MA]
        later = begins[begins >= sample] - sample
        assert later.tolist() == [10 + 1035 * i for i in range(later.size)]

    def test_channels_change_at_one_sample(self, stg, bus):
        channels = range(stg.channel_count)
        for channel in channels:
            stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 5 + channel])
        stg.start_streaming(**self.rings)
        stg.sleep(60)
        new = Waveform.from_mA([0.5, -0.5, 0], [0.2, 0.2, 9.6])
        sample = stg.set_waveforms(dict.fromkeys(channels, new))
        stg.sleep(self.heard_ms)
        assert stg.stats().n_underruns == 0
        stg.stop_streaming()
        for channel in channels:
            times, levels = self.changes(bus, channel)
            first = int(np.flatnonzero(levels == MA // 2)[0])
            assert round((times[first] - times[0]) / SAMPLE_NS) == sample
            # no pulse was cut: what was begun was ended
            assert levels[:first].tolist() == [MA, -MA, 0] * (first // 3)

    def test_voltages_are_streamed(self, stg, bus):
        stg.set_mode(0, "voltage")
        with pytest.raises(SafetyError, match="give amplitudes_in_mV"):
            stg.set_signal(0, [1, -1], [0.2, 0.2])
        stg.set_signal(
            0, amplitudes_in_mV=[250, -250, 0], durations_in_ms=[0.2, 0.2, 9.6]
        )
        stg.start_streaming(**self.rings)
        stg.sleep(self.heard_ms)
        stg.stop_streaming()
        assert self.changes(bus, 0)[1][:3].tolist() == [250_000, -250_000, 0]

    def test_what_was_left_in_the_rings_is_not_heard_again(self, stg, bus):
        stg.set_signal(0, **PULSE)
        stg.start_streaming(**self.rings)
        stg.sleep(50)
        stg.stop()  # at once: the rings are full
        n_changes = self.changes(bus, 0)[1].size
        stg.set_signal(0)
        stg.start_streaming(**self.rings)
        stg.sleep(50)
        stg.stop_streaming()
        late = self.changes(bus, 0)[1][n_changes:]
        assert not late.any()

    def test_the_same_signals_are_streamed_again(self, stg, bus):
        stg.set_signal(0, **PULSE)
        for _ in range(2):
            stg.start_streaming(**self.rings)
            stg.sleep(30)
            stg.stop_streaming()
        levels = self.changes(bus, 0)[1]
        assert levels.size > 6
        assert levels.tolist() == [MA, -MA, 0] * (levels.size // 3)

    # ----------------------------------------------------------- states, errors, stops

    def test_states_have_errors_of_their_own(self, stg):
        with pytest.raises(StimulatorStateError, match=r"start_streaming\(\) first"):
            stg.stop_streaming()
        stg.stop()  # this one may always be called
        stg.start_streaming(**self.rings)
        for call in (
            lambda: stg.start_streaming(**self.rings),
            lambda: stg.download(0, [1, -1], [0.2, 0.2]),
            lambda: stg.set_mode(0, "voltage"),
            stg.start_stimulation,
        ):
            with pytest.raises(StimulatorStateError, match="stop_streaming"):
                call()
        assert stg.state is State.STREAMING
        stg.stop_streaming()
        stg.stop_streaming()
        stg.close()
        stg.close()
        with pytest.raises(StimulatorStateError, match="was closed"):
            stg.set_signal(0)

    def test_a_set_up_that_fails_leaves_the_device_free(self, stg):
        for settings, error in (
            ({"capacity_in_s": 1e4, "buffer_in_s": 0.05}, DeviceMemoryError),
            ({"capacity_in_s": 0.1, "buffer_in_s": 1e-5}, DeviceError),
            ({"capacity_in_s": float("nan")}, DeviceError),
            ({"callback_percent": 101}, DeviceError),
        ):
            with pytest.raises(error):
                stg.start_streaming(**settings)
            assert stg.state is State.IDLE
        stg.start_streaming(**self.rings)
        stg.stop_streaming()

    def test_a_stop_may_come_from_any_thread_any_number_of_times(self, stg, bus):
        stg.set_signal(0, **PULSE)
        stg.start_streaming(**self.rings)
        stg.sleep(30)
        threads = [threading.Thread(target=stg.stop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()
        assert stg.state is State.IDLE
        n_changes = self.changes(bus, 0)[1].size
        stg.sleep(150)
        assert self.changes(bus, 0)[1].size == n_changes
        assert self.changes(bus, 0)[1][-1] == 0

    @pytest.mark.parametrize("mode", ["download", "streaming"])
    def test_what_stops_leave_lies_where_the_account_says(self, bus, mode):
        """Slow ramps of charge: how much is left says when it was stopped."""
        slow = SafetyLimits(100_000, 50_000, 100_000, unit="nA")
        signal = [0.1, 0, -0.1, 0], [50, 50, 50, 50]
        with STG4000(limits=slow, bus=bus) as stg:
            for wait_ms in (30, 60, 130, 170):
                if mode == "download":
                    stg.download(0, *signal, repeats=3)
                    stg.start_stimulation([0])
                else:
                    stg.set_signal(0, *signal)
                    stg.start_streaming(**self.rings)
                stg.sleep(wait_ms)
                stg.stop()
                stg.sleep(100)
                times, levels = self.changes(bus, 0)
                charge_fc = levels[:-1] @ np.diff(times) / 1e3
                held = stg._connection.history.charges[0]
                low_fc, high_fc = held.at(bus.clock.now())
                reserve_fc = 20 * 100_000  # the sample in which it was cut
                assert levels[-1] == 0
                assert low_fc - reserve_fc <= charge_fc <= high_fc + reserve_fc

    def test_what_a_callback_raises_stops_it_and_is_raised(self, stg, bus, log):
        failed_s = []
        n_in_rings = 50_000 * self.rings["capacity_in_s"]

        def callback(tick):
            if tick.sample_index >= 10_000 + n_in_rings:
                failed_s.append(bus.clock.now())
                raise ZeroDivisionError("in the callback")

        stg.set_signal(0, **PULSE)
        stg.start_streaming(**self.rings, callback=callback)
        with pytest.raises(ZeroDivisionError, match="in the callback"):
            stg.sleep(2000)
        assert stg.state is State.FAULT
        assert len(failed_s) == 1
        stg.stop()  # it was told, and is not said twice
        (started,) = [fields for command, fields in log if command == "start"]
        assert [c for c, _ in log[-2:]] == ["fault", "stop"]
        times, levels = self.changes(bus, 0)
        assert levels[-1] == 0
        put_out_s = (times[-1] - times[0]) / 1e9
        assert put_out_s <= failed_s[0] - started["host_span_s"][0] + self.late_s

    def test_without_limits_nothing_leaves(self, bus):
        with STG4000(bus=bus, limits=()) as stg:
            for call in (stg.download, stg.set_signal):
                with pytest.raises(SafetyError, match="no limits in nA"):
                    call(0, [1, -1], [0.2, 0.2])
            stg.download(0, [0], [0.2])
            stg.set_signal(0, [0], [0.2])
            stg.start_streaming(**self.rings)
            stg.sleep(20)
            stg.stop_streaming()
        assert self.changes(bus, 0)[1].size == 0

    def test_beyond_the_limits_nothing_leaves(self, stg, bus):
        for amplitudes, durations in (
            ([2.1, -2.1], [0.2, 0.2]),  # amplitude
            ([1, -1], [0.42, 0.42]),  # phase
            ([1, -1], [0.2, 0.22]),  # balance
            ([17, -17], [0.2, 0.2]),  # range of the device
        ):
            for call in (stg.download, stg.set_signal):
                with pytest.raises(SafetyError):
                    call(0, amplitudes, durations)
        with pytest.raises(SafetyError, match="for ever"):
            stg.download(0, [1, -1], [0.2, 0.2], repeats=0)
        with pytest.raises(SafetyError, match="choose from"):
            stg.download(0, [1, -1], [0.2, 0.2], mode="charge")
        assert self.changes(bus, 0)[1].size == 0

    # ------------------------------------------------------ the contract of stimulators

    def test_it_is_a_stimulator(self, bus):
        pulse = Pulse.biphasic(500_000, 200, unit="nA")
        with StgStimulator(CURRENTS, bus, **self.rings) as stimulator:
            stimulator.set_signal(1, pulse, period_us=5_000)
            stimulator.start()
            assert stimulator.is_running
            stimulator.stg.sleep(self.heard_ms)
            stimulator.stop()
            assert stimulator.stats().state is State.IDLE
        times, levels = self.changes(bus, 1)
        onsets = times[levels == 500_000]
        assert onsets.size > 10
        assert set(np.rint(np.diff(onsets) / 1e3).tolist()) == {5_000}
