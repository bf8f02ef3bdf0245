"""The errors of the command line itself, and what it makes of those of the system."""

import errno

from circus_io.errors import CircusError, FormatError, NotWritableError

__all__ = ["INTERRUPTED", "UsageError", "as_input_error"]

INTERRUPTED = "interrupted; start it again to go on where it was"

ADVICE = {
    errno.EACCES: "change its permissions, or name another one",
    errno.EPERM: "change its permissions, or name another one",
    errno.EROFS: "the disk is read-only; name a place on another one",
    errno.ENOENT: "check the path",
    errno.EISDIR: "it is a folder; name a file",
    errno.EEXIST: "a file is in its place; move it, or name another place",
    errno.ENOTDIR: "a part of the path is a file; check the path",
    errno.ENOSPC: "make room, or name a place on another disk",
}


class UsageError(CircusError, ValueError):
    """The command line asks for what does not exist or does not go together."""

    exit_status = 2


def as_input_error(error: BaseException) -> BaseException:
    """Say in one sentence what the system refused, or that a wrapper left the program.

    Parameters
    ----------
    error : BaseException
        Errors of the toolkit, and those that nobody foresaw, are returned as they are.

    Returns
    -------
    BaseException
        A `CircusError` for an `OSError` about a file and for `SystemExit`.
    """
    if isinstance(error, SystemExit):
        return FormatError(
            f"the code of a file format ended the program: sys.exit({error.code!r}); "
            "a wrapper raises an error instead, such as circus_io.errors.FormatError"
        )
    if isinstance(error, CircusError) or not isinstance(error, OSError):
        return error
    if error.filename is None:
        return error
    reason = (error.strerror or type(error).__name__).lower()
    advice = ADVICE.get(error.errno, "check the path")
    return NotWritableError(f"cannot use {error.filename}: {reason}; {advice}")
