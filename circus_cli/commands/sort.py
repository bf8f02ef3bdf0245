"""``circus sort RECORDING``, and the flags that classic scripts give to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from circus_cli.commands.batch import run_batch
from circus_cli.commands.formats import formats
from circus_cli.commands.preview import draw_preview
from circus_cli.commands.result import show_result
from circus_cli.console import logs_muted, say
from circus_cli.errors import UsageError
from circus_cli.job import prepare, sort_on
from circus_cli.launch import default_n_ranks, run_ranks
from circus_cli.options import Debug, NoSummary, Quiet
from circus_cli.request import Request
from circus_cli.steps import STEPS, parse_steps
from circus_cli.summary import say_summary
from circus_io.parallel import check_world, get_comm, launched_rank, launched_size

__all__ = ["EXAMPLES", "sort"]

EXAMPLES = """\b
Examples:
  circus recording.dat                     sort, on half of the processors
  circus recording.dat -c 4                sort, on 4 ranks
  circus recording.dat -m fitting,merging  run two steps again
  circus recording.dat --set detection.spike_thresh=5 --output-dir trial
  circus recording.dat --preset fast       in a fraction of the time
  circus recording.dat -p -s 60            picture of 1.2 s, from second 60 on
  circus recording.dat -r                  summary and report page of a result
  circus recordings.txt -b                 run a file of command lines
  circus -i raw_binary                     what a file format needs
  mpiexec -n 4 circus recording.dat        ranks started from outside
