"""``circus stim run FILE``: stimulate."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circus_cli.commands.stim.check import show_stimulus
from circus_cli.commands.stim.simulate import play, stream
from circus_cli.console import say, show
from circus_cli.errors import UsageError
from circus_cli.options import Debug
from circus_cli.stim_options import (
    Bus_,
    Limits,
    Picture,
    Repeats,
    Seconds,
    Serial,
    StimulusFile,
)
from circus_cli.stimulus import Stimulus, load_stimulus, needed_limits

if TYPE_CHECKING:
    from stim.stg.stg4000 import STG4000

__all__ = ["EXAMPLES", "run"]

EXAMPLES = """\b
Examples:
  circus stim run pulse.dat --limits limits.toml --log stimulation.jsonl
  circus stim run pulse.dat --repeats 100
  circus stim run pulse.dat --seconds 60           streamed, silent if this is killed
  circus stim run pulse.dat --bus simulated --limits limits.toml
"""


def run(
    file: StimulusFile,
    limits: Limits = None,
    bus: Bus_ = None,
    serial: Serial = None,
    repeats: Repeats = 1,
    seconds: Seconds = None,
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="LOG", help="Append what is done; see circus stim events."
        ),
    ] = None,
    picture: Picture = None,
    debug: Debug = False,
) -> int:
    """Stimulate with a file, once or several times; an interrupt stops at once.

    What leaves is shown first. A file of which anything is beyond the limits is not
    sent at all.
    """
    from circus_cli.stimulus_figure import write_picture
    from stim.event_log import EventLog
    from stim.stg.stg4000 import STG4000

    if seconds is not None and repeats != 1:
        raise UsageError("--seconds streams it until then; leave out --repeats")
    allowed = needed_limits(limits, file)
    with ExitStack() as stack:
        notes = None if log is None else stack.enter_context(EventLog(log))
        stg = stack.enter_context(
            STG4000(serial, limits=allowed, bus=bus, event_log=notes)
        )
        times = repeats if seconds is None else None
        stimulus = load_stimulus(file, stg.facts, allowed, times)
        show_stimulus(stimulus)
        if picture is not None:
            write_picture(picture, stimulus, allowed)
            show(f"picture: {picture}")
        stimulus.check()
        _stimulate(stg, stimulus, seconds)
    show("done" if log is None else f"done; see {log}")
    return 0


def _stimulate(stg: STG4000, stimulus: Stimulus, seconds: float | None) -> None:
    say(f"{stg!r} stimulates; interrupt to stop")
    if seconds is not None:
        stream(stg, stimulus, seconds)
        return
    play(stg, stimulus)
    while stimulus.repeats == 0:  # until an interrupt
        stg.sleep(200)
