"""The options of ``circus sort``, and which of them go together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from circus_cli.errors import UsageError
from circus_cli.steps import STEPS

__all__ = [
    "Batch",
    "Cpu",
    "Extension",
    "Hostfile",
    "Info",
    "KeepGoing",
    "Kind",
    "Method",
    "Output",
    "OutputDir",
    "Overrides",
    "ParameterFile",
    "Preset",
    "Preview",
    "Recording",
    "Result",
    "Second",
    "Seed",
    "refuse_what_does_not_go",
]

Recording = Annotated[
    str | None,
    typer.Argument(
        metavar="RECORDING",
        help="Data file, 'rec_*.dat' in quotes for several, or the .params file; "
        "with -b a file of command lines, with -i the name of a format.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--method",
        metavar="STEPS",
        help=f"Steps to run, of {', '.join(STEPS)}; all by default.",
    ),
]
Cpu = Annotated[
    int | None,
    typer.Option(
        "-c",
        "--cpu",
        metavar="N",
        min=1,
        help="MPI ranks; half of the processors by default, 1 without MPI.",
    ),
]
Hostfile = Annotated[
    Path | None,
    typer.Option(
        "-H",
        "--hostfile",
        metavar="FILE",
        help="File of hosts, for the mpiexec in use.",
    ),
]
Batch = Annotated[
    bool,
    typer.Option("-b", "--batch", help="Run each line of the file as a command."),
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="With -b: go on after a failure.")
]
Preview = Annotated[
    bool,
    typer.Option("-p", "--preview", help="Draw 1.2 s of raw and filtered traces."),
]
Second = Annotated[
    float | None,
    typer.Option(
        "-s",
        "--second",
        metavar="SECONDS",
        min=0,
        help="With -p: where to start, in s.",
    ),
]
Result = Annotated[
    bool,
    typer.Option("-r", "--result", help="Show a result and write its report page."),
]
Info = Annotated[
    bool, typer.Option("-i", "--info", help="Describe a file format, or list all.")
]
Extension = Annotated[
    str | None,
    typer.Option(
        "-e", "--extension", metavar="NAME", help="Refused: no variants here."
    ),
]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", help="Refused: see --output-dir."),
]
Kind = Annotated[
    str | None,
    typer.Option("-t", "--type", metavar="TYPE", help="Refused: no benchmarking here."),
]
ParameterFile = Annotated[
    Path | None,
    typer.Option(
        "--params",
        metavar="FILE",
        help="Parameter file, if not beside the recording.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Set a parameter for this run; may be given several times.",
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        metavar="DIR",
        help="Folder of the results; beside the data by default.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, help="Seed of all random choices."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="accurate, or fast: short for --set circus.preset=NAME.",
    ),
]

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


def refuse_what_does_not_go(options: Mapping[str, Any]) -> None:
    """Refuse options that do not exist here, or not beside each other.

    Parameters
    ----------
    options : mapping
        Values by the names of parameters; those that are None, False or empty were not
        given.

    Raises
    ------
    UsageError
        Names the options, and what to do instead.
    """
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
