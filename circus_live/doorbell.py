"""`Doorbell`: what a process sleeps on until another one has something for it."""

import os
import select
from contextlib import suppress
from multiprocessing import reduction
from typing import Any

__all__ = ["Doorbell"]


class Doorbell:
    """Wakes the one process that waits; a ring is never lost, rings may become one.

    An ``eventfd`` on Linux, else a pipe that does not block. Nobody holds it, so a
    process that is killed while it rings or waits leaves it as it should be.
    """

    def __init__(self) -> None:
        if hasattr(os, "eventfd"):
            self._handles = (os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC),)
        else:
            self._handles = os.pipe()
            for handle in self._handles:
                os.set_blocking(handle, False)
        self._poll: Any = None

    def fileno(self) -> int:
        """Return the handle that can be read from when it has been rung."""
        return self._handles[0]

    def ring(self) -> None:
        """Wake who waits, or who will wait next."""
        # full: it has been rung more often than anybody counts
        with suppress(BlockingIOError):
            os.write(self._handles[-1], _ONE)

    def wait(self, timeout_s: float) -> bool:
        """Sleep until it is rung, and clear it; False if nobody did."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.fileno(), select.POLLIN)
        if not self._poll.poll(max(0, timeout_s) * 1000):
            return False
        self.clear()
        return True

    def clear(self) -> None:
        """Forget that it has been rung."""
        with suppress(BlockingIOError):
            os.read(self.fileno(), 4096 if len(self._handles) == 2 else 8)

    def close(self) -> None:
        """Give the handles back."""
        for handle in self._handles:
            os.close(handle)
        self._handles = ()

    def __del__(self) -> None:
        if getattr(self, "_handles", ()):
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"handles": [reduction.DupFd(handle) for handle in self._handles]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._handles = tuple(handle.detach() for handle in state["handles"])
        self._poll = None


_ONE = (1).to_bytes(8, "little")
