"""What is lost, and how late, between a MEAME server and a program in Python.

::

    python benchmarks/meame_stream.py                    4 settings of a minute each
    python benchmarks/meame_stream.py --seconds 600 --settings 50000/50
    python benchmarks/meame_stream.py --quick            a few seconds, for the tests

The server double runs as a program of its own and sends the ramp, in real time, with
the zeroed last sample of MEAME2. Every sample that comes is compared with the formula;
repaired ones with the mean of their neighbours.

* **lost** and **wrong** are samples of all channels.
* **late** is the time from the moment when the last byte of a segment was in the
  socket, as the system stamped it, to that when the program has the block (ms).
* **answer** is the time from there until a stimulation command is on its way, and until
  it was acknowledged: five times a second, a segment is searched for a threshold.
* **sleep** is how late this machine wakes a program that sleeps, under its load.
* **cpu** is that of this process in parts of a core; **receive** leaves the comparison
  out.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from machine import describe

from circus_live.block import Block
from circus_live.meame_server import Ramp
from circus_live.priority import become_realtime
from circus_live.sources.meame import MeameSource
from circus_live.speaker import MeameStimulator
from stim import Pulse, SafetyLimits

SETTINGS = ("10000/100", "50000/100", "50000/1000", "1000/10")
SECONDS = 60.0
ANSWER_EVERY_S = 0.2  # an answer takes a segment or two, which come late then
THRESHOLD = 1_000_000  # counts
PERCENTILES = (50, 99, 100)
LIMITS = SafetyLimits(max_amplitude=200_000, max_phase_us=400, min_period_us=5000)


@dataclass
class Run:
    """What is measured of one setting."""

    n_frames: int = 0
    n_lost: int = 0
    n_wrong: int = 0
    late_ns: list[int] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    acknowledged_ns: list[int] = field(default_factory=list)
    cpu: float = 0.0
    receive: float = 0.0


class Check:
    """Compares blocks with the ramp, one by one, while the next is on its way."""

    def __init__(self, run: Run, length: int) -> None:
        self.run, self.length, self.ramp = run, length, Ramp()
        self.first: int | None = None
        self.cpu_s = 0.0

    def add(self, block: Block) -> None:
        """Count the samples that are missing, and those that are not as sent."""
        started_s = time.thread_time()
        if self.first is None:
            self.first = int(block.traces[0, 0])  # a client joins in the middle
        self.run.n_frames += block.n_frames
        self.run.n_lost += block.gap_frames * block.n_channels
        # a frame more on both sides, for the means
        first, past = self.first + block.sample_index, self.first + block.t_stop
        expected = self.ramp.frames(first - 1, past + 1).astype(np.int64)
        frames = np.arange(block.sample_index, block.t_stop)
        last = np.flatnonzero(frames % self.length == self.length - 1) + 1
        expected[last] = (expected[last - 1] + expected[last + 1]) >> 1
        self.run.n_wrong += int((block.traces != expected[1:-1]).sum())
        self.cpu_s += time.thread_time() - started_s


def start_server(*faults: str, realtime: bool = False) -> tuple[subprocess.Popen, str]:
    """Start the server double as a program; return it and its address.

    At real-time priority it sends on time, as a device does that is no part of this
    machine.
    """
    ports = ["--port", "0", "--data-port", "0", "--test-port", "0", "--quiet"]
    command = [sys.executable, "-m", "circus_cli", "meame-server", "--signal", "ramp"]
    command += [*ports, *(f"--fault={fault}" for fault in faults)]
    if realtime:
        become_realtime()  # it inherits that
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if realtime:
        become_ordinary()
    return server, server.stdout.readline().strip()


def measure(setting: str, seconds: float, realtime: bool) -> Run:
    """Receive for a while."""
    rate, length = map(int, setting.split("/"))
    server, url = start_server(realtime=realtime)
    try:
        url += f"&sampling_rate={rate}&segment_frames={length}"
        source = MeameSource.from_url(url)
        port = source.settings.http_port
        with MeameStimulator(LIMITS, port=port) as stimulator:
            pulse = Pulse.biphasic(100_000, 200)
            stimulator.set_signal(0, pulse, period_us=100_000, electrodes=[12])
            if realtime:
                become_realtime()
            return receive(source, stimulator, length, seconds)
    finally:
        if realtime:
            become_ordinary()
        server.kill()
        server.communicate()


def receive(
    source: MeameSource, stimulator: MeameStimulator, length: int, seconds: float
) -> Run:
    """Take blocks, answer some of them, and compare all."""
    run = Run()
    check = Check(run, length)
    started_s, cpu_s = time.monotonic(), time.process_time()
    answered_s = started_s
    for block in source:
        run.late_ns.append(time.monotonic_ns() - block.host_time_ns)
        is_due = time.monotonic() - answered_s > ANSWER_EVERY_S
        if is_due and block.traces.max() > THRESHOLD:
            answered_s = time.monotonic()
            sent = stimulator.enable(0)
            run.sent_ns.append(sent.sent_ns - block.host_time_ns)
            run.acknowledged_ns.append(sent.acknowledged_ns - block.host_time_ns)
        check.add(block)
        if time.monotonic() - started_s > seconds:
            source.stop()
    taken_s = time.monotonic() - started_s
    run.cpu = (time.process_time() - cpu_s) / taken_s
    run.receive = run.cpu - check.cpu_s / taken_s
    bad = [v for v in source.verdicts if not v.is_good and v.name != "last_sample"]
    for verdict in bad:
        print(f"{verdict.name}: {verdict.text}")
    return run


def become_ordinary() -> None:
    """Run as other programs do, and let those that are started do so."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def oversleep(n_times: int = 2000) -> list[int]:
    """Return how late sleeps of 1 ms end here, ns: nothing can be faster."""
    late, due_ns = [], time.monotonic_ns()
    for _ in range(n_times):
        due_ns = max(due_ns + 1_000_000, time.monotonic_ns())
        time.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        late.append(time.monotonic_ns() - due_ns)
    return late


def percentiles(values_ns: list[int]) -> str:
    """Return the median, the 99th percentile and the largest, in ms."""
    found = np.percentile(values_ns, PERCENTILES) / 1e6
    return " / ".join(f"{value:6.2f}" for value in found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument(
        "--settings", nargs="+", default=SETTINGS, metavar="RATE/LENGTH"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--realtime", action="store_true", help="run both at real-time priority"
    )
    given = parser.parse_args()
    settings = ["10000/100"] if given.quick else given.settings
    print(describe())
    print(f"sleep      late by {percentiles(oversleep())} ms (p50 / p99 / max)")
    if given.realtime:
        become_realtime()
        print(f"           late by {percentiles(oversleep())} ms at real-time priority")
        become_ordinary()
    head = ("setting", "frames", "lost", "wrong", "late p50 / p99 / max", "")
    print("{:>11} {:>10} {:>6} {:>6}   {:^24}{}".format(*head), end="")
    print(f" {'answer: sent':^24}  {'acknowledged':^24}  cpu  receive")
    for setting in settings:
        run = measure(setting, 2.0 if given.quick else given.seconds, given.realtime)
        print(
            f"{setting:>11} {run.n_frames:>10} {run.n_lost:>6} {run.n_wrong:>6}   "
            f"{percentiles(run.late_ns)}  {percentiles(run.sent_ns)}  "
            f"{percentiles(run.acknowledged_ns)}  {run.cpu:.0%}  {run.receive:.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
