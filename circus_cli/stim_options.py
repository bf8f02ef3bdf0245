"""Options that several commands of ``circus stim`` have, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stim.stg.port import Bus

__all__ = [
    "Bus_",
    "Limits",
    "Picture",
    "Repeats",
    "Seconds",
    "Serial",
    "StimulusFile",
    "Variant",
    "simulated_bus",
]

StimulusFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Stimulus, a .dat of MC_Stimulus II.")
]
Limits = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Safety limits, TOML; by default those that CIRCUS_STIM_LIMITS names.",
    ),
]
Bus_ = Annotated[
    str | None,
    typer.Option(
        "--bus",
        metavar="NAME",
        help="stg4000, mcs-simulated or simulated; by default what CIRCUS_STIM_BUS "
        "says, and else the device.",
    ),
]
Serial = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Serial number, where several are there."),
]
Picture = Annotated[
    Path | None,
    typer.Option(
        metavar="PNG", help="Draw what will leave each channel (extra plots)."
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, help="How often; 0 is for ever, if the limits allow it."
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        min=0,
        help="Stream it for so long, repeated, instead of downloading it.",
    ),
]
Variant = Annotated[
    str | None,
    typer.Option(
        metavar="RANGE", help="A simulated device: 160uA, 1.6mA, 16mA or 160mA."
    ),
]


def simulated_bus(variant: str) -> Bus:
    """Return a bus with one device of a variant, in a time of its own."""
    from stim.simulated.bus import SimulatedBus
    from stim.simulated.clock import VirtualClock
    from stim.simulated.device import SimulatedDevice

    return SimulatedBus([SimulatedDevice(variant, clock=VirtualClock(), trace=True)])
