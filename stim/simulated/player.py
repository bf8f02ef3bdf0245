"""`DownloadPlayer`: what a device plays from its memory, with or without a host."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from circus_io.errors import DeviceMemoryError, DeviceRefusedError

__all__ = ["DownloadPlayer", "unrolled"]

BYTES_PER_ENTRY = 8
US = 1000  # ns
N_SEGMENTS = 100


@dataclass
class Segment:
    """A part of the memory: waveforms in run-length form, by output."""

    levels: dict[int, list[int]] = field(default_factory=dict)
    durations_us: dict[int, list[int]] = field(default_factory=dict)
    maps: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)


@dataclass
class Playing:
    """A trigger that runs: edges of its outputs within one repetition.

    `edges` holds, by output, times (ns since the start of a repetition) and levels.
    """

    edges: dict[int, tuple[np.ndarray, np.ndarray]]
    start_ns: int
    period_ns: int
    repeats: int  # 0 is for ever
    done_ns: int

    @property
    def end_ns(self) -> int | None:
        """When it is over; None if never."""
        return self.start_ns + self.repeats * self.period_ns if self.repeats else None


class DownloadPlayer:
    """The download mode of a device with one memory, divided into segments.

    Parameters
    ----------
    n_triggers : int
    memory_bytes : callable
        Returns how much there is, over all segments.
    has_loops : bool
        Whether entries of 0 µs mark loops; they mean nothing otherwise.
    put_out : callable
        Gets output, times (ns) and levels of what leaves.
    """

    def __init__(
        self,
        n_triggers: int,
        memory_bytes: Callable[[], int],
        has_loops: bool,
        put_out: Callable[[int, np.ndarray, np.ndarray], None],
    ) -> None:
        self._segments = [Segment() for _ in range(N_SEGMENTS)]
        self._selected = 0
        self._memory_bytes, self._has_loops = memory_bytes, has_loops
        self._put_out = put_out
        self._playing: dict[int, Playing] = {}
        self.states = ["idle"] * n_triggers

    # ------------------------------------------------------------------------- memory

    @property
    def segment(self) -> Segment:
        """The part that is in use."""
        return self._segments[self._selected]

    def select(self, segment: int) -> None:
        """Use another part."""
        if not 0 <= segment < N_SEGMENTS:
            raise DeviceRefusedError(
                f"segment {segment}: the device has 0 to {N_SEGMENTS - 1}"
            )
        self._selected = segment

    def free_bytes(self) -> int:
        """Return what is free."""
        entries = [len(d) for s in self._segments for d in s.durations_us.values()]
        return self._memory_bytes() - BYTES_PER_ENTRY * sum(entries)

    def clear(self, output: int) -> None:
        """Forget what an output would play."""
        self.segment.levels.pop(output, None)
        self.segment.durations_us.pop(output, None)

    def store(
        self, output: int, levels: Sequence[int], durations_us: Sequence[int]
    ) -> None:
        """Append to what an output plays."""
        if BYTES_PER_ENTRY * len(durations_us) > self.free_bytes():
            raise DeviceMemoryError(
                f"{len(durations_us)} entries do not fit into {self.free_bytes()} bytes"
            )
        self.segment.levels.setdefault(output, []).extend(map(int, levels))
        self.segment.durations_us.setdefault(output, []).extend(map(int, durations_us))

    def map_triggers(self, maps: Sequence[int], repeats: Sequence[int]) -> None:
        """Say which outputs each trigger plays (a bitmap), and how many times."""
        self.segment.maps, self.segment.repeats = list(maps), list(repeats)

    # ------------------------------------------------------------------------ playing

    def start(self, trigger: int, time_ns: int) -> None:
        """Play; a trigger that is running stops instead, as a device does."""
        if trigger in self._playing:
            self.stop(trigger, time_ns)
            return
        segment = self.segment
        if trigger >= len(segment.maps):
            return
        edges, period_ns = {}, 0
        for output in segment.levels:
            if segment.maps[trigger] >> output & 1:
                times, values = self._edges(segment, output)
                edges[output] = times, values
                period_ns = max(period_ns, int(times[-1]))
        if not period_ns:
            self.states[trigger] = "finished"
            return
        repeats = segment.repeats[trigger]
        self._playing[trigger] = Playing(
            edges, time_ns, period_ns, repeats, time_ns - 1
        )
        self.states[trigger] = "running"
        self.advance(time_ns)

    def _edges(self, segment: Segment, output: int) -> tuple[np.ndarray, np.ndarray]:
        levels, durations_us = segment.levels[output], segment.durations_us[output]
        if self._has_loops:
            levels, durations_us = unrolled(levels, durations_us)
        levels, durations = np.array(levels), np.array(durations_us, np.int64)
        levels, durations = levels[durations > 0], durations[durations > 0]
        times = np.r_[0, np.cumsum(durations)] * US
        return times.astype(np.int64), np.r_[levels, 0].astype(np.int64)

    def stop(self, trigger: int, time_ns: int) -> None:
        """Put out 0 from now on."""
        playing = self._playing.pop(trigger, None)
        if playing is not None:
            for output in playing.edges:
                self._put_out(output, np.array([time_ns]), np.array([0]))
        self.states[trigger] = "idle"

    def advance(self, time_ns: int) -> None:
        """Put out what is due until a time, and at it."""
        for trigger, playing in list(self._playing.items()):
            end_ns = playing.end_ns
            is_over = end_ns is not None and time_ns >= end_ns
            until_ns = end_ns - 1 if is_over else time_ns
            for output in playing.edges:
                self._play(playing, output, until_ns)
            playing.done_ns = max(playing.done_ns, until_ns)
            if is_over:
                self.stop(trigger, end_ns)
                self.states[trigger] = "finished"

    def _play(self, playing: Playing, output: int, until_ns: int) -> None:
        """Put out the edges of one output after ``done_ns``, up to a time."""
        if until_ns <= playing.done_ns:
            return
        times, levels = playing.edges[output]
        if times[-1] == playing.period_ns:  # it goes on at once, or ends with a stop
            times, levels = times[:-1], levels[:-1]
        first = (playing.done_ns - playing.start_ns) // playing.period_ns
        last = (until_ns - playing.start_ns) // playing.period_ns
        starts = np.arange(max(0, first), last + 1) * playing.period_ns
        at = (playing.start_ns + starts[:, None] + times).ravel()
        values = np.tile(levels, starts.size)
        due = (at > playing.done_ns) & (at <= until_ns)
        if due.any():
            self._put_out(output, at[due], values[due])


def unrolled(
    levels: Sequence[int], durations_us: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Return entries with their loops written out.

    ``(0, 0)`` opens a block, ``(n, 0)`` closes the innermost, which runs n times.

    Raises
    ------
    DeviceRefusedError
        A block is closed that was not opened, or not closed.
    """
    stack: list[list[tuple[int, int]]] = [[]]
    for level, duration in zip(levels, durations_us, strict=True):
        if duration:
            stack[-1].append((level, duration))
        elif level == 0:
            stack.append([])
        elif len(stack) == 1:
            raise DeviceRefusedError("a loop is closed that was not opened")
        else:
            block = stack.pop()
            stack[-1].extend(block * level)
    if len(stack) > 1:
        raise DeviceRefusedError("a loop is opened and not closed")
    flat = stack[0]
    return [level for level, _ in flat], [duration for _, duration in flat]
