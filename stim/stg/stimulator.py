"""`StgStimulator`: an STG4000 behind the contract of all stimulators.

It streams: where the host dies, the output is 0 as soon as the rings are empty.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from stim.program import Program
from stim.safety import CheckedProgram, SafetyLimits
from stim.stg.limits import MODES, scale_of
from stim.stg.port import Bus
from stim.stg.statistics import StreamStatistics
from stim.stg.stg4000 import STG4000
from stim.stimulator import Stimulator
from stim.waveform import Waveform

__all__ = ["StgStimulator"]

MOST_CHANNELS = 8


class StgStimulator(Stimulator):
    """One output per channel.

    Parameters
    ----------
    limits : SafetyLimits
        Their unit, nA or µV, is what all channels put out.
    bus : str or Bus
    serial : int or str, optional
    capacity_in_s, buffer_in_s : float
        Rings of the device and of the host, s.
    event_log : EventLog, optional

    Notes
    -----
    Signals may also be changed while it runs; each is heard at the end of a repetition
    of the one before, after ``buffer_in_s + capacity_in_s / 2``.
    """

    n_outputs: ClassVar[int] = MOST_CHANNELS
    counts_time: ClassVar[bool] = True

    def __init__(
        self,
        limits: SafetyLimits,
        bus: str | Bus | None = None,
        *,
        serial: int | str | None = None,
        capacity_in_s: float = 0.1,
        buffer_in_s: float = 0.05,
        event_log: Any = None,
    ) -> None:
        if isinstance(limits, SafetyLimits):
            self.unit = limits.unit
        super().__init__(limits)
        self._settings = {"serial": serial, "bus": bus, "event_log": event_log}
        self._rings = {"capacity_in_s": capacity_in_s, "buffer_in_s": buffer_in_s}
        self._stg: STG4000 | None = None

    @property
    def stg(self) -> STG4000:
        """The device behind it, while it is connected."""
        self._check_connected()
        return self._stg

    def stats(self) -> StreamStatistics:
        """Return how the stream is doing."""
        return self.stg.stats()

    # ------------------------------------------------------------ hooks of the contract

    def _connect(self) -> None:
        self._stg = STG4000(limits=self.limits, **self._settings)
        self.n_outputs = self._stg.channel_count
        if self.unit == MODES["voltage"]:
            self._stg.set_mode(mode="voltage")

    def _disconnect(self) -> None:
        if self._stg is not None and not self.is_running:
            self._stg.close()
            self._stg = None

    def _last_resort(self) -> tuple[Any, ...]:
        return (self._stg.outlet.stop_quietly,)

    def _quantize(self, output: int, waveform: Waveform) -> Program:
        mode = self._stg.mode_of(output)
        return scale_of(self._stg.facts, output, mode).quantize(waveform)

    def _set_signal(
        self, output: int, checked: CheckedProgram, electrodes: Sequence[int]
    ) -> None:
        self._stg.set_checked({output: checked})

    def _start(self) -> None:
        self._stg.start_streaming(**self._rings)

    def _stop(self) -> None:
        self._stg.stop()
