"""`MCSHDF5Writer`: a recording written block by block, in the layout of `layout`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import h5py
import numpy as np

from circus_io.errors import ChunkError, FormatError, NotWritableError
from circus_io.files.mcs_hdf5.event_stream import Mark, write_marks
from circus_io.files.mcs_hdf5.skeleton import (
    RECORDING,
    STREAM,
    channel_table,
    frame_us,
    make_datasets,
    make_groups,
)

__all__ = ["MCSHDF5Writer"]

# frames that wait until they fill an HDF5 chunk
MOST_COLUMNS = 2048
MOST_HELD_S = 0.25


class MCSHDF5Writer:
    """Write a recording of int32 counts, block by block.

    The file can be read by `MCSHDF5File` while it grows. If the writer is killed, all
    that had been written stays: at most the last quarter of a second is lost, and
    `recover` opens the file to other programs.

    Parameters
    ----------
    path : path
        There must be no file, or an empty one.
    sampling_rate : float
        Hz. The layout counts µs, so a frame has to last a whole number of them.
    channel_labels : sequence of str
        One per channel, ASCII.
    gain : float or array, shape (n_channels,)
        µV per count.
    dtype_offset : int or array, shape (n_channels,)
        Count that stands for 0 µV.
    date : datetime, optional
        Of the first frame; by default now.
    details : mapping of str to str, optional
        ``comment``, ``label``, ``mea_name``, ``mea_layout`` and ``mea_serial_number``,
        as far as known.
    compress : bool
        With gzip, losslessly.

    Raises
    ------
    FormatError
        The layout cannot hold this rate, gain or offset.
    NotWritableError
        There is such a file already, or the disk refuses it.

    Examples
    --------
    ::

        with MCSHDF5Writer("rec.h5", 20000, labels, gain=0.0596) as writer:
            for counts in blocks:              # int (n_frames, n_channels)
                writer.append(counts)
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
        self._tick_us = frame_us(sampling_rate)
        info = channel_table(channel_labels, gain, dtype_offset, self._tick_us)
        n_columns = min(MOST_COLUMNS, max(1, int(MOST_HELD_S * sampling_rate)))
        self._held = np.empty((len(info), n_columns), "<i4")
        self._n_held = self._n_written = 0
        self._spans: list[list[int]] = []  # first frame, first column
        self._marks: list[Mark] = []
        if self.path.exists() and self.path.stat().st_size:
            raise NotWritableError(
                f"there is a file {self.path.name} already; choose another name"
            )
        with self._named_failures(), _named_when_whole(self.path) as path:
            self._file = h5py.File(path, "w", libver=("v110", "v110"))
            make_groups(self._file, date or datetime.now(UTC), details)
            self._data, self._table = make_datasets(
                self._file[STREAM], info, n_columns, compress
            )
            # from here on, what is in the file is whole at any moment
            self._file.swmr_mode = True

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> Self:
        """Go on with a file whose writer is gone; see `recover`.

        What a dead writer had not counted yet is written over.

        Raises
        ------
        FormatError
            It is no file of this writer.
        NotWritableError
            The disk refuses it.
        """
        writer = cls.__new__(cls)
        writer.path = Path(path)
        with writer._named_failures():
            writer._file = h5py.File(path, "r+", libver=("v110", "v110"))
            try:
                stream = writer._file[STREAM]
                writer._data = stream["ChannelData"]
                writer._table = stream["ChannelDataTimeStamps"]
                writer._tick_us = int(stream["InfoChannel"]["Tick"][0])
                rows = writer._table[:].tolist()
            except (KeyError, ValueError) as error:
                writer._file.close()
                raise FormatError(
                    f"{writer.path.name} is no file of this writer: {error}"
                ) from error
        n_columns = writer._data.chunks[1]
        writer._held = np.empty((len(writer._data), n_columns), "<i4")
        writer._spans = [[us // writer._tick_us, first] for us, first, _ in rows]
        writer._n_written = rows[-1][2] + 1 if rows else 0
        writer._n_held = 0
        writer._marks = []
        writer._data.resize(writer._n_written, axis=1)
        return writer

    # --------------------------------------------------------------- what a caller does

    @property
    def n_frames(self) -> int:
        """Frames that were appended."""
        return self._n_written + self._n_held

    @property
    def t_stop(self) -> int:
        """Frame at which the next block follows without a gap."""
        if not self._spans:
            return 0
        t_start, column = self._spans[-1]
        return t_start + self.n_frames - column

    def append(self, raw: np.ndarray, t_start: int | None = None) -> None:
        """Write counts; up to a quarter of a second of them waits for more.

        Parameters
        ----------
        raw : ndarray of integers, shape (n_frames, n_channels)
        t_start : int, optional
            Frame of the first of them, on the clock of the recording; one beyond
            `t_stop` leaves a gap. By default they follow.

        Raises
        ------
        ChunkError
            Another number of channels, or frames that are written already.
        FormatError
            No integers, or too large for int32.
        NotWritableError
            The writer is finished, or the disk refuses.
        """
        raw = self._check(np.asarray(raw))
        t_start = self.t_stop if t_start is None else int(t_start)
        if t_start < self.t_stop:
            raise ChunkError(
                f"frame {t_start} is written already; the next one is {self.t_stop}"
            )
        if len(raw) and (not self._spans or t_start > self.t_stop):
            self._spans.append([t_start, self.n_frames])
        while len(raw):
            n_columns = min(len(raw), self._held.shape[1] - self._n_held)
            stop = self._n_held + n_columns
            self._held[:, self._n_held : stop] = raw[:n_columns].T
            self._n_held, raw = stop, raw[n_columns:]
            if self._n_held == self._held.shape[1]:
                self._write_held()

    def mark(self, label: str, sample_index: float, duration_us: int = 0) -> Mark:
        """Note an event; it is in the file once that is finished.

        Parameters
        ----------
        label : str
            Events of one label are one entity of the event stream.
        sample_index : float
            Frame on the clock of the recording, or between two; 0 or later.
        duration_us : int
            µs.

        Returns
        -------
        Mark
            As it will be in the file, in µs.

        Raises
        ------
        FormatError
            A time before the start of the clock.
        NotWritableError
            The writer is finished.
        """
        self._check_open()
        if not sample_index >= 0 or duration_us < 0:
            raise FormatError(
                f"an event at frame {sample_index} of {duration_us} µs: expected "
                "numbers that are not below 0"
            )
        time_us = round(sample_index * self._tick_us)
        self._marks.append(Mark(str(label), time_us, int(duration_us)))
        return self._marks[-1]

    def flush(self) -> None:
        """Write what waits, and see it on the disk, safe from a loss of power.

        A compressed HDF5 chunk that is not full is written again when it is: not more
        often than once in a few seconds is best.
        """
        self._check_open()
        self._write_held()
        with self._named_failures():
            self._file.flush()
            os.fsync(self._file.id.get_vfd_handle())

    def finish(self) -> None:
        """Write what waits and close the file; it then opens in every program."""
        if self._file:
            self.flush()
            with self._named_failures():
                self._file.close()
            if self._marks:
                write_marks(self.path, self._marks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # what was recorded before an error is as good as any
        self.finish()

    # ----------------------------------------------------------------------- its parts

    def _write_held(self) -> None:
        """Append the frames that wait: the samples first, then what counts them."""
        if not self._n_held:
            return
        first, stop = self._n_written, self.n_frames
        with self._named_failures():
            self._data.resize(stop, axis=1)
            self._data[:, first:stop] = self._held[:, : self._n_held]
            self._data.flush()
            self._n_written, self._n_held = stop, 0
            self._write_spans()
            t_start, column = self._spans[-1]
            duration_us = (t_start + stop - column) * self._tick_us
            self._file[RECORDING].attrs.modify("Duration", np.int64(duration_us))
            self._file.flush()

    def _write_spans(self) -> None:
        """Write the rows of the table that are new, or longer than before."""
        first = max(len(self._table) - 1, 0)
        spans = [span for span in self._spans[first:] if span[1] < self._n_written]
        ends = [column for _, column in spans[1:]] + [self._n_written]
        self._table.resize(first + len(spans), axis=0)
        self._table[first:] = [
            (t_start * self._tick_us, column, end - 1)
            for (t_start, column), end in zip(spans, ends, strict=True)
        ]

    def _check(self, raw: np.ndarray) -> np.ndarray:
        self._check_open()
        if raw.ndim != 2 or raw.shape[1] != len(self._held):
            raise ChunkError(
                f"cannot write an array of shape {raw.shape}; expected (n_frames, "
                f"{len(self._held)})"
            )
        if raw.dtype.kind not in "iu":
            raise FormatError(f"cannot write {raw.dtype}; give counts as integers")
        limits = np.iinfo(np.int32)
        large = not np.can_cast(raw.dtype, np.int32) and raw.size
        if large and not limits.min <= raw.min() <= raw.max() <= limits.max:
            raise FormatError(
                f"counts from {raw.min()} to {raw.max()} do not fit into int32"
            )
        return raw

    def _check_open(self) -> None:
        if not self._file:
            raise NotWritableError(f"{self.path.name} is finished; open a new one")

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise NotWritableError(f"cannot write {self.path.name}: {error}") from error


@contextmanager
def _named_when_whole(path: Path) -> Iterator[Path]:
    """Give another name for a file while it is made: who sees its own may read it."""
    # Windows renames no file that is open; what is there, say a link, stays what it is
    if os.name == "nt" or path.exists() or path.is_symlink():
        yield path
        return
    made = path.with_name(f".{path.name}.new")
    try:
        yield made
        if path.exists():
            raise NotWritableError(f"{path.name} came to be meanwhile; it stays")
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
