"""Streams of three sizes through two services, and a recorder: what is lost, and when.

::

    python benchmarks/live_flow.py                  a minute of each stream
    python benchmarks/live_flow.py --seconds 600 --only 60
    python benchmarks/live_flow.py --quick          a second of each, as the tests do

Each stream comes in real time from a synthetic source, in a process of its own. It goes
through two services, one after the other, each of which looks at all samples; the small
stream is recorded as well, and compared with what was sent. Nobody may drop anything:
all readers block, so a machine that is too slow shows a lower rate instead. Processor
time is that of each process, from the start of the stream to its end, in parts of one
core; latency is from the moment the source has a block to a service having it.
"""

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import machine
import numpy as np

from circus_io import open_recording
from circus_live import Block, Flow, Service
from circus_live.recorder import Recorder
from circus_live.sources.synthetic import SyntheticSource
from circus_live.statistics import FlowStatistics


@dataclass(frozen=True)
class Stream:
    """One size of stream."""

    n_channels: int
    sampling_rate: float
    block_frames: int
    dtype: str
    loop_s: float
    is_recorded: bool

    @property
    def megabytes_per_s(self) -> float:
        """Samples in a second, MB."""
        itemsize = np.dtype(self.dtype).itemsize
        return self.n_channels * self.sampling_rate * itemsize / 1e6


STREAMS = (
    Stream(60, 50_000, 50, "int32", 2.0, True),
    Stream(256, 50_000, 50, "int32", 0.5, False),
    Stream(4096, 20_000, 200, "int16", 0.1, False),
)


class Look(Service):
    """Find the largest value of each channel, and pass the block on."""

    borrows = True

    def process(self, block: Block) -> Block:
        """Look at all samples."""
        self.largest = block.traces.max(axis=0)
        return block


class Receive(Service):
    """Only take each block, and hand it on: the cost of receiving."""

    borrows = True

    def process(self, block: Block) -> Block:
        """Do nothing else."""
        return block


def run(stream: Stream, seconds: float, folder: Path) -> dict[str, object]:
    """Run one stream; return what was measured."""
    source = SyntheticSource(
        n_channels=stream.n_channels,
        sampling_rate=stream.sampling_rate,
        duration_s=seconds,
        loop_s=stream.loop_s,
        block_frames=stream.block_frames,
        dtype=stream.dtype,
        n_units=10,
        noise_decay_um=0.0,
    )
    flow = Flow(source)
    flow.add(Receive, name="receive")
    flow.add(Look, name="look")
    path = folder / f"{stream.n_channels}.h5"
    if stream.is_recorded:
        flow.add(Recorder(path), after="source")
    cpu = _ProcessorTime(flow)
    statistics = flow.run(cpu, every_s=0.2)
    counts = [link.counts for link in statistics.links]
    n_frames = round(seconds * stream.sampling_rate)
    return {
        "n_lost": sum(n_frames - one.delivered_frames for one in counts),
        "rate_hz": cpu.rate_hz,
        "cpu": cpu.parts_of_a_core(),
        "links": statistics.links,
        "differs": _differs(path, source) if stream.is_recorded else None,
    }


class _ProcessorTime:
    """Note the processor time of the members while the stream runs."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._start = self._stop = (0.0, 0)

    def __call__(self, statistics: FlowStatistics) -> None:
        if not statistics.n_frames:
            return  # the source makes its loop
        now = {name: _cpu_s(pid) for name, pid in self._flow.pids.items()}
        if None in now.values():
            return  # it has ended
        here = time.monotonic(), statistics.n_frames
        if not self._first:
            self._first, self._start = now, here
        self._last, self._stop = now, here

    @property
    def wall_s(self) -> float:
        """Time that was measured, s."""
        return self._stop[0] - self._start[0]

    @property
    def rate_hz(self) -> float:
        """Frames per second in that time."""
        return (self._stop[1] - self._start[1]) / max(self.wall_s, 1e-9)

    def parts_of_a_core(self) -> dict[str, float]:
        """Return what each member used."""
        if not self.wall_s:
            return {}
        return {
            name: (self._last[name] - first) / self.wall_s
            for name, first in self._first.items()
        }


def _cpu_s(pid: int) -> float | None:
    """Return the processor time of another process, s."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _differs(path: Path, source: SyntheticSource) -> int:
    """Count the values of a recording that are not those that were sent."""
    loop, n_wrong = source._make(), 0
    with open_recording(path) as recording:
        for chunk in recording.chunks(50_000):
            frames = np.arange(chunk.t_start, chunk.t_stop) % len(loop)
            counts = np.rint(chunk.traces / recording.gain)
            n_wrong += int((counts != loop[frames]).sum())
    return n_wrong


def report(stream: Stream, seconds: float, found: dict[str, object]) -> None:
    """Print the rows of one stream."""
    print(
        f"\n{stream.n_channels} channels, {stream.sampling_rate:,.0f} Hz, "
        f"{stream.dtype}, {stream.block_frames} frames a block, "
        f"{stream.megabytes_per_s:.1f} MB/s, {seconds:g} s"
    )
    print(f"frames lost        {found['n_lost']}, at {found['rate_hz']:,.0f} Hz")
    if found["differs"] is not None:
        print(f"recorded otherwise {found['differs']} values")
    for name, part in found["cpu"].items():
        print(f"core of {name:<10} {part:6.1%}")
    for link in found["links"]:
        counts = link.counts
        print(
            f"{link.sender} -> {link.receiver:<10} "
            f"p50 {counts.latency_ms(50):.2f}  p99 {counts.latency_ms(99):.2f}  "
            f"max {counts.latency_ms(100):.2f} ms"
        )


def main() -> None:
    """Run the streams that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", type=int, help="number of channels")
    parser.add_argument("--quick", action="store_true", help="a second of each")
    arguments = parser.parse_args()
    seconds = 1.0 if arguments.quick else arguments.seconds
    print(machine.describe())
    with tempfile.TemporaryDirectory() as folder:
        for stream in STREAMS:
            if arguments.only in (None, stream.n_channels):
                report(stream, seconds, run(stream, seconds, Path(folder)))
    most_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nmemory of the parent {most_mib:.0f} MiB, load {machine.load()}")


if __name__ == "__main__":
    main()
