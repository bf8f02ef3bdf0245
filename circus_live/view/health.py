"""`Health`: how the stream and each of its readers are doing, as a table."""

import time
from html import escape

from circus_live.block import BlockFlag
from circus_live.links import Links
from circus_live.statistics import LinkStatistics
from circus_live.view.digest import Digest

__all__ = ["Health"]

SILENT_S = 1.0
COLUMNS = (
    "from",
    "to",
    "if too slow",
    "lag (ms)",
    "fill",
    "dropped",
    "p50 (ms)",
    "p99 (ms)",
)
GOOD, BAD = "#12652f", "#a3140a"  # they differ in their words too
TABLE = "border-collapse:collapse;width:100%"
CELL = "padding:2px 8px 2px 0;text-align:{};white-space:nowrap"


class Health:
    """Reads the counts of all links; the same for all pages.

    Parameters
    ----------
    digest : Digest
    links : Links
    """

    def __init__(self, digest: Digest, links: Links) -> None:
        self._digest, self._links = digest, links
        self._before: tuple[int, int] | None = None
        self._rate_hz = 0.0
        self.has_ended = False

    def measure(self) -> None:
        """Note how many frames have come since the last time; call it regularly."""
        now, (n_frames, _) = time.monotonic_ns(), self._links.source_frames()
        if self._before is not None:
            passed_s = (now - self._before[0]) * 1e-9
            self._rate_hz = (n_frames - self._before[1]) / passed_s
        self._before = now, n_frames

    def line(self, page: str) -> str:
        """Return the state of the stream as HTML.

        Parameters
        ----------
        page : str
            What else the page says of itself.
        """
        info = self._digest.info
        seconds = self._digest.t_stop / info.sampling_rate
        high_pass = self._digest.high_pass_hz
        shown = f"high-pass {high_pass:g} Hz" if high_pass else "not filtered"
        parts = [
            f"<b>{escape(info.name)}</b>",
            f"{info.n_channels} channels",
            f"<b>{self._rate_hz:,.0f}</b> of {info.sampling_rate:,.0f} Hz",
            f"{seconds:,.1f} s",
            shown,
            self._state(),
            escape(page),
        ]
        return " &nbsp;·&nbsp; ".join(part for part in parts if part)

    def table(self) -> str:
        """Return the counts of all links as HTML."""
        rate = self._digest.info.sampling_rate
        head = "".join(_cell("th", name, i < 3) for i, name in enumerate(COLUMNS))
        rows = (_row(link, rate) for link in self._links.statistics())
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return (
            f'<table style="{TABLE}"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table><p>{self._losses()}</p>"
        )

    def _state(self) -> str:
        """Return, in a word or two, whether frames come."""
        if self.has_ended:
            return _coloured("the stream has ended", BAD)
        if not self._digest.host_time_ns:
            return "waiting for the first block"
        silent_s = (time.monotonic_ns() - self._digest.host_time_ns) * 1e-9
        if silent_s > SILENT_S:
            return _coloured(f"silent for {silent_s:.0f} s", BAD)
        return _coloured("live", GOOD)

    def _losses(self) -> str:
        _, gap_frames = self._links.source_frames()
        counts = self._digest.n_blocks
        return (
            f"Missing at the source: {_number(gap_frames)} frames. "
            f"Blocks repaired: {counts[BlockFlag.REPAIRED]:,}, "
            f"late: {counts[BlockFlag.LATE]:,}, "
            f"after a new connection: {counts[BlockFlag.RECONNECTED]:,}."
        )


def _row(link: LinkStatistics, sampling_rate: float) -> str:
    counts = link.counts
    lag_ms = counts.pending_frames / sampling_rate * 1000
    texts = (
        escape(link.sender),
        escape(link.receiver),
        escape(link.policy.replace("_", " ")),
        f"{lag_ms:,.0f}",
        f"{counts.fill:.0%}",
        _number(counts.dropped_frames),
        f"{counts.latency_ms(50):.2f}",
        f"{counts.latency_ms(99):.2f}",
    )
    return "".join(_cell("td", text, i < 3) for i, text in enumerate(texts))


def _cell(kind: str, text: str, is_text: bool) -> str:
    style = CELL.format("left" if is_text else "right")
    return f'<{kind} style="{style}">{text}</{kind}>'


def _number(count: int) -> str:
    return _coloured(f"{count:,}", BAD) if count else "0"


def _coloured(text: str, colour: str) -> str:
    return f'<b style="color:{colour}">{text}</b>'
