"""The end of a whole job when one rank fails, so that no other waits for ever."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from circus_io.errors import CircusError

__all__ = ["abort_on_error"]

NAP_S = 2e-3  # of a rank that waits for what others do
FIRST_WORD_S = 0.5  # head start of rank 0 in reporting an error that all ranks meet
LAST_WORD_S = 10.0  # at most, for the launcher to read it
LAST_WORD_TAG = 32_767  # of rank 0 to the others: the highest that every MPI has


@contextmanager
def abort_on_error(
    comm: Any, report: Callable[[BaseException], None] | None = None
) -> Iterator[None]:
    """End the whole job if this rank fails, so that no other rank waits for ever.

    Parameters
    ----------
    comm : SerialComm or mpi4py.MPI.Comm
        With one rank, errors pass through untouched.
    report : callable, optional
        Says what went wrong; one line on the standard error by default.

    Notes
    -----
    The exit status is that of the error (`CircusError.exit_status`), 130 for an
    interrupt, and 1 otherwise; `SystemExit` is an error too, whatever its status, since
    the other ranks would wait for the one that left. An error that every rank meets is
    reported by rank 0: the others give it a head start, and up to 20 s once it has said
    that it reports.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        if comm.size == 1:
            raise
        try:
            _let_rank_0_speak_first(comm)
            (report or _report_line)(error)
            _wait_until_read()
            _silence_stderr()
        finally:  # also after an interrupt meanwhile: the others wait
            comm.Abort(_exit_status(error))


def _let_rank_0_speak_first(comm: Any) -> None:
    """Wait, on the other ranks, for rank 0 to say that it reports, and then to end."""
    if comm.rank == 0:
        with suppress(Exception):  # what is reported is worse
            for rank in range(1, comm.size):
                comm.isend(None, rank, LAST_WORD_TAG)
        return
    deadline_s, is_told = time.monotonic() + FIRST_WORD_S, False
    while time.monotonic() < deadline_s:
        time.sleep(NAP_S)
        if not is_told and _has_spoken(comm):
            deadline_s, is_told = time.monotonic() + 2 * LAST_WORD_S, True


def _has_spoken(comm: Any) -> bool:
    """Tell whether rank 0 has said that it reports; no, where MPI itself has failed."""
    try:
        return comm.iprobe(0, LAST_WORD_TAG)
    except Exception:
        return False


def _report_line(error: BaseException) -> None:
    message = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"error: {message}\n")


def _exit_status(error: BaseException) -> int:
    if isinstance(error, CircusError):
        return error.exit_status
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _wait_until_read() -> None:
    """Wait until the launcher has taken what this rank wrote from its pipes.

    MPICH's launcher ends at once when it hears of an abort, also where that reached it
    before the output did: what it has not read is lost. Only Linux tells the writer of
    a pipe what is left in it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    deadline_s = time.monotonic() + LAST_WORD_S
    while any(map(_holds_bytes, (1, 2))) and time.monotonic() < deadline_s:
        time.sleep(NAP_S)


def _holds_bytes(descriptor: int) -> bool:
    """Tell whether a pipe holds what nobody has read; False of all else."""
    try:
        import fcntl
        import termios

        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return False  # of a terminal, the call would count what was typed
        count = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    except (ImportError, OSError):  # Windows, which has no such call; a closed output
        return False
    return int.from_bytes(count, sys.byteorder) > 0


def _silence_stderr() -> None:
    """Send what follows on the standard error nowhere: MPI's own notice of an abort."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- a device, not a path
        os.dup2(nowhere.fileno(), 2)
