"""`Block`: frames of all channels, and when they were; `Message`: anything else."""

from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np

__all__ = ["Block", "BlockFlag", "Message"]


class BlockFlag(IntFlag):
    """What is to be known of the samples of a block."""

    NONE = 0
    REPAIRED = 1
    """Some samples were made up by a policy of the source."""

    RECONNECTED = 2
    """The first block of a new connection; `gap_frames` is then an estimate."""

    LATE = 4
    """The source gave it later than its pace asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A contiguous piece of a stream.

    Attributes
    ----------
    sample_index : int
        Frame of the first row on the clock of the stream. It grows from block to block;
        it jumps where frames are missing, and never goes back.
    traces : ndarray, shape (n_frames, n_channels)
        Samples of the native byte order as the source has them, not scaled: time
        first, C order. A segment that comes channel by channel is transposed once, at
        the source.
    host_time_ns : int
        `time.monotonic_ns` at the moment when the last sample was there.
    gap_frames : int
        Frames that are missing directly before the block: lost before or at the
        source, or dropped on the way to this reader.
    flags : BlockFlag
    origin : str
        Name of the member of the flow that sent it.
    """

    sample_index: int
    traces: np.ndarray
    host_time_ns: int
    gap_frames: int = 0
    flags: BlockFlag = BlockFlag.NONE
    origin: str = ""

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.traces.shape[0]

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self.traces.shape[1]

    @property
    def t_stop(self) -> int:
        """One past the last frame."""
        return self.sample_index + self.traces.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """What a service found: any object that pickles, and the frame it belongs to.

    Attributes
    ----------
    sample_index : int
        Frame of the stream that it belongs to.
    value : object
    host_time_ns : int
        That of the block it was made from, so that latency is counted from the sample.
    gap_frames, flags, origin
        As of `Block`.
    """

    sample_index: int
    value: Any
    host_time_ns: int
    gap_frames: int = 0
    flags: BlockFlag = BlockFlag.NONE
    origin: str = ""
