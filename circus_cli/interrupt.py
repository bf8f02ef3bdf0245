"""An interrupt of the user, heard even where a library loses it.

An interrupt may reach Python while compiled code calls back into it, which can only
drop the exception, with a traceback, or make another error of it. So it is also noted,
and raised again at the next progress of a step.
"""

import signal
import sys
import threading
from types import FrameType

__all__ = ["listen", "raise_if_interrupted", "was_interrupted"]

_interrupted = threading.Event()


def listen() -> None:
    """Note interrupts from now on, unless the parent process has them ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = _say_dropped


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def _say_dropped(dropped: "sys.UnraisableHookArgs") -> None:
    """Say what could not be raised, as Python does, but for a noted interrupt."""
    if not (was_interrupted() and issubclass(dropped.exc_type, KeyboardInterrupt)):
        sys.__unraisablehook__(dropped)


def was_interrupted() -> bool:
    """Tell whether the user interrupted this process."""
    return _interrupted.is_set()


def raise_if_interrupted() -> None:
    """Raise an interrupt again that may not have been heard.

    Raises
    ------
    KeyboardInterrupt
        The user interrupted this process.
    """
    if was_interrupted():
        raise KeyboardInterrupt
