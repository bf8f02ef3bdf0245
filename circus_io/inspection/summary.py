"""What `circus info` tells about a recording, as plain values that JSON knows."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from circus_io.chunks import ChunkGrid
from circus_io.datafile import DataFile
from circus_io.events import Events
from circus_io.inspection.plausibility import judge
from circus_io.parallel import SerialComm
from circus_io.ranges import measure_ranges

__all__ = ["summarise"]

BLOCK_SAMPLES = 2**18
N_BLOCKS = 32  # that are read unless all are asked for

Progress = Callable[[str, int, int], None]


def summarise(
    recording: DataFile, *, whole: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Describe a recording and measure its channels.

    Parameters
    ----------
    recording : DataFile
    whole : bool
        Read all of it; else at most `N_BLOCKS` blocks, spread evenly.
    progress : callable, optional
        ``progress("reading", done, total)``.

    Returns
    -------
    dict
        Text, numbers, lists and dicts; times in s on the clock of the recording, values
        in µV.
    """
    rate = float(recording.sampling_rate)
    return {
        "file": recording.file_name,
        "files": recording.get_file_names(),
        "file_format": recording.description,
        "sampling_rate_hz": rate,
        "n_channels": recording.nb_channels,
        "n_frames": recording.duration,
        "duration_s": recording.duration / rate,
        "start_s": recording.t_start / rate,
        "stop_s": recording.t_stop / rate,
        "streams": _streams(recording),
        "gaps": _gaps(recording),
        "data_dtype": recording.data_dtype,
        "dtype_offset": _plain(recording.dtype_offset),
        "gain_uv_per_count": _plain(recording.gain),
        **_channels(recording, whole, progress or (lambda *_: None)),
        "events": [_events(*item) for item in recording.read_events().items()],
        "metadata": _plain(dict(recording.metadata)),
        "findings": [asdict(finding) for finding in judge(recording)],
    }


def _streams(recording: DataFile) -> list[dict[str, float]]:
    rate = recording.sampling_rate
    return [
        {"start_s": stream.t_start / rate, "duration_s": stream.duration / rate}
        for stream in recording.streams
    ]


def _gaps(recording: DataFile) -> list[dict[str, float]]:
    """Return where between streams nothing is recorded."""
    table, rate = recording._table, recording.sampling_rate
    ends = [table.stop(stream) for stream in range(len(table.starts) - 1)]
    return [
        {"start_s": end / rate, "duration_s": (start - end) / rate}
        for end, start in zip(ends, table.starts[1:], strict=True)
        if start > end
    ]


def _channels(recording: DataFile, whole: bool, progress: Progress) -> dict[str, Any]:
    """Measure the range of each channel; say of how many frames."""
    size = max(BLOCK_SAMPLES // recording.nb_channels, 1)
    grid = ChunkGrid(recording._table, size)
    n_blocks = len(grid) if whole else min(len(grid), N_BLOCKS)
    blocks = np.unique(np.linspace(0, len(grid) - 1, n_blocks).round().astype(int))
    done = iter(range(1, n_blocks + 1))
    ranges = measure_ranges(
        recording,
        (grid.bounds(int(block)) for block in blocks),
        None,
        SerialComm(),
        lambda: progress("reading", next(done), n_blocks),
    )
    labels, positions = recording.channel_labels, recording.channel_positions
    channels = [
        {
            "channel": channel,
            "label": labels[channel],
            "position_um": None if positions is None else positions[channel].tolist(),
            "lowest_uv": _plain(ranges.lowest[channel]),
            "highest_uv": _plain(ranges.highest[channel]),
            "n_not_finite": int(ranges.n_not_finite[channel]),
            "is_dead": bool(ranges.is_dead[channel]),
        }
        for channel in range(recording.nb_channels)
    ]
    return {"n_frames_read": ranges.n_frames, "channels": channels}


def _events(name: str, events: Events) -> dict[str, Any]:
    times_s = np.asarray(events.times_s)
    ends = {"first_s": None, "last_s": None}
    if len(times_s):
        ends = {"first_s": float(times_s[0]), "last_s": float(times_s[-1])}
    return {"name": name, "n_events": len(events), **ends}


def _plain(value: Any) -> Any:
    """Return numpy's values, and what else files hold, as what JSON knows."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
