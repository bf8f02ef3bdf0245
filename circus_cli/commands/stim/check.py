"""``circus stim check FILE``: what would leave a device, and whether it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus_cli.console import say, say_table, show
from circus_cli.errors import UsageError
from circus_cli.options import Debug
from circus_cli.stim_options import (
    Bus_,
    Limits,
    Picture,
    Repeats,
    Serial,
    StimulusFile,
    Variant,
    simulated_bus,
)
from circus_cli.stimulus import Stimulus, load_stimulus, needed_limits

if TYPE_CHECKING:
    from stim.stg.port import DeviceFacts

__all__ = ["EXAMPLES", "check", "show_stimulus"]

EXAMPLES = """\b
Examples:
  circus stim check pulse.dat --variant 1.6mA --limits limits.toml
  circus stim check pulse.dat --bus stg4000 --repeats 100
  circus stim check pulse.dat --variant 16mA --picture pulse.png
"""


def check(
    file: StimulusFile,
    limits: Limits = None,
    variant: Variant = None,
    bus: Bus_ = None,
    serial: Serial = None,
    repeats: Repeats = 1,
    picture: Picture = None,
    debug: Debug = False,
) -> int:
    """Say what a device would put out for a file, and hold that against the limits.

    The device is asked for its ranges and steps, since rounding to them comes before
    the limits; nothing is put out. With --variant none is needed.
    """
    from circus_cli.stimulus_figure import write_picture

    allowed = needed_limits(limits, file)
    stimulus = load_stimulus(file, _facts(variant, bus, serial), allowed, repeats)
    show_stimulus(stimulus)
    if picture is not None:
        write_picture(picture, stimulus, allowed)
        show(f"picture: {picture}")
    stimulus.check()
    return 0


def show_stimulus(stimulus: Stimulus) -> None:
    """Show a table of what leaves each channel, and what is wrong with it."""
    say_table(stimulus.columns(), stimulus.rows())
    for problem in stimulus.problems:
        say(problem)


def _facts(variant: str | None, bus: str | None, serial: str | None) -> DeviceFacts:
    from stim.stg.stg4000 import STG4000

    if variant is not None and bus is not None:
        raise UsageError("give --variant, or the --bus of a device: one of the two")
    device = bus if variant is None else simulated_bus(variant)
    with STG4000(serial, limits=(), bus=device) as stg:
        return stg.facts
