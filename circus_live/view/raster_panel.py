"""`RasterPanel`: when each channel went below its threshold, over ten seconds."""

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    Image,
    LinearColorMapper,
    Range1d,
)
from bokeh.plotting import figure

from circus_live.view.digest import Digest
from circus_live.view.picture import MISSING, Window
from circus_live.view.style import MISSING_FILL, plain

__all__ = ["RasterPanel"]

SECONDS = 10.0
SHADES = ("#ffffff", "#7a7a7a", "#3d3d3d", "#000000", MISSING_FILL)
MOST_LABELS = 16


class RasterPanel:
    """The figure, and what is in it.

    Parameters
    ----------
    digest : Digest
    channels : range
        Numbers of those that are shown.

    Attributes
    ----------
    figure : figure
    image : ColumnDataSource
    window : Window
    """

    def __init__(self, digest: Digest, channels: range) -> None:
        self._digest = digest
        self.window = Window.of(digest, SECONDS)
        self.image = ColumnDataSource(syncable=False)
        self.figure = figure(
            height=330,
            sizing_mode="stretch_width",
            min_width=380,
            tools="ywheel_zoom,ybox_zoom,reset,save",
            title=f"Raster: below −{digest.threshold:g} × noise (orange: missing)",
            x_axis_label="time before now (s)",
            y_axis_label="channel",
            x_range=Range1d(-self.window.seconds, 0),
            y_range=Range1d(0, 1),
        )
        plain(self.figure)
        shades = LinearColorMapper(palette=SHADES, low=-0.5, high=MISSING + 0.5)
        self.figure.add_glyph(
            self.image,
            Image(
                image="image",
                x=-self.window.seconds,
                y=-0.5,
                dw=self.window.seconds,
                dh="height",
                color_mapper=shades,
            ),
        )
        self.show(channels)

    def show(self, channels: range) -> None:
        """Show other channels."""
        self.channels, n_rows = channels, len(channels)
        empty = np.zeros((n_rows, self.window.n_columns), np.uint8)
        self.image.data = {"image": [empty], "height": [n_rows]}
        step = max(1, -(-n_rows // MOST_LABELS))
        labels = self._digest.info.channel_labels
        names = {n_rows - 1 - i: labels[channels[i]] for i in range(0, n_rows, step)}
        axis = self.figure.yaxis[0]
        axis.ticker = FixedTicker(ticks=list(names))
        axis.major_label_overrides = names
        start, end = -0.5, n_rows - 0.5
        self.figure.y_range.update(
            start=start, end=end, reset_start=start, reset_end=end
        )
