"""National Instruments DAQmx: analog outputs that drive, analog inputs that read.

Needs the extra ``nidaqmx`` and the driver of the vendor. The library is imported when a
device is made.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

import numpy as np

from circus_io.errors import DeviceError, MissingDependencyError, ParameterError
from stim.sampling import ramps
from stim.sampling.device import Response, Wave
from stim.sampling.limits import DriveLimits

__all__ = ["DaqmxDevice"]

LOOK_EVERY_S = 0.02  # the library cannot be interrupted while it waits
PATIENCE_S = 10.0
INPUT_RANGE_V = 10.0


class DaqmxDevice:
    """A `SamplingDevice` of analog channels that share a start trigger.

    After a run that fails, outputs hold the sample that was put out last; `safe_state`
    goes down from there.

    Parameters
    ----------
    output_channels, input_channels : sequence of str
        Such as ``'cDAQ1Mod3/ao0'``, ``'cDAQ1Mod4/ai0'``.
    limits : DriveLimits
        In V, of each output.
    amplification : sequence of float
        nA per V of each input.
    readout_rate_hz : float, optional
        A multiple of the rate of the waves: that many inputs are averaged.
    is_inverting : bool
        The amplifier turns the sign, which is turned back.
    trigger : str, optional
        Terminal at which the inputs start; by default that of the outputs.

    Raises
    ------
    MissingDependencyError
        Without the library.
    DeviceError
        Without the driver of the vendor.
    """

    def __init__(
        self,
        output_channels: Sequence[str],
        input_channels: Sequence[str],
        limits: DriveLimits,
        *,
        amplification: Sequence[float] = (1.0,),
        readout_rate_hz: float | None = None,
        is_inverting: bool = False,
        trigger: str | None = None,
    ) -> None:
        self._library = _import_nidaqmx()
        self._outputs, self._inputs = list(output_channels), list(input_channels)
        if limits.unit != "V" or limits.n_electrodes != len(self._outputs):
            raise ParameterError(
                f"limits of {limits.n_electrodes} outputs in {limits.unit}: expected "
                f"those of {len(self._outputs)} in V"
            )
        self._limits, self._readout_rate_hz = limits, readout_rate_hz
        gains = np.broadcast_to(np.asarray(amplification, float), (len(self._inputs),))
        self._gains = gains * (-1 if is_inverting else 1)
        self._trigger = (
            trigger or f"/{self._outputs[0].partition('/')[0]}/ao/StartTrigger"
        )
        self._output, self._rate_hz = np.zeros(len(self._outputs)), 1000.0
        self.n_electrodes, self.n_readouts = len(self._outputs), len(self._inputs)
        self.facts: dict[str, Any] = {
            "driver": "nidaqmx",
            "version": self._version(),
            "input_unit": "V",
            "output_unit": "nA",
            "amplification": gains.tolist(),
        }

    @classmethod
    def of_driver(
        cls, driver: Mapping[str, Any], limits: DriveLimits, rate_hz: float
    ) -> Self:
        """Return the device of a documented ``driver`` table."""
        setup = driver["instruments_setup"]
        outputs = list(setup["activation_channels"])
        mask = setup.get("activation_channel_mask") or [1] * len(outputs)
        outputs = [name for name, is_used in zip(outputs, mask, strict=True) if is_used]
        return cls(
            [f"{setup['activation_instrument']}/ao{name}" for name in outputs],
            [
                f"{setup['readout_instrument']}/ai{name}"
                for name in setup["readout_channels"]
            ],
            limits,
            amplification=driver.get("amplification", (1.0,)),
            readout_rate_hz=setup.get("readout_sampling_frequency", rate_hz),
            is_inverting=driver.get("inverted_output", False),
            trigger=setup.get("trigger_source"),
        )

    def limits(self) -> DriveLimits:
        """Return the limits that were given."""
        return self._limits

    def run(self, wave: Wave) -> Response:
        """Play a wave once, and return the answers, nA."""
        self._limits.check(wave.values, wave.rate_hz)
        readout_rate_hz = self._readout_rate_hz or wave.rate_hz
        n_averaged = round(readout_rate_hz / wave.rate_hz)
        if n_averaged < 1 or n_averaged * wave.rate_hz != readout_rate_hz:
            raise ParameterError(
                f"inputs at {readout_rate_hz:g} Hz: expected a multiple of the "
                f"{wave.rate_hz:g} Hz of the outputs"
            )
        try:
            volts = self._play(wave, readout_rate_hz, n_averaged)
        except self._library.errors.Error as error:
            raise DeviceError(f"NI-DAQmx: {error}") from error
        means = volts.reshape(self.n_readouts, -1, n_averaged).mean(axis=2)
        return Response(means.T * self._gains)

    def _play(self, wave: Wave, readout_rate_hz: float, n_averaged: int) -> np.ndarray:
        """Return volts at the inputs, (n_readouts, n_samples * n_averaged)."""
        n_samples, self._rate_hz = len(wave.values), wave.rate_hz
        n_inputs = n_samples * n_averaged
        with ExitStack() as tasks:
            inputs = tasks.enter_context(self._library.Task())
            for name in self._inputs:
                inputs.ai_channels.add_ai_voltage_chan(
                    name, min_val=-INPUT_RANGE_V, max_val=INPUT_RANGE_V
                )
            self._time(inputs, readout_rate_hz, n_inputs)
            inputs.triggers.start_trigger.cfg_dig_edge_start_trig(self._trigger)
            outputs = tasks.enter_context(self._output_task(n_samples, wave.rate_hz))
            outputs.write(_for_channels(wave.values), auto_start=False)
            inputs.start()  # waits for the trigger
            try:
                outputs.start()
                self._wait_for(outputs, n_samples / wave.rate_hz)
            finally:
                n_done = int(outputs.out_stream.total_samp_per_chan_generated)
                if n_done:
                    self._output = wave.values[min(n_done, n_samples) - 1].copy()
            read = inputs.read(n_inputs, timeout=PATIENCE_S)
        return np.reshape(np.asarray(read, dtype=float), (self.n_readouts, n_inputs))

    def _output_task(self, n_samples: int, rate_hz: float) -> Any:
        task = self._library.Task()
        try:
            for name, low, high in zip(
                self._outputs, *self._limits.ranges.T, strict=True
            ):
                task.ao_channels.add_ao_voltage_chan(name, min_val=low, max_val=high)
            self._time(task, rate_hz, n_samples)
        except BaseException:
            task.close()
            raise
        return task

    def _time(self, task: Any, rate_hz: float, n_samples: int) -> None:
        finite = self._library.constants.AcquisitionType.FINITE
        task.timing.cfg_samp_clk_timing(
            rate_hz, sample_mode=finite, samps_per_chan=n_samples
        )

    def _wait_for(self, task: Any, seconds: float) -> None:
        until_s = time.monotonic() + seconds + PATIENCE_S
        while not task.is_task_done():
            if time.monotonic() > until_s:
                raise DeviceError(
                    f"NI-DAQmx is not done {PATIENCE_S:g} s after the end of the wave"
                )
            time.sleep(LOOK_EVERY_S)

    def safe_state(self) -> None:
        """Go to 0 from the sample that was put out last, as slowly as allowed."""
        if not self._output.any():
            return
        slew = self._limits.max_slew_per_s
        down = ramps.down_from(self._output, self._rate_hz, slew)
        down = np.concatenate([down, down[-1:]])  # finite tasks need two samples
        with self._output_task(len(down), self._rate_hz) as task:
            task.write(_for_channels(down), auto_start=False)
            task.start()
            self._wait_for(task, len(down) / self._rate_hz)
        self._output = np.zeros(self.n_electrodes)

    def close(self) -> None:
        """Do nothing: tasks live for a run."""

    def _version(self) -> str:
        try:
            driver = self._library.system.System.local().driver_version
        except self._library.errors.Error as error:
            raise DeviceError(
                f"NI-DAQmx: {error}; install the driver of National Instruments"
            ) from error
        return f"{driver.major_version}.{driver.minor_version}"


def _for_channels(values: np.ndarray) -> np.ndarray:
    """Return samples as the library wants them: channels first, no axis for one."""
    columns = np.ascontiguousarray(values.T)
    return columns[0] if len(columns) == 1 else columns


def _import_nidaqmx() -> Any:
    try:
        import nidaqmx
        import nidaqmx.constants
        import nidaqmx.errors
        import nidaqmx.system
    except ImportError as error:
        raise MissingDependencyError(
            f"NI-DAQmx devices need nidaqmx: {error}; install it with: pip install "
            "'circus-toolkit[nidaqmx]'"
        ) from error
    return nidaqmx
