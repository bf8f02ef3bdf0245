"""Signals that end a program wait until the outputs of a device are down."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts"]

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # of each, those that a system has


class Interrupts:
    """Turn signals that would end the program into `KeyboardInterrupt`, for a block.

    After the block, the handler that was there before gets the signal: a SIGTERM then
    ends the program as ever. Signals that are ignored stay so. Outside of the main
    thread nothing is changed, since only that one may handle signals.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._former: dict[int, Any] = {}
        self._is_held = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name, None) for name in NAMES):
                former = number and signal.getsignal(number)
                # None: set by something other than Python, which could not be restored
                if former not in (None, signal.SIG_IGN):
                    self._former[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)
        if self.received:
            signal.raise_signal(self.received[0])

    @contextmanager
    def then_unhurried(self, action: Callable[[], None]) -> Iterator[None]:
        """Call a function after a block, however it ends; no signal interrupts it."""
        try:
            yield
        finally:
            with self.held():
                action()

    def raise_if_any(self) -> None:
        """Raise an interrupt again that somebody has caught."""
        if self.received:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt a block; what comes meanwhile is raised after it."""
        self._is_held, n_before = True, len(self.received)
        try:
            yield
        finally:
            self._is_held = False
        if len(self.received) > n_before:
            raise KeyboardInterrupt

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        # only the first: a second one must not interrupt what follows from it
        if not self._is_held and len(self.received) == 1:
            raise KeyboardInterrupt
