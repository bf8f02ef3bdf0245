"""Devices: their answers against closed forms, and what their safe state is."""

import numpy as np
import pytest

from circus_io import DataFile, open_recording
from circus_io.errors import DeviceError, ParameterError, SafetyError
from circus_io.indexing import select_channels
from stim import SafetyLimits, Scale, Stimulator, Waveform
from stim.opening import open_stimulator
from stim.sampling.characterisation import Characterisation
from stim.sampling.designs import make_design
from stim.sampling.device import SamplingDevice, Wave
from stim.sampling.devices.recorded_stimulator import RecordedStimulator, as_waveform
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.limits import DriveLimits
from stim.sampling.opening import open_device
from stim.sampling.store import SampleStore
from stim.simulated import SimulatedBus, VirtualClock
from stim.simulated import SimulatedDevice as SimulatedStg

LIMITS = DriveLimits((-1.0, -1.0), (1.0, 1.0), float("inf"))


# ----------------------------------------------------------------- the simulated device


def test_a_step_is_answered_by_an_exponential_through_tanh():
    device = SimulatedDevice(LIMITS, 1, tau_s=0.02, saturation_na=1e9)
    wave = np.zeros((100, 2))
    wave[:, 0] = 0.5
    got = device.run(Wave(wave, 1000.0)).values[:, 0]
    # the low pass after n samples has come to 1 - exp(-n / (rate tau))
    reached = 0.5 * (1 - np.exp(-np.arange(1, 101) / 20))
    expected = 100 * np.tanh(device.weights[0, 0] * reached)
    np.testing.assert_allclose(got, expected, atol=1e-10)


def test_amplifiers_saturate_and_add_noise():
    device = SimulatedDevice(LIMITS, 2, tau_s=0, saturation_na=30.0, noise_na=1.0)
    wave = np.zeros((5000, 2))
    noise = device.run(Wave(wave, 1000.0)).values
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.05
    wave[:] = np.sin(np.arange(5000))[:, np.newaxis]
    answers = device.run(Wave(wave, 1000.0)).values
    assert np.abs(answers).max() == 30.0
    quiet = SimulatedDevice(LIMITS, 2, tau_s=0, saturation_na=30.0)
    same = SimulatedDevice(LIMITS, 2, tau_s=0, saturation_na=30.0)
    one, other = (d.run(Wave(wave, 1000.0)).values for d in (quiet, same))
    np.testing.assert_array_equal(one, other)


def test_it_refuses_what_is_beyond_its_limits():
    device = SimulatedDevice(LIMITS)
    with pytest.raises(SafetyError):
        device.run(Wave(np.full((5, 2), 1.5), 100.0))
    assert isinstance(device, SamplingDevice)


def test_devices_of_configurations(configs):
    from stim.sampling.configs import SamplingConfig

    config = SamplingConfig.of(configs)
    device = open_device(configs["driver"], config)
    assert device.limits() == config.limits
    assert device.facts["amplification"] == [28.5, 39.5]
    with pytest.raises(ParameterError, match="choose from cdaq_to_cdaq"):
        open_device({"instrument_type": "oscilloscope"}, config)


# ------------------------------------------------------------- stimulator and recording

RATE_HZ = 10_000
ALLOWED = SafetyLimits(
    max_amplitude=500_000, max_phase_us=5000, min_period_us=1000, unit="uV"
)


class Looped(Stimulator):
    """Its outputs lead into a file, one channel for each, through a gain of 1/1000."""

    n_outputs = 2

    def __init__(self, path, limits=ALLOWED):
        super().__init__(limits)
        self.samples = np.memmap(path, "<i2", "r+").reshape(-1, 2)
        self.signals, self.frame, self.heard = {}, 500, []

    def _connect(self):
        pass

    def _disconnect(self):
        pass

    def _quantize(self, output, waveform):
        return Scale(1000, 14, 8_000_000, "uV").quantize(waveform)

    def _set_signal(self, output, checked, electrodes):
        self.signals[output] = program = checked.program
        assert checked.period_us > program.durations_us.sum()

    def _start(self):
        self.heard.append("start")
        for output, program in self.signals.items():
            n_frames = program.durations_us * RATE_HZ // 1_000_000
            frames = np.repeat(program.counts, n_frames)
            self.samples[self.frame : self.frame + len(frames), output] = frames

    def _stop(self):
        self.heard.append("stop")
        self.signals.clear()
        self.frame += 2500


@pytest.fixture
def looped(tmp_path):
    path = tmp_path / "loop.dat"
    np.zeros((20_000, 2), "<i2").tofile(path)
    with (
        Looped(path) as stimulator,
        open_recording(
            path,
            "raw_binary",
            data_dtype="int16",
            sampling_rate=RATE_HZ,
            nb_channels=2,
            gain=1.0,
        ) as recording,
    ):
        yield stimulator, recording


def recruitment(n_electrodes=2, **changes):
    settings = {
        "kind": "recruitment",
        "rate_hz": 5000,
        "batch_s": 0.1,
        "n_batches": 4,
        "n_electrodes": n_electrodes,
        "n_amplitudes": 5,
        "phase_s": 0.0008,
        "gap_s": 0.0002,
        "period_s": 0.02,
        "amplitude": 0.4,
        "seed": 3,
    }
    return make_design(settings | changes)


