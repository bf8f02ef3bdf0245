"""``circus demo``: a recording with known spikes, sorted and judged."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circus_cli.console import say, say_table, stdout
from circus_cli.errors import UsageError
from circus_cli.launch import find_mpiexec
from circus_cli.options import Debug
from circus_io.errors import LaunchError, MissingDependencyError
from circus_io.parallel import launched_size

if TYPE_CHECKING:
    import numpy as np

__all__ = ["demo"]

STEM = "demo"
TRUTH_SUFFIX = ".ground_truth.npz"
# an interrupted write leaves a hidden file
OWN_NAME = re.compile(r"\.?(demo|report)([.-]|$)")
SETTINGS = {
    "n_channels": 64,
    "duration_s": 120.0,
    "sampling_rate": 20_000.0,
    "n_units": 30,
    "snr_range": (3.0, 20.0),
    "rate_range_hz": (1.0, 15.0),
    "amplitude_spread": 0.12,
    "lfp_uv": 40.0,
}
QUICK = {
    "n_channels": 16,
    "duration_s": 20.0,
    "n_units": 6,
    "snr_range": (6.0, 20.0),
    "rate_range_hz": (5.0, 15.0),
}
TRUTH_COLUMNS = ("unit", "SNR", "spikes", "accuracy", "precision", "recall", "found as")


def demo(
    folder: Annotated[
        Path,
        typer.Argument(metavar="[FOLDER]", help="Where to put it all."),
    ] = Path("circus-demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="20 s of 16 channels only.")
    ] = False,
    cpu: Annotated[
        int | None,
        typer.Option(
            "-c",
            "--cpu",
            metavar="N",
            min=1,
            help="MPI ranks; all processors by default.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Another seed, other neurons.")
    ] = 0,
    debug: Debug = False,
) -> int:
    """Make a recording with known spikes, sort it and compare.

    Two minutes of 64 channels are generated and sorted the way `circus sort` does it.
    What was found is compared with what was put in, as a table here and as a page with
    pictures.
    """
    from circus_cli.commands.sort import run_sort
    from circus_cli.request import Request

    if (launched_size() or 1) > 1:
        raise UsageError(
            "circus demo starts its own ranks; run it without a launcher, and give the "
            "number of ranks as -c N"
        )
    recording_path = _claim(folder) / f"{STEM}.dat"
    _check_extras()
    _generate(recording_path, quick, seed)
    say(f"sorting: circus sort {recording_path}")
    status = run_sort(Request(recording_path, debug=debug), cpu or _all_ranks(), None)
    return status or _judge(recording_path)


def _claim(folder: Path) -> Path:
    """Make the folder, or take one that holds an earlier demo and nothing else.

    Raises
    ------
    UsageError
        If it holds anything else, which is left alone.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder: circus demo FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in names if not OWN_NAME.match(name)]
    # somebody's own demo.dat has no truth beside it
    if names and f"{STEM}{TRUTH_SUFFIX}" not in names:
        foreign = names
    if foreign:
        raise UsageError(
            f"{folder} holds files that no demo made ({', '.join(foreign[:5])}); name "
            "another folder: circus demo FOLDER"
        )
    return folder


def _check_extras() -> None:
    """Refuse to start a work of minutes that cannot be judged at its end."""
    from circus_cli.comparison import import_comparison
    from circus_cli.figures import figure_style

    import_comparison()
    with figure_style():
        pass


def _all_ranks() -> int:
    """Return one rank per processor of this process, or one without MPI."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    n_cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        find_mpiexec()
    except (LaunchError, MissingDependencyError) as error:
        say(f"on 1 rank: {error}")
        return 1
    return n_cpus


def _generate(path: Path, quick: bool, seed: int) -> None:
    from circus_io.synthetic import SyntheticRecording

    settings = SETTINGS | (QUICK if quick else {})
    say(
        f"making {settings['duration_s']:g} s of {settings['n_channels']} channels "
        f"with {settings['n_units']} neurons: {path}"
    )
    with SyntheticRecording(seed=seed, **settings) as recording:
        recording.write(path)


def _judge(recording_path: Path) -> int:
    """Compare the result with the truth, in a table and in a page."""
    from circus_cli.comparison import compare_with_truth
    from circus_cli.job import prepare
    from circus_cli.report import write_report
    from circus_cli.request import Request
    from circus_io.synthetic import read_ground_truth
    from sorting.results import load_result

    truth = read_ground_truth(recording_path.with_suffix(TRUTH_SUFFIX))
    job = prepare(Request(recording_path))
    result = load_result(job.result_path)
    table = compare_with_truth(truth.spike_times, truth.spike_units, result, truth.snr)
    with job.recording as recording:
        page = write_report(result, recording_path.parent, recording, table)
    _say_scores(table)
    _say_places(recording_path, job.result_path, page)
    return 0


def _say_scores(table: np.ndarray) -> None:
    from circus_cli.comparison import FOUND_ACCURACY, LARGE_SNR, fraction_found

    order = (-table["snr"]).argsort(kind="stable")
    rows = [
        (*row[:-1], row[-1] if row[-1] >= 0 else "-")
        for row in (table[index].item() for index in order)
    ]
    say_table(TRUTH_COLUMNS, rows, title="what was put in, and how it was found")
    n_found, n_large = fraction_found(table)
    share = f" ({n_found / n_large:.0%})" if n_large else ""
    _print(
        f"{n_found} of {n_large} units{share} with SNR above {LARGE_SNR:g} found with "
        f"accuracy {FOUND_ACCURACY:g} or better\n"
    )


def _say_places(recording_path: Path, result_path: Path, page: Path) -> None:
    """Say where everything lies, and what to type next."""
    phy = result_path.with_name(f"{STEM}.GUI") / "params.py"
    example = recording_path.with_suffix(".params")
    _print(
        "look at\n"
        f"  {page}  the report, for a web browser\n"
        f"  {phy}  for phy template-gui\n"
        f"  sorting.load_result({str(recording_path)!r})  in Python\n"
        "\n"
        "for a recording of your own, rec.dat\n"
        f"  circus params --init rec.params  then fill it in; {example} is one\n"
        "  circus rec.dat                   sort it\n"
        "  circus rec.dat -r                write its report"
    )


def _print(text: str) -> None:
    stdout().print(text, soft_wrap=True, markup=False)
