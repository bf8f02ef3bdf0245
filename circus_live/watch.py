"""`Watch`: sees, in each member, that the flow stops or that its parent is gone."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import wait

from circus_live.board import Board

__all__ = ["Watch"]

LOOK_EVERY_S = 0.25
MERCY_S = 2.0  # the parent kills first, with a better message


class Watch(threading.Thread):
    """A thread of a member; it ends the process if nobody else can.

    When the parent has died, by kill -9 as well, the members of its flow end in order:
    the source stops, the others finish what is in their rings. Who has not ended some
    time after that kills itself, so no orphan remains.

    Parameters
    ----------
    board : Board
    name : str
        Of the member.
    parent_pid : int
    on_stop : callable
        Called once, in this thread, when the flow is to end.
    """

    def __init__(
        self, board: Board, name: str, parent_pid: int, on_stop: Callable[[], None]
    ) -> None:
        super().__init__(daemon=True, name=f"watch of {name}")
        self._board, self._member, self._on_stop = board, name, on_stop
        self._parent_pid = parent_pid
        # a fork server stands between, where there is one
        self._is_child = os.getppid() == parent_pid

    def run(self) -> None:
        """Look, four times a second and when the bell of the member rings."""
        has_told = False
        while True:
            self._board.wait(self._member, LOOK_EVERY_S)
            if self._parent_is_gone():
                self._board.stop()
            stopping_s = self._board.stopping_s
            if stopping_s is None:
                continue
            if not has_told:
                self._on_stop()
                has_told = True
            if stopping_s > self._board.drain_timeout_s + MERCY_S:
                os.kill(os.getpid(), signal.SIGKILL)

    def _parent_is_gone(self) -> bool:
        if self._is_child and os.getppid() != self._parent_pid:
            return True
        parent = multiprocessing.parent_process()
        return parent is not None and bool(wait([parent.sentinel], timeout=0))
