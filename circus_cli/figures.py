"""The pictures of the report: each function turns a result into one matplotlib figure.

matplotlib is imported on use. Figures are made without pyplot, so nothing is global and
no display is needed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from circus_io.errors import MissingDependencyError
from sorting.quality import correlogram
from sorting.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "GREY",
    "INK",
    "accuracy_figure",
    "amplitudes_figure",
    "colour_of",
    "correlograms_figure",
    "figure_style",
    "largest_units",
    "new_figure",
    "probe_figure",
    "to_png",
]

# Twelve hues that stay apart on white, also for most colour-blind readers.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#7b3294", "#8c510a", "#1b7837", "#b2182b", "#2166ac", "#666600"),
)
GREY = "#8a8f98"
INK = "#1c2733"
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#c3c9d1",
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": "#5b6673",
    "ytick.color": "#5b6673",
    "legend.frameon": False,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Make figures look alike inside of this context.

    Raises
    ------
    MissingDependencyError
        Without matplotlib.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingDependencyError(
            f"pictures need matplotlib: {error}; install it with: "
            "pip install 'circus-toolkit[plots]'"
        ) from error
    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; the size is in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def to_png(figure: Figure, dpi: int = 150) -> bytes:
    """Return a figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def colour_of(index: int) -> str:
    """Return the colour of the n-th unit of a list of units."""
    return COLOURS[index % len(COLOURS)]


def largest_units(result: Result, n_units: int) -> list[int]:
    """Return the rows of the units with the largest SNR, largest first, noise last.

    Units without spikes or without a template, which no picture can show, are left out.
    """
    units = result.units
    order = np.lexsort([-units.snr, units.label == "noise"])
    drawable = (units.n_spikes > 0) & (units.peak_channel >= 0)
    return [int(row) for row in order if drawable[row]][:n_units]


def probe_figure(result: Result, rows: Sequence[int]) -> Figure:
    """Draw the templates of some units where their electrodes are.

    Parameters
    ----------
    result : Result
    rows : sequence of int
        Rows of the unit table; each gets its colour.
    """
    x, y = result.channels.x, result.channels.y
    pitch_x, pitch_y = _pitches(x, y)
    n_columns = np.ptp(x) / pitch_x + 1 if len(x) else 1
    n_rows = np.ptp(y) / pitch_y + 1 if len(y) else 1
    width = float(np.clip(1.1 * n_columns + 1.5, 4.0, 10.0))
    height = float(np.clip(0.55 * n_rows + 1.0, 3.6, 11.0))
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    good = result.channels.good
    axes.plot(x[good], y[good], "o", color="#dfe3e8", ms=5, mew=0, zorder=0)
    axes.plot(x[~good], y[~good], "x", color=GREY, ms=5, zorder=0)
    largest = max([np.ptp(_waveform(result, row), axis=0).max() for row in rows] or [1])
    for index, row in enumerate(rows):
        _draw_template(
            axes, result, row, pitch_x, 1.4 * pitch_y / largest, colour_of(index)
        )
    _name_units(axes, result, rows, pitch_x)
    axes.set(xlabel="x (µm)", ylabel="y (µm)")
    axes.margins(x=0.5 / n_columns, y=0.5 / n_rows)
    return figure


def _draw_template(
    axes: Axes, result: Result, row: int, width: float, scale: float, colour: str
) -> None:
    """Draw one unit on the channels where it has a quarter of its height at least."""
    waveform, channels = result.template(result.unit_ids[row])
    height = np.ptp(waveform, axis=0)
    time = (np.arange(len(waveform)) - result.n_before) / len(waveform) * width * 0.8
    for column in np.flatnonzero(height > height.max(initial=0) / 4):
        channel = channels[column]
        axes.plot(
            result.channels.x[channel] + time,
            result.channels.y[channel] + waveform[:, column] * scale,
            color=colour,
            lw=1.3,
            solid_capstyle="round",
        )


def _name_units(axes: Axes, result: Result, rows: Sequence[int], width: float) -> None:
    """Write the name of each unit beside its peak channel, one below the other."""
    named: dict[int, int] = {}
    for index, row in enumerate(rows):
        peak = int(result.units.peak_channel[row])
        place = named[peak] = named.get(peak, -1) + 1
        axes.annotate(
            str(result.unit_ids[row]),
            (result.channels.x[peak] - width * 0.3, result.channels.y[peak]),
            xytext=(0, 6 - 10 * place),
            textcoords="offset points",
            color=colour_of(index),
            weight="bold",
            ha="right",
            va="center",
            fontsize=8,
        )


def _waveform(result: Result, row: int) -> np.ndarray:
    return result.template(result.unit_ids[row])[0]


