"""`StgDownloads`: the half of `STG4000` that plays from the memory of the device."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circus_io.errors import SafetyError, StimulatorStateError
from stim.safety import CheckedProgram
from stim.stg.connection import Connection
from stim.stg.downloads import Downloads
from stim.stg.limits import MODES, LimitSet, scale_of
from stim.stg.properties import StgProperties
from stim.stg.streaming import Streaming
from stim.stg.surface import waveform_of
from stim.waveform import Waveform

__all__ = ["StgDownloads"]


class StgDownloads(StgProperties):
    """What is stored is played without the host, when a trigger is started."""

    _connection: Connection
    _downloads: Downloads
    _streaming: Streaming
    _limits: LimitSet
    _log: Callable[..., None]

    @abstractmethod
    def _check_idle(self, what: str) -> None:
        """Raise unless something may be done that streaming does not allow."""

    def set_mode(
        self, channel_index: int | Sequence[int] = (), mode: str = "current"
    ) -> None:
        """Let a channel, some, or all (none given) put out currents or voltages.

        Raises
        ------
        SafetyError
            There is no such mode or channel.
        StimulatorStateError
            It streams.
        """
        self._check_idle("set_mode")
        if mode not in MODES:
            raise SafetyError(f"mode = {mode}: choose from {', '.join(MODES)}")
        chosen = np.atleast_1d(np.asarray(channel_index, np.int64)).tolist()
        for channel in chosen or range(self.channel_count):
            self._check_channel(channel)
            if self._connection.modes[channel] != mode:
                self._connection.downloads().set_mode(channel, mode)
                self._connection.modes[channel] = mode
                self._streaming.forget(channel)
        self._log("mode", channels=chosen, mode=mode)

    def download(
        self,
        channel_index: int = 0,
        amplitudes_in_mA: ArrayLike | None = None,
        durations_in_ms: ArrayLike = (0,),
        mode: str = "current",
        *,
        amplitudes_in_mV: ArrayLike | None = None,
        repeats: int = 1,
        rounding: str = "refuse",
        syncout: bool = False,
    ) -> None:
        """Store what a channel plays when its trigger is started.

        Parameters
        ----------
        channel_index : int
        amplitudes_in_mA, durations_in_ms : array_like
            As many of both.
        mode : {'current', 'voltage'}
            For voltages, give `amplitudes_in_mV` instead of `amplitudes_in_mA`.
        amplitudes_in_mV : array_like, optional
        repeats : int
            How many times a start plays it; 0 is for ever, which the limits have to
            allow.
        rounding : {'refuse', 'keep-charge'}
            See `Waveform.from_mA`.
        syncout : bool
            Whether the sync-out of the channel is high while something flows.

        Raises
        ------
        SafetyError
            It is beyond the limits; nothing was sent.
        DeviceError
        """
        if mode not in MODES:
            raise SafetyError(f"mode = {mode}: choose from {', '.join(MODES)}")
        waveform = waveform_of(
            mode, amplitudes_in_mA, amplitudes_in_mV, durations_in_ms, rounding
        )
        self.download_waveform(
            channel_index, waveform, repeats=repeats, syncout=syncout
        )

    def download_waveform(
        self,
        channel: int,
        waveform: Waveform,
        *,
        repeats: int = 1,
        syncout: bool = False,
    ) -> CheckedProgram:
        """Store a waveform, as `download` does; return what will leave."""
        self._check_idle("download")
        mode = next(mode for mode, unit in MODES.items() if unit == waveform.unit)
        channel = self._check_channel(channel)
        program = scale_of(self.facts, channel, mode).quantize(waveform)
        checked = self._limits.check(channel, program, repeats=repeats)
        if self._connection.modes[channel] != mode:
            self.set_mode(channel, mode)
        self._downloads.store(channel, checked, syncout)
        return checked

    def start_stimulation(self, triggerIndex: Sequence[int] = ()) -> None:
        """Start some triggers, or all that have something to play, at one moment."""
        self._check_idle("start_stimulation")
        self._downloads.start(triggerIndex)

    def stop_stimulation(self, triggerIndex: Sequence[int] = ()) -> None:
        """Stop some triggers, or all."""
        self._check_idle("stop_stimulation")
        self._downloads.stop(triggerIndex)

    def diagonalize_triggermap(self) -> None:
        """Let each trigger play the channel of its number, and its sync-out, once."""
        self._check_idle("diagonalize_triggermap")
        self._downloads.diagonalize()

    def map_triggers(
        self, channels: Sequence[Sequence[int]], repeats: Sequence[int]
    ) -> None:
        """Say which channels each trigger plays together, and how many times."""
        self._check_idle("map_triggers")
        self._downloads.map(channels, repeats)

    def trigger_states(self) -> tuple[str, ...]:
        """Return ``'idle'``, ``'running'``, ``'finished'`` or ``'armed'`` of each."""
        self._check_idle("trigger_states")
        return self._connection.downloads().states()

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Wait until no trigger runs; return whether that is so."""
        self._check_idle("wait")
        gate = self._connection.downloads()
        return gate.wait(gate.all_triggers, timeout_s, look_s=0.001)

    def discharged(self, channels: Sequence[int] | None = None) -> None:
        """Say that electrodes hold no charge any more: they were shorted, for example.

        What stops have cut, and what programs have left, is added up for each channel
        and held against `max_running_charge_fc`. This begins that account anew. Nothing
        is measured: who calls it answers for it.

        Parameters
        ----------
        channels : sequence of int, optional
            All of them by default.

        Raises
        ------
        StimulatorStateError
            Something plays on one of them, or may, since a stop has failed.
        """
        self._check_idle("discharged")
        chosen = range(self.channel_count) if channels is None else channels
        chosen = [self._check_channel(channel) for channel in chosen]
        if self._connection.is_open(chosen):
            raise StimulatorStateError(
                "something still plays there, or may; wait() or stop() before "
                "discharged()"
            )
        for channel in chosen:
            self._connection.history.charges[channel].forget()
        self._log("discharged", channels=chosen)

    def _check_channel(self, channel: int) -> int:
        if not 0 <= channel < self.channel_count:
            raise SafetyError(
                f"channel {channel}: the device has 0 to {self.channel_count - 1}"
            )
        return int(channel)  # one of numpy is no number for the driver
