"""A MEAME server through two services into a file, for long: every sample compared.

::

    python benchmarks/meame_soak.py                   10 minutes, twice: 15 GB of disk
    python benchmarks/meame_soak.py --seconds 60
    python benchmarks/meame_soak.py --quick           two seconds, as the tests do

The server double runs as a program of its own and sends a ramp of 60 channels at 50 kHz
over its sockets, in segments of 1 ms; first as it should be, then with the last sample
of every segment 0, as MEAME2 sends it. A flow receives it: one service hands each block
on, the next compares it with the formula, and beside them a recorder writes. Then the
file is compared as well.

* **lost** are frames: missing at the source, or dropped by a reader.
* **wrong** are values that are neither as sent nor, where the server sent 0, the mean
  of their neighbours.
* **repaired** is what the source says of zeroed frames; **expected** is how many frames
  must have been made up.
* Latency is from the moment when the last byte of a segment was in the socket, as the
  system stamped it, to a service having its block: socket, source, ring, service.
* **core of** is processor time; receiving is all that the source does.
"""

import argparse
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import machine
import numpy as np
from live_flow import Receive, _ProcessorTime
from meame_stream import oversleep, percentiles, start_server

from circus_io import open_recording
from circus_io.samples import read_stored
from circus_live import Block, Flow, Service
from circus_live.meame_server import Ramp
from circus_live.recorder import Recorder
from circus_live.statistics import FlowStatistics

RATE, LENGTH = 50_000, 50
PERIOD = 1_000_000  # of the ramp


@dataclass
class Expected:
    """What was sent, and what a repair makes of it.

    Attributes
    ----------
    is_zeroed : bool
        The server zeroes the last frame of each segment.
    offset : int, optional
        Frame of the ramp with which the stream began; its first block tells.
    """

    is_zeroed: bool
    offset: int | None = None

    def frames(self, t_start: int, t_stop: int) -> np.ndarray:
        """Return the counts (n_frames, n_channels) that are right."""
        first, past = self.offset + t_start - 1, self.offset + t_stop + 1
        ramp = Ramp().frames(first, past)  # a frame more on both sides, for the means
        if self.is_zeroed:
            frames = np.arange(t_start, t_stop)
            zeroed = np.flatnonzero(frames % LENGTH == LENGTH - 1) + 1
            both = ramp[zeroed - 1].astype(np.int64) + ramp[zeroed + 1]
            ramp[zeroed] = both >> 1
        return ramp[1:-1]

    def n_wrong(self, counts: np.ndarray, t_start: int) -> int:
        """Count the values that are not right."""
        if self.offset is None:
            self.offset = int(counts[0, 0]) - t_start
        return int((counts != self.frames(t_start, t_start + len(counts))).sum())


class Compare(Service):
    """Counts what is wrong; its one message is the result."""

    borrows = True

    def __init__(self, is_zeroed: bool) -> None:
        self.expected = Expected(is_zeroed)
        self.n_wrong = self.n_frames = 0

    def process(self, block: Block) -> None:
        """Compare a block."""
        self.n_frames += block.n_frames
        self.n_wrong += self.expected.n_wrong(block.traces, block.sample_index)

    def finish(self) -> tuple[int, int]:
        """Return frames, and wrong values among them."""
        return self.n_frames, self.n_wrong


def run(
    seconds: float, is_zeroed: bool, folder: Path, realtime: bool
) -> dict[str, object]:
    """Stream for a while; return what was found."""
    fault = f"zero_last_sample={'yes' if is_zeroed else 'no'}"
    server, url = start_server(fault, realtime=realtime)
    path = folder / f"{'zeroed' if is_zeroed else 'sound'}.h5"
    try:
        address = f"{url}&sampling_rate={RATE}&segment_frames={LENGTH}"
        flow = Flow(address, realtime=realtime)
        flow.add(Receive, name="receive")
        flow.add(Compare(is_zeroed), name="compare")
        result = flow.output()
        flow.add(Recorder(path), after="source")
        cpu = _ProcessorTime(flow)
        with flow.stopped_by_signals(), flow:
            while not flow.wait(0.2):
                statistics = flow.statistics()
                cpu(statistics)
                if statistics.n_frames >= seconds * RATE:
                    flow.stop()
            ((_, n_wrong),) = [message.value for message in result]
    finally:
        server.kill()
        server.communicate()
    n_recorded, n_differ = compare_file(path, is_zeroed)
    path.unlink()
    return {
        "statistics": flow.statistics(),
        "n_wrong": n_wrong,
        "n_recorded": n_recorded,
        "n_differ": n_differ,
        "cpu": cpu.parts_of_a_core(),
    }


def compare_file(path: Path, is_zeroed: bool) -> tuple[int, int]:
    """Return the frames of a recording, and how many of its values are wrong."""
    expected, n_wrong, n_frames = Expected(is_zeroed), 0, 0
    with open_recording(path) as recording:
        for stream in recording.streams:
            for first in range(0, stream.duration, RATE):
                stop = min(first + RATE, stream.duration)
                counts = read_stored(stream, first, stop, None)
                # the end waits for a segment that never came, and is not interpolated
                is_end = is_zeroed and stop == recording.t_stop
                counts = counts[:-1] if is_end and stop % LENGTH == 0 else counts
                n_wrong += expected.n_wrong(counts, stream.t_start + first)
                n_frames += stop - first
    return n_frames, n_wrong


def report(found: dict[str, object], is_zeroed: bool) -> None:
    """Print what was found."""
    statistics: FlowStatistics = found["statistics"]
    n_frames = statistics.n_frames
    print(f"\nlast sample of each segment {'0' if is_zeroed else 'as recorded'}")
    n_lost = statistics.gap_frames + statistics.dropped_frames
    print(f"frames     {n_frames}, lost {n_lost}")
    print(f"values     {60 * n_frames}, wrong {found['n_wrong']}")
    n_short = n_frames - found["n_recorded"]
    print(f"recorded   {60 * found['n_recorded']}, wrong {found['n_differ']}", end="")
    print(f", frames short {n_short}")
    said = [v.text for v in statistics.verdicts if v.name == "last_sample"][-1]
    n_zeroed = n_frames // LENGTH if is_zeroed else 0
    print(f"repaired   {said}; expected {n_zeroed}")
    for name, part in found["cpu"].items():
        print(f"core of {name:<10} {part:6.1%}")
    for link in statistics.links:
        counts = link.counts
        print(
            f"{link.sender} -> {link.receiver:<10} "
            f"p50 {counts.latency_ms(50):.2f}  p99 {counts.latency_ms(99):.2f}  "
            f"max {counts.latency_ms(100):.2f} ms"
        )
    bad = [v for v in statistics.verdicts if not v.is_good and v.name != "last_sample"]
    for verdict in bad:
        print(f"{verdict.name}: {re.sub(r'[ ]+', ' ', verdict.text)}")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--quick", action="store_true", help="two seconds of each")
    parser.add_argument("--realtime", action="store_true", help="as circus live does")
    given = parser.parse_args()
    seconds = 2.0 if given.quick else given.seconds
    print(machine.describe())
    print(f"sleep      late by {percentiles(oversleep())} ms (p50 / p99 / max)")
    with tempfile.TemporaryDirectory() as folder:
        for is_zeroed in (False, True):
            found = run(seconds, is_zeroed, Path(folder), given.realtime)
            report(found, is_zeroed)
            print(f"load       {machine.load()}", flush=True)


if __name__ == "__main__":
    main()
