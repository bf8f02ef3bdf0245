"""What a sort costs on many ranks, from small sorts on this machine.

::

    python benchmarks/scaling.py                                  4225 channels, 1 h
    python benchmarks/scaling.py --channels 384 --hours 24 --ranks 1,8,64
    python benchmarks/scaling.py --measure 32,64,128:40,120       what is measured
    python benchmarks/scaling.py --quick                          small, for the tests

Recordings of several numbers of channels, and of two durations each, are sorted on one
rank and on two. `scaling_model` says what is made of that: the constants of each step,
which are printed first. A recording longer than any of these is sorted on two ranks
too, and what the model says of it is held against what was measured. Then comes what
was asked.

Durations should be 40 s or more: whitening looks at 20 chunks of about 1.5 s, so its
cost ends to grow there. The forecast supposes a core for each rank, as fast as the ones
here and with as much memory bandwidth, and a network as given. Above 384 channels
chunks become shorter, and their margins, which are read twice, are a larger part of
them: that is not in it, unless such numbers of channels are measured.
"""

import argparse
import json
import math
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
from rank_meter import RankMeter, StepUse  # noqa: E402
from scaling_model import TERMS, Model, Size, StepCost, observe  # noqa: E402
from sorting_cost import CHANNELS_PER_UNIT, SEED, launcher, warm_up  # noqa: E402

from circus_io.parallel import get_comm  # noqa: E402
from circus_io.params import build_params, read_params  # noqa: E402
from circus_io.synthetic import SyntheticRecording  # noqa: E402
from sorting.config import SortingConfig  # noqa: E402

RATE_HZ = 20_000.0
DEFAULT_MEASURE = ((32, 64, 128), (40.0, 120.0))
QUICK_MEASURE = ((8, 16), (4.0, 8.0))
BEYOND = 1.5  # times the longest duration: the recording that checks the model
GAIN = 0.1  # what doubling the ranks has to save to be worth it
MOST_RANKS = 2**16


@dataclass(frozen=True)
class Sort:
    """A sort that was measured: what each rank used by step, and its wall time."""

    ranks: list[dict[str, StepUse]]
    wall_s: float

    @property
    def busiest_s(self) -> dict[str, float]:
        """CPU seconds of each step, of the rank that worked most, without waiting."""
        return {
            step: max(use[step].items_s + use[step].own_s for use in self.ranks)
            for step in self.ranks[0]
        }