"""

# Options of SpyKING CIRCUS that nothing here corresponds to, and what to do instead.
ABSENT_OPTIONS = {
    "extension": "-e/--extension does not exist: a result has no variants here, and "
    "merging and converting work on it; keep several with --output-dir DIR",
    "output": "-o/--output does not exist: it named the recording that benchmarking "
    "wrote, a step that is not here; --output-dir DIR says where results go",
    "kind": "-t/--type does not exist: it chose the kind of benchmarking, a step that "
    "is not here; circus demo sorts a recording with known spikes",
}
# What each other way to use the command takes besides --debug and --quiet.
WAYS = {
    "info": (),
    "batch": ("keep_going",),
    "preview": ("second", "parameter_file", "overrides", "output_dir"),
    "result": ("parameter_file", "overrides", "output_dir"),
}
FLAGS = {
    "info": "-i",
    "batch": "-b",
    "preview": "-p",
    "result": "-r",
    "keep_going": "--keep-going",
    "second": "-s",
    "method": "-m",
    "cpu": "-c",
    "hostfile": "-H",
    "parameter_file": "--params",
    "overrides": "--set",
    "output_dir": "--output-dir",
    "seed": "--seed",
    "preset": "--preset",
}


def sort(
    context: typer.Context,
    recording: Annotated[
        str | None,
        typer.Argument(
            metavar="RECORDING",
            help="Data file, 'rec_*.dat' in quotes for several, or the .params file; "
            "with -b a file of command lines, with -i the name of a format.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--method",
            metavar="STEPS",
            help=f"Steps to run, of {', '.join(STEPS)}; all by default.",
        ),
    ] = None,
    cpu: Annotated[
        int | None,
        typer.Option(
            "-c",
            "--cpu",
            metavar="N",
            min=1,
            help="MPI ranks; half of the processors by default, 1 without MPI.",
        ),
    ] = None,
    hostfile: Annotated[
        Path | None,
        typer.Option(
            "-H",
            "--hostfile",
            metavar="FILE",
            help="File of hosts, for the mpiexec in use.",
        ),
    ] = None,
    batch: Annotated[
        bool,
        typer.Option("-b", "--batch", help="Run each line of the file as a command."),
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="With -b: go on after a failure.")
    ] = False,
    preview: Annotated[
        bool,
        typer.Option("-p", "--preview", help="Draw 1.2 s of raw and filtered traces."),
    ] = False,
    second: Annotated[
        float | None,
        typer.Option(
            "-s",
            "--second",
            metavar="SECONDS",
            min=0,
            help="With -p: where to start, in s.",
        ),
    ] = None,
    result: Annotated[
        bool,
        typer.Option("-r", "--result", help="Show a result and write its report page."),
    ] = False,
    info: Annotated[
        bool, typer.Option("-i", "--info", help="Describe a file format, or list all.")
    ] = False,
    extension: Annotated[
        str | None,
        typer.Option(
            "-e", "--extension", metavar="NAME", help="Refused: no variants here."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Refused: see --output-dir."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "-t", "--type", metavar="TYPE", help="Refused: no benchmarking here."
        ),
    ] = None,
    parameter_file: Annotated[
        Path | None,
        typer.Option(
            "--params",
            metavar="FILE",
            help="Parameter file, if not beside the recording.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Set a parameter for this run; may be given several times.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            help="Folder of the results; beside the data by default.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", min=0, help="Seed of all random choices."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="accurate, or fast: short for --set circus.preset=NAME.",
        ),
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
    no_summary: NoSummary = False,
) -> int:
    """Sort a recording.

    Its parameters are read from the .params file beside it (circus params --init
    recording.params writes one). The recording is never changed.
    """
    _refuse_several(recording, context.args)
    _refuse_what_does_not_go(context.params)
    if info:
        return formats(None if recording == "help" else recording)
    if recording is None:
        raise UsageError("which recording? for example: circus recording.dat")
    if batch:
        return run_batch(Path(recording), keep_going=keep_going)
    request = Request(
        path=Path(recording),
        parameter_file=parameter_file,
        overrides=_overrides(overrides, preset),
        output_dir=output_dir,
        method=method,
        seed=seed,
        debug=debug,
        quiet=quiet,
        summary=not no_summary,
    )
    if (preview or result) and launched_rank():
        return 0  # one rank is enough for a picture or a page
    if preview:
        return draw_preview(request, second or 0.0)
    if result:
        return show_result(request)
    return run_sort(request, cpu, hostfile)


def _overrides(given: list[str] | None, preset: str | None) -> tuple[str, ...]:
    named = () if preset is None else (f"circus.preset={preset}",)
    return (*(given or ()), *named)


def _refuse_several(recording: str | None, others: list[str]) -> None:
    if others:
        raise UsageError(
            f"one recording at a time: {recording}, but not also {', '.join(others)}; "
            "files that make one recording are given as a pattern in quotes, such as "
            "circus 'rec_*.dat'; several recordings as a file of command lines, with "
            "-b; see: circus sort --help"
        )


def _refuse_what_does_not_go(options: dict[str, Any]) -> None:
    """Refuse options that do not exist here, or not beside each other."""
    given = [
        name
        for name, value in options.items()
        if value is not None and value is not False and value not in ([], ())
    ]
    absent = [ABSENT_OPTIONS[name] for name in given if name in ABSENT_OPTIONS]
    if absent:
        raise UsageError("\n".join(absent))
    way = next((name for name in given if name in WAYS), None)
    if way is None:
        _refuse_orphans(given)
        return
    foreign = [
        name for name in given if name in FLAGS and name not in (way, *WAYS[way])
    ]
    if foreign:
        flags = ", ".join(FLAGS[name] for name in foreign)
        verb = "does" if len(foreign) == 1 else "do"
        raise UsageError(
            f"{flags} {verb} not go with {FLAGS[way]}; see: circus sort -h"
        )


def _refuse_orphans(given: list[str]) -> None:
    if "keep_going" in given:
        raise UsageError("--keep-going belongs to -b, which runs several commands")
    if "second" in given:
        raise UsageError("-s says where a preview starts; add -p to see one")


def run_sort(request: Request, n_ranks: int | None, hostfile: Path | None) -> int:
    """Sort on the ranks this process belongs to, or start as many as asked.

    Raises
    ------
    CircusError
        Whatever is wrong with the request; before any work starts.
    """
    steps = None if request.method is None else parse_steps(request.method)
    if launched_size() is None:
        n_wanted, notice = (n_ranks, None) if n_ranks else default_n_ranks()
        if notice and not request.quiet:
            say(notice)
        if n_wanted > 1 or hostfile:
            return _sort_elsewhere(request, n_wanted, hostfile)
    elif hostfile:
        raise UsageError(
            "-H does not go with ranks started from outside; give the "
            "hosts to the launcher"
        )
    comm = get_comm()
    check_world(comm, n_ranks or comm.size)
    return sort_on(comm, request, steps)


def _sort_elsewhere(request: Request, n_ranks: int, hostfile: Path | None) -> int:
    """Start ranks, and say what they found once all their output has come."""
    with logs_muted():  # the ranks say it
        job = prepare(request)
    _check_hostfile(hostfile)
    status = run_ranks(n_ranks, request.arguments(n_ranks), hostfile)
    if status == 0 and not request.quiet:
        say_summary(job.result_path)
    return status


def _check_hostfile(hostfile: Path | None) -> None:
    if hostfile and not hostfile.is_file():
        raise UsageError(f"-H: there is no file of hosts at {hostfile}")
