"""``circus stim list`` and ``info``: which stimulators are there, and what they are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from circus_cli.console import say_table, show
from circus_cli.options import Debug
from circus_cli.stim_options import Bus_, Serial

if TYPE_CHECKING:
    from stim.stg.port import DeviceFacts

__all__ = ["INFO_EXAMPLES", "LIST_EXAMPLES", "info", "list_stimulators"]

LIST_EXAMPLES = """\b
Examples:
  circus stim list
  circus stim list --bus simulated
"""
INFO_EXAMPLES = """\b
Examples:
  circus stim info
  circus stim info --serial 40008 --json
  circus stim info --bus simulated
"""

AsJson = Annotated[bool, typer.Option("--json", help="Print it all as JSON.")]


def list_stimulators(
    bus: Bus_ = None, as_json: AsJson = False, debug: Debug = False
) -> int:
    """List the stimulators that are plugged in."""
    from stim.stg.opening import list_devices

    entries = list_devices(bus)
    if as_json:
        show(json.dumps([asdict(entry) for entry in entries], indent=2))
    elif entries:
        columns = ("device", "serial number", "manufacturer")
        rows = [(e.name, e.serial_number, e.manufacturer) for e in entries]
        say_table(columns, rows)
    else:
        show("no stimulator is plugged in")
    return 0


def info(
    bus: Bus_ = None,
    serial: Serial = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Ask a stimulator what it is: versions, channels, ranges, and which limits hold.

    Nothing is put out.
    """
    from stim.limits_file import find_limits
    from stim.stg.stg4000 import STG4000

    with STG4000(serial, limits=(), bus=bus) as stg:
        facts = stg.facts
    limits = find_limits()
    if as_json:
        told = asdict(facts) | {"limits_file": limits and str(limits)}
        show(json.dumps(told, indent=2, default=str))
        return 0
    rows = [*_facts(facts), ("limits", str(limits or "none: nothing but 0 may leave"))]
    show("\n".join(f"{name:<15} {text}" for name, text in rows))
    say_table(
        ("channel", "current (µA)", "step (µA)", "voltage (mV)", "step (mV)"),
        [
            (str(channel + 1), *(f"{value / 1000:g}" for value in values))
            for channel, values in enumerate(
                zip(
                    facts.current_range_na,
                    facts.current_resolution_na,
                    facts.voltage_range_uv,
                    facts.voltage_resolution_uv,
                    strict=True,
                )
            )
        ],
    )
    return 0


def _facts(facts: DeviceFacts) -> list[tuple[str, str]]:
    return [
        ("device", facts.name),
        ("serial number", facts.serial_number),
        ("manufacturer", facts.manufacturer),
        ("software", facts.software_version),
        ("hardware", facts.hardware_version),
        ("channels", str(facts.n_channels)),
        ("sync-outs", str(facts.n_syncouts)),
        ("triggers", str(facts.n_triggers)),
        ("converters", f"{facts.dac_bits} bits"),
        ("memory", f"{facts.total_memory_bytes / 2**20:g} MiB"),
    ]
