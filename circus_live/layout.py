"""Where everything lies in the memory of a ring: words of 64 bits, then slots.

Every word has one process that writes it, so no word needs a lock::

    ring          STATE, WRITER_PID, N_FRAMES, GAP_FRAMES                the writer
    lane, one     HEAD, OFFERED, REFUSED, HAS_OVERRUN                    the writer
    per reader    TAIL, DELIVERED, OVERWRITTEN, READER_PID, STATE        the reader
                  histogram of latencies                                 the reader
                  index: which slots wait for the reader                 the writer
    slot          stamp, header, samples                                 the writer

For a process that is dead, whoever has noticed may set its STATE.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from circus_live.latency import N_BINS
from circus_live.policies import Policy

__all__ = [
    "DTYPES",
    "HEADER_BYTES",
    "OBJECT",
    "SLOT_HEADER",
    "Geometry",
    "LaneWord",
    "RingWord",
    "State",
]

LINE = 8  # words that processors hand around together
# what a slot says after its stamp: number, sample_index, host_time_ns, flags, rows,
# columns, dtype, bytes, frames before it, frames and gaps before it
SLOT_HEADER = struct.Struct("=10q")
HEADER_BYTES = 128
# by its number in the header of a slot
OBJECT = -1  # pickled
DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")


class State(IntEnum):
    """How far a writer or a reader is."""

    ABSENT = 0
    OPEN = 1
    ENDED = 2
    FAILED = 3


class RingWord(IntEnum):
    """Words of the ring; the writer's."""

    STATE = 0
    WRITER_PID = 1
    N_FRAMES = 2
    GAP_FRAMES = 3


class LaneWord(IntEnum):
    """Words of a lane; from TAIL on, the reader's.

    HEAD and TAIL count blocks since the start. What was refused has never been in the
    index; what was overwritten has been.
    """

    HEAD = 0
    OFFERED_FRAMES = 1
    REFUSED_BLOCKS = 2
    REFUSED_FRAMES = 3
    HAS_OVERRUN = 4
    TAIL = LINE
    DELIVERED_BLOCKS = LINE + 1
    DELIVERED_FRAMES = LINE + 2
    OVERWRITTEN_BLOCKS = LINE + 3
    OVERWRITTEN_FRAMES = LINE + 4
    READER_PID = LINE + 5
    STATE = LINE + 6


@dataclass(frozen=True)
class Geometry:
    """Sizes of a ring.

    Attributes
    ----------
    depth : int
        Blocks that may wait for each reader.
    slot_bytes : int
        Bytes of the largest block.
    policies : tuple of Policy
        One per reader.
    """

    depth: int
    slot_bytes: int
    policies: tuple[Policy, ...]

    @property
    def n_slots(self) -> int:
        """Slots, so that one is always free.

        The last `depth` blocks, the one that is being written and one that a reader
        may be copying. A reader that is full while others go on holds older ones.
        """
        holding = sum(
            one in (Policy.DROP_NEWEST, Policy.ERROR) for one in self.policies
        )
        return self.depth * (1 + holding) + 2

    @property
    def n_index(self) -> int:
        """Entries of an index: one is about to be overwritten."""
        return self.depth + 1

    def lane(self, reader: int) -> int:
        """Return the first word of a lane."""
        return LINE + reader * self._lane_words

    def histogram(self, reader: int) -> int:
        """Return the first word of the histogram of a lane."""
        return self.lane(reader) + 2 * LINE

    def index(self, reader: int) -> int:
        """Return the first word of the index of a lane."""
        return self.histogram(reader) + N_BINS

    @property
    def _lane_words(self) -> int:
        return _up(2 * LINE + N_BINS + self.n_index, LINE)

    @property
    def n_words(self) -> int:
        """Words before the slots."""
        return self.lane(len(self.policies))

    @property
    def stride(self) -> int:
        """Bytes from slot to slot."""
        return _up(HEADER_BYTES + self.slot_bytes, 64)

    def slot(self, number: int) -> int:
        """Return the first byte of a slot."""
        return self.n_words * 8 + number * self.stride

    @property
    def n_bytes(self) -> int:
        """Bytes of all of it."""
        return self.slot(self.n_slots)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
