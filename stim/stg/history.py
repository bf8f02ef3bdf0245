"""`History`: what a device has put out, channel by channel, in all of its modes.

It outlives modes and triggers: neither going from one to another, nor starting again,
makes a limit begin anew.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from circus_io.errors import SafetyError
from stim.program import Program
from stim.safety import SafetyLimits
from stim.stg.held_charge import HeldCharge, check_charge
from stim.stg.outflow import Downloaded, Interval
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
    """When each channel began its last pulse, how long something flowed, what it left.

    Parameters
    ----------
    n_channels : int
    clock : Clock

    Attributes
    ----------
    charges : list of HeldCharge
        What the electrode at each channel may hold.
    downloaded_us : list of int
        For how long each channel puts out something by what was started, µs.
    streamed_us : list of float
        The same of what was streamed, µs.
    """

    def __init__(self, n_channels: int, clock: Clock) -> None:
        self.clock = clock
        self._played: list[Played | None] = [None] * n_channels
        self._pulse_s = [-math.inf] * n_channels
        self.charges = [HeldCharge() for _ in range(n_channels)]
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

    def end(self, channel: int, told_s: float, done_s: float) -> None:
        """Note that a channel was stopped, whatever it did; see `Outflow.end`."""
        outflow, played = self.charges[channel].last, self._played[channel]
        now_s = self.clock.now()
        # a device that is gone has ended only what was not over
        if outflow is not None and (told_s > -math.inf or outflow.is_open(now_s)):
            outflow.end(told_s, done_s)
        # a stop that may have come before the start has perhaps not ended it
        if played is not None and not (outflow and outflow.is_open(now_s)):
            played.end_s = min(played.end_s, done_s)

    def lose(self) -> None:
        """Note that the device is gone: what it did has ended, nobody knows when."""
        for channel in range(len(self.charges)):
            self.end(channel, -math.inf, math.inf)

    def hear_end(self, channel: int) -> None:
        """Note that the device says that it plays nothing through a channel."""
        outflow = self.charges[channel].last
        if isinstance(outflow, Downloaded):
            outflow.hear_end(self.clock.now())

    def is_open(self, channels: Iterable[int]) -> bool:
        """Whether something may still flow through some channels."""
        now_s = self.clock.now()
        return any(self.charges[channel].is_open(now_s) for channel in channels)

    def check_charge(
        self, channel: int, more_fc: Interval, limits: SafetyLimits
    ) -> None:
        """Raise `SafetyError` if what comes is too much on top of what is held."""
        held_fc = self.charges[channel].at(self.clock.now())
        check_charge(channel, held_fc, more_fc, limits)

    def may_begin(self, channels: Iterable[int]) -> bool:
        """Whether something was started that some channels may not play yet."""
        now_s = self.clock.now()
        started = [self.charges[channel].last for channel in channels]
        return any(isinstance(o, Downloaded) and o.may_begin(now_s) for o in started)

    def check_time(self, channel: int, more_us: float, limits: SafetyLimits) -> None:
        """Raise `SafetyError` if something would flow for too long, all in all."""
        on_us = self.downloaded_us[channel] + self.streamed_us[channel] + more_us
        if limits.max_on_time_s is not None and on_us / 1e6 > limits.max_on_time_s:
            raise SafetyError(
                f"channel {channel}: output for {on_us / 1e6:g} s is beyond the limit "
                f"of {limits.max_on_time_s:g} s"
            )

    def pulse(self, channel: int) -> None:
        """Note that a channel may have begun a pulse just now."""
        self._keep(channel, self.clock.now())
        self._played[channel] = None
        self._pulse_s[channel] = self.clock.now()

    def _keep(self, channel: int, now_s: float) -> None:
        """Remember the last pulse of what is replaced."""
        played = self._played[channel]
        if played is not None:
            last_s = max(self._pulse_s[channel], played.last_onset_s(now_s))
            self._pulse_s[channel] = last_s

    def wait_s(self, channel: int, limits: SafetyLimits) -> float:
        """Return how long a channel has to wait before its next pulse, s, or 0."""
        now_s, last_s = self.clock.now(), self._pulse_s[channel]
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
