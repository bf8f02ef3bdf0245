"""What a sort costs: CPU seconds of each step, and private memory of each rank.

::

    python benchmarks/sorting_cost.py                      64 and 384 channels
    python benchmarks/sorting_cost.py --case 32:30,120     32 channels, 30 s and 120 s
    python benchmarks/sorting_cost.py --ranks 2
    python benchmarks/sorting_cost.py --case 16:360,3600 --rate 40
                                                           many spikes for an hour
    python benchmarks/sorting_cost.py --case 384:120,1200 --generated
                                                           no file, however long
    python benchmarks/sorting_cost.py --quick              small, for the tests

Each case is a recording with known spikes, sorted twice: whole, and its beginning only.
The difference between the two is what one more second costs, without what a sort of any
length has to do. With ``--generated`` there is no file: each chunk is made when it is
read, which is then in the CPU seconds, and what the generator holds in the memory.

* **CPU seconds** are those that the sort itself logs, over all ranks. Making the
  recording is a step of its own, before, and stands apart.
* **Private memory** is what a rank allocated for itself: the anonymous pages of its
  process (``RssAnon`` of Linux). Mapped files are not in it: neither the recording,
  whose pages the system keeps as long as nobody else wants them, nor the libraries.
  It is read from outside every few milliseconds; the table shows the largest value of
  the largest rank, for each step that reports its progress (a step that does not is
  counted with the one before). Each sort is a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from circus_io.threads import set_thread_variables

set_thread_variables()  # before numpy is loaded

from machine import describe, load  # noqa: E402

from circus_io.parallel import get_comm  # noqa: E402
from circus_io.params import build_params, read_params  # noqa: E402
from circus_io.synthetic import SyntheticRecording  # noqa: E402

DEFAULT_CASES = ((64, (60.0, 240.0)), (384, (20.0, 60.0)))
QUICK_CASES = ((8, (4.0, 8.0)),)
CHANNELS_PER_UNIT = 2
POLL_S = 0.005
SEED = 7


@dataclass(frozen=True)
class Cost:
    """Of one sort.

    Attributes
    ----------
    seconds : float
        Length of the recording.
    cpu_s : dict of str to float
        CPU seconds of each step, all ranks.
    memory_mb : dict of str to float
        Private memory of the largest rank, at most in each step; ``""`` is before.
    n_units, n_spikes : int
        What was found.
    """

    seconds: float
    cpu_s: dict[str, float]
    memory_mb: dict[str, float]
    n_units: int
    n_spikes: int


def main() -> None:
    """Run all cases and print a table of each."""
    given = parse_arguments()
    if given.rank_of is not None:
        run_rank(given.rank_of)
        return
    if not Path("/proc/self/status").exists():
        raise SystemExit(
            "this benchmark reads the memory of processes from /proc, "
            "which only Linux has"
        )
    print(describe())
    cases = QUICK_CASES if given.quick else given.case or DEFAULT_CASES
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        warm_up(Path(folder), given.ranks)
        for n_channels, durations in cases:
            report(n_channels, *run_case(Path(folder), n_channels, durations, given))
    print(f"\nload afterwards  {load()}")


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for; `rank_of` is how a rank of a sort is started."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small case only")
    parser.add_argument(
        "--case",
        type=parse_case,
        action="append",
        metavar="CHANNELS:SHORT,LONG",
        help="channels and two durations in s; may be given several times",
    )
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="of every neuron; else 1 to 15 Hz"
    )
    parser.add_argument(
        "--generated", action="store_true", help="make chunks as they are read"
    )
    parser.add_argument("--folder", help="where there is space for the recording")
    parser.add_argument("--rank-of", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def parse_case(text: str) -> tuple[int, tuple[float, float]]:
    """Read ``64:60,240``."""
    channels, _, durations = text.partition(":")
    short, long = sorted(float(seconds) for seconds in durations.split(","))
    return int(channels), (short, long)


def warm_up(folder: Path, n_ranks: int) -> None:
    """Sort a little, so that compiling the kernels is not in any number."""
    path = folder / "warm-up.dat"
    SyntheticRecording(n_channels=8, n_units=4, duration_s=4.0, seed=SEED).write(path)
    measure(path, 4.0, n_ranks)


def run_case(
    folder: Path, n_channels: int, durations: tuple[float, float], given
) -> tuple[float, list[Cost]]:
    """Make the long recording, sort it, cut it, sort what remains.

    Returns
    -------
    generation_s : float
        CPU seconds of making one second of it.
    costs : list of Cost
        Of the short one, then of the long one.
    """
    short, long = durations
    rate = {} if given.rate is None else {"rate_range_hz": (given.rate, given.rate)}
    settings = {
        "n_channels": n_channels,
        "n_units": n_channels // CHANNELS_PER_UNIT,
        "seed": SEED,
        **rate,
    }
    path = folder / f"rec-{n_channels}.dat"
    if given.generated:
        made = [settings | {"duration_s": seconds} for seconds in durations]
        return 0.0, [measure(path, m["duration_s"], given.ranks, m) for m in made]
    start = time.process_time()
    SyntheticRecording(duration_s=long, **settings).write(path)
    generation_s = (time.process_time() - start) / long
    costs = [measure(path, long, given.ranks)]
    # samples stand frame by frame: the beginning of the file is the shorter recording
    os.truncate(path, round(path.stat().st_size * short / long))
    costs.insert(0, measure(path, short, given.ranks))
    path.unlink()
    return generation_s, costs


def measure(
    path: Path, seconds: float, n_ranks: int, settings: dict | None = None
) -> Cost:
    """Sort in processes of its own, and watch their memory.

    With the `settings` of a synthetic recording, `path` only gives the run its name.
    """
    run = path.parent / f"{path.stem}-{seconds:g}s"
    run.mkdir()
    order = run / "order.json"
    asked = {"recording": str(path), "run": str(run), "settings": settings}
    order.write_text(json.dumps(asked))
    process = subprocess.Popen(
        [*launcher(n_ranks), sys.executable, __file__, "--rank-of", str(order)]
    )
    memory = watch(process, run)
    if process.returncode:
        raise SystemExit(f"the sort of {path.name} failed; see above")
    log = json.loads(next(run.glob("*.log.json")).read_text())
    found = json.loads((run / "found.json").read_text())
    return Cost(
        seconds,
        {name: step["cpu_s"] for name, step in log["steps"].items()},
        memory,
        **found,
    )


def launcher(n_ranks: int) -> list[str]:
    """Return what starts the ranks; nothing for one."""
    if n_ranks == 1:
        return []
    from circus_cli.launch import rank_command

    return rank_command(n_ranks)


def run_rank(order: Path) -> None:
    """Sort, as one rank of a process that `measure` started."""
    import sorting

    given = json.loads(order.read_text())
    comm, run, path = get_comm(), Path(given["run"]), Path(given["recording"])
    announce(run / f"{comm.rank}.pid", str(os.getpid()))
    time.sleep(10 * POLL_S)  # the memory before the sort is read here
    steps: list[str] = []

    def note_step(step: str, done: int, total: int) -> None:
        if step not in steps:
            steps.append(step)
            announce(run / "step.txt", step)

    if given["settings"]:
        recording = SyntheticRecording(**given["settings"])
        parameters = build_params({})
        probe = recording.probe
    else:
        recording, probe = path, None
        parameters = read_params(path.with_suffix(".params"))
    result = sorting.sort(
        recording,
        parameters=parameters,
        probe=probe,
        output_dir=run,
        progress=note_step,
    )
    if comm.rank == 0:
        found = {"n_units": len(result.unit_ids), "n_spikes": len(result.spike_times)}
        (run / "found.json").write_text(json.dumps(found))


def announce(path: Path, text: str) -> None:
    """Write a file that appears with its content, for a process that waits for it."""
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def watch(process: subprocess.Popen, run: Path) -> dict[str, float]:
    """Return the private memory of the largest rank in each step, MB."""
    memory: dict[str, float] = {}
    step_file = run / "step.txt"
    while process.poll() is None:
        step = step_file.read_text() if step_file.exists() else ""
        ranks = [int(path.read_text()) for path in run.glob("*.pid")]
        now = max(map(private_mb, ranks), default=0.0)
        memory[step] = max(memory.get(step, 0.0), now)
        time.sleep(POLL_S)
    return memory


def private_mb(pid: int) -> float:
    """Return the anonymous memory of a process, 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    values = dict(line.split(":", 1) for line in status.splitlines())
    swapped = int(values.get("VmSwap", "0").split()[0])
    return (int(values.get("RssAnon", "0").split()[0]) + swapped) / 1024


