"""`FileSource`: any recording, given out block by block as if it were live."""

import math
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qsl

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.opening import open_recording
from circus_io.samples import read_stored
from circus_live.block import Block, BlockFlag
from circus_live.source import Source, SourceInfo

__all__ = ["FileSource", "pace_factor"]

# frames are read in pieces of about this length, so that reading delays no block much
PIECE_S = 0.1


class FileSource(Source):
    """Replay a recording.

    Parameters
    ----------
    recording : DataFile or path
    block_frames : int
        Frames of a block.
    pace : {'real_time', 'fast'} or float
        As it was recorded; as fast as somebody reads; or so many times as fast as it
        was recorded. Gaps are not waited for.
    repeats : int
        How often; 0 is without end. `sample_index` goes on from pass to pass.
    start_frame, stop_frame : int, optional
        Part of the recording, on its own clock; by default all of it.
    **params
        Parameters of the format, if `recording` is a path.

    Raises
    ------
    CircusError
        As `open_recording`; or `FormatError` for a setting that cannot be.

    Notes
    -----
    Blocks begin at multiples of `block_frames` from the start of each stream of the
    recording, whatever the pace, the pass or the part: only the first one may be
    shorter, and those before gaps. Samples are those of the file, not scaled, where its
    format can give them; else float32 in µV.
    """

    def __init__(
        self,
        recording: Any,
        block_frames: int = 100,
        pace: str | float = "real_time",
        repeats: int = 1,
        start_frame: int | None = None,
        stop_frame: int | None = None,
        **params: Any,
    ) -> None:
        if not isinstance(recording, DataFile):
            recording = open_recording(recording, **params)
        self.recording = recording
        self.block_frames = int(block_frames)
        self.factor = pace_factor(pace)
        self.repeats = int(repeats)
        first, stop = recording.t_start, recording.t_stop
        self.start_frame = first if start_frame is None else int(start_frame)
        self.stop_frame = stop if stop_frame is None else int(stop_frame)
        if not first <= self.start_frame < self.stop_frame <= stop:
            raise FormatError(
                f"frames {self.start_frame} to {self.stop_frame}: the recording has "
                f"{first} to {stop}"
            )
        if self.repeats < 0:
            raise FormatError(f"repeats = {repeats}: expected 0, for ever, or more")

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make it from a path, or ``file:path?pace=fast&repeats=2&nb_channels=60``."""
        if not url.startswith("file:"):
            return cls(url)
        path, _, query = url.removeprefix("file:").removeprefix("//").partition("?")
        values: dict[str, Any] = dict(parse_qsl(query))
        own = ("block_frames", "repeats", "start_frame", "stop_frame")
        for name in own:
            if name in values:
                values[name] = _integer(name, values[name])
        return cls(path, **values)

    @cached_property
    def _stored_dtype(self) -> np.dtype | None:
        """Type of samples as they are in the file, if the format gives them."""
        with self.recording:
            stored = read_stored(self.recording.streams[0], 0, 0, None)
        return None if stored is None else stored.dtype.newbyteorder("=")

    @cached_property
    def info(self) -> SourceInfo:
        """What the header of the recording says."""
        recording = self.recording
        kind = {"dtype": "f4", "gain": 1.0, "dtype_offset": 0}
        if self._stored_dtype is not None:
            kind = {
                "dtype": self._stored_dtype.str,
                "gain": recording.gain,
                "dtype_offset": recording.dtype_offset,
            }
        return SourceInfo(
            name=recording.file_name or recording.description,
            sampling_rate=recording.sampling_rate,
            n_channels=recording.nb_channels,
            block_frames=self.block_frames,
            channel_labels=recording.channel_labels,
            channel_positions=recording.channel_positions,
            **kind,
        )

    def open(self) -> None:
        """Open the recording."""
        _ = self.info  # which closes it again
        self.recording.open()

    def close(self) -> None:
        """Close the recording."""
        self.recording.close()

    def blocks(self) -> Iterator[Block]:
        """Give all blocks, at the pace."""
        clock = Clock(self.factor * self.info.sampling_rate)
        span, n_frames, expected = self.stop_frame - self.start_frame, 0, None
        number = 0
        while number < self.repeats or not self.repeats:
            for t_start, traces in self._pieces():
                sample_index = t_start + number * span
                n_frames += len(traces)
                due_ns = clock.due_ns(n_frames)
                if not self.sleep_until(due_ns):
                    return
                now_ns = time.monotonic_ns()
                late = now_ns - due_ns > clock.frame_ns * self.block_frames
                gap = 0 if expected is None else sample_index - expected
                flags = BlockFlag.LATE if late else BlockFlag.NONE
                yield Block(sample_index, traces, now_ns, gap, flags)
                expected = sample_index + len(traces)
            number += 1

    def _pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """Give the frames of one pass, with the first frame of each piece."""
        for source in self.recording.streams:
            first = max(self.start_frame, source.t_start)
            stop = min(self.stop_frame, source.t_start + source.duration)
            while first < stop:
                # a whole number of blocks, counted from the start of the stream
                local = first - source.t_start
                end = (local // self._read_frames + 1) * self._read_frames
                end = min(end, stop - source.t_start)
                frames = self._read(source, local, end)
                for begin, traces in self._cut(frames, local):
                    yield source.t_start + begin, traces
                first = source.t_start + end

    def _cut(self, frames: np.ndarray, local: int) -> Iterator[tuple[int, np.ndarray]]:
        begin = local
        while begin < local + len(frames):
            end = (begin // self.block_frames + 1) * self.block_frames
            yield begin, frames[begin - local : end - local]
            begin = end

    @cached_property
    def _read_frames(self) -> int:
        piece = PIECE_S * self.recording.sampling_rate / self.block_frames
        return max(1, round(piece)) * self.block_frames

    def _read(self, source: DataFile, local: int, end: int) -> np.ndarray:
        if self._stored_dtype is not None:
            stored = read_stored(source, local, end, None)
            return np.ascontiguousarray(stored, self.info.dtype)
        length = end - local
        return source.read_chunk(0, length, (local, local))


class Clock:
    """When which frame is due; it starts with the first frame that it is asked for.

    Parameters
    ----------
    frames_per_s : float
        Infinite for a clock on which everything is due at once.
    """

    def __init__(self, frames_per_s: float) -> None:
        self.frame_ns = 1e9 / frames_per_s if math.isfinite(frames_per_s) else 0.0
        self._start_ns = 0

    def due_ns(self, n_frames: int) -> int:
        """Return when `n_frames` have passed, on the clock `time.monotonic_ns`."""
        if not self.frame_ns:
            return time.monotonic_ns()
        if not self._start_ns:
            self._start_ns = time.monotonic_ns()
        return self._start_ns + round(n_frames * self.frame_ns)


def pace_factor(pace: str | float) -> float:
    """Return how many times as fast as it was recorded; infinite for ``fast``.

    Raises
    ------
    FormatError
        It is no pace.
    """
    try:
        factor = {"real_time": 1.0, "fast": math.inf}.get(pace) or float(pace)
    except ValueError:
        factor = math.nan
    if not factor > 0:
        raise FormatError(
            f"pace = {pace}: choose real_time, fast, or a number of times above 0"
        )
    return factor


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise FormatError(f"{name} = {text!r}: expected an integer") from None
