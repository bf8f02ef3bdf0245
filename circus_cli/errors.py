"""The error of the command line itself."""

from circus_io.errors import CircusError

__all__ = ["UsageError"]


class UsageError(CircusError, ValueError):
    """The command line asks for what does not exist or does not go together."""

    exit_status = 2
