"""`convert`: a recording → a file of another format, block by block."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.atomic import put_in_place, write_json
from circus_io.conversion.encoding import (
    MICROVOLTS,
    Encoding,
    fitting_encoding,
    make_encoding,
)
from circus_io.conversion.journal import conversion_key
from circus_io.conversion.report import Conversion, report_path
from circus_io.conversion.selection import Selection
from circus_io.conversion.target import Content, Target, find_target
from circus_io.conversion.workplace import (
    check_place,
    check_room,
    of_rank_0,
    partial_folder,
)
from circus_io.conversion.writing import Progress, Writing, own_run, silent
from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.events import Events
from circus_io.parallel import SerialComm
from circus_io.ranges import Ranges, measure_ranges
from circus_io.scaling import sample_dtype
from circus_io.streams import PathLike, absolute

__all__ = ["convert"]

logger = logging.getLogger(__name__)


def convert(
    recording: DataFile,
    path: PathLike,
    file_format: str | None = None,
    *,
    channels: Sequence[int] | None = None,
    t_start: int | None = None,
    t_stop: int | None = None,
    dtype: Any = None,
    gain: Any = None,
    overwrite: bool = False,
    comm: Any = None,
    progress: Progress = silent,
) -> Conversion:
    """Write a recording, or a part of it, in another format.

    Parameters
    ----------
    recording : DataFile
        Only read.
    path : path
        The file to be; it appears whole or not at all, and ``NAME.conversion.json``
        beside it when it is there. What a killed or interrupted conversion left in
        ``NAME.partial`` is gone on with, if it was the same one.
    file_format : str, optional
        One of `TARGETS`; by default the one that the suffix of `path` belongs to.
    channels : sequence of int, optional
        In any order; by default all.
    t_start, t_stop : int, optional
        Global frames, half open; by default the whole recording.
    dtype : dtype_like, optional
        Type of the written samples; by default they stay as they are stored. In a type
        of float they are µV, unless `gain` says otherwise.
    gain : float, sequence of float, or 'auto', optional
        µV per count. ``'auto'`` reads the data twice, to choose one with which nothing
        clips: that of the recording if its counts fit, else the smallest one for all
        channels. It is the default for another type of integers.
    overwrite : bool
        Replace a file that is there.
    comm : communicator, optional
        Its ranks share the work; all of them must call. Default: one rank.
    progress : callable
        ``progress(stage, done, total)``, in blocks of this rank.

    Returns
    -------
    Conversion
        What was written, on every rank.

    Raises
    ------
    ChunkError
        There are no such channels or frames.
    FormatError
        The format is not written, or cannot hold this.
    NotWritableError
        The path must not be written; it may be a file of the recording.
    MissingDependencyError
        A library of the format is absent.
    StepError
        What was written cannot be read back as it was.
    """
    comm = SerialComm() if comm is None else comm
    path = Path(absolute(path))
    target = find_target(path, file_format)
    selection = Selection.of(recording, channels, t_start, t_stop)
    of_rank_0(comm, check_place, path, recording, overwrite, target.is_folder)
    dtype = _allowed_type(target, selection, dtype)
    encoding = _choose_encoding(selection, dtype, gain, comm, progress)
    events = of_rank_0(comm, _events, selection) if target.holds_events else {}
    content = _describe(selection, encoding, events)
    target.check(content)
    _check_room(target, content, path, comm)
    key = of_rank_0(comm, conversion_key, selection, content, target)
    with partial_folder(path, comm, key) as journal:
        unfinished = journal.folder / path.name
        writing = Writing(
            selection, content, target, unfinished, journal, comm, progress
        )
        checksums, n_clipped = writing.write()
        return of_rank_0(comm, _finish, writing, checksums, n_clipped, path)


def _allowed_type(target: Target, selection: Selection, dtype: Any) -> Any:
    """Return the wanted type, or that of the target if it has no other."""
    stored = selection.stored or MICROVOLTS
    name = (stored.dtype if dtype is None else sample_dtype(dtype)).name
    if not target.dtypes or name in target.dtypes:
        return dtype
    if dtype is None:
        return target.dtypes[0]
    raise FormatError(
        f"{target.description} does not hold samples of {name}; choose from "
        f"{', '.join(target.dtypes)}"
    )


def _choose_encoding(
    selection: Selection, dtype: Any, gain: Any, comm: Any, progress: Progress
) -> Encoding:
    stored = selection.stored
    if dtype is None and gain is None:
        return _as_stored(stored)
    wanted = (stored or MICROVOLTS).dtype if dtype is None else sample_dtype(dtype)
    wanted = wanted.newbyteorder("<")
    if gain is None and stored is not None and wanted == stored.dtype:
        return stored
    automatic = gain is None or str(gain).strip().lower() == "auto"
    if not automatic:
        return make_encoding(wanted, gain)
    if wanted.kind == "f":
        return make_encoding(wanted, 1.0)
    ranges = _measure(selection, comm, progress)
    return fitting_encoding(wanted, stored, ranges)


def _as_stored(stored: Encoding | None) -> Encoding:
    if stored is None:
        logger.info(
            "the streams differ in how they store samples; written as float32, µV"
        )
        return MICROVOLTS
    return stored


def _measure(selection: Selection, comm: Any, progress: Progress) -> Ranges:
    """Read all that is selected once, for its range."""
    own = own_run(len(selection.grid), comm.rank, comm.size)
    done = iter(range(1, len(own) + 1))
    return measure_ranges(
        selection.recording,
        [selection.grid.bounds(block) for block in own],
        selection.nodes,
        comm,
        lambda: progress("measuring", next(done), len(own)),
    )


def _describe(
    selection: Selection, encoding: Encoding, events: dict[str, Events]
) -> Content:
    recording, channels = selection.recording, selection.channels
    positions = recording.channel_positions
    return Content(
        table=selection.table,
        encoding=encoding,
        sampling_rate=recording.sampling_rate,
        channel_labels=tuple(recording.channel_labels[i] for i in channels),
        channel_positions=None if positions is None else positions[channels],
        block_frames=selection.grid.chunk_size,
        metadata=recording.metadata,
        source=recording._short_name(),
        events=events,
    )


def _events(selection: Selection) -> dict[str, Events]:
    """Return the events of the recording; of a part of it those in its time."""
    recording, table = selection.recording, selection.table
    events = recording.read_events()
    first, last = table.starts[0], table.stop(len(table.starts) - 1)
    if (first, last) == (recording.t_start, recording.t_stop):
        return events
    first_s, last_s = first / recording.sampling_rate, last / recording.sampling_rate
    return {name: _between(some, first_s, last_s) for name, some in events.items()}


def _between(events: Events, first_s: float, last_s: float) -> Events:
    times_s = np.asarray(events.times_s)
    return events.only(np.flatnonzero((times_s >= first_s) & (times_s < last_s)))


def _check_room(target: Target, content: Content, path: Path, comm: Any) -> None:
    """Compare the size of the file, and of parts, with what the disk has left."""
    if not target.is_compressed:
        n_copies = 1 if target.parallel_write or comm.size == 1 else 2
        n_bytes = n_copies * content.n_frames * content.frame_bytes
        of_rank_0(comm, check_room, path, n_bytes)


def _finish(
    writing: Writing, checksums: Sequence[int], n_clipped: int, path: Path
) -> Conversion:
    """Read the file back and give it its name, on rank 0; return the report on it."""
    selection, content = writing.selection, writing.content
    encoding, table = content.encoding, content.table
    gain = encoding.gain
    report = Conversion(
        path=path,
        file_format=writing.target.description,
        source=content.source,
        n_frames=content.n_frames,
        n_channels=content.n_channels,
        sampling_rate=content.sampling_rate,
        data_dtype=encoding.dtype.name,
        dtype_offset=encoding.offset,
        gain=gain.tolist() if isinstance(gain, np.ndarray) else gain,
        channels=selection.channels.tolist(),
        spans=list(zip(table.starts, table.lengths, strict=True)),
        n_clipped=n_clipped,
        sha256=writing.check(checksums),
        reading=writing.target.reading(path, content),
    )
    report_path(path).unlink(missing_ok=True)
    put_in_place(writing.path, path)
    write_json(report_path(path), report.to_dict())
    return report
