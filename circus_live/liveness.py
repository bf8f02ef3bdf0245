"""Whether another process is still there: the kernel knows, and forgets no death.

A record lock on a shared file belongs to a process, and the kernel drops it when the
process ends, kill -9 included. Each member of a ring locks one byte of the file of the
ring and nobody ever waits for such a lock: it only tells that its owner lives.
"""

import time

from circus_io.errors import MissingDependencyError

try:
    import fcntl
except ImportError as error:
    raise MissingDependencyError(
        "live flows need Linux or macOS: this system has no record locks; record on "
        "another machine, or replay there"
    ) from error

__all__ = ["holds_sign", "show_sign"]

LONGEST_TRY_S = 1.0


def show_sign(handle: int, place: int) -> bool:
    """Lock byte `place` for the rest of the life of this process.

    Returns
    -------
    bool
        False if another process that lives has it.
    """
    # somebody who looks at this moment has the lock for a few µs
    until = time.monotonic() + LONGEST_TRY_S
    while not _lock(handle, place):
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def holds_sign(handle: int, place: int) -> bool:
    """Tell whether another process, which lives, has locked byte `place`."""
    if not _lock(handle, place):
        return True
    fcntl.lockf(handle, fcntl.LOCK_UN, 1, place)
    return False


def _lock(handle: int, place: int) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except OSError:
        return False
    return True
