"""`Train`: a waveform several times, at a period."""

from dataclasses import dataclass

import numpy as np

from circus_io.errors import SafetyError
from stim.pulse import Pulse
from stim.waveform import Waveform

__all__ = ["Train"]


@dataclass(frozen=True)
class Train:
    """A waveform that is played a number of times; the output is 0 in between.

    Attributes
    ----------
    once : Waveform
        A `Pulse` that is given becomes one.
    period_us : int
        From the start of one to that of the next, µs.
    repeats : int
        How many times, 1 or more. There is no train without an end: whether one may be
        is decided by `SafetyLimits.check_program`.

    Raises
    ------
    SafetyError
        It does not fit into its period, or is played less than once.
    """

    once: Waveform
    period_us: int
    repeats: int

    def __post_init__(self) -> None:
        """Check that it can be played."""
        if isinstance(self.once, Pulse):
            object.__setattr__(self, "once", Waveform.from_pulse(self.once))
        if self.repeats % 1 or self.repeats < 1:
            raise SafetyError(f"repeats = {self.repeats}: expected 1 or more")
        if self.period_us % 1 or self.period_us < self.once.duration_us:
            raise SafetyError(
                f"period_us = {self.period_us}: expected a whole number, and no less "
                f"than the {self.once.duration_us} µs of what is repeated"
            )

    @property
    def duration_us(self) -> int:
        """Length, µs, with the pause behind the last one."""
        return self.period_us * self.repeats

    @property
    def period(self) -> Waveform:
        """One period of it."""
        pause_us = self.period_us - self.once.duration_us
        if not pause_us:
            return self.once
        return Waveform(
            np.r_[self.once.amplitudes, 0],
            np.r_[self.once.durations_us, pause_us],
            self.once.unit,
        )

    @property
    def waveform(self) -> Waveform:
        """All of it, run by run; `stim.loops` makes that short again."""
        period = self.period
        return Waveform(
            np.tile(period.amplitudes, self.repeats),
            np.tile(period.durations_us, self.repeats),
            period.unit,
        )
