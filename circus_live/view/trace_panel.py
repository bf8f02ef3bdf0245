"""`TracePanel`: the last moments of up to 64 channels, one under another."""

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HBar,
    HoverTool,
    MultiLine,
    Range1d,
)
from bokeh.plotting import figure

from circus_live.view.digest import Digest
from circus_live.view.picture import LEVEL_NAMES, Window
from circus_live.view.style import HOVER, STRIPES, TRACE, plain

__all__ = ["TracePanel"]

FAR_S = 100.0
LEAST_WIDTH, LETTER_WIDTH = 46, 7  # px, of the names of channels
HEIGHT, TOP, BOTTOM = 820, 12, 60  # px; both figures have the same, so they align


class TracePanel:
    """The figure, and what is in it.

    Parameters
    ----------
    digest : Digest
    channels : range
        Numbers of those that are shown.

    Attributes
    ----------
    figure : figure
    labels : figure
        The names of the channels, in a figure of their own: measuring and drawing
        sixty of them again and again would take as long as the traces.
    lines, bands : ColumnDataSource
        What is drawn, and what answers to who points at it.
    window : Window
    row_uv : float
        Height of a row, µV.
    """

    def __init__(self, digest: Digest, channels: range) -> None:
        self._digest = digest
        # the browser fills these itself, from frames
        self.lines = ColumnDataSource({"xs": [], "ys": []}, syncable=False)
        self.bands = ColumnDataSource(syncable=False)
        borders = {"min_border_top": TOP, "min_border_bottom": BOTTOM}
        self.figure = figure(
            height=HEIGHT,
            sizing_mode="stretch_width",
            min_width=460,
            tools="ywheel_zoom,ybox_zoom,reset,save",
            x_axis_label="time before now (s)",
            y_range=Range1d(0, 1),
            x_range=Range1d(-1, 0),
            **borders,
        )
        plain(self.figure)
        self.figure.yaxis.visible = False
        self.labels = figure(
            height=HEIGHT,
            width=LEAST_WIDTH
            + LETTER_WIDTH * max(map(len, digest.info.channel_labels)),
            tools="",
            toolbar_location=None,
            y_axis_label="channel",
            y_range=self.figure.y_range,
            x_range=Range1d(0, 1),
            **borders,
        )
        plain(self.labels)
        self.labels.xaxis.visible = False
        self.labels.outline_line_color = None
        self.labels.yaxis.axis_line_color = None
        # or Bokeh would complain that there is nothing in it
        self.labels.scatter([0], [0], alpha=0)
        bands = self.figure.add_glyph(
            self.bands,
            HBar(
                y="row",
                height=1,
                left=-FAR_S,
                right=0,
                fill_color="fill",
                line_width=0,
            ),
        )
        self.figure.add_tools(HoverTool(renderers=[bands], tooltips=HOVER))
        self.figure.add_glyph(self.lines, MultiLine(xs="xs", ys="ys", line_color=TRACE))
        self.window = Window.of(digest, 1.0)
        self.row_uv = 100.0
        self.show(channels)

    def show(self, channels: range) -> None:
        """Show other channels."""
        self.channels, n_rows = channels, len(channels)
        labels = [self._digest.info.channel_labels[i] for i in channels]
        rows = np.arange(n_rows - 1, -1, -1)
        self.bands.data = {
            "row": rows,
            "label": labels,
            "fill": [STRIPES[i % 2] for i in range(n_rows)],
            **dict.fromkeys(LEVEL_NAMES, np.full(n_rows, np.nan, np.float32)),
        }
        axis = self.labels.yaxis[0]
        axis.ticker = FixedTicker(ticks=rows.tolist())
        axis.major_label_overrides = dict(zip(map(int, rows), labels, strict=True))
        axis.major_label_text_font_size = "10px" if n_rows > 30 else "12px"
        y_range = self.figure.y_range
        y_range.update(start=-1, end=n_rows, reset_start=-1, reset_end=n_rows)
        self._lay_out()

    def stretch(self, seconds: float) -> None:
        """Show another length of time."""
        self.window = Window.of(self._digest, seconds)
        self._lay_out()

    def _lay_out(self) -> None:
        """Place the points in time; they stay there, and their heights change."""
        x = np.repeat(self.window.times(), 2).astype(np.float32)
        y, n_rows = np.full(len(x), np.nan, np.float32), len(self.channels)
        self.lines.data = {"xs": [x] * n_rows, "ys": [y] * n_rows}
        self.figure.x_range.update(
            start=-self.window.seconds,
            end=0,
            reset_start=-self.window.seconds,
            reset_end=0,
        )
