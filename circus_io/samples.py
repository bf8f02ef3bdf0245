"""Samples at their full precision: as they are stored, or in float64 µV.

`DataFile.read_chunk` gives float32, which is what sorting needs. Copying a recording
and measuring its range need the counts themselves.
"""

import numpy as np

from circus_io.datafile import DataFile
from circus_io.hooks import check_shape, named_failures

__all__ = ["read_stored", "stream_microvolts"]


def stream_microvolts(
    source: DataFile, t_start: int, t_stop: int, nodes: np.ndarray | None
) -> np.ndarray:
    """Return local frames of one open stream in double precision.

    Parameters
    ----------
    source : DataFile
        A stream of a recording that is open.
    t_start, t_stop : int
        Frames counted from the start of the stream, half open.
    nodes : ndarray of int64, or None for all
        Channels in the wanted order.

    Returns
    -------
    ndarray of float64, shape (t_stop - t_start, n_nodes)
        µV.
    """
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

    Parameters
    ----------
    source, t_start, t_stop, nodes
        As for `stream_microvolts`.

    Returns
    -------
    ndarray, shape (t_stop - t_start, n_nodes), or None
        None if the wrapper gives only traces: it has no `_read_frames`, or a scaling
        of its own.
    """
    kind = type(source)
    if (
        kind._read_frames is DataFile._read_frames
        or kind._scale_data_to_float32 is not DataFile._scale_data_to_float32
    ):
        return None
    with named_failures(source, "_read_frames"):
        frames = source._read_frames(t_start, t_stop, nodes)
    check_shape(source, "_read_frames", frames, t_stop - t_start, nodes)
    return np.asarray(frames)
