"""The picture of a moment of the recording: raw, filtered, spikes in colour."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from circus_cli.figures import COLOURS, GREY, INK, colour_of, new_figure
from circus_io.params import build_params
from circus_io.probe import Probe
from sorting.config import SortingConfig
from sorting.front_end import FrontEnd
from sorting.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from circus_io.datafile import DataFile

__all__ = ["traces_figure"]

WINDOW_MS = 50.0
N_CHANNELS = 10


class _Spike(NamedTuple):
    """A spike in the picture: which unit, the frames and the traces to colour."""

    index: int
    t_start: int
    t_stop: int
    positions: np.ndarray


def traces_figure(result: Result, recording: DataFile, rows: Sequence[int]) -> Figure:
    """Draw a moment of the recording, raw and filtered, with its spikes coloured.

    The channels are those around the first unit; the moment is the one in which most
    of the units fire there.

    Parameters
    ----------
    result : Result
    recording : DataFile
        Open, in the channel order of the file.
    rows : sequence of int
        Rows of the unit table, at least one.
    """
    channels = _channels_around(result, int(result.units.peak_channel[rows[0]]))
    t_start, t_stop = _busiest_window(result, rows, channels)
    spikes = _visible_spikes(result, rows, channels, t_start, t_stop)
    figure = new_figure(10, 0.42 * len(channels) + 1.2)
    panels = figure.subplots(1, 2)
    shown = sorted({spike.index for spike in spikes})
    colours = _distinct_colours(shown)
    both = _raw_and_filtered(result, recording, channels, t_start, t_stop)
    for panel, traces, title in zip(panels, both, ("raw", "filtered"), strict=True):
        _draw_traces(panel, traces, spikes, colours, result.sampling_rate)
        names = [str(column) for column in result.channels.column[channels]]
        panel.set_yticks(panel.get_yticks(), names)
        panel.set_title(title)
    seconds = (t_start - result.t_start) / result.sampling_rate
    figure.supxlabel(f"time (ms) after {seconds:.5f} s", fontsize=9)
    panels[0].set_ylabel("channel (column of the file)")
    names = [f"unit {result.unit_ids[rows[index]]}" for index in shown]
    _unit_legend(figure, names, [colours[index] for index in shown])
    return figure


def _distinct_colours(shown: Sequence[int]) -> dict[int, str]:
    """Keep the colours that units have in every picture; give the others free ones."""
    colours = {index: colour_of(index) for index in shown if index < len(COLOURS)}
    free = [colour for colour in COLOURS if colour not in colours.values()] or COLOURS
    others = [index for index in shown if index not in colours]
    return colours | dict(zip(others, cycle(free), strict=False))


def _draw_traces(
    axes: Axes,
    traces: np.ndarray,
    spikes: Sequence[_Spike],
    colours: dict[int, str],
    sampling_rate: float,
) -> None:
    """Draw (n_frames, n_channels) µV from bottom to top, and spikes over them."""
    step = float(np.max(np.ptp(traces, axis=0), initial=0)) * 0.6 or 1.0
    offsets = step * np.arange(traces.shape[1])
    lines = traces + offsets
    time_ms = np.arange(len(traces)) / sampling_rate * 1000
    axes.plot(time_ms, lines, color=GREY, lw=0.5)
    for spike in spikes:
        part = slice(max(0, spike.t_start), spike.t_stop)
        colour = colours[spike.index]
        axes.plot(time_ms[part], lines[part, spike.positions], color=colour, lw=1.3)
    axes.set_yticks(offsets)
    axes.set_xlim(0, time_ms[-1])
    _scale_bar(axes, step)


def _channels_around(result: Result, peak: int) -> np.ndarray:
    """Return the good channels nearest to one, on its shank, from bottom to top."""
    table = result.channels
    usable = np.flatnonzero(table.good & (table.group == table.group[peak]))
    distance = np.hypot(
        table.x[usable] - table.x[peak], table.y[usable] - table.y[peak]
    )
    near = usable[np.argsort(distance, kind="stable")[:N_CHANNELS]]
    return near[np.lexsort([table.x[near], table.y[near]])]


def _busiest_window(
    result: Result, rows: Sequence[int], channels: np.ndarray
) -> tuple[int, int]:
    """Return the window, inside of one stream, in which most of the units fire."""
    length = round(WINDOW_MS * result.sampling_rate / 1000)
    here = [row for row in rows if result.units.peak_channel[row] in channels]
    spikes = np.isin(result.spike_units, here)
    times, units = result.spike_times[spikes], result.spike_units[spikes]
    stream = result.streams.stream_of(times)
    first = result.streams.t_start[stream]
    stop = first + result.streams.n_frames[stream]
    starts = np.clip(times - length // 10, first, np.maximum(first, stop - length))
    # A few thousand spikes are enough to find a telling moment.
    candidates = np.unique(np.linspace(0, len(times) - 1, 5000).astype(int))
    low = np.searchsorted(times, starts)
    high = np.searchsorted(times, starts + length)
    variety = [len(np.unique(units[low[i] : high[i]])) for i in candidates]
    best = candidates[int(np.argmax(variety))]
    return int(starts[best]), int(min(starts[best] + length, stop[best]))


def _raw_and_filtered(
    result: Result,
    recording: DataFile,
    channels: np.ndarray,
    t_start: int,
    t_stop: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return two (n_frames, n_channels) arrays in µV; raw ones without their median.

    Filtered as in the sort: by the parameters that the result holds.
    """
    raw, filtered = _front_end(result, recording).moment(t_start, t_stop)
    raw = raw[:, channels]
    # a missing sample is a hole in the picture, and has no part in the median
    return raw - np.median(np.nan_to_num(raw), axis=0), filtered[:, channels]


