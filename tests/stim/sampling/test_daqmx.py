"""NI-DAQmx: what is asked of the library, and a device that is brought down."""

import importlib.util
import subprocess
import sys
import types
from typing import ClassVar

import numpy as np
import pytest

from circus_io.errors import DeviceError, ParameterError
from stim.sampling.device import SamplingDevice, Wave
from stim.sampling.devices.daqmx import DaqmxDevice
from stim.sampling.limits import DriveLimits

LIMITS = DriveLimits((-1.0, -1.0), (1.0, 1.0), float("inf"))


class FakeError(Exception):
    """The base of the errors of the library."""


class FakeTask:
    """Loops outputs back to inputs, with the names and arguments of the library.

    Each output sample is seen by as many inputs as the inputs are faster.
    """

    played = ()
    stops_after = None
    log: ClassVar[list] = []

    def __init__(self):
        self.names, self.values = [], None
        for name in ("ai_channels", "ao_channels", "timing"):
            setattr(self, name, self)
        self.triggers = types.SimpleNamespace(start_trigger=self)
        self.out_stream = types.SimpleNamespace(total_samp_per_chan_generated=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        FakeTask.log.append(("close", self.names[0].rstrip("0123456789")))

    def add_ao_voltage_chan(self, physical_channel, min_val, max_val):
        self.names.append(physical_channel)

    def add_ai_voltage_chan(self, physical_channel, min_val, max_val):
        self.names.append(physical_channel)

    def cfg_samp_clk_timing(self, rate, sample_mode, samps_per_chan):
        self.rate, self.n_samples = rate, samps_per_chan
        assert samps_per_chan >= 2  # as the driver wants it

    def cfg_dig_edge_start_trig(self, trigger_source):
        self.trigger = trigger_source

    def write(self, data, auto_start):
        assert not auto_start
        self.values = np.atleast_2d(data)
        assert self.values.shape == (len(self.names), self.n_samples)

    def start(self):
        FakeTask.log.append(("start", self.names[0].rstrip("0123456789")))
        if self.values is not None:
            n_done = self.n_samples
            if FakeTask.stops_after:
                n_done, FakeTask.stops_after = FakeTask.stops_after, None
                self.fails = True
            self.out_stream.total_samp_per_chan_generated = n_done
            FakeTask.played = (*FakeTask.played, self.values[:, :n_done])

    def is_task_done(self):
        if getattr(self, "fails", False):
            raise FakeError("the chassis is gone")
        return True

    def read(self, number_of_samples_per_channel, timeout):
        last = FakeTask.played[-1]
        ratio = number_of_samples_per_channel // last.shape[1]
        ripple = np.resize([0.01, -0.01], number_of_samples_per_channel)
        values = np.repeat(last[: len(self.names)], ratio, axis=1) + ripple
        return values.tolist() if len(values) > 1 else values[0].tolist()


@pytest.fixture
def nidaqmx(monkeypatch):
    """A stand-in: the driver of the vendor, and hardware, are nowhere to be had."""
    FakeTask.played, FakeTask.log, FakeTask.stops_after = (), [], None
    local = types.SimpleNamespace(
        driver_version=types.SimpleNamespace(major_version=24, minor_version=5)
    )
    library = types.ModuleType("nidaqmx")
    library.Task = FakeTask
    library.constants = types.SimpleNamespace(
        AcquisitionType=types.SimpleNamespace(FINITE="finite")
    )
    library.errors = types.SimpleNamespace(Error=FakeError)
    library.system = types.SimpleNamespace(
        System=types.SimpleNamespace(local=lambda: local)
    )
    for name in ("constants", "errors", "system"):
        monkeypatch.setitem(sys.modules, f"nidaqmx.{name}", getattr(library, name))
    monkeypatch.setitem(sys.modules, "nidaqmx", library)
    return library


def daqmx(**changes):
    settings = {"amplification": [10.0], "readout_rate_hz": 1000, "is_inverting": True}
    limits = DriveLimits((-1.0,) * 2, (1.0,) * 2, 20.0)
    return DaqmxDevice(
        ["Dev1/ao0", "Dev1/ao1"], ["Dev1/ai3"], limits, **settings | changes
    )


def test_inputs_wait_for_the_outputs_and_are_averaged(nidaqmx):
    device = daqmx()
    assert isinstance(device, SamplingDevice)
    wave = np.sin(np.arange(200) / 50)[:, np.newaxis] * [0.5, 0.2]
    wave = np.concatenate(
        [np.linspace([0, 0], wave[0], 3), wave, np.linspace(wave[-1], [0, 0], 20)]
    )
    response = device.run(Wave(wave, 100.0))
    np.testing.assert_allclose(response.values[:, 0], -10 * wave[:, 0], atol=1e-12)
    starts = [what for what in FakeTask.log if what[0] == "start"]
    assert starts == [("start", "Dev1/ai"), ("start", "Dev1/ao")]
    assert device.facts["version"] == "24.5"
    device.safe_state()  # it ended at 0: there is nothing to do
    assert len(FakeTask.played) == 1
    with pytest.raises(ParameterError, match="a multiple of the 300 Hz"):
        device.run(Wave(wave / 30, 300.0))


def test_a_driver_that_fails_is_brought_down_from_where_it_was(nidaqmx):
    device, wave = daqmx(), np.linspace([0, 0], [0.9, -0.4], 100)
    wave = np.concatenate([wave, wave[::-1]])
    FakeTask.stops_after = 100
    with pytest.raises(DeviceError, match="the chassis is gone"):
        device.run(Wave(wave, 100.0))
    assert FakeTask.log[-2:] == [("close", "Dev1/ao"), ("close", "Dev1/ai")]
    device.safe_state()
    down = FakeTask.played[-1].T
    np.testing.assert_allclose(down[-1], [0, 0])
    whole = np.concatenate([wave[99:100], down])
    assert np.abs(np.diff(whole, axis=0)).max() * 100 <= 20.0001
    assert not device._output.any()


def test_a_documented_driver_table(nidaqmx):
    driver = {
        "instrument_type": "cdaq_to_cdaq",
        "amplification": [39.5],
        "instruments_setup": {
            "activation_instrument": "cDAQ1Mod3",
            "activation_channels": [8, 10, 13],
            "activation_channel_mask": [1, 0, 1],
            "readout_instrument": "cDAQ1Mod4",
            "readout_channels": [4],
            "readout_sampling_frequency": 1000,
        },
    }
    device = DaqmxDevice.of_driver(driver, LIMITS, 100.0)
    assert device._outputs == ["cDAQ1Mod3/ao8", "cDAQ1Mod3/ao13"]
    assert device._inputs == ["cDAQ1Mod4/ai4"]


def test_without_the_library_the_extra_is_named():
    code = (
        "import sys; sys.modules['nidaqmx'] = None\n"
        "from stim.sampling.devices.daqmx import DaqmxDevice\n"
        "from stim.sampling.limits import DriveLimits\n"
        "DaqmxDevice(['Dev1/ao0'], ['Dev1/ai0'], DriveLimits((-1,), (1,), 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'circus-toolkit[nidaqmx]'" in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("nidaqmx") is None, reason="needs nidaqmx")
def test_the_stand_in_has_the_arguments_of_the_library():
    import inspect

    import nidaqmx

    for name in ("write", "read", "start", "is_task_done", "close"):
        real = inspect.signature(getattr(nidaqmx.Task, name)).parameters
        ours = inspect.signature(getattr(FakeTask, name)).parameters
        assert set(ours) <= set(real), name
    with pytest.raises(DeviceError, match="NI-DAQmx"):
        daqmx()
