"""`Outflow`: what a start may have let out, until it has ended or was stopped.

A host knows when it told a device something, and when it was answered; the moment in
between at which the device did it, it does not know. So the charge of what was stopped
is an interval: the extremes over all moments at which the stop may have come.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from stim.running_charge import RunningCharge

__all__ = ["DRIFT", "LAG_S", "Downloaded", "Interval", "Outflow"]

# The vendor says of a start that it takes a few milliseconds, and nothing of a stop.
LAG_S = 0.005
# By how much the clocks of host and device may differ. Quartz is good for 100 ppm at
# any temperature of a laboratory; there is one on either side, and a reserve.
DRIFT = 300e-6

Interval = tuple[float, float]


class Outflow(ABC):
    """One start of one channel.

    Parameters
    ----------
    to_fc : callable
        Takes the least and the most charge in counts × ticks, and returns both in fC.
    """

    def __init__(self, to_fc: Callable[[float, float], Interval]) -> None:
        self._to_fc = to_fc
        self._begin_s = self._started_s = self._told_s = self._done_s = math.inf
        self._is_sure = False

    @property
    def has_begun(self) -> bool:
        """Whether a start was tried."""
        return self._begin_s < math.inf

    def begin(self, begin_s: float) -> None:
        """Note that the device is about to be told to start."""
        self._told_s = self._done_s = math.inf
        self._begin_s, self._started_s, self._is_sure = begin_s, math.inf, False

    def started(self, started_s: float, *, is_sure: bool) -> None:
        """Note that this call came back, without an error or with one."""
        self._started_s, self._is_sure = started_s, is_sure

    def end(self, told_s: float, done_s: float) -> None:
        """Note a stop; from any thread, without a lock.

        Parameters
        ----------
        told_s, done_s : float
            When the device was told, and when it had answered, s. Infinity for a stop
            that failed: it may have come all the same, or not yet. Minus infinity for a
            device that is gone: it may have ended at any moment before.
        """
        self._told_s = min(self._told_s, told_s)
        if told_s >= self._started_s:  # else it may have come before the start
            self._done_s = min(self._done_s, done_s)

    def charge_fc(self, now_s: float) -> Interval:
        """Return what it has left by now, fC, as if it were stopped just now."""
        told_s, done_s = min(self._told_s, now_s), min(self._done_s, now_s)
        return self._to_fc(*self._extremes(told_s, done_s))

    def is_open(self, now_s: float) -> bool:
        """Whether something of it may still leave the device."""
        return self._done_s == math.inf

    @abstractmethod
    def _extremes(self, told_s: float, done_s: float) -> Interval:
        """Return the extremes of the charge if it was stopped between two moments."""


class Downloaded(Outflow):
    """A program that the device plays by itself.

    Parameters
    ----------
    running : RunningCharge
    period_us : int
    repeats : int
        0 is for ever.
    to_fc
        Of `Outflow`.
    """

    def __init__(
        self,
        running: RunningCharge,
        period_us: int,
        repeats: int,
        to_fc: Callable[[float, float], Interval],
    ) -> None:
        super().__init__(to_fc)
        self._running, self._period_us, self._repeats = running, period_us, repeats
        self._total_s = period_us * repeats / 1e6 if repeats else math.inf
        self._is_over = False

    def is_open(self, now_s: float) -> bool:
        """Whether something of it may still leave the device."""
        if self._is_over or not super().is_open(now_s):
            return False
        return self._window_s(now_s, now_s)[0] < self._total_s

    def may_begin(self, now_s: float) -> bool:
        """Whether the device may not have begun yet, though it has answered."""
        is_early = self._is_sure and now_s < self._started_s + LAG_S
        return is_early and self._done_s == math.inf

    def hear_end(self, now_s: float) -> None:
        """Note that the device says that it does not play."""
        if not self.is_open(now_s) or self.may_begin(now_s):
            return
        # however long the start took, it cannot be over before this
        if self._is_sure and (now_s - self._begin_s) * (1 + DRIFT) >= self._total_s:
            self._is_over = True
        else:  # something else has ended it, or it is about to start
            self.end(-math.inf, math.inf)

    def _extremes(self, told_s: float, done_s: float) -> Interval:
        begin_s, end_s = self._window_s(told_s, done_s)
        if self._is_over:
            begin_s = end_s = math.inf
        return self._running.between(
            begin_s * 1e6, end_s * 1e6, self._period_us, self._repeats
        )

    def _window_s(self, told_s: float, done_s: float) -> Interval:
        """Return for how long it has played by a stop, at least and at most."""
        least_s = (told_s - self._started_s - LAG_S) * (1 - DRIFT)
        most_s = (done_s - self._begin_s + LAG_S) * (1 + DRIFT)
        return max(0.0, least_s) if self._is_sure else 0.0, max(0.0, most_s)
