"""`Supervisor`: watches the processes of a flow from their parent, and ends them."""

import logging
import signal
import threading
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from circus_io.errors import CircusError, MemberDiedError
from circus_live.board import Board
from circus_live.clock import ClockFit
from circus_live.member import Member
from circus_live.source import SourceState, Verdict

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25


class Supervisor(threading.Thread):
    """A thread of the parent that sees every member end, and knows why.

    The first failure stops the flow: the source ends, what is in the rings is still
    done, and who has not ended after `drain_timeout_s` is killed.

    Parameters
    ----------
    members : list of Member
    processes : list of Process
        Started, in the same order.
    reports : list of Connection
        The other ends of those of the members.
    board : Board

    Attributes
    ----------
    failure : CircusError or None
        The first one.
    source_state : SourceState
    verdicts : tuple of Verdict
    clock : ClockFit or None
        As the source told it last.
    has_ended : threading.Event
        Set when all processes have ended and are gone.
    """

    def __init__(
        self,
        members: list[Member],
        processes: list[BaseProcess],
        reports: list[Connection],
        board: Board,
    ) -> None:
        super().__init__(daemon=True, name="supervisor of a flow")
        self._members, self._processes, self._reports = members, processes, reports
        self._board = board
        self._living = set(range(len(members)))
        self._has_told: set[int] = set()
        self._has_killed = False
        self.failure: CircusError | None = None
        self.source_state = SourceState.NEW
        self.verdicts: tuple[Verdict, ...] = ()
        self.clock: ClockFit | None = None
        self.has_ended = threading.Event()

    def run(self) -> None:
        """Watch until nobody is left."""
        while self._living:
            handles = [self._processes[i].sentinel for i in self._living]
            handles += [self._reports[i] for i in self._living]
            wait(handles, timeout=LOOK_EVERY_S)
            for number in sorted(self._living):
                self._listen(number)
                if not self._processes[number].is_alive():
                    self._listen(number)  # what it said last
                    self._see_off(number)
            self._kill_who_is_late()
        self.has_ended.set()

    def kill(self) -> None:
        """End all members at once, by force."""
        for number in list(self._living):
            self._processes[number].kill()

    # ------------------------------------------------------------------------ its parts

    def _listen(self, number: int) -> None:
        """Take what a member reports, until there is no more."""
        try:
            while self._reports[number].poll():
                self._hear(number, *self._reports[number].recv())
        except (EOFError, OSError):
            return  # it is about to end, or was killed in the middle of a word

    def _hear(self, number: int, what: str, content: Any) -> None:
        if what == "source":
            self.source_state, self.verdicts = content
            return
        if what == "clock":
            self.clock = content
            return
        self._has_told.add(number)
        if what == "failure":
            self._fail(content.as_error(), number)

    def _see_off(self, number: int) -> None:
        """Notice that a process has ended; speak for it if it could not."""
        process, member = self._processes[number], self._members[number]
        process.join()
        self._living.discard(number)
        self._reports[number].close()
        if number in self._has_told:
            return
        if member.output is not None:
            member.output.bury_writer()
        lost = 0
        for one in member.inputs:
            lost += one.ring.statistics(one.number).pending_blocks
            one.ring.bury_reader(one.number)
        self._fail(self._death(number, process.exitcode, lost), number)

    def _death(self, number: int, exit_code: int | None, lost: int) -> CircusError:
        name = self._members[number].name
        waited = f"; {lost} blocks that waited for it are lost" if lost else ""
        if exit_code is not None and exit_code < 0:
            names = {one.value: one.name for one in signal.Signals}
            number = -exit_code  # those for real time have no names
            how = f"was killed by {names.get(number, f'signal {number}')}"
        else:
            how = f"ended by itself with status {exit_code}"
        return MemberDiedError(f"the process of {name} {how}{waited}")

    def _fail(self, error: CircusError, number: int) -> None:
        """End the flow, unless it can go on without the member."""
        if not self._is_vital(number):
            logger.warning("%s; the flow goes on without it", error)
            return
        if self.failure is None:
            self.failure = error
        self._board.stop()

    def _is_vital(self, number: int) -> bool:
        return not getattr(self._members[number].work, "is_dispensable", False)

    def _kill_who_is_late(self) -> None:
        stopping_s, limit_s = self._board.stopping_s, self._board.drain_timeout_s
        if self._living and stopping_s is not None and stopping_s > limit_s:
            # those before the last one may only have waited for it
            late = sorted(self._living, key=lambda i: (self._is_vital(i), i))
            *others, name = (self._members[i].name for i in late)
            too = f", and so were {', '.join(others)}" if others else ""
            if not self._has_killed:  # a process may take a while to be gone
                self._has_killed = True
                self._fail(
                    MemberDiedError(
                        f"{name} had not ended {limit_s:g} s after it was asked to, "
                        f"and was killed{too}"
                    ),
                    late[-1],
                )
            self.kill()
            time.sleep(0.01)  # until the sentinels tell
