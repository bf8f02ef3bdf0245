"""`Recording`: what a reader calls, whatever the file format.

Time is counted in frames and globally: a stream starts at its `t_start`, gaps between
streams are kept, and a chunk never crosses the border of a stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from circus_io import indexing
from circus_io.chunks import Chunk, ChunkGrid, Padding
from circus_io.closing import Closing
from circus_io.errors import FormatError, NotWritableError
from circus_io.events import Events, join_events
from circus_io.hooks import named_failures
from circus_io.indexing import Nodes
from circus_io.pickling import PicklesWithoutHandles
from circus_io.streams import Piece, StreamTable

__all__ = ["Recording"]


class Recording(PicklesWithoutHandles, Closing):
    """The provided half of `circus_io.DataFile`, which holds the other one."""

    description: ClassVar[str]
    is_writable: ClassVar[bool]

    file_name: str | None
    params: dict[str, Any]
    is_stream: bool
    stream_mode: str | None
    n_clipped_here: int
    _is_open: bool
    _mode: str | None
    _shape: tuple[int, ...] | None
    _t_start: int | None
    _t_stop: int | None
    _sources: list["Recording"]
    _times: list[int]
    _table: StreamTable
    _grid: ChunkGrid | None
    _analyzed: ChunkGrid | None

    _channel_labels: tuple[str, ...] | None = None
    """Name of each channel in the file; None if it has none."""

    _channel_positions: np.ndarray | None = None
    """Where the channels are, (n_channels, 2) in µm; None if the file does not say."""

    _metadata: Mapping[str, Any] = MappingProxyType({})
    """What else the file says about the recording."""

    # -------------------------------------------------------------- what a reader asks

    @property
    def nb_channels(self) -> int:
        """Number of channels."""
        return self.params["nb_channels"]

    @property
    def sampling_rate(self) -> float:
        """Frames per second, Hz."""
        return self.params["sampling_rate"]

    @property
    def data_dtype(self) -> str:
        """Type of the stored samples."""
        return self.params["data_dtype"]

    @property
    def dtype_offset(self) -> int | float:
        """Count that stands for 0 µV."""
        return self.params["dtype_offset"]

    @property
    def data_offset(self) -> int:
        """Bytes before the first sample."""
        return self.params.get("data_offset", 0)

    @property
    def gain(self) -> float | np.ndarray:
        """µV per count, for all channels or float64 (n_channels,)."""
        return self.params["gain"]

    @property
    def channel_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """µV per count, and the count of 0 µV: float64 (n_channels,) each.

        A format with a zero of its own for each channel overrides it.
        """
        gains = np.broadcast_to(np.float64(self.gain), self.nb_channels)
        return gains, np.full(self.nb_channels, float(self.dtype_offset))

    @property
    def channel_labels(self) -> tuple[str, ...]:
        """Name of each channel: that of the file, or its number."""
        given = self.streams[0]._channel_labels
        numbers = (str(channel) for channel in range(self.nb_channels))
        return tuple(numbers) if given is None else tuple(given)

    @property
    def channel_positions(self) -> np.ndarray | None:
        """Where the channels are, float64 (n_channels, 2) in µm, if the file says."""
        given = self.streams[0]._channel_positions
        return None if given is None else np.asarray(given, np.float64)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the file says about the recording beside the parameters."""
        return MappingProxyType(dict(self.streams[0]._metadata))

    @property
    def source_files(self) -> tuple[str, ...]:
        """Files that hold the samples, or those of the streams."""
        names = [name for source in self.streams for name in source._own_files()]
        return tuple(dict.fromkeys(names))

    def _own_files(self) -> Sequence[str]:
        """Return the files of this stream; a format that reads folders overrides it."""
        return [self.file_name] if self.file_name else []

    @property
    def streams(self) -> list["Recording"]:
        """The sources, in the order of time; the recording itself if it has one."""
        return self._sources if self.is_stream else [self]

    @property
    def nb_streams(self) -> int:
        """Number of streams."""
        return len(self.streams)

    @property
    def duration(self) -> int:
        """Number of frames that are recorded, gaps not counted."""
        if self.is_stream:
            return sum(source.duration for source in self._sources)
        return 0 if self._shape is None else int(self._shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_frames, n_channels)``, grids flattened and streams added up."""
        return self.duration, self.params.get("nb_channels", 0)

    @property
    def t_start(self) -> int:
        """First global frame."""
        if self.is_stream:
            return self._sources[0].t_start
        return int(self._t_start or 0)

    @property
    def t_stop(self) -> int:
        """One past the last global frame; ``t_stop - t_start`` includes gaps."""
        if self.is_stream:
            return self._sources[-1].t_stop
        return self.t_start + self.duration if self._t_stop is None else self._t_stop

    @property
    def n_clipped(self) -> int:
        """Number of samples that saturated in writing, since the recording was made."""
        if self.is_stream:
            return sum(source.n_clipped for source in self._sources)
        return self.n_clipped_here

    @property
    def comm(self) -> Any:
        """The communicator of this run; of one rank unless launched under MPI."""
        from circus_io.parallel import comm

        return comm

    @property
    def is_master(self) -> bool:
        """Whether this is rank 0."""
        return self.comm.rank == 0

    def read_events(self) -> dict[str, Events]:
        """Return triggers, marks and spikes by the name of their stream in the file.

        A format that holds events overrides it; without, there are none. Those of
        ``multi-files`` are joined here: each file tells the time from its own start.
        """
        if self.stream_mode != "multi-files":
            return {}
        return self._events_of(self._files_alone(), self._sources)

    def _events_of(
        self, recordings: Sequence["Recording"], placed: Sequence["Recording"]
    ) -> dict[str, Events]:
        """Return the events of recordings whose streams lie one after another here."""
        parts, first = [], 0
        for recording in recordings:
            moved = placed[first].t_start - recording.t_start
            first += recording.nb_streams
            events = recording.read_events()
            later_s = moved / self.sampling_rate
            parts.append({name: events[name].later(later_s) for name in events})
        return join_events(parts)

    def _files_alone(self) -> Sequence["Recording"]:
        """Return the files of ``multi-files`` as recordings of their own."""
        raise NotImplementedError

    def get_file_names(self) -> list[str]:
        """Return the files of ``multi-files`` streams; empty otherwise."""
        if self.stream_mode != "multi-files":
            return []
        return [source.file_name for source in self._sources]

    def __len__(self) -> int:
        return self.duration

    def __repr__(self) -> str:
        streams = f", {self.nb_streams} streams" if self.is_stream else ""
        if "sampling_rate" not in self.params:
            return f"{type(self).__name__}({self._short_name()!r}, empty)"
        return (
            f"{type(self).__name__}({self._short_name()!r}, {self.duration} frames × "
            f"{self.shape[1]} channels, {self.duration / self.sampling_rate:.6g} s at "
            f"{self.sampling_rate:g} Hz, {self.params.get('data_dtype')}{streams})"
        )

    def _short_name(self) -> str:
        return Path(self.file_name).name if self.file_name else self.description

    # ---------------------------------------------------------------- opening, closing

    def open(self, mode: str = "r") -> Self:
        """Open all streams; reading opens them by itself.

        Parameters
        ----------
        mode : {'r', 'r+'}
            ``'w'`` is taken as ``'r+'``: opening never empties a file.

        Raises
        ------
        NotWritableError
            Any mode but ``'r'`` for a format that is not written.
        """
        mode = "r+" if mode == "w" else mode
        if mode not in ("r", "r+"):
            raise FormatError(f"mode {mode!r}: choose r to read or r+ to write as well")
        if mode == "r+" and not self.is_writable:
            raise NotWritableError(f"the format {self.description} is only read")
        if self._is_open and self._mode == mode:
            return self
        self.close()
        try:
            for source in self.streams:
                source._open_here(mode)
        except BaseException:
            self.close()
            raise
        self._is_open, self._mode = True, mode
        return self

    def close(self) -> None:
        """Close all streams; a recording that is closed stays so."""
        for source in self.streams:
            if source._is_open:
                source._is_open = False
                with named_failures(source, "_close", source._mode or "r"):
                    source._close()
            source._mode = None
        self._is_open, self._mode = False, None

    def __enter__(self) -> Self:
        self._make_ready()
        return self

    def _open_here(self, mode: str) -> None:
        with self._noting_handles(), named_failures(self, "_open", mode):
            self._open(mode)
        self._is_open, self._mode = True, mode

    def _make_ready(self) -> None:
        """Open for reading, or in the mode that the recording was pickled in."""
        if not self._is_open:
            self.open(self._mode or "r")

    # ------------------------------------------------------------------ reading chunks

    def chunk_grid(self, chunk_size: int, strict: bool = False) -> ChunkGrid:
        """Return where the chunks lie: a function of the recording alone."""
        grid = self._grid
        if grid is None or (grid.chunk_size, grid.strict) != (chunk_size, strict):
            grid = ChunkGrid(self._table, chunk_size, strict)
            self._grid = grid
        return grid

    def chunks(
        self,
        chunk_size: int,
        padding: Padding = (0, 0),
        nodes: Nodes | None = None,
    ) -> Iterator[Chunk]:
        """Iterate over all chunks of all streams, in the order of time."""
        grid = self.chunk_grid(chunk_size)
        return (self._read_piece(grid, i, padding, nodes) for i in range(len(grid)))

    def get_chunk(
        self,
        index: int,
        chunk_size: int,
        padding: Padding = (0, 0),
        nodes: Nodes | None = None,
    ) -> Chunk:
        """Return one chunk, counted over all streams.

        Parameters
        ----------
        index : int
        chunk_size : int
            Frames.
        padding : (int, int)
            Wanted frames ``(before <= 0, after >= 0)``; ``chunk.padding`` says what
            there was.
        nodes : sequence of int, optional
            Channels, in any order, repeats allowed; by default all.

        Raises
        ------
        ChunkError
            No such chunk, or no such padding.
        """
        grid = self.chunk_grid(chunk_size)
        return self._read_piece(grid, index, padding, nodes)

    def _read_piece(
        self, grid: ChunkGrid, index: int, padding: Padding, nodes: Nodes | None
    ) -> Chunk:
        piece = grid.piece(index, padding)
        traces = self._read_source(piece.stream, piece.t_start, piece.t_stop, nodes)
        real = grid.padding(index, padding)
        return Chunk(index, piece.stream, *grid.bounds(index), traces, real)

    def _read_source(
        self, stream: int, t_start: int, t_stop: int, nodes: Nodes | None
    ) -> np.ndarray:
        """Read local frames of one stream, through the `read_chunk` that it has."""
        self._make_ready()
        source = self.streams[stream]
        if t_stop > t_start:
            # chunk 0 of this length, moved by the same padding on both sides
            length = t_stop - t_start
            return source.read_chunk(0, length, (t_start, t_start), nodes)
        chosen = indexing.check_nodes(nodes, self.nb_channels)
        n_nodes = self.nb_channels if chosen is None else len(chosen)
        return np.zeros((0, n_nodes), dtype=np.float32)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return ``recording[frames, channels]``, frames counted globally.

        A range may cross from one stream into the next if there is no gap between
        them; one that touches a gap raises `ChunkError`.
        """
        frames, channels = indexing.split_key(key)
        t_start, t_stop, take = indexing.parse_frames(frames, self.t_start, self.t_stop)
        nodes, drop = indexing.parse_channels(channels, self.nb_channels)
        pieces = self._table.pieces(t_start, t_stop) or [Piece(0, 0, 0)]
        parts = [
            self._read_source(piece.stream, piece.t_start, piece.t_stop, nodes)
            for piece in pieces
        ]
        traces = (parts[0] if len(parts) == 1 else np.concatenate(parts))[take]
        return traces[..., 0] if drop else traces

    # ``recording[0], recording[1], ...`` would read frame by frame: iterate over chunks
    __iter__ = None
