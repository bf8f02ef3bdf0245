"""The last sample of every segment, which MEAME2 sends as 0 on all channels.

One frame in `segment_frames` is made up: with 100 frames at 10 kHz, an artefact of 100
Hz on all channels at once, which detection takes for spikes where the zero of the
converter is not 0. Each such frame is counted, and listed as not recorded.
"""

from dataclasses import dataclass, field

import numpy as np

from circus_io.errors import FormatError

__all__ = ["POLICIES", "FrameList", "LastSampleRepair", "is_zeroed", "zeroed_segments"]

POLICIES = ("keep", "hold", "interpolate", "mask")
N_TO_CONFIRM = 3  # segments in a row
N_CHANNELS_ALONE = 8  # so many channels at 0 in one frame are no chance


def is_zeroed(traces: np.ndarray) -> bool:
    """Tell whether the last frame of a segment is 0 on all channels, and alone in it.

    Parameters
    ----------
    traces : ndarray, shape (n_frames, n_channels)

    Notes
    -----
    A segment whose last two frames are 0 tells nothing: the signal may be off.
    """
    return len(traces) > 1 and not traces[-1].any() and bool(traces[-2].any())


def zeroed_segments(last_frames: np.ndarray, frames_before: np.ndarray) -> np.ndarray:
    """Tell which segments have a zeroed last frame.

    Parameters
    ----------
    last_frames, frames_before : ndarray, shape (n_segments, n_channels)
        The last frame of each segment, and the one before it.

    Returns
    -------
    ndarray of bool, shape (n_segments,)
    """
    return ~last_frames.any(axis=1) & frames_before.any(axis=1)


@dataclass
class FrameList:
    """Frames in increasing order, held as ranges: periodic ones take no room.

    Attributes
    ----------
    ranges : list of range
    """

    ranges: list[range] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(part) for part in self.ranges)

    def append(self, frame: int) -> None:
        """Add a frame after all others."""
        last = self.ranges[-1] if self.ranges else None
        if last is not None and len(last) == 1:
            self.ranges[-1] = range(last[0], frame + 1, frame - last[0])
        elif last is not None and frame == last[-1] + last.step:
            self.ranges[-1] = range(last.start, frame + 1, last.step)
        else:
            self.ranges.append(range(frame, frame + 1))

    def to_array(self) -> np.ndarray:
        """Return the frames, int64 (n,)."""
        parts = [np.arange(p.start, p.stop, p.step, np.int64) for p in self.ranges]
        return np.concatenate([np.zeros(0, np.int64), *parts])


class LastSampleRepair:
    """Finds and repairs zeroed last frames, segment after segment.

    Parameters
    ----------
    policy : {'interpolate', 'hold', 'mask', 'keep'}
        ``keep`` and ``mask`` leave the 0, ``mask`` says so; ``hold`` repeats the frame
        before; ``interpolate`` takes the mean of both neighbours. For that a zeroed
        frame waits for the next segment, at whose front it is delivered: the first
        block is a frame shorter, and no frame that was recorded waits.

    Attributes
    ----------
    n_zeroed : int
        Zeroed frames found.
    is_confirmed : bool
        So many segments in a row had one that it is the defect of the server.
    frames : FrameList
        Frames whose values were not recorded, by their sample index; empty for
        ``keep``.

    Raises
    ------
    FormatError
        Unknown policy.

    Notes
    -----
    With less than 8 channels a frame of zeros may be chance; there, nothing is changed
    before three segments in a row had one.
    """

    def __init__(self, policy: str = "interpolate") -> None:
        if policy not in POLICIES:
            raise FormatError(
                f"last_sample = {policy}: choose from {', '.join(POLICIES)}"
            )
        self.policy = policy
        self.n_zeroed = 0
        self.is_confirmed = False
        self.frames = FrameList()
        self._n_in_a_row = 0
        self._held: np.ndarray | None = None

    def take(
        self, traces: np.ndarray, sample_index: int
    ) -> tuple[np.ndarray, int, np.ndarray]:
        """Return a segment as it is to be delivered.

        Parameters
        ----------
        traces : ndarray, shape (segment_frames, n_channels)
            It may be changed.
        sample_index : int
            Of its first frame.

        Returns
        -------
        traces : ndarray, shape (n_frames, n_channels)
            One frame shorter where its last one waits, one longer at the front where
            that of the segment before did.
        sample_index : int
            Of the first frame returned.
        not_recorded : ndarray of int64
            Sample indices of frames in it that are made up.
        """
        is_bad = self._judge(traces)
        before = self._release(traces[0])
        found = [] if before is None else [sample_index - 1]
        n_frames = len(traces)
        if is_bad and self.policy == "interpolate":
            self._held, traces = traces[-2], traces[:-1]
        elif is_bad and self.policy != "keep":
            found.append(sample_index + n_frames - 1)
            if self.policy == "hold":
                traces[-1] = traces[-2]
        for frame in found:
            self.frames.append(frame)
        if before is not None:
            traces = np.concatenate([before[None], traces])
            sample_index -= 1
        return traces, sample_index, np.array(found, np.int64)

    def flush(self, sample_index: int) -> tuple[np.ndarray, int, np.ndarray] | None:
        """Return the frame that waits, with the value before it; None if none does.

        Parameters
        ----------
        sample_index : int
            Of the frame that would come next: call it before a gap, and at the end.
        """
        if self._held is None:
            return None
        frame, self._held = self._held, None
        self.frames.append(sample_index - 1)
        return frame[None].copy(), sample_index - 1, np.array([sample_index - 1])

    def _judge(self, traces: np.ndarray) -> bool:
        if not is_zeroed(traces):
            # silence is no evidence against it
            self._n_in_a_row *= not traces[-1].any()
            return False
        self.n_zeroed += 1
        self._n_in_a_row += 1
        self.is_confirmed |= self._n_in_a_row >= N_TO_CONFIRM
        return self.is_confirmed or traces.shape[1] >= N_CHANNELS_ALONE

    def _release(self, following: np.ndarray) -> np.ndarray | None:
        """Return the frame that waited, halfway between its neighbours."""
        if self._held is None:
            return None
        before, self._held = self._held, None
        return midway(before, following)


def midway(before: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Return the mean of two frames in their type, integers rounded down."""
    if before.dtype.kind == "f":
        return (before + following) / before.dtype.type(2)
    return ((before.astype(np.int64) + following) >> 1).astype(before.dtype)
