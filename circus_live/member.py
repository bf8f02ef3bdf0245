"""`Member`: a source or a service in its process, between its rings."""

import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from circus_io.errors import EndOfStreamError, MemberDiedError
from circus_live.block import Block, Message
from circus_live.board import Board
from circus_live.clock import BIN_NS, SampleClock
from circus_live.failure import Failure
from circus_live.priority import become_realtime
from circus_live.reader import Reader
from circus_live.ring import Ring
from circus_live.service import LoopService, Service, items_of
from circus_live.source import Source, SourceInfo
from circus_live.watch import Watch
from circus_live.writer import Writer

__all__ = ["SIGNALS", "Input", "Member"]

LOOK_EVERY_S = 0.25
SIGNALS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class Input:
    """One of the readers of a ring, before somebody becomes it."""

    ring: Ring
    number: int


@dataclass
class Member:
    """All that a process needs to be a member of a flow; `run` is its program.

    Attributes
    ----------
    name : str
    work : Source or Service
    inputs : list of Input
        None for a source.
    output : Ring, optional
        Where what it gives goes to, if anybody reads it.
    info : SourceInfo
        Of the blocks that it gets, or of those that a source gives.
    board : Board
    parent_pid : int
    reports : Connection
        Where it tells the parent of states, verdicts and failures.
    realtime : bool
        It runs at real-time priority, unless the flow can do without it.
    """

    name: str
    work: Source | Service
    inputs: list[Input]
    output: Ring | None
    info: SourceInfo
    board: Board
    parent_pid: int
    reports: Connection
    realtime: bool = False
    _writer: Writer | None = field(default=None, init=False)
    _readers: list[Reader] = field(default_factory=list, init=False)

    def run(self) -> None:
        """Do the work until the stream ends; whatever happens, say so and let go."""
        self._take_signals()
        Watch(self.board, self.name, self.parent_pid, self._on_stop).start()
        try:
            if self.realtime and not getattr(self.work, "is_dispensable", False):
                become_realtime()
            self._writer = self.output.writer() if self.output else None
            copy = not getattr(self.work, "borrows", False)
            self._readers = [one.ring.reader(one.number, copy) for one in self.inputs]
            self._work()
        except BaseException as error:
            self._leave(failed=True)
            self._tell("failure", Failure.of(self.name, error))
            raise SystemExit(1) from None
        self._leave(failed=False)
        self._tell("ended", None)

    def _take_signals(self) -> None:
        """Leave interrupts to the parent; SIGTERM stops the flow, whoever gets it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.board.stop())
        # they wait since before this process was made
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _on_stop(self) -> None:
        if isinstance(self.work, Source):
            self.work.stop()

    def _leave(self, *, failed: bool) -> None:
        for reader in self._readers:
            reader.close()
        if self._writer is not None:
            self._writer.fail() if failed else self._writer.end()

    def _tell(self, what: str, content: Any) -> None:
        with suppress(OSError):  # the parent is gone: nobody is left to be told
            self.reports.send((what, content))

    # -------------------------------------------------------------------- the work

    def _work(self) -> None:
        if isinstance(self.work, Source):
            self._run_source(self.work)
        elif isinstance(self.work, LoopService):
            self.work.drive(self._readers, self._writer, lambda: self.board.is_stopping)
        else:
            self._run_service(self.work)

    def _run_source(self, source: Source) -> None:
        source.on_change = lambda source: self._tell(
            "source", (source.state, source.verdicts)
        )
        clock, told_ns = SampleClock(source.info.sampling_rate), 0
        for block in source:
            self._send(block)
            clock.note_block(block)
            if block.host_time_ns - told_ns > BIN_NS:
                told_ns = block.host_time_ns
                self._tell("clock", clock.fit)

    def _run_service(self, service: Service) -> None:
        try:
            service.open(self.info)
            gap_frames, block = 0, None
            for block in self._blocks():
                gap_frames += block.gap_frames
                for item in items_of(service.process(block), block, gap_frames):
                    self._send(item)
                    gap_frames = 0
            last = block or Message(0, None, 0)
            for item in items_of(service.finish(), last, gap_frames):
                self._send(item)
        finally:
            service.close()

    def _send(self, item: Block | Message) -> None:
        if self._writer is not None:
            self._writer.put(item)

    def _blocks(self) -> Iterator[Block | Message]:
        """Give what all inputs have, as it arrives, until all have ended."""
        poll = select.poll()
        for reader in self._readers:
            poll.register(reader, select.POLLIN)
        ready = list(self._readers)
        while ready:
            idle = True
            for reader in list(ready):
                try:
                    item = reader.try_get()
                except (EndOfStreamError, MemberDiedError):
                    # of a death the parent knows; what had come before it is done
                    poll.unregister(reader)
                    ready.remove(reader)
                    continue
                if item is not None:
                    idle = False
                    yield item
            if idle and ready:
                self._sleep(poll, ready)

    def _sleep(self, poll: Any, readers: list[Reader]) -> None:
        rung = {handle for handle, _ in poll.poll(LOOK_EVERY_S * 1000)}
        for reader in readers:
            reader.wake(is_rung=reader.fileno() in rung)
