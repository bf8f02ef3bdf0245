"""`Fence`: stores of one process, seen by others in the order they were made."""

import threading

__all__ = ["Fence"]


class Fence:
    """Called between two stores, or two loads, it keeps their order.

    x86 keeps it anyway; other processors may not. A lock that is given back and taken
    again does, by the definition of a lock, and costs 0.1 µs. Nobody else knows this
    lock, so nobody waits for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def __call__(self) -> None:
        """Keep what was before apart from what comes after."""
        self._lock.release()
        self._lock.acquire()