def _pitches(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return how much room an electrode has for a picture, along x and y, in µm.

    That is the distance of columns, and of electrodes in a column; where electrodes are
    in no order, it is a part of the distance to the nearest one.
    """
    columns = np.unique(x.round(1))
    between = np.diff(columns)
    within = [np.diff(np.unique(y[x.round(1) == column])) for column in columns]
    steps = np.concatenate([np.zeros(0), *within])
    if len(x) > 1:
        distances, _ = KDTree(np.column_stack([x, y])).query(
            np.column_stack([x, y]), k=2
        )
        nearest = float(np.median(distances[:, 1]))
    else:
        nearest = 0.0
    pitch_x = max(float(between.min()), 0.6 * nearest) if len(between) else 40.0
    pitch_y = max(float(np.median(steps)), 0.4 * nearest) if len(steps) else 40.0
    return pitch_x, pitch_y


def amplitudes_figure(result: Result, rows: Sequence[int]) -> Figure:
    """Draw how large every spike of some units is, over the time of the recording."""
    figure = new_figure(10, 0.95 * len(rows) + 0.8)
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for index, (axes, row) in enumerate(zip(panels, rows, strict=True)):
        unit_id = result.unit_ids[row]
        spikes = result.spike_indices(unit_id)
        height = np.abs(_waveform(result, row)).max(initial=0)
        axes.plot(
            (result.spike_times[spikes] - result.t_start) / result.sampling_rate,
            result.amplitudes[spikes] * height,
            ".",
            ms=2.5,
            mew=0,
            alpha=0.6,
            color=colour_of(index),
            rasterized=True,
        )
        axes.set_ylim(0, None)
        axes.set_title(f"unit {unit_id}", color=colour_of(index), weight="bold", pad=2)
    duration_s = (result.t_stop - result.t_start) / result.sampling_rate
    panels[-1].set(xlabel="time (s)", xlim=(0, duration_s))
    figure.supylabel("amplitude (µV)", fontsize=9)
    return figure


def correlograms_figure(
    result: Result, rows: Sequence[int], *, window_ms: float = 25.0, bin_ms: float = 1.0
) -> Figure:
    """Draw auto-correlograms on the diagonal and cross-correlograms off it.

    Counts of pairs over the lag in ms; a well isolated unit has a gap around zero on
    the diagonal, and so have two halves of one neuron off it.
    """
    n_units = len(rows)
    size = min(10.0, 1.35 * n_units + 1.2)
    figure = new_figure(size, 0.85 * size)
    grid = figure.subplots(n_units, n_units, sharex=True, squeeze=False)
    bin_frames = max(1, round(bin_ms * result.sampling_rate / 1000))
    n_bins = round(window_ms * result.sampling_rate / 1000) // bin_frames
    lags_ms = (np.arange(2 * n_bins) - n_bins + 0.5) * bin_ms
    trains = [result.spike_train(result.unit_ids[row]) for row in rows]
    for i, j in np.ndindex(n_units, n_units):
        axes, other = grid[i, j], None if i == j else trains[j]
        counts = correlogram(trains[i], other, n_bins, bin_frames)
        colour = colour_of(i) if i == j else "#aeb6c0"
        axes.bar(lags_ms, counts, width=bin_ms, color=colour, lw=0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=INK, lw=0.4, alpha=0.5)
    for i, row in enumerate(rows):
        grid[0, i].set_title(
            f"{result.unit_ids[row]}", color=colour_of(i), weight="bold"
        )
        grid[i, 0].set_ylabel(
            f"{result.unit_ids[row]}", color=colour_of(i), weight="bold", rotation=0,
            ha="right", va="center",
        )  # fmt: skip
    figure.supxlabel("lag of the column's unit after the row's unit (ms)", fontsize=9)
    return figure


def accuracy_figure(table: np.ndarray, *, snr: float, accuracy: float) -> Figure:
    """Draw the accuracy of every true unit over its SNR, with the aimed-at corner.

    Parameters
    ----------
    table : (n,) structured array
        With ``snr``, ``accuracy`` and ``n_spikes``, from ``compare_with_truth``.
    snr, accuracy : float
        Units above this SNR should have at least this accuracy.
    """
    figure = new_figure(6.4, 3.4)
    axes = figure.add_subplot()
    reached = table["accuracy"] >= accuracy
    right = max(np.max(table["snr"], initial=0) * 1.08, snr * 1.5)
    axes.fill_between([snr, right], accuracy, 1.03, color="#e6f4ee", lw=0)
    for chosen, colour, name in (
        (reached, COLOURS[2], f"accuracy at least {accuracy:g}"),
        (~reached, COLOURS[1], "below"),
    ):
        axes.plot(
            table["snr"][chosen], table["accuracy"][chosen], "o", color=colour, ms=6,
            mew=0, alpha=0.85, label=f"{name}: {int(chosen.sum())} units",
        )  # fmt: skip
    axes.set(xlabel="SNR", ylabel="accuracy", xlim=(0, right), ylim=(-0.03, 1.03))
    axes.legend(loc="center right")
    return figure