def _front_end(result: Result, recording: DataFile) -> FrontEnd:
    table = result.channels
    probe = Probe(table.column, table.group, np.stack([table.x, table.y, table.z], 1))
    config = SortingConfig.from_parameters(
        build_params({"filtering": result.parameters.get("filtering", {})}),
        sampling_rate=result.sampling_rate,
        n_channels=probe.n_channels,
        probe_radius_um=None,
    )
    return FrontEnd(recording, probe, config.filtering)


def _visible_spikes(
    result: Result,
    rows: Sequence[int],
    channels: np.ndarray,
    t_start: int,
    t_stop: int,
) -> list[_Spike]:
    """Return the spikes in a window whose template stands out on some channel of it."""
    index_of = {row: index for index, row in enumerate(rows)}
    spikes = []
    for spike in range(*np.searchsorted(result.spike_times, [t_start, t_stop])):
        row = int(result.spike_units[spike])
        if row not in index_of:
            continue
        waveform, reached = result.template(result.unit_ids[row])
        loud = np.abs(waveform).max(axis=0) > 2 * result.noise_levels_uv[reached]
        positions = np.flatnonzero(np.isin(channels, reached[loud]))
        frame = int(result.spike_times[spike]) - t_start
        first = frame - result.n_before // 2
        stop = frame + (len(waveform) - result.n_before) // 2
        if len(positions):
            spikes.append(_Spike(index_of[row], first, stop, positions))
    return spikes


def _scale_bar(axes: Axes, step: float) -> None:
    """Draw a vertical bar of a round number of µV at the lower right."""
    exponent = 10 ** np.floor(np.log10(step))
    size = max(factor for factor in (1, 2, 5) if factor * exponent <= step) * exponent
    x = 1.01
    transform = axes.get_yaxis_transform()
    axes.plot([x, x], [0, size], color=INK, lw=2, transform=transform, clip_on=False)
    axes.text(
        x + 0.01,
        size / 2,
        f"{size:g} µV",
        transform=transform,
        rotation=90,
        va="center",
    )


def _unit_legend(figure: Figure, names: Sequence[str], colours: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, lw=3) for colour in colours]
    columns = min(len(names), 9) or 1
    figure.legend(handles, names, loc="outside upper center", ncols=columns)
