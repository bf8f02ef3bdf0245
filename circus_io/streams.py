"""Which files make one recording, and where each stands in time."""

import glob
import logging
import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from circus_io.errors import ChunkError, RecordingNotFoundError, StreamError

if TYPE_CHECKING:
    from circus_io.datafile import DataFile

__all__ = [
    "PathLike",
    "Piece",
    "StreamTable",
    "absolute",
    "check_agreement",
    "follow_each_other",
    "natural_key",
    "numbered_run",
    "one_after_another",
    "path_list",
    "resolve_paths",
]

logger = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]


def numbered_run(path: PathLike) -> list[Path]:
    """Return the run of files that starts at ``head_<number>.ext``.

    The number counts up from that of `path`, with its width kept (``_07`` is followed
    by ``_08``), for as long as the next file exists. Other files of the folder are not
    looked at.

    Raises
    ------
    StreamError
        The name has no ``_<number>`` before its extension.
    """
    path = Path(path)
    head, underscore, tail = path.stem.rpartition("_")
    if not underscore or not (tail.isascii() and tail.isdigit()):
        raise StreamError(
            f"multi-files needs a name that ends in _<number>, such as "
            f"{path.stem}_0{path.suffix}; got {path.name}. Rename the files, or give "
            "them as a list or as a pattern with *"
        )
    run = [path]
    while True:
        number = str(int(tail) + len(run)).zfill(len(tail))
        following = path.with_name(f"{head}_{number}{path.suffix}")
        if not following.exists():
            return run
        run.append(following)


def natural_key(text: PathLike) -> list[tuple[int, int, str]]:
    """Return a sort key that puts ``rec2`` before ``rec10``."""
    parts = re.split(r"([0-9]+)", os.fspath(text))
    return [(0, int(p), p) if p.isdigit() else (1, 0, p.lower()) for p in parts]


def resolve_paths(path: PathLike | Sequence[PathLike]) -> list[str] | None:
    """Return the files that a list or a pattern names; None for a single path.

    Parameters
    ----------
    path : path, pattern with ``*``, ``?`` or ``[``, or sequence of paths
        A list keeps its order; what a pattern finds is sorted naturally. A file whose
        name holds such a character is taken as that file.

    Raises
    ------
    RecordingNotFoundError
        The pattern finds no file.
    StreamError
        The list is empty.
    """
    if not isinstance(path, str | os.PathLike):
        if len(path) == 0:
            raise StreamError("the list of files is empty; give at least one")
        return [os.fspath(item) for item in path]
    pattern = os.fspath(path)
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return None
    found = sorted(glob.glob(pattern), key=natural_key)  # noqa: PTH207 -- any folder
    if not found:
        raise RecordingNotFoundError(f"no file matches {pattern}")
    return found


def path_list(file_name: PathLike | Sequence[PathLike] | None) -> list[str]:
    """Return a sequence of paths as absolute text; empty for a single path or none."""
    if file_name is None or isinstance(file_name, str | os.PathLike):
        return []
    if len(file_name) == 0:
        raise StreamError("the list of files is empty; give at least one")
    return [absolute(path) for path in file_name]


def absolute(path: PathLike | None) -> str | None:
    """Return a path as text that a rank started in another folder understands."""
    return None if path is None else os.path.abspath(path)  # noqa: PTH100 -- no links


def follow_each_other(sources: "Sequence[DataFile]") -> None:
    """Place streams in time: where their header says, else after the one before.

    A header that would make streams overlap counts from the start of its own file; a
    warning says that the stream is taken to follow without a gap.
    """
    end = None
    for source in sources:
        if end is not None and source._t_start is None:
            source._t_start = end
        elif end is not None and source._t_start < end:
            logger.warning(
                "%s says that it starts at frame %d, before the stream ahead of it "
                "ends at %d; it is taken to follow without a gap",
                source.file_name or source.description,
                source._t_start,
                end,
            )
            source._t_start, source._t_stop = end, None
        source._update_table()
        end = source.t_stop


def one_after_another(files: "Sequence[DataFile]") -> "list[DataFile]":
    """Return the streams of all files; where a clock starts again, one follows."""
    parts: list[DataFile] = []
    for file in files:
        behind = parts[-1].t_stop - file.t_start if parts else 0
        for part in file.streams:
            part._t_start = part.t_start + max(behind, 0)
            part._update_table()
        parts += file.streams
    return parts


def check_agreement(sources: "Sequence[DataFile]") -> None:
    """Raise `StreamError` unless all streams have the same channels and rate."""
    first = sources[0]
    for source in sources[1:]:
        for name in ("nb_channels", "sampling_rate"):
            if source.params[name] != first.params[name]:
                raise StreamError(
                    f"streams of one recording differ in {name}: {first.params[name]} "
                    f"in {first!r}, {source.params[name]} in {source!r}"
                )


@dataclass(frozen=True)
class Piece:
    """Frames ``[t_start, t_stop)`` of one stream, counted from the stream's start."""

    stream: int
    t_start: int
    t_stop: int


@dataclass(frozen=True)
class StreamTable:
    """Global ↔ local time.

    Attributes
    ----------
    starts : tuple of int
        Global frame at which each stream starts.
    lengths : tuple of int
        Frames of each stream. Between the end of one stream and the start of the next
        there may be a gap.
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        for i in range(1, len(self.starts)):
            if self.starts[i] < self.stop(i - 1):
                raise StreamError(
                    f"stream {i} starts at frame {self.starts[i]}, before stream "
                    f"{i - 1} ends at frame {self.stop(i - 1)}; streams are given in "
                    "the order of time and do not overlap"
                )

    def stop(self, stream: int) -> int:
        """Return the global frame at which `stream` ends."""
        return self.starts[stream] + self.lengths[stream]

    def index_at(self, time: int) -> int:
        """Return the last stream that starts at or before `time`; 0 before them all."""
        return max(bisect_right(self.starts, time) - 1, 0)

    def locate(self, time: int) -> tuple[int, int]:
        """Return the stream and the local frame of the global frame `time`.

        Raises
        ------
        ChunkError
            The frame lies in a gap or outside of the recording.
        """
        stream = self.index_at(time)
        if not self.starts[stream] <= time < self.stop(stream):
            raise ChunkError(f"frame {time} is not recorded; {self.describe()}")
        return stream, time - self.starts[stream]

    def pieces(self, t_start: int, t_stop: int) -> list[Piece]:
        """Cut the global frames ``[t_start, t_stop)`` at stream borders.

        Raises
        ------
        ChunkError
            Part of the range lies in a gap or outside of the recording.
        """
        pieces = []
        time = t_start
        while time < t_stop:
            stream, local = self.locate(time)
            n_frames = min(t_stop, self.stop(stream)) - time
            pieces.append(Piece(stream, local, local + n_frames))
            time += n_frames
        return pieces

    def describe(self, most: int = 8) -> str:
        """Say which frames are recorded."""
        spans = [
            f"{start} to {start + length}"
            for start, length in zip(self.starts, self.lengths, strict=True)
        ]
        if len(spans) > most:
            spans[most - 1 : -1] = ["..."]
        return f"the recording holds frames {', '.join(spans)}"
