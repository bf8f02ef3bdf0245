"""Kill a member of a flow at a random moment, many times; count what goes wrong.

::

    python benchmarks/live_kills.py --trials 200
    python benchmarks/live_kills.py --trials 200 --start-method spawn

Each trial starts a program with a flow: a source in real time, two services, and a
recorder. After a random time, one of these processes or the program itself is killed.
Then the program, if it lives, has to name who was killed, no process may be left, the
recording has to be complete and to hold what was sent, and nothing may be left in
shared memory. A trial that is not over after a minute hangs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import machine
import numpy as np

from circus_io import ArrayRecording, open_recording
from circus_io.errors import CircusError, MemberDiedError
from circus_io.files.mcs_hdf5 import complete
from circus_live import Block, Flow
from circus_live.recorder import Recorder
from circus_live.sources.file import FileSource

PARENT = "parent"
MEMBERS = ("source", "first", "second", "recorder", PARENT)
LOOP_FRAMES = 10_000
LIMIT_S = 60.0


def hand_on(block: Block) -> Block:
    """Be a service."""
    return block


def samples() -> np.ndarray:
    """Return what the source repeats: counts that tell their frame."""
    return np.arange(LOOP_FRAMES, dtype="i4")[:, None] * [1, -1, 2, 3]


def run_flow(path: Path, start_method: str) -> None:
    """Be the program: start a flow, tell its processes, wait for its end."""
    recording = ArrayRecording(samples().astype("i4"), 10_000)
    flow = Flow(
        FileSource(recording, 20, "real_time", 0),
        start_method=start_method,
        drain_timeout_s=20,
    )
    flow.add(hand_on, name="first")
    flow.add(hand_on, name="second")
    flow.add(Recorder(path), name="recorder", after="source")
    flow.start()
    while not all(link.counts.delivered_blocks for link in flow.statistics().links):
        time.sleep(0.005)
    print(json.dumps(flow.pids | {PARENT: os.getpid()}), flush=True)
    try:
        flow.wait()
    except MemberDiedError as error:
        print(error, flush=True)


def trial(folder: Path, victim: str, delay_s: float, start_method: str) -> str:
    """Run one trial; return ``ok``, or what went wrong."""
    path = folder / "rec.h5"
    process = subprocess.Popen(
        [sys.executable, __file__, "--flow", str(path), "--start-method", start_method],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    pids = {}
    try:
        pids = json.loads(process.stdout.readline())
        time.sleep(delay_s)
        os.kill(pids[victim], signal.SIGKILL)
        said, _ = process.communicate(timeout=LIMIT_S)
        return _wrong(path, victim, pids, said)
    except subprocess.TimeoutExpired:
        return "hangs"
    finally:
        for pid in pids.values():
            _kill(pid)
        process.kill()
        process.wait()


def _wrong(path: Path, victim: str, pids: dict[str, int], said: str) -> str:
    if victim != PARENT and f"process of {victim} was killed by SIGKILL" not in said:
        return f"said {said.strip() or 'nothing'}"
    until = time.monotonic() + LIMIT_S
    while left := [name for name, pid in pids.items() if _lives(pid)]:
        if time.monotonic() > until:
            return f"left {', '.join(left)}"
        time.sleep(0.02)
    if any("circus_live" in name.name for name in Path("/dev/shm").glob("*")):
        return "left shared memory"
    return _wrong_recording(path)


def _wrong_recording(path: Path) -> str:
    try:
        done = complete(path)
        with open_recording(path) as recording:
            counts = np.rint(recording[:])
    except CircusError as error:
        return f"recording: {error}"
    if done.n_lost:
        return f"recording lacks {done.n_lost} frames"
    expected = samples()[np.arange(len(counts)) % LOOP_FRAMES]
    if not len(counts) or not np.array_equal(counts, expected):
        return "recording is not what was sent"
    return "ok"


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main() -> int:
    """Run the trials, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--start-method", default="fork")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flow", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flow:
        run_flow(arguments.flow, arguments.start_method)
        return 0
    print(machine.describe())
    drawn, ends = random.Random(arguments.seed), Counter()
    for number in range(arguments.trials):
        victim = MEMBERS[number % len(MEMBERS)]
        with tempfile.TemporaryDirectory() as folder:
            delay_s = drawn.uniform(0, 0.6)
            end = trial(Path(folder), victim, delay_s, arguments.start_method)
        ends[victim, end] += 1
    print(f"\n{arguments.trials} trials, {arguments.start_method}")
    for (victim, end), count in sorted(ends.items()):
        print(f"{victim:<10} {count:>4}  {end}")
    return int(any(end != "ok" for _, end in ends))


if __name__ == "__main__":
    sys.exit(main())
