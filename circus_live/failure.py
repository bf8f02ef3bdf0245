"""`Failure`: an exception on its way from one process to another."""

import pickle
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from circus_io.errors import CircusError, LiveError, ServiceError

__all__ = ["Failure", "RemoteTraceback"]


class RemoteTraceback(Exception):  # noqa: N818 -- it is the cause of one, and no error
    """The traceback of an exception in another process, as text."""

    def __str__(self) -> str:
        """Return the traceback, set off from what is printed after it."""
        return f"\n\n{self.args[0]}"


@dataclass(frozen=True)
class Failure:
    """What is known of an exception: enough to raise it again elsewhere.

    Attributes
    ----------
    member : str
        Where it was raised.
    text : str
        Type and message.
    traceback : str
    pickled : bytes
        The exception, if it is one of ours.
    """

    member: str
    text: str
    traceback: str
    pickled: bytes = b""

    @classmethod
    def of(cls, member: str, error: BaseException) -> Self:
        """Describe an exception that has just been caught."""
        text = "".join(traceback.format_exception_only(error)).strip()
        trace = "".join(traceback.format_exception(error))
        return cls(member, text, trace, _pickled(error))

    def as_error(self) -> LiveError | CircusError:
        """Return what to raise; its cause is the traceback of the other process."""
        error = ServiceError(f"{self.member} failed: {self.text}")
        if self.pickled:
            # its class may be known there alone
            with suppress(Exception):
                error = pickle.loads(self.pickled)
        error.__cause__ = RemoteTraceback(self.traceback)
        return error


def _pickled(error: BaseException) -> bytes:
    """Pickle an error of ours, if it comes out again as it was."""
    if not isinstance(error, CircusError):
        return b""
    try:
        stored = pickle.dumps(error)
        return stored if str(pickle.loads(stored)) == str(error) else b""
    except Exception:
        return b""
