"""The options of ``circus convert``."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Channels",
    "Cpu",
    "Dtype",
    "Format",
    "From",
    "Gain",
    "Out",
    "Overwrite",
    "ParameterFile",
    "Recording",
    "Settings",
    "To",
]

Recording = Annotated[
    str,
    typer.Argument(
        metavar="IN", help="Recording, 'rec_*.dat' in quotes, or its .params file."
    ),
]
Out = Annotated[
    Path,
    typer.Argument(metavar="OUT", help="The file to be; its suffix says which."),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Format of OUT, where its suffix does not tell: raw_binary, nwb, ...",
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(
        "--channels",
        metavar="LIST",
        help="Numbers counted from 0, ranges or labels: 0-31,40,El_21; "
        "label=21 for a label that is a number.",
    ),
]
From = Annotated[
    float | None,
    typer.Option(
        "--from", metavar="SECONDS", help="Start, on the clock of the recording."
    ),
]
To = Annotated[
    float | None,
    typer.Option("--to", metavar="SECONDS", help="End, which is left out."),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype", metavar="TYPE", help="Type of a sample; as stored by default."
    ),
]
Gain = Annotated[
    str | None,
    typer.Option(
        "--gain", metavar="GAIN", help="µV per count, or auto: nothing clips."
    ),
]
Cpu = Annotated[
    int,
    typer.Option("-c", "--cpu", metavar="N", min=1, help="MPI ranks; 1 by default."),
]
ParameterFile = Annotated[
    Path | None,
    typer.Option(
        "--params",
        metavar="FILE",
        help="Parameter file of IN, if not beside it; its [data] is read.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a key of [data] of IN; may be given several times.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace OUT if it is there.")
]
