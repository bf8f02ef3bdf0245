"""`Screen`: the way of a frame to the browser, and the word back that it was drawn.

A frame is one message of three arrays. The browser cuts them into what its panels draw:
sixty traces as messages of their own would cost it more than drawing them.
"""

import numpy as np
from bokeh.core.properties import Any, Float, Int
from bokeh.document import Document
from bokeh.model import DataModel
from bokeh.models import CustomJS

from circus_live.view.heat_map import HeatMap
from circus_live.view.picture import LEVEL_NAMES
from circus_live.view.raster_panel import RasterPanel
from circus_live.view.style import INK
from circus_live.view.trace_panel import TracePanel

__all__ = ["Screen"]

PAPER = "#ffffff"  # of words on dark cells

DRAW = """
const [number, heights, raster, levels] = state.frame
const n_rows = bands.data.row.length
const n_points = heights.length / n_rows
const image_array = image.data.image[0]
// after a change of what is shown, frames of before may still be under way
const fits = n_points == lines.data.xs[0].length && raster.length == image_array.length
if (fits) {
    // of the plain type, which is many times as fast as that of Bokeh
    const part = (array, i, n) =>
        new Float32Array(array.buffer, array.byteOffset + 4 * i * n, n)
    lines.data.ys = Array.from({length: n_rows}, (_, i) => part(heights, i, n_points))
    image_array.set(raster)
    const n_channels = levels.length / names.length
    names.forEach((name, i) => {
        const all = part(levels, i, n_channels)
        cells.data[name] = all
        bands.data[name] = all.subarray(state.first, state.first + n_rows)
    })
    const value = cells.data[names[state.quantity]]
    const middle = colours.high / 2
    cells.data.value = value
    cells.data.ink = Array.from(value, (v) => v <= middle ? paper : ink)
    for (const source of [lines, bands, image, cells]) source.change.emit()
}
// the second call comes after the frame has been painted
requestAnimationFrame(() => requestAnimationFrame((now) => {
    const times = window.circus_frames ??= []
    times.push(now)
    while (times[0] < now - 1000) times.shift()
    if (number % 15 == 0) state.rate_hz = times.length
    state.drawn = window.circus_drawn = Math.max(state.drawn, number)
}))
"""


class State(DataModel):
    """What server and browser tell each other: frames, and how far they are drawn."""

    frame = Any(default=[])
    drawn = Int(default=0)
    rate_hz = Float(default=0.0)
    quantity = Int(default=0)
    first = Int(default=0)


class Screen:
    """Sends frames, and knows how many of them have been drawn.

    A page that nobody looks at draws none, so it gets none.

    Parameters
    ----------
    traces : TracePanel
    raster : RasterPanel
    heat_map : HeatMap
    """

    def __init__(
        self, traces: TracePanel, raster: RasterPanel, heat_map: HeatMap
    ) -> None:
        self._state, self._n_sent = State(), 0
        draw = CustomJS(
            args={
                "state": self._state,
                "lines": traces.lines,
                "bands": traces.bands,
                "image": raster.image,
                "cells": heat_map.cells,
                "colours": heat_map.colours,
                "names": list(LEVEL_NAMES),
                "ink": INK,
                "paper": PAPER,
            },
            code=DRAW,
        )
        self._state.js_on_change("frame", draw)

    def add_to(self, document: Document) -> None:
        """Be part of a document."""
        document.add_root(self._state)

    def show(self, quantity: str, channels: range) -> None:
        """Say which quantity the map shows, and which channels the traces."""
        self._state.quantity = LEVEL_NAMES.index(quantity)
        self._state.first = channels.start

    def send(self, heights: np.ndarray, raster: np.ndarray, levels: np.ndarray) -> None:
        """Send a frame; the arrays are those of `picture`."""
        self._n_sent += 1
        # the number comes first: by it, Bokeh sees that this is another frame
        self._state.frame = [self._n_sent, heights.ravel(), raster.ravel(), levels]

    @property
    def n_ahead(self) -> int:
        """Frames that were sent, and are not drawn yet."""
        return self._n_sent - self._state.drawn

    @property
    def rate_hz(self) -> float:
        """Frames per second, as the browser counts them."""
        return self._state.rate_hz
