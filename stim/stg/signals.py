"""`Signals`: what each channel repeats, frame by frame.

Each channel repeats its own signal back to back. A change of one or several channels
takes effect at one frame: the first at which all of them have come to the end of their
signal. Those that get there earlier put out 0 until then, so no pulse is cut.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["MAX_BLOCK", "Signals"]

MAX_BLOCK = 4096  # frames that are made at once
SILENCE = np.zeros(1, np.int16)
NEVER = -(10**15)  # frames: earlier than anything that a gap is counted from


@dataclass(frozen=True)
class Track:
    """A signal that repeats from a frame on.

    Attributes
    ----------
    words : int16 array
        The signal and what follows it, for as long as a block may be.
    period : int
        Frames of one repetition.
    start : int
    is_silent : bool
    lead, tail : int
        Frames from the beginning of a repetition to its first onset, and from its last
        one to its end. An onset is where something flows after a zero.
    """

    words: np.ndarray
    period: int
    start: int
    is_silent: bool
    lead: int = 0
    tail: int = 0

    @classmethod
    def of(cls, words: np.ndarray, start: int) -> "Track":
        """Return the track of a signal, int16."""
        n = -(-MAX_BLOCK // words.size) + 1
        tiled = np.concatenate([words] * n) if words.any() else SILENCE
        flows = words != 0
        onsets = np.flatnonzero(flows & ~np.r_[False, flows[:-1]])
        if not onsets.size:
            return cls(tiled, words.size, start, is_silent=True)
        lead, tail = int(onsets[0]), words.size - int(onsets[-1])
        return cls(tiled, words.size, start, False, lead, tail)

    def boundary(self, frame: int) -> int:
        """Return the first frame, not before one, at which a repetition begins."""
        if self.is_silent:
            return frame
        return frame + (self.start - frame) % self.period

    def play(self, row: np.ndarray, first: int) -> None:
        """Fill frames from `first` on; they are 0 before."""
        if not self.is_silent:
            at = (first - self.start) % self.period
            row[:] = self.words[at : at + row.size]


@dataclass(frozen=True)
class Change:
    """What a channel repeats from a frame on, and when it ends what it repeats now."""

    end: int
    start: int
    track: Track
    note: object = None


class Signals:
    """The signals of all channels of a device; changed by one thread, read by another.

    Parameters
    ----------
    n_channels : int

    Attributes
    ----------
    position : int
        The frame that is made next.
    """

    def __init__(self, n_channels: int) -> None:
        self._lock = threading.Lock()
        self._tracks = [Track.of(SILENCE, 0) for _ in range(n_channels)]
        self._changes: dict[int, Change] = {}
        self._notes: dict[int, object] = {}
        self._heard: list[tuple[int, object]] = []
        self._onsets = [NEVER] * n_channels  # the last ones of what was repeated before
        self.position = 0

    def restart(self) -> None:
        """Let all begin at frame 0, with what was set last."""
        with self._lock:
            for channel, change in self._changes.items():
                self._tracks[channel] = change.track
                self._notes[channel] = change.note
            self._changes.clear()
            self._heard.clear()
            for note in self._notes.values():
                self._hear(0, note)
            self._tracks = [replace(track, start=0) for track in self._tracks]
            self._onsets = [NEVER] * len(self._tracks)
            self.position = 0

    def set(
        self,
        signals: Mapping[int, np.ndarray],
        notes: Mapping[int, object] | None = None,
    ) -> None:
        """Set signals for the next start, while nothing is made of them."""
        with self._lock:
            for channel, words in signals.items():
                self._changes.pop(channel, None)
                self._tracks[channel] = Track.of(words, 0)
                self._notes[channel] = (notes or {}).get(channel)

    def change(
        self,
        signals: Mapping[int, np.ndarray],
        notes: Mapping[int, object] | None = None,
        gaps: Mapping[int, int] | None = None,
    ) -> int:
        """Change what channels repeat; return the frame at which they all do.

        Parameters
        ----------
        signals : mapping
            Words of one repetition (int16) by channel.
        notes : mapping, optional
            What `heard` returns when a channel has changed.
        gaps : mapping, optional
            Least number of frames from the last onset of what a channel repeats now to
            the first one of what it will repeat; it waits with zeros until then.
        """
        with self._lock:
            ends = {channel: self._end(channel) for channel in signals}
            tracks = {channel: Track.of(words, 0) for channel, words in signals.items()}
            allowed = [
                self._last_onset(channel, ends[channel]) + gap - tracks[channel].lead
                for channel, gap in (gaps or {}).items()
                if not tracks[channel].is_silent
            ]
            start = max([self.position, *ends.values(), *allowed])
            for channel, once in tracks.items():
                track = replace(once, start=start)
                note = (notes or {}).get(channel)
                self._changes[channel] = Change(ends[channel], start, track, note)
            return start

    def _end(self, channel: int) -> int:
        """Return when a channel comes to the end of what it repeats."""
        waiting = self._changes.get(channel)
        if waiting is not None:  # never heard: its place is taken
            return waiting.end
        return self._tracks[channel].boundary(self.position)

    def _last_onset(self, channel: int, end: int) -> int:
        """Return the last onset of a channel that comes to its end at a frame."""
        track = self._tracks[channel]
        if track.is_silent or end <= track.start:  # or it is never heard
            return self._onsets[channel]
        return end - track.tail

    def make(self, n: int) -> np.ndarray:
        """Return the next frames, int16 (n_channels, n), with n up to `MAX_BLOCK`."""
        block = np.zeros((len(self._tracks), n), np.int16)
        with self._lock:
            first = self.position
            for channel, track in enumerate(self._tracks):
                if channel in self._changes:
                    self._turn(channel, block[channel], first)
                elif not track.is_silent:
                    track.play(block[channel], first)
            self.position += n
        return block

    def _turn(self, channel: int, row: np.ndarray, first: int) -> None:
        """Fill frames around a change."""
        change = self._changes[channel]
        n_old = min(max(0, change.end - first), row.size)
        self._tracks[channel].play(row[:n_old], first)
        n_before = min(max(0, change.start - first), row.size)
        change.track.play(row[n_before:], first + n_before)
        if change.start < first + row.size:
            self._onsets[channel] = self._last_onset(channel, change.end)
            self._tracks[channel] = change.track
            del self._changes[channel]
            self._notes[channel] = change.note
            self._hear(change.start, change.note)

    def _hear(self, frame: int, note: object) -> None:
        if note is not None and (frame, note) not in self._heard:
            self._heard.append((frame, note))

    def heard(self) -> list[tuple[int, object]]:
        """Return frames and notes of the changes since the last call."""
        heard, self._heard = self._heard, []
        return heard

    @property
    def is_silent(self) -> bool:
        """Whether all channels put out 0, now and after what is waiting."""
        with self._lock:
            waiting = [change.track for change in self._changes.values()]
            return all(track.is_silent for track in [*self._tracks, *waiting])
