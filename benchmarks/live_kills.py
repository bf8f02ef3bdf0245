"""Kill a member of a flow at a random moment, many times; count what goes wrong.

::

    python benchmarks/live_kills.py --trials 200
    python benchmarks/live_kills.py --trials 200 --start-method spawn
    python benchmarks/live_kills.py --trials 200 --meame

Each trial starts a program with a flow: a source in real time, two services, and a
recorder; with ``--meame``, the source is the server double, by its sockets. After a
random time, one of these processes, the program itself or the server is killed. Then
the program, if it lives, has to name who was killed, no process may be left, the
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
from meame_stream import start_server

from circus_io import ArrayRecording, open_recording
from circus_io.errors import CircusError, MemberDiedError, SourceError
from circus_io.files.mcs_hdf5 import complete
from circus_io.samples import read_stored
from circus_live import Block, Flow
from circus_live.meame_server import Ramp
from circus_live.recorder import Recorder
from circus_live.sources.file import FileSource

PARENT, SERVER = "parent", "server"
MEMBERS = ("source", "first", "second", "recorder", PARENT)
# a server that is gone is looked for so long
SETTINGS = "&sampling_rate=10000&segment_frames=20&reconnect_s=1&last_sample=keep"
LOOP_FRAMES = 10_000
LIMIT_S = 60.0


def hand_on(block: Block) -> Block:
    """Be a service."""
    return block


def samples() -> np.ndarray:
    """Return what the source repeats: counts that tell their frame."""
    return np.arange(LOOP_FRAMES, dtype="i4")[:, None] * [1, -1, 2, 3]


def run_flow(path: Path, start_method: str, url: str | None) -> None:
    """Be the program: start a flow, tell its processes, wait for its end."""
    source = url and url + SETTINGS
    if source is None:
        recording = ArrayRecording(samples().astype("i4"), 10_000)
        source = FileSource(recording, 20, "real_time", 0)
    flow = Flow(source, start_method=start_method, drain_timeout_s=20)
    flow.add(hand_on, name="first")
    flow.add(hand_on, name="second")
    flow.add(Recorder(path), name="recorder", after="source")
    flow.start()
    while not all(link.counts.delivered_blocks for link in flow.statistics().links):
        time.sleep(0.005)
    print(json.dumps(flow.pids | {PARENT: os.getpid()}), flush=True)
    try:
        flow.wait()
    except (MemberDiedError, SourceError) as error:
        print(error, flush=True)


def trial(
    folder: Path, victim: str, delay_s: float, start_method: str, is_meame: bool
) -> str:
    """Run one trial; return ``ok``, or what went wrong."""
    if not is_meame:
        return run_trial(folder, victim, delay_s, ["--start-method", start_method])
    server, url = start_server("zero_last_sample=no")
    try:
        options = ["--start-method", start_method, "--url", url]
        return run_trial(folder, victim, delay_s, options, server.pid)
    finally:
        server.kill()
        server.communicate()


def run_trial(
    folder: Path, victim: str, delay_s: float, options: list[str], server: int = 0
) -> str:
    """Start the program, kill the victim, and look at what is left."""
    path = folder / "rec.h5"
    process = subprocess.Popen(
        [sys.executable, __file__, "--flow", str(path), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    pids = {}
    try:
        pids = json.loads(process.stdout.readline())
        time.sleep(delay_s)
        os.kill(pids.get(victim, server), signal.SIGKILL)
        said, _ = process.communicate(timeout=LIMIT_S)
        return _wrong(path, victim, pids, said, bool(server))
    except subprocess.TimeoutExpired:
        return "hangs"
    finally:
        for pid in pids.values():
            _kill(pid)
        process.kill()
        process.wait()


def _wrong(
    path: Path, victim: str, pids: dict[str, int], said: str, is_meame: bool
) -> str:
    named = {
        PARENT: "",
        SERVER: "did not come back within 1 s",
    }
    if named.get(victim, f"process of {victim} was killed by SIGKILL") not in said:
        return f"said {said.strip() or 'nothing'}"
    until = time.monotonic() + LIMIT_S
    while left := [name for name, pid in pids.items() if _lives(pid)]:
        if time.monotonic() > until:
            return f"left {', '.join(left)}"
        time.sleep(0.02)
    if any("circus_live" in name.name for name in Path("/dev/shm").glob("*")):
        return "left shared memory"
    return _wrong_recording(path, is_meame)


def _wrong_recording(path: Path, is_meame: bool) -> str:
    try:
        done = complete(path)
        with open_recording(path) as recording:
            counts = read_stored(recording.streams[0], 0, len(recording), None)
    except CircusError as error:
        return f"recording: {error}"
    if done.n_lost:
        return f"recording lacks {done.n_lost} frames"
    expected = samples()[np.arange(len(counts)) % LOOP_FRAMES]
    if is_meame and len(counts):
        first = int(counts[0, 0])
        expected = Ramp().frames(first, first + len(counts))
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
    parser.add_argument("--meame", action="store_true", help="from a MEAME server")
    parser.add_argument("--flow", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flow:
        run_flow(arguments.flow, arguments.start_method, arguments.url)
        return 0
    print(machine.describe())
    drawn, ends = random.Random(arguments.seed), Counter()
    victims = (*MEMBERS, SERVER) if arguments.meame else MEMBERS
    for number in range(arguments.trials):
        victim = victims[number % len(victims)]
        with tempfile.TemporaryDirectory() as folder:
            delay_s = drawn.uniform(0, 0.6)
            end = trial(
                Path(folder), victim, delay_s, arguments.start_method, arguments.meame
            )
        ends[victim, end] += 1
    print(f"\n{arguments.trials} trials, {arguments.start_method}", end="")
    print(f"{', MEAME' if arguments.meame else ''}; load {machine.load()}")
    for (victim, end), count in sorted(ends.items()):
        print(f"{victim:<10} {count:>4}  {end}")
    return int(any(end != "ok" for _, end in ends))


if __name__ == "__main__":
    sys.exit(main())