def test_a_stimulator_drives_and_a_recording_answers(looped, tmp_path):
    stimulator, recording = looped
    device = RecordedStimulator(
        stimulator, recording, lambda: stimulator.frame, latency_s=0.0
    )
    assert isinstance(device, SamplingDevice)
    run = Characterisation(
        device=device,
        design=recruitment(),
        limits=DriveLimits((-0.5, -0.5), (0.5, 0.5), float("inf")),
    )
    run.record(tmp_path / "run")
    assert stimulator.heard.count("start") == 4
    assert stimulator.heard[-1] == "stop"
    with SampleStore(tmp_path / "run") as store:
        assert store.info["units"] == {"inputs": "V", "outputs": "uV"}
        assert store.batches["driver"].tolist() == [b"Looped unknown"] * 4
        starts = store.batches["sample_index"].tolist()
        assert np.diff(starts).min() >= 2500
        for index in range(4):
            inputs, outputs = store.batch(index)
            # 1 V is 1000 counts; the mean of two frames for each sample
            np.testing.assert_allclose(outputs, inputs * 1000, atol=0.01)
            assert np.abs(outputs).max() == pytest.approx(400)
            raw = np.asarray(stimulator.samples[starts[index] : starts[index] + 1000])
            assert raw.any()


class Traced(DataFile):
    """What a simulated STG has put out on two channels, µA as µV, at 50 kHz."""

    description, needs_file = "traced", False
    trace = None

    def _read_from_header(self):
        self._shape = (50_000 * 60, 2)
        facts = {"nb_channels": 2, "sampling_rate": 50_000, "data_dtype": "<f8"}
        return facts | {"gain": 1e-3, "dtype_offset": 0}

    def _read_frames(self, t_start, t_stop, nodes):
        times_ns = np.arange(t_start, t_stop) * 20_000 + 10_000
        levels = np.stack([self.trace.at(channel, times_ns) for channel in (0, 1)], 1)
        return select_channels(levels.astype(float), nodes)


def test_a_simulated_stg_plays_what_was_designed(tmp_path):
    clock = VirtualClock()
    bus = SimulatedBus([SimulatedStg(clock=clock)])
    limits = SafetyLimits(500_000, 30_000, 1000, unit="nA")
    recording = Traced(None)
    recording.trace = trace = bus.devices[0].trace

    def onset(frame):
        """Find the first change after a frame, which is that of the first pulse."""
        changes = [trace.changes(channel)[0] for channel in (0, 1)]
        frames = np.concatenate(changes) // 20_000
        return int(frames[frames >= frame].min())

    with open_stimulator(bus, limits) as stimulator:
        device = RecordedStimulator(
            stimulator,
            recording,
            lambda: clock.now_ns() // 20_000,
            onset=onset,
            outputs=[0, 1],
            clock=clock,
        )
        run = Characterisation(
            device=device,
            design=recruitment(amplitude=4e-4, n_batches=2),
            limits=device.limits(),
        )
        run.record(tmp_path / "run")
        assert stimulator.stats().n_underruns == 0
    with SampleStore(tmp_path / "run") as store:
        assert store.info["units"]["inputs"] == "A"
        for index in range(2):
            inputs, outputs = store.batch(index)
            assert np.abs(outputs).max() == pytest.approx(400)
            np.testing.assert_allclose(outputs, inputs * 1e6, atol=1)
    assert not any(recording.trace.levels)


def test_what_leaves_a_charge_is_refused_by_the_stimulator(looped, tmp_path):
    stimulator, recording = looped
    device = RecordedStimulator(
        stimulator, recording, lambda: stimulator.frame, latency_s=0.0
    )
    sine = make_design(
        {
            "kind": "sine",
            "rate_hz": 5000,
            "batch_s": 0.01,
            "n_batches": 1,
            "n_electrodes": 2,
            "amplitude": 0.1,
            "phase": 1.0,
            "offset": 0.0,
        }
    )
    run = Characterisation(device=device, design=sine, limits=device.limits())
    with pytest.raises(SafetyError):
        run.record(tmp_path / "run")
    assert "start" not in stimulator.heard


def test_a_recording_that_ends_too_early(looped):
    stimulator, recording = looped
    device = RecordedStimulator(stimulator, recording, lambda: 19_999)
    with pytest.raises(DeviceError, match="recording ends at frame 20000"):
        device.run(Wave(np.zeros((50, 2)), 5000.0))
    refreshed = []

    def refresh():
        refreshed.append(1)
        device.frame_now = None
        if len(refreshed) > 2:
            device.recording = recording
            raise ZeroDivisionError
        return recording

    device = RecordedStimulator(stimulator, recording, lambda: 19_999, refresh=refresh)
    with pytest.raises(ZeroDivisionError):
        device.run(Wave(np.zeros((50, 2)), 5000.0))
    device = RecordedStimulator(stimulator, recording, lambda: 0)
    with pytest.raises(ParameterError, match="less than the 20000 Hz"):
        device.run(Wave(np.zeros((50, 2)), 20_000.0))
    with pytest.raises(ParameterError, match="electrodes of 1 outputs"):
        RecordedStimulator(stimulator, recording, int, electrodes=[[11]])


def test_waves_become_waveforms_of_whole_numbers():
    values = np.array([0, 0, 1e-4, 1e-4, -2e-4, 0, 0.5, 0])
    runs = [(0, 200), (100, 200), (-200, 100), (0, 100), (500_000, 100), (0, 100)]
    assert as_waveform(values, 10_000, "uV") == Waveform.of(runs, "uV")
    assert as_waveform(np.zeros(5), 10_000, "uV") == Waveform.of([(0, 500)], "uV")
    assert as_waveform(np.array([1e-6]), 50_000, "nA") == Waveform.of([(1000, 20)])
    with pytest.raises(SafetyError, match="µs"):
        as_waveform(values, 3000, "uV")
    with pytest.raises(ParameterError, match="whole number of Hz"):
        as_waveform(values, 0.5, "uV")
