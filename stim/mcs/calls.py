"""Calls into .NET, and calls back: how errors cross the border.

There an exception of .NET becomes one of ours. One of Python in a callback would end
the process, since a thread of .NET called it; so it is kept for the next call.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from circus_io.errors import DeviceError
from stim.stg.status import device_error

__all__ = ["Callbacks", "ask", "net_exception", "translated"]


def ask(doing: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call .NET and return what it returns.

    Parameters
    ----------
    doing : str
        What it is, for the message.

    Raises
    ------
    DeviceError
        Or what is derived from it, with the ``status``.
    """
    try:
        return function(*arguments)
    except net_exception() as error:
        raise translated(doing, error) from error


@cache
def net_exception() -> type[Exception]:
    """Return the base of all exceptions of .NET."""
    import System

    return System.Exception


def translated(doing: str, error: Any) -> DeviceError:
    """Return our error for an exception of .NET."""
    status = getattr(error, "Status", None)
    if status is None:
        return DeviceError(f"{doing}: {type(error).__name__}: {error}")
    return device_error(int(status), doing, str(error.Message))


class Callbacks:
    """Functions of Python for threads of .NET; what they raise is kept, not thrown."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.are_closed = False

    def total(self, function: Callable[..., Any] | None) -> Callable[..., None]:
        """Return a function that never raises."""

        def call(*arguments: Any) -> None:
            if function is None or self.are_closed:
                return
            try:
                function(*arguments)
            except BaseException as error:
                self.failure = self.failure or error

        return call

    def raise_failure(self) -> None:
        """Raise what a callback has raised, once."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
