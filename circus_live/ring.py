"""`Ring`: a bounded buffer in shared memory, with one writer and any number of readers.

::

    ring = Ring(depth=100, slot_bytes=24000, policies=["block", "drop_oldest"])
    writer = ring.writer()                  # in one process
    writer.put(block)
    writer.end()
    for block in ring.reader(1):            # in others
        ...

A block is written once, whatever the number of readers. No process ever holds a lock:
each word of the memory has one writer, and whoever is killed at any moment leaves
nothing behind but a cursor that stands still. Why it is made so: the decision on the
ring in the documentation.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from circus_io.errors import FormatError
from circus_live import liveness
from circus_live.doorbell import Doorbell
from circus_live.latency import N_BINS, percentile_ms
from circus_live.layout import Geometry, LaneWord, RingWord, State
from circus_live.memory import SharedBytes
from circus_live.policies import Policy

if TYPE_CHECKING:
    from circus_live.reader import Reader
    from circus_live.writer import Writer

__all__ = ["ReaderStatistics", "Ring"]


@dataclass(frozen=True, eq=False)
class ReaderStatistics:
    """Counts of one reader; ``received = delivered + dropped + pending``.

    Attributes
    ----------
    received_blocks, received_frames : int
        What the writer had for the reader.
    delivered_blocks, delivered_frames : int
    dropped_blocks, dropped_frames : int
        Lost by the policy of the reader.
    pending_blocks, pending_frames : int
        What waits in the ring.
    fill : float
        Part of the ring that waits, 0 to 1.
    latencies : ndarray of int64, shape (N_BINS,)
        Histogram; see `circus_live.latency`.
    """

    received_blocks: int
    received_frames: int
    delivered_blocks: int
    delivered_frames: int
    dropped_blocks: int
    dropped_frames: int
    pending_blocks: int
    pending_frames: int
    fill: float
    latencies: np.ndarray

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the time from the last sample to the reader, ms."""
        return percentile_ms(self.latencies, percent)


class Ring:
    """The memory and the doorbells; hand it to the processes that write and read.

    Parameters
    ----------
    depth : int
        Blocks that may wait for each reader.
    slot_bytes : int
        Bytes of the largest block.
    policies : sequence of Policy or str
        One per reader.
    name : str
        For messages.

    Raises
    ------
    FormatError
        A size below 1, or an unknown policy.
    """

    def __init__(
        self,
        depth: int,
        slot_bytes: int,
        policies: Sequence[Policy | str],
        name: str = "ring",
    ) -> None:
        if depth < 1 or slot_bytes < 1:
            raise FormatError(
                f"depth = {depth}, slot_bytes = {slot_bytes}: expected 1 or more"
            )
        named = tuple(Policy.named(policy) for policy in policies)
        self.name = name
        self.geometry = Geometry(int(depth), int(slot_bytes), named)
        self.memory = SharedBytes(self.geometry.n_bytes)
        self.room = Doorbell()
        self.arrivals = tuple(Doorbell() for _ in named)
        self._make_words()

    def _make_words(self) -> None:
        n_bytes = self.geometry.n_words * 8
        self.words = memoryview(self.memory.buffer)[:n_bytes].cast("q")

    def __getstate__(self) -> dict:
        return {name: v for name, v in self.__dict__.items() if name != "words"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._make_words()

    def writer(self) -> "Writer":
        """Become the writer, in this process."""
        from circus_live.writer import Writer

        return Writer(self)

    def reader(self, number: int = 0, copy: bool = True) -> "Reader":
        """Become a reader, in this process; see `Reader`."""
        from circus_live.reader import Reader

        return Reader(self, number, copy)

    # ------------------------------------------------------------------ who is there

    def writer_is_alive(self) -> bool:
        """Tell whether the writer lives, or has not come yet."""
        return self._is_alive(self.words[RingWord.WRITER_PID], 0)

    def reader_is_alive(self, number: int) -> bool:
        """Tell whether a reader lives, or has not come yet."""
        pid = self.words[self.geometry.lane(number) + LaneWord.READER_PID]
        return self._is_alive(pid, 1 + number)

    def _is_alive(self, pid: int, place: int) -> bool:
        # a process does not see its own locks
        if pid in (0, os.getpid()):
            return True
        return liveness.holds_sign(self.memory.handle, place)

    def bury_writer(self) -> None:
        """Say in place of a dead writer that nothing more will come."""
        if self.words[RingWord.STATE] < State.ENDED:
            self.words[RingWord.STATE] = State.FAILED
        for doorbell in self.arrivals:
            doorbell.ring()

    def bury_reader(self, number: int) -> None:
        """Say in place of a dead reader that it takes no more."""
        lane = self.geometry.lane(number)
        self.words[lane + LaneWord.STATE] = State.FAILED
        self.room.ring()

    # ---------------------------------------------------------------------- counting

    def statistics(self, number: int = 0) -> ReaderStatistics:
        """Return the counts of a reader; from any process, at any moment."""
        lane = self.geometry.lane(number)

        def word(name: LaneWord) -> int:
            return self.words[lane + name]

        # the reader's first: they never exceed what the writer counts after them
        delivered = word(LaneWord.DELIVERED_BLOCKS)
        delivered_frames = word(LaneWord.DELIVERED_FRAMES)
        refused, lost = word(LaneWord.REFUSED_BLOCKS), word(LaneWord.OVERWRITTEN_BLOCKS)
        dropped_frames = word(LaneWord.REFUSED_FRAMES) + word(
            LaneWord.OVERWRITTEN_FRAMES
        )
        offered_frames = word(LaneWord.OFFERED_FRAMES)
        head = word(LaneWord.HEAD)
        pending = head - delivered - lost
        first = self.geometry.histogram(number)
        return ReaderStatistics(
            received_blocks=head + refused,
            received_frames=offered_frames,
            delivered_blocks=delivered,
            delivered_frames=delivered_frames,
            dropped_blocks=refused + lost,
            dropped_frames=dropped_frames,
            pending_blocks=pending,
            pending_frames=offered_frames - delivered_frames - dropped_frames,
            fill=min(1.0, pending / self.geometry.depth),
            latencies=np.array(self.words[first : first + N_BINS], np.int64),
        )

    def close(self) -> None:
        """Let go of everything in this process."""
        self.memory.close()
