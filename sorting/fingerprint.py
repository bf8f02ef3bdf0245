"""What identifies a recording, so that stored steps are not used for another one."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["change_stamp", "fingerprint"]

SAMPLED_FRAMES = 1000
N_SAMPLES = 8


def fingerprint(recording: Any, nodes: np.ndarray) -> str:
    """Hash the shape, the scale and a few stretches of samples of each stream.

    Parameters
    ----------
    recording : DataFile
    nodes : int64 (n_channels,)
        Channels that are read.

    Returns
    -------
    str
        SHA-256. Reading stays short: a file of terabytes takes as long as a small one.
    """
    state = hashlib.sha256()
    state.update(repr(_identity(recording)).encode())
    state.update(np.ascontiguousarray(nodes, np.int64).tobytes())
    for source in recording.streams:
        state.update(repr((int(source.t_start), int(source.duration))).encode())
        last = max(0, int(source.duration) - SAMPLED_FRAMES)
        for start in np.linspace(0, last, N_SAMPLES).astype(np.int64):
            t_start = int(source.t_start + start)
            end = source.t_start + source.duration
            t_stop = int(min(t_start + SAMPLED_FRAMES, end))
            if t_stop > t_start:
                traces = recording[t_start:t_stop, nodes.tolist()]
                state.update(np.ascontiguousarray(traces, "<f4").tobytes())
    return state.hexdigest()


def _identity(recording: Any) -> tuple:
    return (
        recording.description,
        float(recording.sampling_rate),
        int(recording.nb_channels),
        np.asarray(recording.gain).tolist(),
    )


def change_stamp(recording: Any) -> list[tuple[int, int]]:
    """Size and time of change (ns) of the file of each stream, to notice any edit.

    A copy of a recording has another stamp and the same fingerprint: the stamp decides
    whether stored steps are used, the fingerprint stays with the result.
    """
    paths = [Path(name) for name in recording.source_files]
    stats = [path.stat() for path in paths if path.exists()]
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats]
