"""`Gate`: the only holder of a port. What it has not found allowed does not leave.

Programs come in as `CheckedProgram`, which nothing but limits can make. Their words are
held against the same limits once more before each of them is handed on, and what has
really left is counted. Stopping is always allowed, and asks for no lock.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from circus_io.errors import DeviceNotFoundError, DeviceRemovedError, SafetyError
from stim.safety import CheckedProgram
from stim.stg.history import History
from stim.stg.limits import MODES, LimitSet, scale_of
from stim.stg.port import DeviceFacts

__all__ = ["GONE", "Gate", "bits_of"]

GONE = DeviceRemovedError, DeviceNotFoundError  # there is nothing left to be stopped


class Gate(ABC):
    """What both modes have in common.

    Parameters
    ----------
    port : StgPort
        Nobody else may hold it.
    facts : DeviceFacts
    limits : LimitSet
    history : History
        Gets every stop.

    Attributes
    ----------
    n_stops : int
        How many were asked for: who starts can see that one came meanwhile.
    """

    def __init__(
        self, port: Any, facts: DeviceFacts, limits: LimitSet, history: History
    ) -> None:
        self._port, self._history, self._clock = port, history, history.clock
        self.facts, self.limits = facts, limits
        self.is_open, self.n_stops = True, 0
        self.modes = ["current"] * facts.n_channels
        self.all_triggers = (1 << facts.n_triggers) - 1

    @property
    def was_used(self) -> bool:
        """Whether this gate may have made the device do something."""
        return True

    def send_stop(self, triggers: int | None = None) -> None:
        """Stop the triggers of a bitmap, or all; from any thread, at any time."""
        self.n_stops += 1
        if not self.is_open:
            return
        told_s, done_s = self._clock.now(), math.inf
        try:
            self._port.send_stop(self.all_triggers if triggers is None else triggers)
            done_s = self._clock.now()
        except GONE:
            told_s = -math.inf
            raise
        finally:
            self._note_stop(self._channels_of(triggers), told_s, done_s)

    def _channels_of(self, triggers: int | None) -> list[int]:
        """Return the channels that the triggers of a bitmap, or all, put out."""
        if triggers is None or triggers == self.all_triggers:
            return list(range(self.facts.n_channels))
        chosen = 0
        for trigger, bitmap in enumerate(self._channel_maps()):
            chosen |= bitmap if triggers >> trigger & 1 else 0
        return bits_of(chosen)

    @abstractmethod
    def _channel_maps(self) -> Sequence[int]:
        """Return the channels of each trigger, as bitmaps."""

    def _note_stop(self, channels: list[int], told_s: float, done_s: float) -> None:
        """Note a stop, and whether it has failed; see `stim.stg.outflow.Outflow`."""
        for channel in channels:
            self._history.end(channel, told_s, done_s)

    def set_mode(self, channel: int, mode: str) -> None:
        """Let a channel put out currents or voltages."""
        self._port.set_mode(mode, channel)
        self.modes[channel] = mode

    def disconnect(self) -> None:
        """Let go of the device; a second call does nothing."""
        self.is_open = False
        self._port.disconnect()

    def _check_made(self, channel: int, checked: CheckedProgram) -> None:
        """Raise `SafetyError` unless this is a program for this channel, as it is."""
        if not isinstance(checked, CheckedProgram):
            raise SafetyError(
                f"{type(checked).__name__}: only what limits have checked may leave; "
                "see SafetyLimits.check_program"
            )
        scale = scale_of(self.facts, channel, self.modes[channel])
        if checked.program.scale != scale:
            raise SafetyError(
                f"a program for {checked.program.scale} at a channel of {scale}; "
                "quantize it with the scale of the channel"
            )
        if checked.limits != self.limits.of(MODES[self.modes[channel]]):
            raise SafetyError(
                "a program that other limits have checked; check it again"
            )
        if not checked.program.is_silent:
            checked.limits.check_electrodes([channel])


def bits_of(bitmap: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    return [bit for bit in range(bitmap.bit_length()) if bitmap >> bit & 1]
