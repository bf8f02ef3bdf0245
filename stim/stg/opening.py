"""`open_bus`: the name of a way to devices → the way."""

import os
import sys
from functools import cache
from importlib import import_module

from circus_io.errors import DeviceError
from stim.stg.port import Bus, DeviceEntry

__all__ = ["BUSES", "list_devices", "open_bus"]

BUS_VARIABLE = "CIRCUS_STIM_BUS"

# name -> function that takes what follows an @, or None, and returns a bus
BUSES = {
    "stg4000": "stim.mcs.opening:open_vendor_bus",
    "mcs-simulated": "stim.mcs.opening:open_simulator_bus",
    "simulated": "stim.simulated.opening:open_simulated_bus",
}


def open_bus(name: str | None = None) -> Bus:
    """Return a bus by its name; the same one for the same name.

    Parameters
    ----------
    name : str, optional
        ``'stg4000'`` (the vendor's assembly), ``'mcs-simulated'`` (a simulator of the
        assembly), ``'simulated'`` (a simulator in Python), ``'simulated@HOST:PORT'``
        (one that runs in another process). By default what the environment variable
        ``CIRCUS_STIM_BUS`` says, and else the vendor's assembly: no simulator is used
        that nobody asked for.

    Raises
    ------
    DeviceError
        There is no such bus, or not on this system.
    """
    chosen = name or os.environ.get(BUS_VARIABLE) or "stg4000"
    if name is None and chosen == "stg4000" and sys.platform != "win32":
        raise DeviceError(
            "the vendor's driver of STG4000 stimulators runs on Windows only. To go on "
            f"without a device, set {BUS_VARIABLE} to simulated or mcs-simulated, or "
            'give bus="simulated"'
        )
    return _open(chosen)


@cache
def _open(chosen: str) -> Bus:
    kind, _, place = chosen.partition("@")
    if kind not in BUSES:
        raise DeviceError(f"bus {chosen}: choose from {', '.join(BUSES)}")
    module, _, function = BUSES[kind].partition(":")
    return getattr(import_module(module), function)(place or None)


def list_devices(bus: str | Bus | None = None) -> list[DeviceEntry]:
    """Return the stimulators that are plugged in."""
    if bus is None or isinstance(bus, str):
        bus = open_bus(bus)
    return bus.list_devices()