def report(n_channels: int, generation_s: float, costs: list[Cost]) -> None:
    """Print the table of one case."""
    short, long = costs
    more_s = long.seconds - short.seconds
    print(f"\n{n_channels} channels, 20 kHz")
    print(
        f"{'CPU seconds per recorded second':32}{f'{short.seconds:g} s':>10}"
        f"{f'{long.seconds:g} s':>10}{'each more second':>18}"
    )
    for name in [*short.cpu_s, "all"]:
        a, b = (
            sum(cost.cpu_s.values()) if name == "all" else cost.cpu_s[name]
            for cost in costs
        )
        print(
            f"  {name:30}{a / short.seconds:10.4f}{b / long.seconds:10.4f}"
            f"{(b - a) / more_s:18.4f}"
        )
    print(f"  {'(making the recording)':30}{'':10}{generation_s:10.4f}")
    print(f"{'private memory per rank, MB':32}{'':20}{'ratio':>18}")
    report_memory("before the sort", short.memory_mb[""], long.memory_mb[""])
    for step in filter(None, long.memory_mb):
        report_memory(step, short.memory_mb.get(step, 0.0), long.memory_mb[step])
    report_memory("at most", *(max(cost.memory_mb.values()) for cost in costs))
    print(f"{'units found':32}{short.n_units:10d}{long.n_units:10d}")
    print(f"{'spikes found':32}{short.n_spikes:10d}{long.n_spikes:10d}")


def report_memory(what: str, short_mb: float, long_mb: float) -> None:
    """Print one line: memory of both durations, and how much it grew."""
    ratio = f"{long_mb / short_mb:.3f}" if short_mb else "-"
    print(f"  {what:30}{short_mb:10.1f}{long_mb:10.1f}{ratio:>18}")


if __name__ == "__main__":
    main()
