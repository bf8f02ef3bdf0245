"""`DataFile`: a recording, and the contract of every file format.

The first part of the class is what the author of a wrapper sets and implements, under
the names of SpyKING CIRCUS' page on custom wrappers; the rest is provided, here
for the hooks, in `Recording` and `ClassicCalls` for the readers. The shortest
wrapper has three hooks::

    class MyFile(DataFile):
        description = "my_format"
        extension = (".my",)

        def _read_from_header(self): ...            # sets _shape, returns parameters
        def _open(self, mode="r"): ...
        def _read_frames(self, t_start, t_stop, nodes): ...     # samples as stored

A wrapper that overrides `read_chunk` whole instead of `_read_frames` works as well.

Time is counted in frames. Hooks count from the start of their own file; everything that
a reader calls (`recording[...]`, `chunks`, `get_data`, `get_snippet`) counts globally.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from circus_io import fields, indexing, scaling
from circus_io.chunks import ChunkGrid, Padding, count_chunks
from circus_io.classic_calls import ClassicCalls
from circus_io.errors import (
    ChunkError,
    FormatError,
    NotWritableError,
    RecordingNotFoundError,
    StreamError,
)
from circus_io.hooks import check_shape, checked_read, guarded_write, named_failures
from circus_io.indexing import Nodes
from circus_io.streams import (
    PathLike,
    StreamTable,
    absolute,
    check_agreement,
    follow_each_other,
    numbered_run,
    path_list,
)

__all__ = ["DataFile"]

logger = logging.getLogger(__name__)

NOTHING: Mapping[str, Any] = MappingProxyType({})


class DataFile(ClassicCalls):
    """A recording in a file format; subclass it to add a format.

    Parameters
    ----------
    file_name : path, or sequence of paths
        A sequence makes each file a stream, in that order. None for a wrapper with
        ``needs_file = False``.
    params : mapping, optional
        Parameters of the format by name, typed or as text of a ``.params`` file.
    is_empty : bool
        The file has no content yet; no header is read.
    stream_mode : str, optional
        One of `is_streamable`.

    Raises
    ------
    RecordingNotFoundError
        There is no such file.
    MissingParameterError
        Names all required parameters that were not given.
    FormatError
        A parameter has no valid value, or the file is not what the format says.
    StreamError
        Unknown stream mode, or streams that do not fit together.
    """

    # ------------------------------------------------ what the author of a format sets

    description: ClassVar[str] = "mydatafile"
    """Name of the format, as in ``file_format = ...``."""

    extension: ClassVar[Sequence[str]] = ()
    """Allowed suffixes with their dot, in any case; empty allows all."""

    parallel_write: ClassVar[bool] = False
    """Several ranks may write different frames at the same time."""

    is_writable: ClassVar[bool] = False
    """The format implements `_write_frames` or `write_chunk`."""

    is_streamable: ClassVar[Sequence[str]] = ("multi-files",)
    """Stream modes that `set_streams` knows."""

    verified: ClassVar[bool] = True
    """The tests of the format read what somebody else wrote."""

    needs_file: ClassVar[bool] = True
    """False for recordings that no file holds: `file_name` is not looked at."""

    _shape: tuple[int, ...] | None = None
    """``(n_frames, n_channels)``, or ``(n_frames, rows, columns)`` of a grid."""

    _t_start: int | None = None
    """First frame on the global clock; None is 0, or the end of the stream before."""

    _t_stop: int | None = None
    """One past the last frame; None is ``t_start + duration``."""

    _required_fields: ClassVar[Mapping[str, Any]] = NOTHING
    """``{name: type}`` of parameters that the user has to give."""

    _default_values: ClassVar[Mapping[str, Any]] = NOTHING
    """``{name: default}`` of parameters that the user may give."""

    _params: ClassVar[Mapping[str, Any]] = NOTHING
    """``{name: value}`` of parameters that the format fixes."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Make what a format declares read-only, and guard its own chunk methods."""
        super().__init_subclass__(**keywords)
        fields.settle_declarations(cls)
        if "read_chunk" in cls.__dict__:
            cls.read_chunk = checked_read(cls.__dict__["read_chunk"])
        if "write_chunk" in cls.__dict__:
            cls.write_chunk = guarded_write(cls.__dict__["write_chunk"])

    # ------------------------------------------ what the author of a format implements

    @classmethod
    def recognises(cls, path: Path) -> bool | None:
        """Tell from the first bytes of a file whether it is of this format.

        Return None, as here, where the content does not tell; False leaves the file to
        other formats with the same suffix. Never raises: what cannot be read is not
        recognised.
        """
        return None

    def _read_from_header(self) -> Mapping[str, Any]:
        """Set ``_shape`` (and ``_t_start`` if the file knows it); return parameters.

        ``self.params`` holds what the user gave. Afterwards `nb_channels`,
        `sampling_rate`, `data_dtype`, `dtype_offset` and `gain` must be known.
        """
        raise NotImplementedError(f"{type(self).__name__}._read_from_header")

    def _open(self, mode: str = "r") -> None:
        """Open the file for reading (``'r'``) or also for writing (``'r+'``)."""

    def _close(self) -> None:
        """Drop what `_open` made."""

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        """Return samples as they are stored, not scaled.

        Parameters
        ----------
        t_start, t_stop : int
            Half open, ``0 <= t_start <= t_stop <= duration``, counted from the start
            of this file.
        nodes : ndarray of int64, or None for all
            Channels in the wanted order, possibly repeated; `select_channels` of
            `circus_io.indexing` takes them from an array.

        Returns
        -------
        ndarray, shape (t_stop - t_start, n_nodes)
            Of any integer or float type.
        """
        raise NotImplementedError(
            f"{type(self).__name__} implements neither _read_frames nor read_chunk"
        )

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        """Store raw samples (n_frames, n_channels) from the local frame `t_start` on.

        They have the type of the file, and fit into it.
        """
        raise NotWritableError(f"the format {self.description} is not written")

    def read_chunk(
        self,
        idx: int,
        chunk_size: int,
        padding: Padding = (0, 0),
        nodes: Nodes | None = None,
    ) -> np.ndarray:
        """Return chunk `idx` of this file, clipped at its ends.

        Parameters
        ----------
        idx : int
            Chunk within this file, not counted over streams: see `get_data`.
        chunk_size : int
            Frames.
        padding : (int, int)
            Added to the two edges: ``(-10, 10)`` reads 10 frames more on both sides.
        nodes : sequence of int, optional
            Channels, in any order, repeats allowed; by default all.

        Returns
        -------
        ndarray of float32, shape (n_frames, n_nodes), C order
            µV; ``(0, n_nodes)`` past the end. Read-only where it is the mapped file
            itself (float32 samples, gain 1).
        """
        self._single_source()
        t_start, t_stop = self._get_t_start_t_stop(idx, chunk_size, padding)
        chosen = indexing.check_nodes(nodes, self.nb_channels)
        self._make_ready()
        with named_failures(self, "_read_frames"):
            frames = self._read_frames(t_start, t_stop, chosen)
        check_shape(self, "_read_frames", frames, t_stop - t_start, chosen)
        return self._scale_data_to_float32(frames, chosen)

    def write_chunk(self, time: int, data: np.ndarray) -> None:
        """Write `data` from the local frame `time` on.

        Parameters
        ----------
        time : int
        data : ndarray, shape (n_frames, n_channels)
            µV; it is not changed. What does not fit the sample type saturates and is
            counted in `n_clipped`.

        Raises
        ------
        NotWritableError
            The format is not written, or the recording is open for reading.
        ChunkError
            The block does not lie inside of the file.
        """
        self._single_source()
        self._check_writable()
        data = self._check_block(data)
        if not 0 <= time <= self.duration - len(data):
            raise ChunkError(
                f"cannot write frames {time} to {time + len(data)} of a file with "
                f"{self.duration}"
            )
        raw = self._unscale_data_from_float32(data)
        with named_failures(self, "_write_frames", "r+"):
            self._write_frames(int(time), raw)

    def set_streams(self, stream_mode: str) -> list["DataFile"]:
        """Return the streams, in the order of time; override it to add a mode.

        ``multi-files`` is here: the numbered run that starts with this file, or the
        files that were given. A stream whose header has no start follows the one
        before it without a gap.
        """
        if stream_mode != "multi-files":
            raise StreamError(
                f"{self.description} names the stream mode {stream_mode} but its "
                "set_streams does not make it"
            )
        sources = self._files_alone()
        follow_each_other(sources)
        return sources

    def _files_alone(self) -> list["DataFile"]:
        """Return each file of ``multi-files`` as a recording of its own."""
        paths = self._paths or numbered_run(self.file_name)
        return [type(self)(path, dict(self._given)) for path in paths]

    # ----------------------------------------------------- provided for the hooks above

    def _count_chunks(
        self, chunk_size: int, duration: int, strict: bool = False
    ) -> tuple[int, int]:
        """Return the number of chunks in `duration` frames, and the remainder."""
        return count_chunks(chunk_size, duration, strict)

    def _get_t_start_t_stop(
        self, idx: int, chunk_size: int, padding: Padding = (0, 0)
    ) -> tuple[int, int]:
        """Return the local frames of a chunk with padding, clipped to the file."""
        duration = self.duration
        t_start = int(idx) * int(chunk_size) + int(padding[0])
        t_stop = (int(idx) + 1) * int(chunk_size) + int(padding[1])
        t_start = min(max(t_start, 0), duration)
        return t_start, max(t_start, min(t_stop, duration))

    def get_description(self) -> dict[str, Any]:
        """Return the mandatory and the declared parameters, enough to make a twin."""
        names = [*fields.MANDATORY, *self._required_fields, *self._default_values]
        return {name: self.params[name] for name in names if name in self.params}

    def _scale_data_to_float32(
        self, data: np.ndarray, nodes: Nodes | None = None
    ) -> np.ndarray:
        """Return raw samples of the channels `nodes` in µV; see `scaling`."""
        return scaling.to_float32(data, self._gain_of(nodes), self.dtype_offset)

    def _unscale_data_from_float32(
        self, data: np.ndarray, nodes: Nodes | None = None
    ) -> np.ndarray:
        """Return µV as samples of the file; counts what saturates in `n_clipped`."""
        raw, n_clipped = scaling.from_float32(
            data, self.data_dtype, self._gain_of(nodes), self.dtype_offset
        )
        self.n_clipped_here += n_clipped
        return raw

    def _gain_of(self, nodes: Nodes | None) -> float | np.ndarray:
        nodes = self._nodes_read if nodes is None else nodes
        if nodes is None or np.size(self.gain) == 1:  # also a list of one
            return self.gain
        return self.gain[np.asarray(nodes, dtype=np.int64)]

    # ------------------------------------------------------------------- construction

    def __init__(
        self,
        file_name: PathLike | Sequence[PathLike] | None,
        params: Mapping[str, Any] | None = None,
        is_empty: bool = False,
        stream_mode: str | None = None,
    ) -> None:
        self._paths = path_list(file_name)
        self.file_name = self._paths[0] if self._paths else absolute(file_name)
        self.is_empty = is_empty
        self.stream_mode = self._check_stream_mode(stream_mode)
        self.is_stream = self.stream_mode is not None
        self.n_clipped_here = 0
        self._nodes_read: Nodes | None = None
        self._is_open = False
        self._mode: str | None = None
        self._sources: list[DataFile] = []
        self._grid: ChunkGrid | None = None
        self._analyzed: ChunkGrid | None = None
        self._given = fields.given_values(params)
        if self.needs_file:
            self._check_filename()
            self._check_extension()
        # the manual calls the run-time parameters _params, its program params
        self.params = self._params = self._fill_from_params()
        if is_empty:
            self._shape = (0, 0)
        else:
            with named_failures(self, "_read_from_header"):
                header = self._read_from_header()
            self._fill_from_header(header)
            name = self._short_name()
            fields.check_complete(self.params, self._shape, name, self.description)
        self._resolve_dtype()
        if self.is_stream:
            self._sources = self._make_sources()
        self._update_table()

    def _check_stream_mode(self, stream_mode: str | None) -> str | None:
        mode = str(stream_mode or "").strip().strip("'\"")
        if mode.lower() in ("", "none"):
            return "multi-files" if self._paths else None
        if self.is_empty:
            raise StreamError("a recording that is still empty has no streams")
        if self._paths and mode != "multi-files":
            raise StreamError(f"several files are multi-files streams, not {mode}")
        if mode not in self.is_streamable:
            raise StreamError(
                f"{self.description} has no stream mode {mode}; choose from "
                f"{', '.join(self.is_streamable) or 'none: it is a single stream'}"
            )
        return mode

    def _check_filename(self) -> None:
        if self.file_name is None:
            raise RecordingNotFoundError(f"{self.description} needs the path of a file")
        for path in self._paths or [self.file_name]:
            if not self.is_empty and not Path(path).exists():
                raise RecordingNotFoundError(f"there is no file {path}")

    def _check_extension(self) -> None:
        allowed = [suffix.lower() for suffix in self.extension]
        name = Path(self.file_name).name
        if allowed and not name.lower().endswith(tuple(allowed)):
            raise FormatError(
                f"{name} is no {self.description} file: its name has to end in "
                f"{' or '.join(allowed)}; check file_format"
            )

    def _fill_from_params(self) -> dict[str, Any]:
        return fields.fill(
            self.description,
            type(self)._params,
            self._required_fields,
            self._default_values,
            self._given,
        )

    def _fill_from_header(self, header: Mapping[str, Any] | None) -> None:
        for name, value in (header or {}).items():
            self.params[name] = fields.convert(name, value)
        for name in [name for name in self._given if name in self.params]:
            given = fields.convert(name, self._given[name], type(self.params[name]))
            if not fields.agree(name, given, self.params[name]):
                # once is enough: streams of the same format do not repeat it
                del self._given[name]
                logger.warning(
                    "%s: %s = %s is not used, %s says %s",
                    self._short_name(),
                    name,
                    given,
                    "the header" if name in (header or {}) else "the format",
                    self.params[name],
                )

    def _resolve_dtype(self) -> None:
        if "data_dtype" in self.params:
            self.params["dtype_offset"] = scaling.resolve_dtype_offset(
                self.params.get("dtype_offset", "auto"), self.data_dtype
            )

    def _make_sources(self) -> list["DataFile"]:
        with named_failures(self, "set_streams"):
            sources = list(self.set_streams(self.stream_mode))
        if not sources:
            raise StreamError(f"{self._short_name()}: {self.stream_mode} found nothing")
        check_agreement(sources)
        for source in sources:  # a set_streams may have set their _t_start
            source._update_table()
        return sources

    def _update_table(self) -> None:
        self._times = [source.t_start for source in self.streams]
        lengths = tuple(source.duration for source in self.streams)
        self._table = StreamTable(tuple(self._times), lengths)
        self._grid = self._analyzed = None

    def _single_source(self) -> None:
        if self.is_stream:
            raise ChunkError(
                "read_chunk and write_chunk are local to one stream; use get_data and "
                "set_data, or recording.streams[i]"
            )
