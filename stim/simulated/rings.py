"""Rings of samples: `SampleRing` on either side, `TriggerStream` in the device.

The device drains by its own clock, whatever the host does. Everything is counted in
frames, so any time can be jumped to.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stim.simulated.clock import NS

__all__ = ["SampleRing", "TriggerStream"]

PPM = 1_000_000


class SampleRing:
    """First in, first out: int16 samples of some channels.

    Attributes
    ----------
    size, level : int
        Frames that there is room for, and that there are.
    """

    def __init__(self, n_channels: int, size: int) -> None:
        self._words = np.zeros((n_channels, max(1, size)), np.int16)
        self.size, self.level, self._first = size, 0, 0

    def put(self, words: np.ndarray) -> None:
        """Append samples, shape (n_channels, n_frames); there has to be room."""
        n = words.shape[-1]
        room = self._words.shape[1]
        at = (self._first + self.level) % room
        split = min(n, room - at)
        self._words[:, at : at + split] = words[..., :split]
        if split < n:
            self._words[:, : n - split] = words[..., split:]
        self.level += n

    def take(self, n: int) -> np.ndarray:
        """Remove the oldest `n` frames; they are a view until the next `put`."""
        room = self._words.shape[1]
        first, self._first = self._first, (self._first + n) % room
        self.level -= n
        if first + n <= room:
            return self._words[:, first : first + n]
        return np.hstack((self._words[:, first:], self._words[:, : first + n - room]))


@dataclass
class Clockwork:
    """Which frame is due when: the device's own idea of its rate."""

    rate_hz: int
    drift_ppm: int = 0
    start_ns: int = 0

    def frames_at(self, time_ns: int) -> int:
        """Return how many frames are due by then, since the start."""
        if time_ns <= self.start_ns:
            return 0
        rate = self.rate_hz * (PPM + self.drift_ppm)
        return (time_ns - self.start_ns) * rate // (NS * PPM)

    def times_of(self, first: int, n: int) -> np.ndarray:
        """Return when `n` frames begin, int64, ns."""
        ns_per_frame = NS * PPM / (self.rate_hz * (PPM + self.drift_ppm))
        frames = np.arange(first, first + n)
        return self.start_ns + np.rint(frames * ns_per_frame).astype(np.int64)

    def time_of(self, frame: int) -> int:
        """Return when a frame begins, ns."""
        return int(self.times_of(frame, 1)[0])


class TriggerStream:
    """What one trigger of the device streams, from a ring of its own.

    Parameters
    ----------
    channels : tuple of int
    capacity_frames : int
    slack_frames : int
        Room beyond the capacity, for the arithmetic that jumps over slices.
    clockwork : Clockwork
    put_out : callable
        Gets channel, first frame and words (int16, shape (n_frames,)) of what leaves;
        words is None where it is zeros for want of data.

    Attributes
    ----------
    n_frames : int
        Put out since the start, with and without data.
    n_played, n_zeros : int
        With, and without.
    n_underruns : int
        How often data have ended.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        capacity_frames: int,
        slack_frames: int,
        clockwork: Clockwork,
        put_out: Callable[[int, int, np.ndarray | None], None],
    ) -> None:
        self.channels, self.clockwork = channels, clockwork
        self.target = capacity_frames // 2  # it pulls until it is half full
        self.ring = SampleRing(len(channels), capacity_frames + slack_frames)
        self._put_out = put_out
        self.is_running = self.is_starved = False
        self.n_frames = self.n_played = self.n_zeros = self.n_underruns = 0

    def start(self, time_ns: int) -> None:
        """Begin to put out what is there, from frame 0."""
        self.clockwork.start_ns = time_ns
        self.n_frames, self.is_running, self.is_starved = 0, True, False

    def due(self, time_ns: int) -> int:
        """Return how many frames are to be put out until a time."""
        if not self.is_running:
            return 0
        return self.clockwork.frames_at(time_ns) - self.n_frames

    def drain(self, time_ns: int, *, is_continuous: bool) -> None:
        """Put out what is due; zeros, or no more, where there are no data."""
        due = self.due(time_ns)
        if due <= 0:
            return
        n = min(due, self.ring.level)
        if n:
            words = self.ring.take(n)
            for channel, row in zip(self.channels, words, strict=True):
                self._put_out(channel, self.n_frames, row)
            self.n_frames += n
            self.n_played += n
            self.is_starved = False
        if n < due:
            self._starve(due - n, is_continuous)

    def _starve(self, n: int, is_continuous: bool) -> None:
        for channel in self.channels:
            self._put_out(channel, self.n_frames, None)
        self.n_underruns += not self.is_starved
        self.is_starved = True
        if is_continuous:
            self.n_frames += n
            self.n_zeros += n
        else:
            self.is_running = False

    def room(self) -> int:
        """Return how many frames it would pull now."""
        return max(0, self.target - self.ring.level)

    def can_jump(self, times_ns: list[int], n_in_host: int) -> bool:
        """Return whether nothing is missed by looking only at the last of some slices.

        It is so where all that is due has come by then, and the device's ring is never
        asked for more between slices than it holds after one.
        """
        frames = [self.due(time_ns) for time_ns in times_ns]
        gaps = [after - before for before, after in itertools.pairwise(frames)]
        return (
            frames[0] <= self.ring.level
            and frames[-1] <= self.ring.level + n_in_host
            and max(gaps, default=0) <= self.target
        )
