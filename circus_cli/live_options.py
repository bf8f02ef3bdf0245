"""The options of ``circus live``."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Duration",
    "MetricsPort",
    "Policy",
    "Realtime",
    "Record",
    "Rotate",
    "Selftest",
    "Services",
    "Source",
    "StimLog",
]

Source = Annotated[
    str,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help="Recording, or address: meame://host:port, synthetic, lsl://name.",
    ),
]
Record = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Write what the source gives."),
]
Rotate = Annotated[
    float | None,
    typer.Option(
        "--rotate", metavar="S", help="Begin another file after so many seconds."
    ),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="MODULE:CLASS",
        help="Class or function of a module or of a .py file; may be given several "
        "times, one after another.",
    ),
]
Policy = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="POLICY",
        help="Of services that are too slow: block, drop_oldest, drop_newest or error.",
    ),
]
StimLog = Annotated[
    Path | None,
    typer.Option(
        "--stim-log",
        metavar="LOG",
        help="Write the clock of the stream into the log of a stimulator; see "
        "circus stim events.",
    ),
]
Duration = Annotated[
    float | None,
    typer.Option("--duration", metavar="S", help="Stop after so many seconds."),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics",
        metavar="PORT",
        help="Serve counts, rate and latency as JSON on this port of 127.0.0.1; 0 "
        "takes a free one.",
    ),
]
Realtime = Annotated[
    bool,
    typer.Option(
        "--realtime",
        help="Run source and services before everything else on the machine, where "
        "that is permitted.",
    ),
]
Selftest = Annotated[
    bool,
    typer.Option("--selftest", help="Show a histogram of latencies, and stop."),
]
