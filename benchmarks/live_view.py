"""What the browser view costs, and whether the stream beside it loses anything.

::

    python benchmarks/live_view.py                  half a minute of each row
    python benchmarks/live_view.py --quick          two seconds of each, as the tests do

60 channels at 50 kHz go in real time through two services, which block. The rows are:
without a view; with one that nobody looks at; with one in a headless Chromium, if there
is one on this machine. Processor time is in parts of one core, latency that of the
services, from a complete block on.
"""

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import machine
from live_flow import Look, Receive, _ProcessorTime

from circus_live import Flow
from circus_live.sources.synthetic import SyntheticSource
from circus_live.statistics import FlowStatistics
from circus_live.view import View

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.chromium import NAMES, Chromium

ROWS = ("no view", "view, nobody looks", "view in a browser")
N_CHANNELS, SAMPLING_RATE, BLOCK_FRAMES = 60, 50_000, 50
DRAWN = (
    "[...Bokeh.documents[0]._all_models.values()]"
    ".find((one) => one.drawn !== undefined)?.drawn ?? 0"
)


@dataclass
class Watcher:
    """What a browser has drawn, and what that has cost it.

    Attributes
    ----------
    frames_per_s : float
    core : float
        Of all processes of the browser.
    """

    frames_per_s: float = 0.0
    core: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _is_ready: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def looking(self, url: str, program: str) -> Iterator[None]:
        """Look at a page meanwhile."""
        thread = threading.Thread(target=self._look, args=(url, program))
        thread.start()
        try:
            self._is_ready.wait(60)
            yield
        finally:
            self._stop.set()
            thread.join()

    def _look(self, url: str, program: str) -> None:
        with Chromium(program) as browser:
            page = browser.page()
            page.open(url)
            page.wait_for("window.circus_drawn > 3")
            first, cpu_s, start = page.value(DRAWN), browser.cpu_s(), time.monotonic()
            self._is_ready.set()
            self._stop.wait()
            passed_s = time.monotonic() - start
            self.frames_per_s = (page.value(DRAWN) - first) / passed_s
            self.core = (browser.cpu_s() - cpu_s) / passed_s


def run(row: str, seconds: float, program: str | None) -> None:
    """Run one row, and print it."""
    flow = Flow(
        SyntheticSource(
            n_channels=N_CHANNELS,
            sampling_rate=SAMPLING_RATE,
            block_frames=BLOCK_FRAMES,
            dtype="int32",
            loop_s=2.0,
            n_units=20,
        )
    )
    flow.add(Receive, name="receive")
    flow.add(Look, name="look")
    view, watcher = None, Watcher()
    if row != ROWS[0]:
        view = View(0)
        flow.add(view, after="source")
    cpu = _ProcessorTime(flow)
    with flow, ExitStack() as stack:
        if row == ROWS[2]:
            stack.enter_context(watcher.looking(view.url, program))
        stack.callback(flow.stop)
        _measure(flow, cpu, seconds)
    report(row, flow.statistics(), cpu, watcher)


def _measure(flow: Flow, cpu: _ProcessorTime, seconds: float) -> None:
    until = None
    while until is None or time.monotonic() < until:
        statistics = flow.statistics()
        if statistics.n_frames and until is None:
            until = time.monotonic() + seconds
        cpu(statistics)
        time.sleep(0.2)


def report(
    row: str, statistics: FlowStatistics, cpu: _ProcessorTime, watcher: Watcher
) -> None:
    """Print what was measured of one row."""
    parts = cpu.parts_of_a_core()
    cores = ", ".join(f"{name} {part:.1%}" for name, part in parts.items())
    print(f"\n{row}\n  core of {cores}")
    for name in ("receive", "look"):
        counts = statistics.link(name).counts
        lost = statistics.n_frames - counts.delivered_frames
        print(
            f"  {name:<8} lost {lost} of {statistics.n_frames} frames, "
            f"p50 {counts.latency_ms(50):.2f}, p99 {counts.latency_ms(99):.2f} ms"
        )
    if row != ROWS[0]:
        counts = statistics.link("view").counts
        print(f"  view     dropped {counts.dropped_frames} frames")
    if watcher.frames_per_s:
        print(
            f"  browser  {watcher.frames_per_s:.1f} frames/s, core {watcher.core:.1%}, "
            f"{1000 * watcher.core / watcher.frames_per_s:.0f} ms of a core a frame"
        )


def main() -> None:
    """Run all rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--quick", action="store_true", help="two seconds of each")
    arguments = parser.parse_args()
    program = next((name for name in NAMES if shutil.which(name)), None)
    print(f"{machine.describe()}\nload {machine.load()}")
    for row in ROWS:
        if row == ROWS[2] and program is None:
            print(f"\n{row}: not measured, needs one of {', '.join(NAMES)}")
            continue
        run(row, 2.0 if arguments.quick else arguments.seconds, program)
    print(f"\nload {machine.load()}")


if __name__ == "__main__":
    main()
