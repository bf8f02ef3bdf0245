"""`StartQueueService`: a `QueueService` in a process of its own."""

import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import resource_tracker
from typing import Any

from circus_io.errors import CircusError, FormatError
from circus_live.board import Board
from circus_live.crepe.poison_pill import PoisonPill
from circus_live.crepe.ring_queue import RingQueue, StoppedError
from circus_live.member import Input, Member
from circus_live.reader import Reader
from circus_live.service import LoopService
from circus_live.source import SourceInfo
from circus_live.supervisor import Supervisor
from circus_live.writer import Writer

__all__ = ["Looped", "StartQueueService"]

DRAIN_TIMEOUT_S = 3.0
FAILURE_WAIT_S = 5.0


class Looped(LoopService):
    """A `QueueService` class as a member of a flow: it is made in its own process.

    Parameters
    ----------
    kind : type
        With ``run()``; made with ``queue_in``, ``queue_out`` and the keywords.
    keywords : dict
        A copy is kept.
    """

    def __init__(self, kind: type, keywords: dict[str, Any]) -> None:
        if not callable(getattr(kind, "run", None)):
            raise FormatError(f"{kind!r} is no service: it has no run()")
        self.kind, self.keywords = kind, dict(keywords)
        name_of = getattr(kind, "name_of", None)
        self.name = name_of(self.keywords) if name_of else kind.__name__.upper()

    def drive(
        self,
        readers: list[Reader],
        writer: Writer | None,
        is_stopping: Callable[[], bool],
    ) -> None:
        """Make it and run its loop; then end its queue, in order or as a failure."""
        queues: dict[str, Any] = {}
        # what reads a ring ends when the ring does; what does not has to be told
        looks = {} if readers else {"is_stopping": is_stopping}
        if readers:
            queues["queue_in"] = RingQueue(readers[0].ring, reader=readers[0])
        if "queue_out" not in self.keywords:
            queues["queue_out"] = (
                RingQueue.nowhere()
                if writer is None
                else RingQueue(writer.ring, writer=writer, **looks)
            )
        try:
            service = self.kind(**{**self.keywords, **queues})
            with suppress(StoppedError):
                service.run()
        except BaseException:
            self._end_foreign_queue()
            raise
        if readers and queues["queue_in"].has_failed and writer is not None:
            writer.fail()
        if callable(getattr(service, "end", None)):
            service.end()

    def _end_foreign_queue(self) -> None:
        """End a queue that does not notice by itself that nobody puts any more."""
        queue = self.keywords.get("queue_out")
        if queue is not None:
            queue.put(PoisonPill())


class StartQueueService:
    """Start a service; what it puts comes out of `queue_out`.

    Parameters
    ----------
    service : type
        A `QueueService` class.
    **keywords
        For it: ``queue_in`` from another one, ``queue_out`` in place of a new queue,
        and its own.

    Attributes
    ----------
    process : multiprocessing.Process
    queue_out : RingQueue or multiprocessing.Queue

    Notes
    -----
    A service that raises or is killed ends its queue. Whoever reads on in this process
    gets the exception, with the traceback of the other process as its cause.
    """

    def __init__(self, service: type, **keywords: Any) -> None:
        queue_in = keywords.get("queue_in")
        self._before = queue_in if isinstance(queue_in, RingQueue) else None
        if self._before is not None:
            del keywords["queue_in"]
        self.queue_out = keywords.get("queue_out")
        if not isinstance(self.queue_out, RingQueue) and self.queue_out is not None:
            ring = None
        else:
            keywords.pop("queue_out", None)
            self.queue_out = self.queue_out or RingQueue()
            self.queue_out.failure = self.failure
            ring = self.queue_out.ring
        self._looped = Looped(service, keywords)
        self._start(ring)

    def _start(self, ring: Any) -> None:
        name = self._looped.name
        self._board = Board([name], DRAIN_TIMEOUT_S)
        context = multiprocessing.get_context()
        end, reports = context.Pipe(duplex=False)
        before = self._before
        member = Member(
            name=name,
            work=self._looped,
            inputs=[] if before is None else [Input(before.ring, before.number)],
            output=ring,
            info=SourceInfo(name, 1.0, 1, "f8", 1),  # of a queue nothing is known
            board=self._board,
            parent_pid=os.getpid(),
            reports=reports,
        )
        self.process = context.Process(target=member.run, name=name, daemon=True)
        self._supervisor = Supervisor([member], [self.process], [end], self._board)
        if context.get_start_method() != "fork":
            resource_tracker.ensure_running()  # or it would let signals go
        self.process.start()
        reports.close()
        self._supervisor.start()

    def get_name(self) -> str:
        """Return the name of the service."""
        return self._looped.name

    def failure(self) -> CircusError | None:
        """Wait for the process to end; return why, or why one before it failed."""
        self._supervisor.has_ended.wait(FAILURE_WAIT_S)
        before = self._before
        if before is not None and before.failure is not None:
            first = before.failure()
            if first is not None:
                return first
        return self._supervisor.failure

    def shutdown(self) -> None:
        """Ask it to end, and wait until it has; raises its failure."""
        self._board.stop()
        if isinstance(self.queue_out, RingQueue):
            self.queue_out.ring.bury_reader(self.queue_out.number)
        self._supervisor.has_ended.wait()
        if self._supervisor.failure is not None:
            raise self._supervisor.failure
