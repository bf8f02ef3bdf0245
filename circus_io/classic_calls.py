"""`ClassicCalls`: a recording under the names that SpyKING CIRCUS' manual documents.

Scripts and wrappers that were written for that program call these; they count chunks
as its manual says, and read through what `Recording` provides.
"""

import numpy as np

from circus_io.chunks import ChunkGrid, Padding, check_chunk_size
from circus_io.errors import ChunkError, NotWritableError
from circus_io.indexing import Nodes
from circus_io.recording import Recording

__all__ = ["ClassicCalls"]


class ClassicCalls(Recording):
    """The documented calls of the contract, over those of `Recording`."""

    def analyze(self, chunk_size: int, strict: bool = False) -> tuple[int, int]:
        """Return the number of chunks, and the frames that remain after whole chunks.

        The remainder is that of the last stream. With `strict`, remainders are no
        chunks; `get_data`, `get_idx`, `is_first_chunk` and `is_last_chunk` count the
        same way until the next call.
        """
        check_chunk_size(chunk_size)
        grid = self._analyzed = self.chunk_grid(chunk_size, strict)
        self._chunks_in_sources = list(grid.firsts)
        return len(grid), self._table.lengths[-1] % chunk_size

    def get_data(
        self,
        idx: int,
        chunk_size: int,
        padding: Padding = (0, 0),
        nodes: Nodes | None = None,
    ) -> tuple[np.ndarray, int]:
        """Return the traces of a chunk counted over all streams, and its start.

        Returns
        -------
        traces : ndarray of float32, shape (n_frames, n_nodes)
        t_offset : int
            Global frame of the core; padding lies before it.
        """
        stream, number = 0, idx
        if self.is_stream:
            grid = self._counting_grid(chunk_size)
            if idx >= len(grid):
                return self._read_source(0, 0, 0, nodes), self.t_stop
            stream, number = grid.locate(idx)
        self._make_ready()
        traces = self.streams[stream].read_chunk(number, chunk_size, padding, nodes)
        return traces, self._times[stream] + number * chunk_size

    def get_snippet(
        self, time: int, length: int, nodes: Nodes | None = None
    ) -> np.ndarray:
        """Return up to `length` frames from the global frame `time` on.

        Clipped at the ends of the stream that holds `time`: it may be shorter.
        """
        stream = self._get_streams_index_by_time(time)
        limit = self._table.lengths[stream]
        local = int(time) - self._times[stream]
        t_start, t_stop = (min(max(t, 0), limit) for t in (local, local + int(length)))
        return self._read_source(stream, t_start, t_stop, nodes)

    def set_data(self, time: int, data: np.ndarray) -> None:
        """Write `data` (n_frames, n_channels), µV, from the global frame `time` on.

        A block that reaches into a contiguous next stream is split. See `write_chunk`
        for what happens to values.
        """
        self._check_writable()
        data = self._check_block(data)
        time = int(time)
        done = 0
        for piece in self._table.pieces(time, time + len(data)):
            n_frames = piece.t_stop - piece.t_start
            part = data[done : done + n_frames]
            self.streams[piece.stream].write_chunk(piece.t_start, part)
            done += n_frames

    def get_idx(self, time: int, chunk_size: int) -> int:
        """Return the chunk that holds the global frame `time`."""
        return self._counting_grid(chunk_size).index_at(int(time))

    def is_first_chunk(self, idx: int, nb_chunks: int) -> bool:
        """Tell whether chunk `idx` is the first one of a stream."""
        if self.is_stream:
            return idx in self._analyzed_firsts()[:-1]
        return idx == 0

    def is_last_chunk(self, idx: int, nb_chunks: int) -> bool:
        """Tell whether chunk `idx` is the last one of a stream."""
        if self.is_stream:
            return idx + 1 in self._analyzed_firsts()[1:]
        return idx == nb_chunks - 1

    def _analyzed_firsts(self) -> tuple[int, ...]:
        if self._analyzed is None:
            raise ChunkError("call analyze(chunk_size) first: it counts the chunks")
        return self._analyzed.firsts

    def _counting_grid(self, chunk_size: int) -> ChunkGrid:
        """Return the grid that `analyze` made, or the usual one for another size."""
        if self._analyzed is not None and self._analyzed.chunk_size == chunk_size:
            return self._analyzed
        return self.chunk_grid(chunk_size)

    def _get_streams_index_by_time(self, time: int) -> int:
        """Return the stream that the global frame `time` belongs to."""
        return self._table.index_at(int(time))

    def _check_writable(self) -> None:
        if not self.is_writable:
            raise NotWritableError(f"the format {self.description} is only read")
        if not self._is_open or self._mode == "r":
            raise NotWritableError(
                f"{self._short_name()} is not open for writing; use open('r+')"
            )

    def _check_block(self, data: np.ndarray) -> np.ndarray:
        data = np.asarray(data)
        if data.ndim != 2 or data.shape[1] != self.nb_channels:
            raise ChunkError(
                f"cannot write an array of shape {data.shape}; expected (n_frames, "
                f"{self.nb_channels})"
            )
        return data
