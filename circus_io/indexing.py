"""What ``recording[frames, channels]`` means, and channel selection.

Frames are global; a negative frame counts back from the end of the recording, and a
slice is clipped to it, as in any Python sequence. Channels follow numpy: an integer
drops the axis, a slice, a list (any order, repeats allowed) or a mask keeps it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from operator import index as as_integer
from typing import Any

import numpy as np

from circus_io.errors import ChunkError

__all__ = [
    "as_slice",
    "check_nodes",
    "column_picker",
    "comparable",
    "parse_channels",
    "parse_frames",
    "select_channels",
]

Nodes = Sequence[int] | np.ndarray

SHORTEST_RUN = 12  # channels, on average: from here on runs are faster than single ones


def split_key(key: Any) -> tuple[Any, Any]:
    """Return the frame part and the channel part of ``recording[key]``."""
    if not isinstance(key, tuple):
        return key, slice(None)
    if len(key) != 2:
        raise ChunkError(f"a recording has 2 axes, frames and channels; got {len(key)}")
    return key


def parse_frames(key: Any, t_start: int, t_stop: int) -> tuple[int, int, Any]:
    """Return the global frames to read and what to take from them.

    Parameters
    ----------
    key : int or slice
    t_start, t_stop : int
        Ends of the recording, global frames.

    Returns
    -------
    first, stop : int
        Frames to read, half open.
    take : int or slice
        0 drops the axis.

    Raises
    ------
    ChunkError
        A negative step, a list, or an integer outside of the recording.
    """
    if isinstance(key, slice):
        return _parse_slice(key, t_start, t_stop)
    frame = _frame(key)
    frame = t_stop + frame if frame < 0 else frame
    if not t_start <= frame < t_stop:
        raise ChunkError(
            f"frame {key} is not recorded; the recording goes from {t_start} to "
            f"{t_stop}"
        )
    return frame, frame + 1, 0


def _parse_slice(key: slice, t_start: int, t_stop: int) -> tuple[int, int, slice]:
    step = 1 if key.step is None else _frame(key.step)
    if step < 1:
        raise ChunkError(f"step {step}: a recording is read forwards, with steps >= 1")
    ends = [t_start, t_stop]
    for i, bound in enumerate((key.start, key.stop)):
        if bound is not None:
            bound = _frame(bound)
            bound = t_stop + bound if bound < 0 else bound
            ends[i] = min(max(bound, t_start), t_stop)
    return ends[0], max(ends), slice(None, None, step)


def _frame(key: Any) -> int:
    try:
        return as_integer(key)
    except TypeError:
        raise ChunkError(
            f"cannot take frames {key!r}; give an integer or a slice, and read several "
            "places with get_snippet"
        ) from None


def parse_channels(key: Any, n_channels: int) -> tuple[np.ndarray | None, bool]:
    """Return the channels to read (None for all) and whether to drop the axis.

    Raises
    ------
    ChunkError
        A channel outside of ``-n_channels`` to ``n_channels - 1``, or no such index.
    """
    if isinstance(key, slice):
        everything = key == slice(None)
        return (None if everything else np.arange(n_channels)[key]), False
    picked = np.asarray(key)
    if picked.size == 0:
        picked = picked.astype(np.int64)
    try:
        nodes = np.asarray(np.arange(n_channels)[picked])
    except (IndexError, TypeError) as error:
        raise ChunkError(
            f"cannot take channels {key!r} of a recording with {n_channels}: {error}"
        ) from None
    if nodes.ndim > 1:
        raise ChunkError(
            f"cannot take channels {key!r}: the list has {nodes.ndim} axes"
        )
    return np.atleast_1d(nodes), nodes.ndim == 0


def check_nodes(nodes: Nodes | None, n_channels: int) -> np.ndarray | None:
    """Return `nodes` as int64 (n_nodes,), or None if it names all channels in order.

    Raises
    ------
    ChunkError
        A node is not an integer from 0 to ``n_channels - 1``.
    """
    if nodes is None:
        return None
    array = np.asarray(nodes)
    if array.size == 0:
        array = array.astype(np.int64)
    inside = array.ndim == 1 and array.dtype.kind in "iu"
    if not inside or np.any(array < 0) or np.any(array >= n_channels):
        raise ChunkError(
            f"nodes = {nodes!r}: expected a list of channels, integers from 0 to "
            f"{n_channels - 1}"
        )
    if len(array) == n_channels and np.array_equal(array, np.arange(n_channels)):
        return None
    return array.astype(np.int64)


class _ComparableNodes(np.ndarray):
    """Channels that are unequal to a list of another length, instead of an error.

    Documented wrappers ask ``numpy.all(nodes == numpy.arange(self.nb_channels))``,
    which numpy has refused for a subset of the channels since 1.25.
    """

    def __eq__(self, other: object) -> Any:
        return np.shape(other) == self.shape and super().__eq__(other)

    def __ne__(self, other: object) -> Any:
        return np.shape(other) != self.shape or super().__ne__(other)

    __hash__ = None


def comparable(nodes: Nodes | None) -> np.ndarray | None:
    """Return `nodes` as an int64 array that compares with lists of any length."""
    if nodes is None:
        return None
    return np.array(nodes, dtype=np.int64).view(_ComparableNodes)


def select_channels(frames: np.ndarray, nodes: Nodes | None) -> np.ndarray:
    """Return the columns `nodes` of `frames`, in that order.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, n_channels)
    nodes : sequence of int, or None for all

    Returns
    -------
    ndarray, shape (n_frames, n_nodes)
        A view for all channels and for those at equal steps, else a copy in C order.
    """
    return column_picker(nodes)(frames)


def column_picker(nodes: Nodes | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return `select_channels` for these `nodes`, for many frames in turn.

    Channels in long runs of neighbours, such as all but the reference electrode, are
    copied run by run: the fewer the runs, the faster. Others are picked one by one.
    """
    columns = as_slice(nodes)
    if columns is not None:
        return lambda frames: frames[:, columns]
    nodes = np.asarray(nodes)
    starts = 1 + np.flatnonzero(np.diff(nodes) != 1)
    if len(nodes) < SHORTEST_RUN * (1 + len(starts)):
        return partial(_take, nodes=nodes, lowest=nodes.min(), highest=nodes.max())
    sources = [slice(int(run[0]), int(run[-1]) + 1) for run in np.split(nodes, starts)]
    places = [slice(*ends) for ends in pairwise((0, *starts.tolist(), len(nodes)))]
    return partial(_copy_runs, places=places, sources=sources, n_nodes=len(nodes))


def _take(
    frames: np.ndarray, nodes: np.ndarray, lowest: int, highest: int
) -> np.ndarray:
    # looked at once, and not each of them for each frame
    inside = lowest >= 0 and highest < frames.shape[1]
    return np.take(frames, nodes, axis=1, mode="wrap" if inside else "raise")


def _copy_runs(
    frames: np.ndarray, places: list[slice], sources: list[slice], n_nodes: int
) -> np.ndarray:
    chosen = np.empty((len(frames), n_nodes), frames.dtype)
    for place, source in zip(places, sources, strict=True):
        chosen[:, place] = frames[:, source]
    return chosen


def as_slice(nodes: Nodes | None) -> slice | None:
    """Return channels at equal steps to the right as a slice; None for others."""
    if nodes is None:
        return slice(None)
    if len(nodes) == 0:
        return slice(0)
    first, last = int(nodes[0]), int(nodes[-1])
    step = int(nodes[1]) - first if len(nodes) > 1 else 1
    if step < 1 or np.any(np.diff(nodes) != step):
        return None
    return slice(first, last + 1, step)
