"""``circus stim ...``: stimulators, and what they did."""

import typer

from circus_cli.commands.stim.check import EXAMPLES as CHECK_EXAMPLES
from circus_cli.commands.stim.check import check
from circus_cli.commands.stim.devices import (
    INFO_EXAMPLES,
    LIST_EXAMPLES,
    info,
    list_stimulators,
)
from circus_cli.commands.stim.events import EXAMPLES as EVENTS_EXAMPLES
from circus_cli.commands.stim.events import events
from circus_cli.commands.stim.preflight import EXAMPLES as PREFLIGHT_EXAMPLES
from circus_cli.commands.stim.preflight import preflight
from circus_cli.commands.stim.run import EXAMPLES as RUN_EXAMPLES
from circus_cli.commands.stim.run import run
from circus_cli.commands.stim.simulate import EXAMPLES as SIMULATE_EXAMPLES
from circus_cli.commands.stim.simulate import simulate

__all__ = ["COMMANDS", "EXAMPLES", "HELP", "group"]

HELP = "Drive stimulators, and put what they did beside recordings."
EXAMPLES = """\b
Examples:
  circus stim list
  circus stim check pulse.dat --variant 1.6mA --limits limits.toml --picture pulse.png
  circus stim run pulse.dat --bus simulated --limits limits.toml --log run.jsonl
  circus stim events run.jsonl --recording rec.h5
"""
COMMANDS = {
    "list": (list_stimulators, LIST_EXAMPLES),
    "info": (info, INFO_EXAMPLES),
    "check": (check, CHECK_EXAMPLES),
    "simulate": (simulate, SIMULATE_EXAMPLES),
    "run": (run, RUN_EXAMPLES),
    "preflight": (preflight, PREFLIGHT_EXAMPLES),
    "events": (events, EVENTS_EXAMPLES),
}

group = typer.Typer(help=HELP, epilog=EXAMPLES, rich_markup_mode=None)
for _name, (_command, _examples) in COMMANDS.items():
    group.command(_name, epilog=_examples)(_command)
