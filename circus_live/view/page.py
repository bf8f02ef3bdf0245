"""`Page`: what one browser sees, and what its user has chosen."""

import time
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import Div, Select, Toggle

from circus_live.view import picture
from circus_live.view.digest import Digest
from circus_live.view.health import Health
from circus_live.view.heat_map import QUANTITIES, HeatMap
from circus_live.view.raster_panel import RasterPanel
from circus_live.view.screen import Screen
from circus_live.view.style import CELL_STYLES
from circus_live.view.trace_panel import TracePanel

__all__ = ["Page"]

LOOK_EVERY_MS = 10
FRAME_S = 1 / 30
MOST_ROWS = 64
WINDOWS_S = (0.25, 0.5, 1, 2, 5, 10)
ROWS_UV = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
NOISE_PER_ROW = 12  # at first
MOST_AHEAD = 3  # frames that a browser has not drawn yet
GIVEN_UP_S = 2.0  # after which another frame is sent all the same
WORDS_EVERY_S = 1.0  # each change of words lays the whole page out anew


class Page:
    """Fills a document, and draws into it until it is gone.

    Parameters
    ----------
    document : Document
    digest : Digest
    health : Health
    """

    def __init__(self, document: Document, digest: Digest, health: Health) -> None:
        self._document, self._digest, self._health = document, digest, health
        self._pages = _pages(digest.info.n_channels)
        self._traces = TracePanel(digest, self._pages[0])
        self._raster = RasterPanel(digest, self._pages[0])
        self._map = HeatMap(digest.info)
        self._line = Div(styles=CELL_STYLES, sizing_mode="stretch_width")
        self._table = Div(styles=CELL_STYLES, sizing_mode="stretch_width")
        self.screen = Screen(self._traces, self._raster, self._map)
        self._last_sent_s = self._words_due_s = 0.0
        self._has_scale = self._has_changed = self._has_ended = False
        self._make_controls()
        self._arrange()
        document.add_periodic_callback(self.draw, LOOK_EVERY_MS)

    # --------------------------------------------------------------------- building

    def _make_controls(self) -> None:
        self._pause = Toggle(label="Pause", width=90, align="end")
        self._pause.on_change("active", self._on_pause)
        self._row_uv = _select("Height of a row", ROWS_UV, "µV", 100, self._on_row)
        longest = self._digest.columns.capacity * self._digest.column_s
        windows = [s for s in WINDOWS_S if s <= longest] or [WINDOWS_S[0]]
        self._window = _select(
            "Time shown", windows, "s", min(1, windows[-1]), self._on_window
        )
        self._quantity = Select(
            title="Map", options=list(QUANTITIES.items()), value="rms_uv", width=140
        )
        self._quantity.on_change("value", self._on_quantity)
        labels = self._digest.info.channel_labels
        options = [
            (str(i), f"{labels[some[0]]} to {labels[some[-1]]}")
            for i, some in enumerate(self._pages)
        ]
        self._channels = Select(title="Channels", options=options, value="0", width=140)
        self._channels.on_change("value", self._on_channels)

    def _arrange(self) -> None:
        controls = [self._pause, self._row_uv, self._window, self._quantity]
        if len(self._pages) > 1:
            controls.append(self._channels)
        right = column(
            self._map.figure,
            self._raster.figure,
            self._table,
            sizing_mode="stretch_width",
            width_policy="max",
        )
        self._document.title = f"{self._digest.info.name}: circus live"
        self.screen.add_to(self._document)
        self._document.add_root(
            column(
                self._line,
                row(*controls, spacing=14),
                row(
                    self._traces.labels,
                    self._traces.figure,
                    right,
                    sizing_mode="stretch_width",
                ),
                sizing_mode="stretch_width",
            )
        )

    # --------------------------------------------------------------------- drawing

    def draw(self) -> None:
        """Draw this moment, if a frame is due and the browser keeps up."""
        now_s = time.monotonic()
        if now_s >= self._words_due_s or self._has_last_words():
            self._words_due_s = now_s + WORDS_EVERY_S
            self._line.text = self._health.line(self._own_words())
            self._table.text = self._health.table()
        waited_s = now_s - self._last_sent_s
        is_behind = self.screen.n_ahead >= MOST_AHEAD and waited_s < GIVEN_UP_S
        is_over = self._health.has_ended
        is_still = (self._pause.active or is_over) and not self._has_changed
        if is_still or is_behind or waited_s < FRAME_S:
            return
        self._has_changed = False
        self._last_sent_s = max(self._last_sent_s + FRAME_S, now_s - FRAME_S)
        self._choose_scale()
        self._send()

    def _send(self) -> None:
        digest, channels = self._digest, self._traces.channels
        levels = picture.levels(digest)
        self._map.scale(levels)
        self.screen.send(
            picture.traces(digest, self._traces.window, channels, self._traces.row_uv),
            picture.raster(digest, self._raster.window, channels),
            levels.together(),
        )

    def _has_last_words(self) -> bool:
        """Tell, once, that the stream has ended."""
        if not self._health.has_ended or self._has_ended:
            return False
        self._has_ended = True
        return True

    def _own_words(self) -> str:
        if self._pause.active:
            return "PAUSED: the stream goes on"
        return f"{self.screen.rate_hz:.0f} frames / s here"

    def _choose_scale(self) -> None:
        """Set the first height of rows by the noise, once it is known."""
        noise_uv = self._digest.noise_uv[np.isfinite(self._digest.noise_uv)]
        if self._has_scale or not len(noise_uv):
            return
        self._has_scale = True
        wanted_uv = NOISE_PER_ROW * float(np.median(noise_uv))
        place = int(np.searchsorted(ROWS_UV[:-1], wanted_uv))
        self._row_uv.value = f"{ROWS_UV[place]}"

    # --------------------------------------------------------------------- choices

    # a choice shows the newest moment once, also in a pause

    def _on_row(self, _: str, __: str, value: str) -> None:
        self._traces.row_uv, self._has_scale = float(value), True
        self._has_changed = True

    def _on_window(self, _: str, __: str, value: str) -> None:
        self._traces.stretch(float(value))
        self._has_changed = True

    def _on_quantity(self, _: str, __: str, value: str) -> None:
        self._map.show(value)
        self.screen.show(value, self._traces.channels)
        self._has_changed = True

    def _on_channels(self, _: str, __: str, value: str) -> None:
        channels = self._pages[int(value)]
        self._traces.show(channels)
        self._raster.show(channels)
        self.screen.show(self._quantity.value, channels)
        self._has_changed = True

    def _on_pause(self, _: str, __: bool, is_paused: bool) -> None:
        self._pause.label = "Go on" if is_paused else "Pause"
        self._words_due_s = 0.0


def _pages(n_channels: int) -> list[range]:
    """Cut the channels into parts that fit on the screen."""
    n_pages = -(-n_channels // MOST_ROWS)
    n_rows = -(-n_channels // n_pages)
    starts = range(0, n_channels, n_rows)
    return [range(start, min(start + n_rows, n_channels)) for start in starts]


def _select(title: str, values: Any, unit: str, value: float, on_change: Any) -> Select:
    options = [(f"{one:g}", f"{one:g} {unit}") for one in values]
    made = Select(title=title, options=options, value=f"{value:g}", width=130)
    made.on_change("value", on_change)
    return made
