"""`HeatMap`: how large the signal of each electrode is, where the electrode lies."""

import math

import numpy as np
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    HoverTool,
    LinearColorMapper,
    Rect,
    Text,
)
from bokeh.palettes import Cividis256
from bokeh.plotting import figure

from circus_live.source import SourceInfo
from circus_live.view.picture import Levels, round_up
from circus_live.view.style import HOVER, INK, plain

__all__ = ["QUANTITIES", "HeatMap", "places", "rows_go_down", "spacing"]

QUANTITIES = {
    "rms_uv": "RMS (µV)",
    "peak_uv": "peak (µV)",
    "rate_hz": "crossings (1/s)",
}
MOST_LABELS = 12  # beside or above each other
MOST_RATIO = 3.0  # of height and width, or the reverse; longer probes are stretched
MOST_CELLS = 128
PART_FILLED = 0.92
NOTHING = "#e3e3e3"
SHRINKS_BELOW = 0.35  # of the scale, so that it does not go up and down all the time


class HeatMap:
    """The figure, and what is in it.

    Parameters
    ----------
    info : SourceInfo

    Attributes
    ----------
    figure : figure
    cells : ColumnDataSource
    colours : LinearColorMapper
    """

    def __init__(self, info: SourceInfo) -> None:
        self._high, self._quantity = 0.0, "rms_uv"
        x, y, has_places = places(info)
        nothing = np.full(info.n_channels, np.nan, np.float32)
        self.cells = ColumnDataSource(
            {
                "x": x,
                "y": y,
                "label": list(info.channel_labels),
                "value": nothing,
                "ink": [INK] * info.n_channels,
                **dict.fromkeys(QUANTITIES, nothing),
            },
            syncable=False,
        )
        self.colours = LinearColorMapper(
            palette=Cividis256, low=0, high=1, nan_color=NOTHING
        )
        unit = " (µm)" if has_places else ""
        self.figure = figure(
            height=400,
            sizing_mode="stretch_width",
            min_width=380,
            tools="wheel_zoom,pan,reset,save",
            match_aspect=_is_about_square(x, y),
            x_axis_label=f"x{unit}",
            y_axis_label=f"y{unit}",
        )
        plain(self.figure)
        self.figure.y_range.flipped = has_places and rows_go_down(info)
        self._add_cells(x, y)
        self._add_colour_bar()
        self.show(self._quantity)

    def _add_cells(self, x: np.ndarray, y: np.ndarray) -> None:
        # places in no order may lie as close as they like along one axis
        width = max(spacing(x), np.ptp(x) / MOST_CELLS)
        height = max(spacing(y), np.ptp(y) / MOST_CELLS)
        shape = Rect(
            x="x",
            y="y",
            width=width * PART_FILLED,
            height=height * PART_FILLED,
            fill_color={"field": "value", "transform": self.colours},
            line_width=0,
        )
        cells = self.figure.add_glyph(self.cells, shape)
        self.figure.add_tools(HoverTool(renderers=[cells], tooltips=HOVER))
        if max(np.ptp(x) / width, np.ptp(y) / height) < MOST_LABELS:
            words = Text(
                x="x",
                y="y",
                text="label",
                text_color="ink",
                text_font_size="10px",
                text_align="center",
                text_baseline="middle",
            )
            self.figure.add_glyph(self.cells, words)

    def _add_colour_bar(self) -> None:
        bar = ColorBar(
            color_mapper=self.colours,
            ticker=BasicTicker(),
            width=12,
            major_label_text_color=INK,
            major_label_text_font_size="12px",
        )
        self.figure.add_layout(bar, "right")

    def show(self, quantity: str) -> None:
        """Show another quantity: a key of `QUANTITIES`."""
        self._quantity, self._high = quantity, 0.0
        self.figure.title.text = f"Map: {QUANTITIES[quantity]}"

    def scale(self, levels: Levels) -> None:
        """Fit the colours to these levels, if they have changed by much."""
        values = getattr(levels, self._quantity)
        known = values[np.isfinite(values)]
        largest = float(np.percentile(known, 98)) if len(known) else 0.0
        if not SHRINKS_BELOW * self._high <= largest <= self._high:
            self._high = round_up(largest)
            self.colours.high = self._high


def places(info: SourceInfo) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return x and y of each channel, and whether they are known.

    If they are not, channels are laid out in rows, the first at the top left.
    """
    if info.channel_positions is not None:
        x, y = np.asarray(info.channel_positions, float)[:, :2].T
        return x, y, True
    side = math.ceil(math.sqrt(info.n_channels))
    row, column = np.divmod(np.arange(info.n_channels), side)
    return column.astype(float), -row.astype(float), False


def rows_go_down(info: SourceInfo) -> bool:
    """Tell whether y grows with the rows of an MEA, whose first row is at the top.

    The label of an electrode of an MEA is its column and its row: 21 is above 22.
    """
    labels = info.channel_labels
    if not all(len(label) == 2 and label.isdecimal() for label in labels):
        return False
    row = np.array([int(label[1]) for label in labels], float)
    y = np.asarray(info.channel_positions, float)[:, 1]
    return (
        bool(np.corrcoef(row, y)[0, 1] > 0.99) if np.ptp(row) and np.ptp(y) else False
    )


def spacing(coordinates: np.ndarray) -> float:
    """Return the smallest distance between places along one axis; 1 if there is one."""
    distances = np.diff(np.unique(np.round(coordinates, 3)))
    return float(distances.min()) if len(distances) else 1.0


def _is_about_square(x: np.ndarray, y: np.ndarray) -> bool:
    width, height = np.ptp(x) + spacing(x), np.ptp(y) + spacing(y)
    return 1 / MOST_RATIO <= width / height <= MOST_RATIO
