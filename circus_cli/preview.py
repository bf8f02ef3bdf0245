"""The picture of a preview: the same moment of all channels, raw and filtered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from circus_cli import figures
from circus_io.atomic import atomic_path
from circus_io.errors import ChunkError
from sorting.api import open_front_end

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from circus_io.datafile import DataFile
    from circus_io.params import Parameters
    from circus_io.probe import Probe
    from sorting.front_end import FrontEnd

__all__ = ["write_preview"]

DURATION_S = 1.2
MOST_CHANNELS = 32  # more traces than this no page shows apart


def write_preview(
    path: Path,
    recording: DataFile,
    probe: Probe,
    parameters: Parameters,
    second: float = 0.0,
) -> Path:
    """Draw 1.2 s of traces, raw and filtered as a sort does it, as a PNG file.

    Parameters
    ----------
    path : Path
        The picture; its folder is made.
    recording : DataFile
    probe : Probe
        Its channels are drawn, in its order, without dead ones; evenly chosen ones of a
        large probe.
    parameters : Parameters
    second : float
        Where to start, in s from the first frame of the recording.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    ChunkError
        The recording ends before `second`, or has a gap in these 1.2 s.
    MissingDependencyError
        Without matplotlib.
    """
    rate = recording.sampling_rate
    t_start = recording.t_start + round(second * rate)
    t_stop = min(t_start + round(DURATION_S * rate), recording.t_stop)
    if t_start >= t_stop:
        length_s = (recording.t_stop - recording.t_start) / rate
        raise ChunkError(
            f"a preview from second {second:g} on has no frames: the recording is "
            f"{length_s:g} s long"
        )
    front_end = open_front_end(recording, probe, parameters)
    raw, filtered = _moment(front_end, t_start, t_stop)
    shown = _evenly(len(front_end.nodes))
    seconds = second + np.arange(len(raw)) / rate
    with figures.figure_style():
        figure = figures.new_figure(14, 1.5 + 0.32 * len(shown))
        panels = figure.subplots(1, 2, sharey=True)
        names = [str(channel) for channel in front_end.nodes[shown]]
        for panel, traces, title in zip(
            panels, (raw, filtered), ("raw", "filtered"), strict=True
        ):
            _draw(panel, seconds, traces[:, shown], names, title)
        picture = figures.to_png(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(picture)
    return path


def _moment(
    front_end: FrontEnd, t_start: int, t_stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return raw and filtered traces (n_frames, n_channels), in µV, across streams.

    Raises
    ------
    ChunkError
        There is a gap between the two frames.
    """
    ends = [(s.t_start, s.t_start + s.duration) for s in front_end.recording.streams]
    bounds = [(max(t_start, start), min(t_stop, stop)) for start, stop in ends]
    pieces = [(start, stop) for start, stop in bounds if start < stop]
    if sum(stop - start for start, stop in pieces) < t_stop - t_start:
        rate = front_end.recording.sampling_rate
        raise ChunkError(
            f"not all of these {(t_stop - t_start) / rate:g} s are recorded; choose -s "
            "such that a stream lasts as long; streams begin at second "
            f"{', '.join(f'{start / rate:g}' for start, _ in ends)}"
        )
    moments = [front_end.moment(start, stop) for start, stop in pieces]
    raw, filtered = (np.concatenate(traces) for traces in zip(*moments, strict=True))
    return raw, filtered


def _evenly(n_channels: int) -> np.ndarray:
    """Return which channels to show: all, or as many as a page holds."""
    n_shown = min(n_channels, MOST_CHANNELS)
    return np.linspace(0, n_channels - 1, n_shown).round().astype(int)


def _draw(
    panel: Axes, seconds: np.ndarray, traces: np.ndarray, names: list[str], title: str
) -> None:
    """Stack traces downwards, 12 noise levels apart, each around its median."""
    known = np.where(np.isfinite(traces), traces, 0)  # others are holes in the line
    centred = traces - np.median(known, axis=0)
    noise_uv = np.median(np.abs(np.nan_to_num(centred)), axis=0).max() / 0.6745
    spacing_uv = float(12 * noise_uv) or 1.0
    offsets = -np.arange(len(names))
    panel.plot(seconds, centred / spacing_uv + offsets, lw=0.4, color=figures.INK)
    panel.set_yticks(offsets, names)
    panel.set_xlim(seconds[0], seconds[-1])
    panel.set_xlabel("time (s)")
    panel.set_title(f"{title}, {spacing_uv:.3g} µV from channel to channel")
