"""What stops devices when nobody else does: the end of the program, signals, oblivion.

Signals are chained: whoever had one before still gets it, after devices have stopped.
"""

import os
import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

__all__ = ["Outlet", "chain_signals", "stop_everything"]

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

_outlets: "weakref.WeakSet[Outlet]" = weakref.WeakSet()
_chained: dict[int, object] = {}


class Outlet:
    """How one device is stopped, whatever it is doing.

    Parameters
    ----------
    stop : callable
        Stops it at once; may be called from any thread, again and again.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.stop = stop
        self._pid = os.getpid()
        _outlets.add(self)

    @property
    def is_ours(self) -> bool:
        """Whether this process has the device, and not one that it is a fork of."""
        return os.getpid() == self._pid

    def stop_quietly(self) -> bool:
        """Stop, and never raise; return whether it was stopped."""
        with suppress(Exception):
            if self.is_ours:
                self.stop()
            return True
        return False


def stop_everything() -> None:
    """Stop all devices of this process."""
    for outlet in list(_outlets):
        outlet.stop_quietly()


def chain_signals() -> None:
    """Stop everything when this process is told to end, and then go on as before.

    Only the main thread can arrange that; elsewhere nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is None:
            continue
        before = signal.getsignal(number)
        if before not in (signal.SIG_IGN, None, _handle):
            _chained[number] = before
            signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    stop_everything()
    before = _chained.get(number, signal.SIG_DFL)
    if callable(before):
        before(number, frame)
        return
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
