"""Samples at their full precision: as they are stored, or in float64 µV.

`DataFile.read_chunk` gives float32, which is what sorting needs. Copying a recording
and measuring its range need the counts themselves.
"""

import numpy as np

from circus_io.datafile import DataFile
from circus_io.hooks import check_shape, named_failures
from circus_io.recording import Recording

__all__ = ["read_microvolts", "read_stored", "stream_microvolts"]


def read_microvolts(
    recording: Recording, t_start: int, t_stop: int, nodes: np.ndarray | None = None
) -> np.ndarray:
    """Return traces in double precision.

    Parameters
    ----------
    recording : DataFile
    t_start, t_stop : int
        Global frames, half open; there is no gap between them.
    nodes : ndarray of int64, or None for all
        Channels in the wanted order.

    Returns
    -------
    ndarray of float64, shape (t_stop - t_start, n_nodes)
        µV.

    Raises
    ------
    ChunkError
        Part of the frames is not recorded.
    """
    recording._make_ready()
    n_nodes = recording.nb_channels if nodes is None else len(nodes)
    traces = np.empty((t_stop - t_start, n_nodes))
    done = 0
    for piece in recording._table.pieces(t_start, t_stop):
        n_frames = piece.t_stop - piece.t_start
        source = recording.streams[piece.stream]
        part = stream_microvolts(source, piece.t_start, piece.t_stop, nodes)
        traces[done : done + n_frames] = part
        done += n_frames
    return traces


def stream_microvolts(
    source: DataFile, t_start: int, t_stop: int, nodes: np.ndarray | None
) -> np.ndarray:
    """Return local frames of one open stream, float64 µV, as `read_microvolts`."""
    stored = read_stored(source, t_start, t_stop, nodes)
    if stored is None:
        length = t_stop - t_start
        traces = source.read_chunk(0, length, (t_start, t_start), nodes)
        return traces.astype(np.float64)
    with np.errstate(invalid="ignore"):  # there are NaN that only a cast quiets
        exact = stored.astype(np.float64)
    return (exact - source.dtype_offset) * source._gain_of(nodes)


def read_stored(
    source: DataFile, t_start: int, t_stop: int, nodes: np.ndarray | None
) -> np.ndarray | None:
    """Return local frames of one open stream as the file stores them.

    Returns
    -------
    ndarray, shape (t_stop - t_start, n_nodes), or None
        None if the wrapper gives only traces: it has a `read_chunk` or a scaling of
        its own.
    """
    kind = type(source)
    if (
        kind.read_chunk is not DataFile.read_chunk
        or kind._scale_data_to_float32 is not DataFile._scale_data_to_float32
    ):
        return None
    with named_failures(source, "_read_frames"):
        frames = source._read_frames(t_start, t_stop, nodes)
    check_shape(source, "_read_frames", frames, t_stop - t_start, nodes)
    return np.asarray(frames)