def main() -> None:
    """Measure, fit, check, and forecast."""
    given = parse_arguments()
    if given.rank_of is not None:
        run_rank(given.rank_of)
        return
    print(describe(), flush=True)
    channels, durations = QUICK_MEASURE if given.quick else given.measure
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        warm_up(Path(folder), 1)
        sorts, checks = measure_all(Path(folder), channels, durations)
    model = fit(sorts)
    report_constants(model)
    for size, measured in checks.items():
        report_check(model, size, measured)
    size = size_of(given.channels, 3600 * given.hours)
    report_forecast(model, size, given.ranks, 1e9 * given.network)
    print(f"\nload afterwards  {load()}")


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for; `rank_of` is how a rank of a sort is started."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--channels", type=int, default=4225, help="of the recording in question")
    add("--hours", type=float, default=1.0, help="of the recording in question")
    add("--ranks", type=numbers, default=[1, 16, 256], help="such as 1,16,256")
    add("--network", type=float, default=1.0, metavar="GB/S", help="between ranks")
    add("--measure", type=parse_measure, default=DEFAULT_MEASURE, metavar="C,C,..:S,S")
    add("--quick", action="store_true", help="measure little")
    add("--folder", help="where there is space for the recordings")
    add("--rank-of", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    """Read ``1,16,256``."""
    return [int(number) for number in text.split(",")]


def parse_measure(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Read ``32,64:40,120``: numbers of channels, and durations in s."""
    channels, _, durations = text.partition(":")
    seconds = sorted(float(duration) for duration in durations.split(","))
    if len(set(numbers(channels))) < 2 or len(set(seconds)) < 2:
        raise argparse.ArgumentTypeError(
            f"{text} has less than two numbers of channels or durations"
        )
    return tuple(sorted(numbers(channels))), tuple(seconds)


def size_of(n_channels: int, duration_s: float) -> Size:
    """Count the chunks of a recording: large arrays have shorter ones."""
    config = SortingConfig.from_parameters(
        build_params({"data.file_format": "raw_binary"}),
        sampling_rate=RATE_HZ,
        n_channels=n_channels,
        probe_radius_um=None,
    )
    chunk_s = config.filtering.chunk_frames / RATE_HZ
    return Size(n_channels, duration_s, math.ceil(duration_s / chunk_s))


# ------------------------------------------------------------------------- measuring

Sorts = dict[Size, dict[int, Sort]]  # by the number of ranks


def measure_all(folder: Path, channels, durations) -> tuple[Sorts, Sorts]:
    """Sort recordings of all sizes on 1 and 2 ranks; one more to check the model."""
    sorts, checks = {}, {}
    for n_channels in channels:
        is_last = n_channels == channels[-1]
        longer = [BEYOND * durations[-1]] if is_last else []
        path = make(folder, n_channels, [*durations, *longer][-1])
        for seconds in sorted([*durations, *longer], reverse=True):
            cut(path, n_channels, seconds)
            into = checks if seconds in longer else sorts
            size = size_of(n_channels, seconds)
            into[size] = {n: measure(path, f"{seconds:g}-{n}", n) for n in (1, 2)}
        path.unlink()
    return sorts, checks


def make(folder: Path, n_channels: int, seconds: float) -> Path:
    """Write a recording with one neuron for two channels."""
    recording = SyntheticRecording(
        n_channels=n_channels,
        n_units=n_channels // CHANNELS_PER_UNIT,
        duration_s=seconds,
        sampling_rate=RATE_HZ,
        seed=SEED,
    )
    return recording.write(folder / f"rec-{n_channels}.dat")


def cut(path: Path, n_channels: int, seconds: float) -> None:
    """Keep the beginning of a recording: its samples stand frame by frame."""
    os.truncate(path, round(seconds * RATE_HZ) * n_channels * 2)


def measure(path: Path, name: str, n_ranks: int) -> Sort:
    """Sort in processes of its own, which meter themselves."""
    run = path.parent / f"{path.stem}-{name}"
    run.mkdir()
    order = run / "order.json"
    order.write_text(json.dumps({"recording": str(path), "run": str(run)}))
    start = time.perf_counter()
    command = [*launcher(n_ranks), sys.executable, __file__, "--rank-of", str(order)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"the sort of {path.name} failed; see above")
    wall_s = time.perf_counter() - start
    reports = [json.loads((run / f"{r}.json").read_text()) for r in range(n_ranks)]
    return Sort(
        [{step: StepUse(**use) for step, use in report.items()} for report in reports],
        wall_s,
    )


def run_rank(order: Path) -> None:
    """Sort, as one rank of a process that `measure` started."""
    import sorting

    given = json.loads(order.read_text())
    run, path = Path(given["run"]), Path(given["recording"])
    meter = RankMeter()
    comm = meter.install(get_comm())
    sorting.sort(
        path,
        parameters=read_params(path.with_suffix(".params")),
        output_dir=run / "sort",
        comm=comm,
    )
    (run / f"{comm.rank}.json").write_text(json.dumps(meter.report()))


def fit(sorts: Sorts) -> Model:
    """Return the model of all that was measured."""
    costs = [
        {
            step: observe(use, [rank[step] for rank in found[2].ranks])
            for step, use in found[1].ranks[0].items()
        }
        for found in sorts.values()
    ]
    return Model(list(sorts), costs)


# ------------------------------------------------------------------------- reporting

PART_NAMES = {
    "items_s": "items handed out, CPU s",
    "spread_s": "spread evenly, CPU s",
    "alike_s": "on every rank alike, CPU s",
    "alone_s": "on rank 0 alone, CPU s",
    "n_bytes": "payload to a rank, bytes",
}


# constants of less than 1 ms, or 1 kB, at the largest size measured are not shown
LEAST = dict.fromkeys(PART_NAMES, 1e-3) | {"n_bytes": 1e3}


def report_constants(model: Model) -> None:
    """Print the coefficients, for C channels and D seconds."""
    print("\nconstants, for C channels and D seconds")
    print(f"{'':34}" + "".join(f"{term:>12}" for term in TERMS))
    for part, name in PART_NAMES.items():
        print(name)
        for step in model.steps:
            values = model.constants[step][part]
            if values @ model.largest.terms() > LEAST[part]:
                print(f"  {step:32}" + "".join(f"{v:12.3g}" for v in values))


def report_check(model: Model, size: Size, measured: dict[int, Sort]) -> None:
    """Print what the model says of a recording that it has not seen."""
    print(
        f"\ncheck: {size.n_channels} channels, {size.duration_s:g} s, longer than any "
        f"in the constants\n{'busiest of 2 ranks, CPU s':34}{'model':>12}"
        f"{'measured':>12}{'ratio':>12}"
    )
    busiest = measured[2].busiest_s
    for step in model.steps:
        report_ratio(step, model.cost(step, size).time_s(2), busiest[step])
    report_ratio("all", model.time_s(size, 2), sum(busiest.values()))
    speedup = sum(measured[1].busiest_s.values()) / sum(busiest.values())
    of_model = model.time_s(size, 1) / model.time_s(size, 2)
    report_ratio("times as fast as 1 rank", of_model, speedup)
    walls = ", ".join(f"{sort.wall_s:.1f} s on {n}" for n, sort in measured.items())
    print(f"  wall time {walls}; other work on this machine is in it: load {load()}")


def report_ratio(name: str, modelled: float, measured: float) -> None:
    """Print one line of a check."""
    ratio = f"{modelled / measured:.2f}" if measured else "-"
    print(f"  {name:32}{modelled:12.2f}{measured:12.2f}{ratio:>12}")


def report_forecast(model: Model, size: Size, ranks: list[int], speed: float) -> None:
    """Print what a recording costs on some numbers of ranks, and where that ends."""
    print(
        f"\n{size.n_channels} channels x {size.duration_s / 3600:g} h at 20 kHz: "
        f"{size.n_chunks} chunks"
    )
    one = model.time_s(size, 1, speed)
    times = {n: model.time_s(size, n, speed) for n in ranks}
    print(f"{'ranks':34}" + "".join(f"{n:12d}" for n in ranks))
    for step in model.steps:
        cost = model.cost(step, size)
        row = "".join(f"{cost.time_s(n, speed):12.1f}" for n in ranks)
        print(f"  {step + ', s':32}{row}")
    print(f"  {'all, s':32}" + "".join(f"{times[n]:12.1f}" for n in ranks))
    print(f"  {'all, h':32}" + "".join(f"{times[n] / 3600:12.3f}" for n in ranks))
    print(
        f"  {'core hours':32}" + "".join(f"{n * times[n] / 3600:12.3f}" for n in ranks)
    )
    print(
        f"  {'times as fast as 1 rank':32}"
        + "".join(f"{one / t:12.2f}" for t in times.values())
    )
    print(
        f"  {'efficiency':32}"
        + "".join(f"{one / n / t:12.3f}" for n, t in times.items())
    )
    report_limit(model, size, speed)


def report_limit(model: Model, size: Size, speed: float) -> None:
    """Print up to how many ranks it is worth it, and what takes the time there."""
    one = model.time_s(size, 1, speed)
    for least in (0.8, 0.5):
        most = largest(lambda n, e=least: one / n / model.time_s(size, n, speed) >= e)
        print(f"  efficiency of {least} or more up to {most} ranks")
    end = largest(
        lambda n: (
            model.time_s(size, n, speed)
            <= (1 - GAIN) * model.time_s(size, max(n // 2, 1), speed)
        )
    )
    print(
        f"  scaling stops at {end} ranks: twice as many save less than {GAIN:.0%} of "
        f"{model.time_s(size, end, speed):.1f} s, which are"
    )
    for text, seconds in sorted(shares(model, size, end, speed), key=lambda s: -s[1])[
        :5
    ]:
        print(f"    {seconds:10.1f} s  {text}")


def largest(holds) -> int:
    """Return the largest power of two up to which a condition on ranks holds; or 1."""
    n_ranks = 1
    while n_ranks < MOST_RANKS and holds(2 * n_ranks):
        n_ranks *= 2
    return n_ranks


def shares(model: Model, size: Size, n_ranks: int, speed: float):
    """List what takes time on a number of ranks: words, and seconds."""
    for step in model.steps:
        cost: StepCost = model.cost(step, size)
        yield f"{step}: rank 0 alone", cost.alone_s
        yield f"{step}: every rank alike", cost.alike_s
        yield f"{step}: spread evenly", cost.spread_s / n_ranks
        busiest = cost.busiest_s(n_ranks)
        yield f"{step}: {cost.n_items:g} items handed out", busiest
        rest = cost.time_s(n_ranks, speed) - cost.time_s(n_ranks)
        yield f"{step}: communication", rest


if __name__ == "__main__":
    main()
