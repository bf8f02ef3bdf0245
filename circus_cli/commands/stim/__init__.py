"""``circus stim ...``: stimulators, and what they did."""

import typer

from circus_cli.commands.stim.events import EXAMPLES as EVENTS_EXAMPLES
from circus_cli.commands.stim.events import events

__all__ = ["COMMANDS", "EXAMPLES", "HELP", "group"]

HELP = "Drive stimulators, and put what they did beside recordings."
EXAMPLES = """\b
Examples:
  circus stim events log.jsonl --recording rec.h5
"""
COMMANDS = {
    "events": (events, EVENTS_EXAMPLES),
}

group = typer.Typer(help=HELP, epilog=EXAMPLES, rich_markup_mode=None)
for _name, (_command, _examples) in COMMANDS.items():
    group.command(_name, epilog=_examples)(_command)
