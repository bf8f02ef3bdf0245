"""`Reader`: takes blocks out of a ring."""

import os
import pickle
import time
from collections.abc import Iterator

import numpy as np

from circus_io.errors import EndOfStreamError, LiveError, MemberDiedError, OverrunError
from circus_live import liveness
from circus_live.block import Block, BlockFlag, Message
from circus_live.fence import Fence
from circus_live.latency import N_BINS, Latencies
from circus_live.layout import (
    DTYPES,
    HEADER_BYTES,
    OBJECT,
    SLOT_HEADER,
    LaneWord,
    RingWord,
    State,
)
from circus_live.policies import Policy
from circus_live.ring import ReaderStatistics, Ring

__all__ = ["Reader"]

LOOK_EVERY_S = 0.25  # how often a reader that waits looks whether the writer lives


class Reader:
    """One of the readers of a ring, with its own cursor, policy and counts.

    Parameters
    ----------
    ring : Ring
    number : int
        Which of the readers, 0 to ``len(policies) - 1``.
    copy : bool
        Without, the traces of a block are a view of the ring, and valid until the next
        call; a reader that drops the oldest copies always.

    Raises
    ------
    LiveError
        The ring has no such reader, or somebody is or was it.
    """

    def __init__(self, ring: Ring, number: int = 0, copy: bool = True) -> None:
        geometry = ring.geometry
        n_readers = len(geometry.policies)
        if not 0 <= number < n_readers:
            raise LiveError(
                f"{ring.name} has readers 0 to {n_readers - 1}, no {number}"
            )
        is_taken = ring.words[geometry.lane(number) + LaneWord.STATE] != State.ABSENT
        if is_taken or not liveness.show_sign(ring.memory.handle, 1 + number):
            raise LiveError(f"{ring.name} has, or had, a reader {number}")
        self.ring, self.number = ring, number
        self.policy = geometry.policies[number]
        self._copy = copy or not self.policy.keeps_what_waits
        self._words = ring.words
        self._base, self._index = geometry.lane(number), geometry.index(number)
        first = geometry.histogram(number)
        self._latencies = Latencies(ring.words[first : first + N_BINS])
        self._buffer = memoryview(ring.memory.buffer)
        self._has_borrowed = False
        self._tail = self._frames = self._position = 0
        self._fence = Fence()
        self._words[self._base + LaneWord.READER_PID] = os.getpid()
        self._words[self._base + LaneWord.STATE] = State.OPEN

    # --------------------------------------------------------------- what a caller does

    def get(self, timeout_s: float | None = None) -> Block | Message | None:
        """Return the next block, or None when there was none for `timeout_s`.

        Raises
        ------
        EndOfStreamError
            All has been delivered.
        OverrunError
            The policy is ``error``, and the reader was too slow; what waited before
            has been delivered.
        MemberDiedError
            The writer is gone without having ended the stream.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while (item := self.try_get()) is None:
            left_s = LOOK_EVERY_S if until is None else until - time.monotonic()
            if left_s <= 0:
                return None
            bell = self.ring.arrivals[self.number]
            self.wake(is_rung=bell.wait(min(left_s, LOOK_EVERY_S)))
        return item

    def try_get(self) -> Block | Message | None:
        """Return the next block if there is one; raises as `get`."""
        self._give_back()
        while True:
            state = self._words[RingWord.STATE]  # before the head: it is set after it
            self._fence()
            head = self._words[self._base + LaneWord.HEAD]
            self._skip_overwritten(head)
            if self._tail == head:
                return self._raise_if_over(state)
            item = self._take()
            if item is not None:
                return item

    def close(self) -> None:
        """Take no more; the writer does not wait for it from now on."""
        self._give_back()
        if self._words[self._base + LaneWord.STATE] == State.OPEN:
            self._words[self._base + LaneWord.STATE] = State.ENDED
        self.ring.room.ring()

    def wake(self, *, is_rung: bool) -> None:
        """Look around after a sleep: for who waits on `fileno` instead of in `get`.

        Parameters
        ----------
        is_rung : bool
            Whether `fileno` was readable; if not, the writer may be dead.
        """
        if is_rung:
            self.ring.arrivals[self.number].clear()
        elif not self.ring.writer_is_alive():
            self.ring.bury_writer()

    def fileno(self) -> int:
        """Return what becomes readable when there may be a block: for `select`."""
        return self.ring.arrivals[self.number].fileno()

    def statistics(self) -> ReaderStatistics:
        """Return the counts."""
        return self.ring.statistics(self.number)

    def __iter__(self) -> Iterator[Block | Message]:
        """Give all blocks until the end of the stream; close when left."""
        try:
            while True:
                try:
                    item = self.get()
                except EndOfStreamError:
                    return
                yield item
        finally:
            self.close()

    # ------------------------------------------------------------------------ its parts

    def _raise_if_over(self, state: int) -> None:
        if self._words[self._base + LaneWord.HAS_OVERRUN]:
            raise OverrunError(
                f"a reader of {self.ring.name} was too slow: "
                f"{self.ring.geometry.depth} blocks waited for it; make the ring "
                "deeper or the reader faster, or let it drop blocks"
            )
        if state == State.ENDED:
            raise EndOfStreamError(f"{self.ring.name} has ended")
        if state == State.FAILED:
            raise MemberDiedError(
                f"the writer of {self.ring.name} is gone; what it had put was delivered"
            )

    def _skip_overwritten(self, head: int) -> None:
        """Go to the oldest block that is still there."""
        oldest = head - self.ring.geometry.depth
        if self.policy is Policy.DROP_OLDEST and self._tail < oldest:
            self._words[self._base + LaneWord.OVERWRITTEN_BLOCKS] += oldest - self._tail
            self._tail = oldest

    def _take(self) -> Block | Message | None:
        """Return the block at the cursor, or None if the writer has overwritten it."""
        geometry, number = self.ring.geometry, self._tail
        slot = self._words[self._index + number % geometry.n_index]
        if not 0 <= slot < geometry.n_slots:
            return None
        place = geometry.slot(slot)
        stamp = self._buffer[place : place + 8].cast("q")
        before = stamp[0]
        self._fence()
        header = SLOT_HEADER.unpack_from(self._buffer, place + 8)
        payload = self._read(place + HEADER_BYTES, *header[4:8])
        self._fence()
        if not self.policy.keeps_what_waits:
            head = self._words[self._base + LaneWord.HEAD]
            if stamp[0] != before or not before or head - number > geometry.depth:
                return None
        return self._deliver(header, payload)

    def _read(
        self, start: int, n_frames: int, n_channels: int, code: int, n_bytes: int
    ) -> np.ndarray | bytes | None:
        if not 0 <= n_bytes <= self.ring.geometry.slot_bytes:
            return None  # torn: the stamp says so
        if code == OBJECT:
            return bytes(self._buffer[start : start + n_bytes])
        dtype = np.dtype(DTYPES[code % len(DTYPES)])
        if n_frames * n_channels * dtype.itemsize != n_bytes:
            return None
        traces = np.ndarray((n_frames, n_channels), dtype, self._buffer, start)
        if self._copy:
            return traces.copy()
        traces.flags.writeable = False
        return traces

    def _deliver(
        self, header: tuple[int, ...], payload: np.ndarray | bytes
    ) -> Block | Message:
        _, sample_index, host_ns, flags, n_frames, _, code, _, frames, position = header
        gap, self._position = position - self._position, position + n_frames
        words, base = self._words, self._base
        if self.policy is Policy.DROP_OLDEST:
            words[base + LaneWord.OVERWRITTEN_FRAMES] += frames - self._frames
        self._frames = frames + n_frames
        words[base + LaneWord.DELIVERED_FRAMES] += n_frames
        words[base + LaneWord.DELIVERED_BLOCKS] += 1
        self._latencies.add(time.monotonic_ns() - host_ns)
        kind, value = Block, payload
        if code == OBJECT:
            kind, value = Message, pickle.loads(payload)
        self._tail += 1
        if self._copy or code == OBJECT:
            self._set_tail()
        else:
            self._has_borrowed = True
        return kind(sample_index, value, host_ns, gap, BlockFlag(flags), self.ring.name)

    def _give_back(self) -> None:
        """Let the writer have the slot that the caller has looked at."""
        if self._has_borrowed:
            self._has_borrowed = False
            self._set_tail()

    def _set_tail(self) -> None:
        self._fence()
        self._words[self._base + LaneWord.TAIL] = self._tail
        if self.policy is Policy.BLOCK:
            self.ring.room.ring()
