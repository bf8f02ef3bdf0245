"""`History`: what a device has put out, channel by channel, in all of its modes.

It outlives modes and triggers: neither going from one to another, nor starting again,
makes a limit begin anew.
"""

import math
from dataclasses import dataclass

import numpy as np

from circus_io.errors import SafetyError
from stim.program import Program
from stim.safety import SafetyLimits
from stim.stg.port import Clock

__all__ = ["History"]

ROUNDING_US = 1e-3  # of times in seconds as floating-point numbers


@dataclass
class Played:
    """A program that was started, and perhaps stopped."""

    begin_s: float
    onsets_s: np.ndarray
    period_s: float
    repeats: int  # 0 is for ever
    end_s: float = math.inf

    def last_onset_s(self, now_s: float) -> float:
        """Return when something began to flow last; -inf if it did not yet."""
        elapsed_s = min(now_s, self.end_s) - self.begin_s
        repetition = math.floor(elapsed_s / self.period_s)
        if self.repeats:
            repetition = min(repetition, self.repeats - 1)
        within_s = elapsed_s - repetition * self.period_s
        begun = self.onsets_s[self.onsets_s <= within_s]
        if begun.size:
            return self.begin_s + repetition * self.period_s + float(begun[-1])
        if repetition < 1:
            return -math.inf
        last_s = float(self.onsets_s[-1])
        return self.begin_s + (repetition - 1) * self.period_s + last_s


class History:
    """When each channel began its last pulse, and for how long something flowed.

    Parameters
    ----------
    n_channels : int
    clock : Clock

    Attributes
    ----------
    downloaded_us : list of int
        For how long each channel puts out something by what was started, µs.
    streamed_us : list of float
        The same of what was streamed, µs.
    """

    def __init__(self, n_channels: int, clock: Clock) -> None:
        self._clock = clock
        self._played: list[Played | None] = [None] * n_channels
        self._pulse_s = [-math.inf] * n_channels
        self.downloaded_us = [0] * n_channels
        self.streamed_us = [0.0] * n_channels

    def begin(
        self, channel: int, begin_s: float, program: Program, period_us: int, n: int
    ) -> None:
        """Note that a channel plays a program n times from a moment on."""
        flows = program.counts != 0
        ends_us = np.cumsum(program.durations_us)
        begins = flows & ~np.r_[False, flows[:-1]]
        onsets_s = (ends_us - program.durations_us)[begins] / 1e6
        if onsets_s.size:
            self._keep(channel, begin_s)
            self._played[channel] = Played(begin_s, onsets_s, period_us / 1e6, n)

    def end(self, channel: int) -> None:
        """Note that a channel was stopped, whatever it did."""
        played = self._played[channel]
        if played is not None:
            played.end_s = min(played.end_s, self._clock.now())

    def pulse(self, channel: int) -> None:
        """Note that a channel may have begun a pulse just now."""
        self._keep(channel, self._clock.now())
        self._played[channel] = None
        self._pulse_s[channel] = self._clock.now()

    def _keep(self, channel: int, now_s: float) -> None:
        """Remember the last pulse of what is replaced."""
        played = self._played[channel]
        if played is not None:
            last_s = max(self._pulse_s[channel], played.last_onset_s(now_s))
            self._pulse_s[channel] = last_s

    def wait_s(self, channel: int, limits: SafetyLimits) -> float:
        """Return how long a channel has to wait before its next pulse, s, or 0."""
        now_s, last_s = self._clock.now(), self._pulse_s[channel]
        played = self._played[channel]
        if played is not None:
            last_s = max(last_s, played.last_onset_s(now_s))
        rest_us = limits.min_period_us - (now_s - last_s) * 1e6
        return rest_us / 1e6 if rest_us > ROUNDING_US else 0.0

    def check_start(self, channel: int, limits: SafetyLimits) -> None:
        """Raise `SafetyError` if a pulse now would come too soon after the last one."""
        rest_s = self.wait_s(channel, limits)
        if rest_s:
            least_s = limits.min_period_us / 1e6
            raise SafetyError(
                f"channel {channel}: its last pulse was {(least_s - rest_s) * 1e3:.3g} "
                f"ms ago, and the limit is {least_s * 1e3:g} ms from one pulse to the "
                f"next; wait {rest_s * 1e3:.3g} ms"
            )
