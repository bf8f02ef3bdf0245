"""`Streaming`: what an STG streams, as its user asks for it, from stream to stream."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np

from circus_io.errors import StimulatorStateError
from stim.dose import Dose
from stim.safety import CheckedProgram
from stim.stg.connection import Connection
from stim.stg.events import Labels, signal_fields
from stim.stg.feeder import Tick
from stim.stg.limits import MODES, scale_of
from stim.stg.signals import SILENCE, Signals
from stim.stg.statistics import State, StreamStatistics
from stim.stg.stream import Stream, StreamSettings
from stim.waveform import Waveform

__all__ = ["Streaming"]


class Streaming:
    """The signals of a device, the account of what has left it, and its stream.

    Parameters
    ----------
    connection : Connection
    labels : Labels
        The numbers of stimuli, for the log.
    log : callable
    """

    def __init__(
        self, connection: Connection, labels: Labels, log: Callable[..., None]
    ) -> None:
        self._connection, self._labels, self._log = connection, labels, log
        self._signals = Signals(connection.facts.n_channels)
        self._checked: dict[int, CheckedProgram] = {}
        self._doses = {mode: self._new_doses(mode) for mode in MODES}
        self._stream: Stream | None = None
        self._n_stops = 0

    def _new_doses(self, mode: str) -> list[Dose]:
        facts = self._connection.facts
        return [Dose(scale_of(facts, c, mode).shift) for c in range(facts.n_channels)]

    @property
    def doses(self) -> list[Dose]:
        """The account of each channel, in its mode."""
        modes = enumerate(self._connection.modes)
        return [self._doses[mode][channel] for channel, mode in modes]

    @property
    def is_running(self) -> bool:
        """Whether something may leave the device."""
        return self._stream is not None and self._stream.is_running

    @property
    def state(self) -> State:
        """What the stream is doing."""
        return State.IDLE if self._stream is None else self._stream.state

    def stats(self) -> StreamStatistics:
        """Return how the stream is doing, or how the last one did."""
        if self._stream is None:
            return StreamStatistics(State.IDLE)
        return self._stream.stats()

    # ------------------------------------------------------------------------- signals

    def set(self, checked: Mapping[int, CheckedProgram]) -> int | None:
        """Let channels repeat programs; return the sample from which on they do."""
        words, notes = self._words(checked), self._notes(checked)
        stream = self._stream
        if stream is None or not stream.is_running:
            self._signals.set(words, notes)
            self._checked |= checked
            return None
        for channel, one in checked.items():
            stream.gate.check_charge(channel, one)
        for channel, one in checked.items():
            stream.gate.admit(channel, one)
        self._checked |= checked
        gaps = {
            channel: -(-one.limits.min_period_us // one.program.grid_us)
            for channel, one in checked.items()
        }
        return self._signals.change(words, notes, gaps) + stream.feeder.underruns.n_lost

    def forget(self, channel: int) -> None:
        """Let a channel put out nothing from the next start on."""
        self._checked.pop(channel, None)
        self._signals.set({channel: SILENCE})

    def waveforms(self) -> dict[int, Waveform]:
        """Return what channels repeat, or will; those that are silent are left out."""
        return {
            channel: checked.program.waveform
            for channel, checked in dict(self._checked).items()
            if not checked.program.is_silent
        }

    @staticmethod
    def _words(checked: Mapping[int, CheckedProgram]) -> dict[int, np.ndarray]:
        """Return one repetition of each, with the zeros behind it."""
        words = {}
        for channel, one in checked.items():
            program = one.program
            n_samples = max(one.period_us // program.grid_us, program.n_ticks)
            words[channel] = np.zeros(n_samples, np.int16)
            words[channel][: program.n_ticks] = program.words()
        return words

    def _notes(self, checked: Mapping[int, CheckedProgram]) -> dict[int, dict]:
        """Return what is logged when signals take effect; one note per stimulus."""
        channels: dict[int, list[int]] = {}
        for channel, one in checked.items():
            channels.setdefault(self._labels.of(one.program), []).append(channel)
        return {
            channel: signal_fields(checked[channel], group, label, None)
            for label, group in channels.items()
            for channel in group
        }

    # ------------------------------------------------------------------ start and stop

    def start(
        self,
        settings: StreamSettings,
        callback: Callable[[Tick], None] | None,
        timeout_s: float,
    ) -> None:
        """Start a stream; the device is free again if that fails."""
        if self.is_running:
            raise StimulatorStateError("it streams already; stop_streaming() first")
        n_stops = self._n_stops
        self._wait_for_pulses(timeout_s)
        stream = self._new_stream(settings, callback)
        self._stream = stream
        try:
            if self._n_stops != n_stops:  # before there was a stream to be stopped
                raise StimulatorStateError("stopped before it had started")
            for channel, checked in self._checked.items():
                stream.gate.admit(channel, checked)
            stream.start(timeout_s)
        except BaseException:
            with suppress(Exception):
                stream.stop("start failed")
            stream.was_raised = True  # what went wrong is said here, and not once more
            if stream.is_closed:
                self._stream = None
            raise

    def _wait_for_pulses(self, timeout_s: float) -> None:
        """Wait until the last pulses are as long ago as limits demand."""
        connection = self._connection
        for channel, one in self._checked.items():
            if not one.program.is_silent:
                rest_s = connection.history.wait_s(channel, one.limits)
                if rest_s > timeout_s:
                    connection.history.check_start(channel, one.limits)
                connection.clock.sleep(rest_s)

    def _new_stream(
        self, settings: StreamSettings, callback: Callable[[Tick], None] | None
    ) -> Stream:
        made: list[Stream] = []
        gate = self._connection.streaming(
            settings.ring_frames,
            self.doses,
            on_error=lambda: made and made[0].device_failed(),
        )
        clock = self._connection.clock
        made.append(Stream(gate, self._signals, settings, clock, callback, self._log))
        return made[0]

    def drain(self, timeout_s: float | None) -> None:
        """Let every signal end its repetition, and stop."""
        stream = self._stream
        if stream is None:
            raise StimulatorStateError("it does not stream; start_streaming() first")
        if stream.state is State.STREAMING and not stream.is_feeding_thread():
            n_channels = self._connection.facts.n_channels
            silence = dict.fromkeys(range(n_channels), SILENCE)
            try:
                stream.drain(self._signals.change(silence), timeout_s)
            finally:  # the next start plays what was set
                words, notes = self._words(self._checked), self._notes(self._checked)
                self._signals.set(words, notes)
        elif stream.is_running:
            stream.stop()

    def stop(self, reason: str = "stop") -> None:
        """Stop a stream at once, if there is one, whatever it is about to do."""
        self._n_stops += 1
        if self._stream is not None and not self._stream.is_closed:
            self._stream.stop(reason)

    def fail(self, error: BaseException) -> None:
        """Stop a stream for an error, which `fault` returns."""
        self._stream.fail(error)

    def fault(self) -> BaseException | None:
        """Return what has stopped the stream, once."""
        stream = self._stream
        if stream is not None and not stream.is_feeding_thread():
            stream.check_feeding()
        if stream is None or stream.error is None or stream.was_raised:
            return None
        stream.wait_until_closed()
        stream.was_raised = True
        return stream.error
