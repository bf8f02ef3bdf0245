"""Real-time priority: a process that is woken before everything else on the machine.

A machine with other work lets a process wait for milliseconds before it runs; one of
the class SCHED_RR of sched(7) waits for tens of microseconds. Linux keeps a twentieth
of each second for the others, whatever such a process does.
"""

import os

from circus_io.errors import LiveError

__all__ = ["become_realtime", "check_realtime"]

LEVEL = 1  # the lowest: above all that is ordinary, below what the system runs so


def become_realtime() -> None:
    """Give this thread, and the threads it starts, real-time priority.

    Raises
    ------
    LiveError
        The system has none, or does not permit it.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(LEVEL))
    except AttributeError:
        raise LiveError("this system knows no real-time priority; Linux does") from None
    except OSError as error:
        raise LiveError(
            f"real-time priority is not permitted ({error}): let the administrator "
            "raise the limit rtprio of this user in limits.conf(5), or go on without"
        ) from error


def check_realtime() -> None:
    """Raise `LiveError` if `become_realtime` would; this thread stays as it is."""
    before = None
    if hasattr(os, "sched_getscheduler"):
        before = os.sched_getscheduler(0), os.sched_getparam(0)
    become_realtime()
    os.sched_setscheduler(0, *before)
