"""`JournaledWriter`: an MCS HDF5 file that loses nothing when its writer is killed."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np

from circus_io.errors import FormatError, RecordingNotFoundError
from circus_io.files.mcs_hdf5.event_stream import (
    MarkFile,
    marks_path,
    read_marks,
    write_marks,
)
from circus_io.files.mcs_hdf5.journal import Journal, journal_path
from circus_io.files.mcs_hdf5.writer import MOST_COLUMNS, MCSHDF5Writer
from circus_io.files.superblock import recover

__all__ = ["Completion", "JournaledWriter", "complete"]

# the writer holds up to MOST_COLUMNS frames, and as many may be on their way to it
N_ROWS = 2 * MOST_COLUMNS
# of a file without a frame: groups, attributes, the table of channels
MOST_EMPTY_BYTES = 2**20


class JournaledWriter:
    """`MCSHDF5Writer` with a journal beside its file, while it is open.

    If the process is killed, `complete` adds the frames that had been appended and were
    not in the file yet.

    Parameters
    ----------
    path, sampling_rate, channel_labels, gain, dtype_offset, date, details, compress
        As of `MCSHDF5Writer`.

    Raises
    ------
    FormatError, NotWritableError
        As `MCSHDF5Writer`; or there is a journal already.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sampling_rate: float,
        channel_labels: Sequence[str],
        gain: Any,
        dtype_offset: Any = 0,
        date: datetime | None = None,
        details: Mapping[str, str] = MappingProxyType({}),
        compress: bool = True,
    ) -> None:
        self.path = Path(path)
        date = date or datetime.now(UTC)
        told = {
            "sampling_rate": float(sampling_rate),
            "channel_labels": list(channel_labels),
            "gain": np.asarray(gain).tolist(),
            "dtype_offset": np.asarray(dtype_offset).tolist(),
            "date": date.isoformat(),
            "details": dict(details),
            "compress": compress,
        }
        self._journal = Journal.create(path, N_ROWS, len(channel_labels), told)
        try:
            self._writer = _make_writer(path, told)
        except BaseException:
            self._journal.remove()
            raise
        self._mark_file = MarkFile(path)

    @property
    def n_frames(self) -> int:
        """Frames that were appended."""
        return self._writer.n_frames

    @property
    def t_stop(self) -> int:
        """Frame at which the next block follows without a gap."""
        return self._writer.t_stop

    def append(self, raw: np.ndarray, t_start: int | None = None) -> None:
        """Write counts; as `MCSHDF5Writer.append`."""
        t_start = self.t_stop if t_start is None else int(t_start)
        # in pieces of which the journal holds two
        for begin in range(0, max(len(raw), 1), MOST_COLUMNS):
            part = raw[begin : begin + MOST_COLUMNS]
            self._writer.append(part, t_start + begin)
            self._journal.append(part, t_start + begin)

    def mark(self, label: str, sample_index: float, duration_us: int = 0) -> None:
        """Note an event; as `MCSHDF5Writer.mark`, and a kill does not lose it."""
        self._mark_file.append(self._writer.mark(label, sample_index, duration_us))

    def flush(self) -> None:
        """See everything on the disk, safe from a loss of power."""
        self._writer.flush()

    def finish(self) -> None:
        """Close the file, and remove the journal."""
        self._writer.finish()
        self._mark_file.remove()
        self._journal.remove()

    def leave(self) -> None:
        """Let go after an error of the disk: the journal stays, for `complete`."""
        self._mark_file.close()
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.finish()
        finally:
            self.leave()


@dataclass(frozen=True)
class Completion:
    """What `complete` has done.

    Attributes
    ----------
    path : Path
    was_open : bool
        The file was marked as being written.
    n_added : int
        Frames that came from the journal.
    n_lost : int
        Frames that were appended, and that neither the file nor the journal has.
    n_frames : int
        Frames that the file holds now.
    n_events : int
        Events that waited beside the file, and are in it now.
    """

    path: Path
    was_open: bool
    n_added: int
    n_lost: int
    n_frames: int
    n_events: int = 0

    @property
    def did_something(self) -> bool:
        """Whether the recording had been cut short."""
        return self.was_open or self.n_added > 0 or self.n_lost > 0


def complete(path: str | os.PathLike[str]) -> Completion:
    """Complete a recording whose writer was killed; then remove its journal.

    Parameters
    ----------
    path : path
        As `JournaledWriter` or `MCSHDF5Writer` made it.

    Raises
    ------
    RecordingNotFoundError
        There is neither a file nor a journal.
    NotWritableError
        The writer is at work, or the disk refuses.
    FormatError
        File or journal is damaged.
    """
    path = Path(path)
    if not journal_path(path).exists():
        was_open = recover(path)
        return Completion(path, was_open, 0, 0, _count(path) if was_open else 0)
    with Journal.open(path) as journal:
        was_open = _mend(path, journal)
        writer = MCSHDF5Writer.reopen(path)
        with writer:
            frames, counts, n_lost = journal.since(writer.n_frames)
            # each run of frames without a gap is one block
            breaks = np.flatnonzero(np.diff(frames) != 1) + 1
            for begin, end in zip(
                [0, *breaks.tolist()], [*breaks.tolist(), len(frames)], strict=True
            ):
                if end > begin:
                    writer.append(counts[begin:end], int(frames[begin]))
            n_frames = writer.n_frames
        if marks := read_marks(path):
            write_marks(path, marks)
        marks_path(path).unlink(missing_ok=True)
        journal.remove()
    return Completion(path, was_open, len(frames), n_lost, n_frames, len(marks))


def _mend(path: Path, journal: Journal) -> bool:
    """Make a file that HDF5 opens; one that was never finished is begun again."""
    try:
        return recover(path)
    except (FormatError, RecordingNotFoundError) as error:
        # killed while it made the file: nothing of the recording is in it
        if journal.n_frames > N_ROWS:
            raise
        if path.exists() and path.stat().st_size > MOST_EMPTY_BYTES:
            raise FormatError(f"{path.name} is damaged: {error}") from error
        path.unlink(missing_ok=True)
        _make_writer(path, journal.description).finish()
        return True


def _make_writer(
    path: str | os.PathLike[str], told: Mapping[str, Any]
) -> MCSHDF5Writer:
    return MCSHDF5Writer(path, **{**told, "date": datetime.fromisoformat(told["date"])})


def _count(path: Path) -> int:
    writer = MCSHDF5Writer.reopen(path)
    with writer:
        return writer.n_frames
