"""`RingQueue`: a ring with the methods of `multiprocessing.Queue`."""

import os
import pickle
import queue
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from circus_io.errors import EndOfStreamError, MemberDiedError
from circus_live.block import Block, Message
from circus_live.crepe.poison_pill import PoisonPill, is_poison_pill
from circus_live.event import Event
from circus_live.reader import Reader
from circus_live.ring import Ring
from circus_live.writer import Writer

__all__ = ["RingQueue", "StoppedError"]

DEPTH = 64
SLOT_BYTES = 2**16
SLOT_OVERHEAD_BYTES = 128  # of a pickled `_Piece` around its bytes
LOOK_EVERY_S = 0.25


class StoppedError(BaseException):
    """Ends the loop of a service that nobody else would end; not to be caught."""


class _Piece(NamedTuple):
    """A part of a pickled item: items may be larger than the slots of a ring."""

    is_last: bool
    part: bytes


class RingQueue:
    """A bounded queue from one process to another one.

    The first process that puts is the one that may, and so is the first one that gets.
    Blocks come out as segments (n_channels, n_frames), the way CREPE has them; whatever
    was put comes out as it was. After the last item comes a `PoisonPill`, each time
    that somebody asks.

    Parameters
    ----------
    ring : Ring, optional
        By default a new one, of 64 slots.
    number : int
        Which reader of the ring it is.
    reader, writer : Reader, Writer, optional
        If this process has become them already.

    Attributes
    ----------
    lost_frames : int
        Frames that were missing in what has been taken so far.
    has_failed : bool
        Whoever put has died or failed, or somebody before it.
    failure : callable, optional
        Returns the exception to raise after that, where this process knows it.
    """

    def __init__(
        self,
        ring: Ring | None = None,
        number: int = 0,
        reader: Reader | None = None,
        writer: Writer | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.ring = (
            Ring(DEPTH, SLOT_BYTES, ["block"], "queue") if ring is None else ring
        )
        self.number = number
        self.failure: Callable[[], BaseException | None] | None = None
        self._reset(reader, writer, is_stopping)

    def _reset(
        self,
        reader: Reader | None = None,
        writer: Writer | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._is_stopping = is_stopping
        self._pid = os.getpid()
        self._ready: deque[Any] = deque()
        self._parts: list[bytes] = []
        self._position = Message(0, None, 0)
        self._untold_frames = self.lost_frames = 0
        self.has_failed = self.has_ended = False

    @classmethod
    def nowhere(cls) -> Self:
        """Return a queue that nobody reads: what is put is gone."""
        return cls(Ring(1, 1, [], "nowhere"))

    def __getstate__(self) -> dict[str, Any]:
        return {"ring": self.ring, "number": self.number}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    # -------------------------------------------------------------------------- getting

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next item.

        Parameters
        ----------
        block : bool
        timeout : float, optional
            How long to wait for it, s.

        Raises
        ------
        queue.Empty
            There was none.
        CircusError
            A process before it has failed; the cause has its traceback.
        """
        if not self._fill(timeout if block else 0):
            raise queue.Empty
        if not is_poison_pill(self._ready[0]):
            return self._ready.popleft()
        self._raise_failure()
        return self._ready[0]

    def get_nowait(self) -> Any:
        """Take the next item, if there is one."""
        return self.get(block=False)

    def empty(self) -> bool:
        """Tell whether `get` would wait."""
        return not self._fill(0)

    def qsize(self) -> int:
        """Return about how many items wait."""
        return self.ring.statistics(self.number).pending_blocks + len(self._ready)

    def _fill(self, timeout_s: float | None) -> bool:
        """Have an item ready; False if there was none for that long."""
        until = np.inf if timeout_s is None else time.monotonic() + timeout_s
        reader = self._as_reader()
        while not self._ready:
            try:
                left_s = until - time.monotonic()
                slice_s = min(left_s, LOOK_EVERY_S)
                item = reader.get(slice_s) if slice_s > 0 else reader.try_get()
            except EndOfStreamError:
                self._end()
            except MemberDiedError:
                self.has_failed = True
                self._end()
            else:
                if item is not None:
                    self._accept(item)
                elif left_s <= 0:
                    return False
        return True

    def _as_reader(self) -> Reader:
        self._forget_parent()
        if self._reader is None:
            self._reader = self.ring.reader(self.number)
        return self._reader

    def _forget_parent(self) -> None:
        """Begin anew in a process that was forked."""
        if self._pid != os.getpid():
            self._reset()
            self.failure = None

    def _end(self) -> None:
        self.has_ended = True
        self._ready.append(PoisonPill())

    def _accept(self, item: Block | Message) -> None:
        self._position = item
        self._untold_frames += item.gap_frames
        self.lost_frames += item.gap_frames
        if isinstance(item, Block):
            self._ready.append(np.ascontiguousarray(item.traces.T))
        elif isinstance(item.value, _Piece):
            self._parts.append(item.value.part)
            if item.value.is_last:
                self._ready.append(pickle.loads(b"".join(self._parts)))
                self._parts.clear()
        else:
            self._ready.append(item.value)

    def _raise_failure(self) -> None:
        if self.has_failed and self.failure is not None:
            error = self.failure()
            if error is not None:
                raise error

    def take_position(self) -> Message:
        """Return where in the stream the last item was, and what is missing since."""
        at, gap_frames = self._position, self._untold_frames
        self._untold_frames = 0
        return Message(at.sample_index, None, at.host_time_ns, gap_frames, at.flags)

    # -------------------------------------------------------------------------- putting

    def put(
        self,
        item: Any,
        block: bool = True,
        timeout: float | None = None,
        position: Message | None = None,
    ) -> None:
        """Append an item that pickles; a `PoisonPill` ends the queue.

        Parameters
        ----------
        item : object
        block : bool
            Wait for room.
        timeout : float, optional
            How long, s.
        position : Message, optional
            Where in the stream it belongs to.

        Raises
        ------
        queue.Full
            The reader has not made room.
        LiveError
            The queue has ended.
        """
        writer = self._as_writer()
        if is_poison_pill(item):
            writer.end()
            return
        self._wait_for_room(writer, timeout if block else 0)
        at = Message(0, None, time.monotonic_ns()) if position is None else position
        for piece in self._pieces(item):
            self._wait_for_room(writer, None)
            writer.put(
                Message(
                    at.sample_index, piece, at.host_time_ns, at.gap_frames, at.flags
                )
            )
            at = Message(at.sample_index, None, at.host_time_ns)

    def put_nowait(self, item: Any) -> None:
        """Append an item if there is room."""
        self.put(item, block=False)

    def full(self) -> bool:
        """Tell whether `put` would wait."""
        return not self._as_writer().wait_for_room(0)

    def _wait_for_room(self, writer: Writer, timeout_s: float | None) -> None:
        until = np.inf if timeout_s is None else time.monotonic() + timeout_s
        while not writer.wait_for_room(min(until - time.monotonic(), LOOK_EVERY_S)):
            if self._is_stopping():
                raise StoppedError
            if time.monotonic() >= until:
                raise queue.Full
        if self._is_stopping():
            raise StoppedError

    def _pieces(self, item: Any) -> list[Any]:
        if isinstance(item, Event):
            return [item]  # as a service sends it: a recorder may read the ring as well
        stored = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
        if not self.ring.geometry.policies:  # nobody will read it
            return []
        size = self.ring.geometry.slot_bytes - SLOT_OVERHEAD_BYTES
        starts = range(0, len(stored), size)
        return [_Piece(at == starts[-1], stored[at : at + size]) for at in starts]

    def _as_writer(self) -> Writer:
        self._forget_parent()
        if self._writer is None:
            self._writer = self.ring.writer()
        return self._writer

    # --------------------------------------------------------------------------- ending

    def close(self) -> None:
        """Take no more: whoever puts does not wait for this process from now on."""
        if self._pid == os.getpid() and self._reader is not None:
            self._reader.close()

    def fail(self) -> None:
        """Say that no more will be put, though the stream has not ended."""
        self._as_writer().fail()

    def join_thread(self) -> None:
        """Do nothing: there is no thread, and what was put is in the ring."""

    def cancel_join_thread(self) -> None:
        """Do nothing, as `join_thread`."""
