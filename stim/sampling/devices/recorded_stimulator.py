"""A stimulator that drives, and a recording that is read: together a device."""

import time
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np

from circus_io import DataFile
from circus_io.errors import DeviceError, ParameterError
from stim.sampling.device import Response, Wave
from stim.sampling.limits import SCALES, DriveLimits
from stim.stg.port import Clock
from stim.stimulator import Stimulator
from stim.waveform import Waveform

__all__ = ["RecordedStimulator", "as_waveform"]

PAUSE_US = 2_000_000  # after a wave, before the stimulator would repeat it
PATIENCE_S = 10.0
LOOK_EVERY_S = 0.01


class RecordedStimulator:
    """A `SamplingDevice` of a connected stimulator and an open recording.

    A wave becomes a waveform on each output, in whole nA or µV. All that the stimulator
    checks holds: charge has to be balanced, which a recruitment design is, and a sine
    of any length is not. Its `stop` is the safe state.

    Parameters
    ----------
    stimulator : Stimulator
        Connected; it stays so.
    recording : DataFile
        Open; it stays so.
    frame_now : callable
        Returns the frame that is being recorded now.
    onset : callable, optional
        Takes the frame at which the stimulator was told to start, and returns the one
        at which it did, such as that of a sync-out in the recording. By default they
        are the same; the error is that of all times of the answers.
    latency_s : float
        Most that lies between the two; the wave is given so much longer to end.
    outputs : sequence of int, optional
        Of the stimulator, one for each electrode; by default all.
    electrodes : sequence of sequence of int, optional
        Labels that each output drives, for devices that can choose.
    nodes : sequence of int, optional
        Channels of the recording that are read; by default all.
    refresh : callable, optional
        Returns the recording again, with what has been written meanwhile. Without it
        `recording` has to grow by itself, as one of a length that is known before.
    clock : Clock, optional
        Whose ``sleep`` waits for the wave; by default that of the host.
    """

    def __init__(
        self,
        stimulator: Stimulator,
        recording: DataFile,
        frame_now: Callable[[], int],
        *,
        onset: Callable[[int], int] | None = None,
        latency_s: float = 0.5,
        outputs: Sequence[int] | None = None,
        electrodes: Sequence[Sequence[int]] = (),
        nodes: Sequence[int] | None = None,
        refresh: Callable[[], DataFile] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.stimulator, self.recording = stimulator, recording
        self.frame_now, self.refresh = frame_now, refresh
        self.onset, self.latency_s = onset or (lambda frame: frame), latency_s
        self._sleep = time.sleep if clock is None else clock.sleep
        self.outputs = list(range(stimulator.n_outputs) if outputs is None else outputs)
        self.electrodes = list(electrodes) or [()] * len(self.outputs)
        self.nodes = list(range(recording.nb_channels) if nodes is None else nodes)
        if len(self.electrodes) != len(self.outputs):
            raise ParameterError(
                f"electrodes of {len(self.electrodes)} outputs: expected those of "
                f"{len(self.outputs)}"
            )
        self.n_electrodes, self.n_readouts = len(self.outputs), len(self.nodes)
        self.facts: dict[str, Any] = {
            "driver": type(stimulator).__name__,
            "version": str(getattr(stimulator, "version", "unknown")),
            "recorder": recording.description,
            "input_unit": self.limits().unit,
            "output_unit": "uV",
        }

    def limits(self) -> DriveLimits:
        """Return what the limits of the stimulator allow on each output."""
        return DriveLimits.from_safety(self.stimulator.limits, len(self.outputs))

    def run(self, wave: Wave) -> Response:
        """Play a wave once, and return what was recorded meanwhile, µV."""
        if self.recording.sampling_rate < wave.rate_hz:
            raise ParameterError(
                f"the recording has {self.recording.sampling_rate:g} Hz, less than the "
                f"{wave.rate_hz:g} Hz of the wave"
            )
        waveforms = [
            as_waveform(column, wave.rate_hz, self.stimulator.unit)
            for column in np.asarray(wave.values).T
        ]
        duration_us = round(len(wave.values) * 1e6 / wave.rate_hz)
        # in whole seconds, which any device has on its grid
        period_us = duration_us + PAUSE_US + ceil(self.latency_s) * 1_000_000
        period_us = max(period_us, self.stimulator.limits.min_period_us)
        # also those that are 0 all the time: they may have a signal from a wave before
        for output, waveform, labels in zip(
            self.outputs, waveforms, self.electrodes, strict=True
        ):
            self.stimulator.set_signal(
                output, waveform, period_us=period_us, electrodes=labels
            )
        first = self.frame_now()
        try:
            self.stimulator.start()
            # what follows the wave, before it would be repeated, is a pause
            self._sleep(duration_us * 1e-6 + self.latency_s)
        finally:
            self.stimulator.stop()
        first = self.onset(first)
        return Response(self._recorded(first, wave), sample_index=first)

    def _recorded(self, first: int, wave: Wave) -> np.ndarray:
        """Return what was recorded of each sample, from the mean of its frames."""
        frames_per_sample = self.recording.sampling_rate / wave.rate_hz
        edges = np.rint(np.arange(len(wave.values) + 1) * frames_per_sample).astype(int)
        self._wait_for(first + int(edges[-1]))
        traces = self.recording[first : first + int(edges[-1]), self.nodes]
        sums = np.add.reduceat(traces, edges[:-1], axis=0, dtype=np.float64)
        return sums / np.diff(edges)[:, np.newaxis]

    def _wait_for(self, t_stop: int) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while self.recording.t_stop < t_stop:
            if self.refresh is None or time.monotonic() > until_s:
                raise DeviceError(
                    f"the recording ends at frame {self.recording.t_stop}, and the "
                    f"wave at {t_stop}; is it still being recorded?"
                )
            self._sleep(LOOK_EVERY_S)
            self.recording = self.refresh()

    def safe_state(self) -> None:
        """Stop the stimulator."""
        self.stimulator.stop()

    def close(self) -> None:
        """Do nothing: both belong to whoever opened them."""


def as_waveform(values: np.ndarray, rate_hz: float, unit: str) -> Waveform:
    """Return what a stimulator puts out for some samples.

    Parameters
    ----------
    values : float array, shape (n_samples,)
        A or V.
    rate_hz : float
    unit : {'nA', 'uV'}
        Of the waveform; values are rounded to whole ones.

    Raises
    ------
    ParameterError
        The rate is no whole number.
    SafetyError
        A sample is no whole number of µs.
    """
    if rate_hz % 1:
        raise ParameterError(f"{rate_hz} Hz: stimulators need a whole number of Hz")
    scale = next(scale for own, scale in SCALES.values() if own == unit)
    whole = np.rint(np.asarray(values) * scale).astype(np.int64)
    return Waveform.from_samples(whole, int(rate_hz), unit)
