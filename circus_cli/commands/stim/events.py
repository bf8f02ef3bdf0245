"""``circus stim events LOG``: stimuli in the time of a recording, for the sorter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circus_cli.console import show
from circus_cli.errors import UsageError
from circus_cli.options import Debug
from circus_cli.source import Source

__all__ = ["EXAMPLES", "events"]

EXAMPLES = """\b
Examples:
  circus stim events log.jsonl --recording rec.h5
  circus stim events log.jsonl --rate 20000 --padding 2
"""


def events(
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="Event log of a stimulator.")
    ],
    recording: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The recording, for its rate."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="Its rate, where it is not at hand."),
    ] = None,
    padding: Annotated[
        float,
        typer.Option(
            metavar="MS", min=0, help="How long an artefact outlasts its stimulus."
        ),
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="NAME",
            help="The files are NAME.triggers.txt and NAME.windows.txt; by default "
            "named as the log.",
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Write the times of stimuli as the trig_file and trig_windows of a sort.

    Times are frames of the recording; how far they can be trusted is said here and in
    the files. The lines to put into the parameter file are shown.
    """
    from stim.event_log import read_events
    from stim.stimulus_times import find_stimuli, write_time_files

    sampling_rate = _rate(recording, rate)
    times = find_stimuli(read_events(log), sampling_rate)
    name = out if out is not None else log.with_suffix("")
    triggers = name.with_name(f"{name.name}.triggers.txt")
    windows = name.with_name(f"{name.name}.windows.txt")
    write_time_files(
        times, triggers, windows, sampling_rate=sampling_rate, padding_s=padding / 1e3
    )
    show(
        f"{len(times.frames)} stimuli of {len(times.lengths)} kinds, from "
        f"{times.source}, to within {times.uncertainty_s * 1e3:.3f} ms"
    )
    if times.n_before:
        show(f"{times.n_before} more came before the recording began")
    show(
        f"\n[triggers]\ntrig_file      = {triggers}\ntrig_windows   = {windows}\n"
        "trig_unit      = timestep\nclean_artefact = True"
    )
    return 0


def _rate(recording: Path | None, rate: float | None) -> float:
    if (recording is None) == (rate is None):
        raise UsageError("give --recording FILE, or its --rate in Hz: one of the two")
    if recording is None:
        if not rate > 0:
            raise UsageError(f"--rate {rate:g}: expected above 0")
        return rate
    with Source(recording).open() as opened:
        return opened.sampling_rate
