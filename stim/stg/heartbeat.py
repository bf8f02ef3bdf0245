"""`Heartbeat`: stops a device when the program that uses it says nothing any more."""

from collections.abc import Callable

from circus_io.errors import DeviceTimeoutError
from stim.stg.port import Clock

__all__ = ["Heartbeat"]

LOOKS = 4  # per timeout


class Heartbeat:
    """Looks whether there was a beat, from a thread of its own.

    Parameters
    ----------
    clock : Clock
    timeout_s : float
        As long as a beat counts, s.
    on_stall : callable
        Gets a `DeviceTimeoutError` when there was none for longer, and returns whether
        the device is stopped; must not raise. Until it is, or there is a beat, this is
        tried again.
    """

    def __init__(
        self,
        clock: Clock,
        timeout_s: float,
        on_stall: Callable[[DeviceTimeoutError], bool],
    ) -> None:
        self._clock, self._timeout_s, self._on_stall = clock, timeout_s, on_stall
        self._last_s = clock.now()
        self._is_over = self._is_stopped = False
        self._end = clock.every(timeout_s / LOOKS, self._look)

    def beat(self) -> None:
        """Say that the program is alive."""
        self._last_s = self._clock.now()

    def end(self) -> None:
        """Look no more."""
        self._is_over = True
        self._end()

    def _look(self) -> None:
        silent_s = self._clock.now() - self._last_s
        if silent_s <= self._timeout_s:
            self._is_stopped = False
        elif not (self._is_stopped or self._is_over):
            self._is_stopped = self._on_stall(
                DeviceTimeoutError(
                    f"no beat for {silent_s:.3g} s, and heartbeat_s is "
                    f"{self._timeout_s:g}: stopped"
                )
            )
