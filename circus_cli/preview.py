"""The picture of a preview: the same moment of all channels, raw and filtered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from circus_cli import figures
from circus_io.atomic import atomic_path
from circus_io.errors import ChunkError
from sorting.config import SortingConfig
from sorting.kernels.filters import (
    band_pass,
    butter_sos,
    settling_frames,
    subtract_median,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from circus_io.datafile import DataFile
    from circus_io.params import Parameters
    from circus_io.probe import Probe

__all__ = ["filtered_moment", "write_preview"]

DURATION_S = 1.2
MOST_CHANNELS = 32  # more traces than this no page shows apart


def write_preview(
    path: Path,
    recording: DataFile,
    probe: Probe,
    parameters: Parameters,
    second: float = 0.0,
) -> Path:
    """Draw 1.2 s of raw and filtered traces as a PNG file.

    Parameters
    ----------
    path : Path
        The picture; its folder is made.
    recording : DataFile
    probe : Probe
        Its channels are drawn, in its order; evenly chosen ones of a large probe.
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
    raw = recording[t_start:t_stop, probe.channels]
    filtered = filtered_moment(recording, probe, parameters, t_start, t_stop)
    shown = _evenly(probe.n_channels)
    seconds = second + np.arange(len(raw)) / rate
    with figures.figure_style():
        figure = figures.new_figure(14, 1.5 + 0.32 * len(shown))
        panels = figure.subplots(1, 2, sharey=True)
        names = [str(channel) for channel in probe.channels[shown]]
        for panel, traces, title in zip(
            panels, (raw, filtered), ("raw", "filtered"), strict=True
        ):
            _draw(panel, seconds, traces[:, shown], names, title)
        picture = figures.to_png(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(picture)
    return path


def filtered_moment(
    recording: DataFile, probe: Probe, parameters: Parameters, t_start: int, t_stop: int
) -> np.ndarray:
    """Filter a moment of a recording as a sort does.

    Returns
    -------
    float32 (t_stop - t_start, n_channels)
        In µV, in the order of the probe.
    """
    config = SortingConfig.from_parameters(
        parameters,
        sampling_rate=recording.sampling_rate,
        n_channels=probe.n_channels,
        probe_radius_um=probe.radius_um,
    ).filtering
    if config.cut_off_hz is None:
        traces = recording[t_start:t_stop, probe.channels]
    else:
        sos = butter_sos(config.cut_off_hz, recording.sampling_rate, config.order)
        margin = settling_frames(sos)
        before = min(margin, t_start - recording.t_start)
        after = min(margin, recording.t_stop - t_stop)
        wide = recording[t_start - before : t_stop + after, probe.channels]
        extend = (
            0 if m == margin else config.extension_frames for m in (before, after)
        )
        traces = band_pass(wide, sos, *extend)[before : before + t_stop - t_start]
    return subtract_median(traces, probe.groups) if config.remove_median else traces


def _evenly(n_channels: int) -> np.ndarray:
    """Return which channels to show: all, or as many as a page holds."""
    n_shown = min(n_channels, MOST_CHANNELS)
    return np.linspace(0, n_channels - 1, n_shown).round().astype(int)


def _draw(
    panel: Axes, seconds: np.ndarray, traces: np.ndarray, names: list[str], title: str
) -> None:
    """Stack traces downwards, 12 noise levels apart, each around its median."""
    centred = traces - np.median(traces, axis=0)
    noise_uv = np.median(np.abs(centred), axis=0).max() / 0.6745
    spacing_uv = float(12 * noise_uv) or 1.0
    offsets = -np.arange(len(names))
    panel.plot(seconds, centred / spacing_uv + offsets, lw=0.4, color=figures.INK)
    panel.set_yticks(offsets, names)
    panel.set_xlim(seconds[0], seconds[-1])
    panel.set_xlabel("time (s)")
    panel.set_title(f"{title}, {spacing_uv:.3g} µV from channel to channel")
