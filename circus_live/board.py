"""`Board`: what a flow says to all of its members at once."""

import time

from circus_live.doorbell import Doorbell
from circus_live.memory import SharedBytes

__all__ = ["Board"]

STOPS_AT = 0


class Board:
    """One word in shared memory, and a doorbell for each member.

    Parameters
    ----------
    names : sequence of str
        The members.
    drain_timeout_s : float
        How long members may take to end after they were asked to.
    """

    def __init__(self, names: list[str], drain_timeout_s: float) -> None:
        self.drain_timeout_s = drain_timeout_s
        self._memory = SharedBytes(64)
        self._bells = {name: Doorbell() for name in names}

    def stop(self) -> None:
        """Ask the source to end; the others end when all has come through.

        Whoever is first decides when. It may be any process, and a signal handler.
        """
        words = memoryview(self._memory.buffer).cast("q")
        if not words[STOPS_AT]:
            words[STOPS_AT] = time.monotonic_ns()
        for bell in self._bells.values():
            bell.ring()

    @property
    def is_stopping(self) -> bool:
        """Whether the flow has been asked to end."""
        return self.stopping_s is not None

    @property
    def stopping_s(self) -> float | None:
        """How long ago it has been asked to end, s."""
        since_ns = memoryview(self._memory.buffer).cast("q")[STOPS_AT]
        return (time.monotonic_ns() - since_ns) * 1e-9 if since_ns else None

    def wait(self, name: str, timeout_s: float) -> None:
        """Sleep until there is something new, as the member `name`."""
        self._bells[name].wait(timeout_s)
