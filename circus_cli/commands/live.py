"""``circus live``: a stream through services into a file, with a line that says how."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_cli import live_options as option
from circus_cli.console import say, say_table, show, stderr
from circus_cli.errors import UsageError
from circus_cli.options import Debug, Quiet
from circus_cli.source import Source as FileChoice
from circus_cli.view import (
    ViewAddress,
    ViewHighPass,
    ViewPort,
    ViewTokenFile,
    ViewWanted,
    make_view,
)

if TYPE_CHECKING:
    from circus_live import Flow
    from circus_live.statistics import FlowStatistics
    from circus_live.view import View

__all__ = ["EXAMPLES", "live"]

EXAMPLES = """\b
Examples:
  circus live --source meame://127.0.0.1 --record rec.h5
  circus live --source rec.mcd --service my_chain.py:Detector
  circus live --source 'synthetic?n_channels=60' --duration 10
  circus live --source rec.h5 --metrics 9100     counts for other programs, as JSON
  circus live --source meame://127.0.0.1 --record rec.h5 --view
  circus live --record rec.h5 --stim-log run.jsonl   beside circus stim run --log
  circus live --selftest         how fast blocks reach a service on this machine
"""

STATUS_EVERY_S = 0.5
PLAIN_EVERY_S = 5.0  # where the line cannot be written over
BAR_WIDTH = 40


def live(
    source: option.Source = "synthetic",
    record: option.Record = None,
    rotate_s: option.Rotate = None,
    services: option.Services = None,
    policy: option.Policy = "block",
    stim_log: option.StimLog = None,
    duration_s: option.Duration = None,
    metrics_port: option.MetricsPort = None,
    view: ViewWanted = False,
    view_port: ViewPort = 5006,
    view_address: ViewAddress = "127.0.0.1",
    view_token_file: ViewTokenFile = None,
    view_high_pass_hz: ViewHighPass = None,
    realtime: option.Realtime = False,
    selftest: option.Selftest = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> int:
    """Take a stream in, through services, and record it.

    Each service is a process of its own. Ctrl-C stops the source; what is under way is
    still done, and the file is closed.
    """
    if duration_s is not None and not duration_s > 0:
        raise UsageError(f"--duration {duration_s}: expected more than 0 s")
    if selftest:
        return _self_test(duration_s or 5.0, realtime)
    if rotate_s is not None and record is None:
        raise UsageError("--rotate says when the file of --record changes; give both")
    shown = None
    if view:
        shown = make_view(view_port, view_address, view_token_file, view_high_pass_hz)
    from circus_live import Flow

    flow = Flow(_source(source), realtime=realtime)
    _fill(flow, services or [], policy, record, rotate_s, shown)
    if stim_log is not None:
        from circus_live.clock_notes import ClockNotes

        flow.add(ClockNotes(stim_log), after="source")
    try:
        with _metrics(flow, metrics_port) as metrics:
            _run(flow, metrics, duration_s, quiet)
    finally:
        if flow.pids:
            _say_end(flow, record, quiet)
    return 0


def _fill(
    flow: Flow,
    services: list[str],
    policy: str,
    record: Path | None,
    rotate_s: float | None,
    view: View | None,
) -> None:
    """Add what was asked for to a flow."""
    for service in services:
        flow.add(service, policy=policy)
    if record is not None:
        from circus_live.recorder import Recorder

        flow.add(Recorder(record, rotate_s=rotate_s), after="source")
    if view is not None:
        flow.add(view, after="source")
    if not (services or record or view):
        flow.add(_nothing, name="nobody", policy="drop_oldest")


def _nothing(block: Any) -> None:
    """Be a reader, so that there is something to count."""


def _source(text: str) -> Any:
    """Return a source; a recording is opened by its .params file, if it has one."""
    from circus_live import open_source
    from circus_live.opening import SCHEMES

    scheme = text.partition("://")[0].partition("?")[0].partition(":")[0]
    if scheme in SCHEMES or "://" in text:
        return open_source(text)
    from circus_live.sources.file import FileSource

    return FileSource(FileChoice(Path(text), None, ()).open())


@contextmanager
def _metrics(flow: Flow, port: int | None) -> Iterator[Any]:
    """Take the port of the metrics, before anything is started."""
    if port is None:
        yield nullcontext()
        return
    from circus_live.metrics import MetricsServer

    server = MetricsServer(flow, port)
    say(f"metrics at {server.url}")
    try:
        yield server
    finally:
        server.close()


def _run(flow: Flow, metrics: Any, duration_s: float | None, quiet: bool) -> None:
    line = _StatusLine(flow.info, quiet)
    every_s = min(STATUS_EVERY_S, duration_s or math.inf)
    try:
        with flow.stopped_by_signals(), flow, metrics:
            while not flow.wait(every_s):
                line(flow.statistics())
                if duration_s is not None and line.elapsed_s >= duration_s:
                    flow.stop()
    finally:
        line.end()


class _StatusLine:
    """Rate, lag, drops, fill and latency, on one line that is written over."""

    def __init__(self, info: Any, quiet: bool) -> None:
        self._info, self._console = info, stderr()
        self._is_silent = quiet or self._console.quiet
        self._first_ns = self._last_ns = self._shown_ns = self._n_frames = 0
        self.elapsed_s = 0.0

    def __call__(self, statistics: FlowStatistics) -> None:
        now_ns = statistics.host_time_ns
        if not statistics.n_frames:
            return
        if self._first_ns:
            self.elapsed_s = (now_ns - self._first_ns) * 1e-9
            self._show(self._text(statistics), now_ns)
        else:
            self._first_ns = now_ns
        self._last_ns, self._n_frames = now_ns, statistics.n_frames

    def _show(self, text: str, now_ns: int) -> None:
        if self._is_silent:
            return
        if self._console.is_terminal:
            self._console.file.write(f"\r\x1b[2K{text}")
            self._console.file.flush()
        elif now_ns - self._shown_ns >= PLAIN_EVERY_S * 1e9:
            self._shown_ns = now_ns
            say(text)

    def end(self) -> None:
        if self._console.is_terminal and not self._is_silent and self._first_ns:
            self._console.file.write("\n")

    def _text(self, statistics: FlowStatistics) -> str:
        # a view is late by itself, and may drop: nobody else has less for it
        known = [link for link in statistics.links if link.receiver != "view"]
        links = [link.counts for link in known or statistics.links]
        passed_s = (statistics.host_time_ns - self._last_ns) * 1e-9
        rate = (statistics.n_frames - self._n_frames) / passed_s
        lag_s = max(c.pending_frames for c in links) / self._info.sampling_rate
        last = links[-1]
        return (
            f"{self.elapsed_s:.1f} s  {self._info.n_channels} channels  "
            f"{rate:,.0f} of {self._info.sampling_rate:,.0f} Hz  "
            f"lag {lag_s * 1000:.1f} ms  "
            f"dropped {sum(c.dropped_frames for c in links)}  "
            f"gaps {statistics.gap_frames}  "
            f"fill {max(c.fill for c in links):.0%}  "
            f"latency p50 {last.latency_ms(50):.2f} p99 {last.latency_ms(99):.2f} ms"
        )


def _say_end(flow: Flow, record: Path | None, quiet: bool) -> None:
    """Say what came of it; of a flow that failed too, but not its failure twice."""
    statistics = flow.statistics()
    for verdict in statistics.verdicts:
        if not verdict.is_good and verdict.text not in str(flow.failure):
            say(f"{verdict.name}: {verdict.text}")
    if quiet:
        return
    columns = ("from", "to", "frames", "delivered", "dropped", "p50 (ms)", "p99 (ms)")
    rows = [
        (
            link.sender,
            link.receiver,
            link.counts.received_frames,
            link.counts.delivered_frames,
            link.counts.dropped_frames,
            link.counts.latency_ms(50),
            link.counts.latency_ms(99),
        )
        for link in statistics.links
    ]
    say_table(columns, rows)
    show(f"{statistics.n_frames} frames, {statistics.gap_frames} missing at the source")
    if record is not None:
        show(f"recorded to {record}")


def _self_test(duration_s: float, realtime: bool) -> int:
    from circus_live.selftest import self_test

    test = self_test(duration_s, realtime=realtime)
    counts = test.counts
    show(
        f"{test.n_channels} channels at {test.sampling_rate:,.0f} Hz, "
        f"{test.block_frames} frames a block, {counts.received_blocks} blocks"
    )
    most = max(n_blocks for _, n_blocks in test.histogram())
    for name, n_blocks in test.histogram():
        bar = "#" * math.ceil(BAR_WIDTH * n_blocks / max(most, 1))
        show(f"{name:>12}  {n_blocks:>8}  {bar}")
    p50, p99 = counts.latency_ms(50), counts.latency_ms(99)
    show(f"p50 {p50:.2f} ms, p99 {p99:.2f} ms from a complete block to the service")
    show(f"{counts.dropped_blocks} blocks dropped, {test.n_late} late at the source")
    return 0
