"""``circus sort RECORDING``, and the flags that classic scripts give to it."""

from __future__ import annotations

from pathlib import Path

import typer

from circus_cli import sort_options as option
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
from circus_cli.sort_options import refuse_what_does_not_go
from circus_cli.steps import parse_steps
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


def sort(
    context: typer.Context,
    recording: option.Recording = None,
    method: option.Method = None,
    cpu: option.Cpu = None,
    hostfile: option.Hostfile = None,
    batch: option.Batch = False,
    keep_going: option.KeepGoing = False,
    preview: option.Preview = False,
    second: option.Second = None,
    result: option.Result = False,
    info: option.Info = False,
    extension: option.Extension = None,
    output: option.Output = None,
    kind: option.Kind = None,
    parameter_file: option.ParameterFile = None,
    overrides: option.Overrides = None,
    output_dir: option.OutputDir = None,
    seed: option.Seed = None,
    preset: option.Preset = None,
    debug: Debug = False,
    quiet: Quiet = False,
    no_summary: NoSummary = False,
) -> int:
    """Sort a recording.

    Its parameters are read from the .params file beside it (circus params --init
    recording.params writes one). The recording is never changed.
    """
    _refuse_several(recording, context.args)
    refuse_what_does_not_go(context.params)
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
