"""`VirtualClock`: time that passes only while somebody sleeps in it."""

import heapq
import itertools
from collections.abc import Callable, Sequence

__all__ = ["NS", "VirtualClock", "Wakes"]

NS = 1_000_000_000


class Wakes:
    """When a host that is late again and again gets to something periodic.

    Parameters
    ----------
    start_ns, period_ns : int
    lateness_ns : sequence of int
        How much later than due each call comes, in their order, again from the first
        when they are through. Calls that are missed by then are left out, as
        `stim.stg.clock.WallClock` does.

    Attributes
    ----------
    next_ns : int
        When it happens next.
    """

    def __init__(
        self, start_ns: int, period_ns: int, lateness_ns: Sequence[int] = ()
    ) -> None:
        self._period_ns = period_ns
        self._lateness = itertools.cycle(list(lateness_ns) or [0])
        self._due_ns = start_ns + period_ns
        self.next_ns = self._due_ns + next(self._lateness)

    def pass_by(self, now_ns: int) -> None:
        """Go to the first wake that is due after `now_ns`, when the call returns."""
        missed = max(0, now_ns - self._due_ns) // self._period_ns
        self._due_ns += self._period_ns * (1 + missed)
        self.next_ns = self._due_ns + next(self._lateness)

    def until(self, now_ns: int) -> list[int]:
        """Return the wakes up to now, in ns, for what takes no time itself."""
        times = []
        while self.next_ns <= now_ns:
            times.append(self.next_ns)
            self.pass_by(self.next_ns)
        return times


class VirtualClock:
    """A clock without threads: sleeping runs what is due meanwhile, in its order.

    Parameters
    ----------
    lateness_s : sequence of float
        How late the host gets to what it does periodically, s, as `stim.stg.lateness`
        records it; never, if there is nothing.
    """

    def __init__(self, lateness_s: Sequence[float] = ()) -> None:
        self.lateness_ns = [round(late * NS) for late in lateness_s]
        self._now_ns = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Return the time since it was made, s."""
        return self._now_ns / NS

    def now_ns(self) -> int:
        """Return the time since it was made, ns."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        until_ns = self._now_ns + round(max(0.0, seconds) * NS)
        while self._events and self._events[0][0] <= until_ns:
            time_ns, _, function = heapq.heappop(self._events)
            # something that slept itself may have gone past it
            self._now_ns = max(self._now_ns, time_ns)
            function()
        self._now_ns = max(self._now_ns, until_ns)

    def at(self, time_ns: int, function: Callable[[], None]) -> None:
        """Call a function once, when somebody sleeps beyond a time."""
        heapq.heappush(self._events, (time_ns, next(self._order), function))

    def every(
        self, period_s: float, function: Callable[[], None]
    ) -> Callable[[], None]:
        """Call a function again and again; see `stim.stg.port.Clock`."""
        wakes = Wakes(self._now_ns, round(period_s * NS), self.lateness_ns)
        is_ended = False

        def call() -> None:
            if is_ended:
                return
            function()
            wakes.pass_by(self._now_ns)
            self.at(wakes.next_ns, call)

        def end() -> None:
            nonlocal is_ended
            is_ended = True

        self.at(wakes.next_ns, call)
        return end
