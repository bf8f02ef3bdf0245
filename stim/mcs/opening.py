"""Buses by what follows an ``@`` in their name, as `stim.stg` opens them."""

from circus_io.errors import DeviceError
from stim.mcs.bus import McsBus
from stim.mcs.simulated import SimulatedMcsBus, simulated_bus
from stim.mcs.simulator.build import GENERATIONS
from stim.mcs.vendor import vendor_bus

__all__ = ["open_simulator_bus", "open_vendor_bus"]


def open_vendor_bus(place: str | None = None) -> McsBus:
    """Return the bus ``stg4000``; ``stg4000@PATH`` says where the assembly is."""
    return vendor_bus(place)


def open_simulator_bus(place: str | None = None) -> SimulatedMcsBus:
    """Return the bus ``mcs-simulated``; ``mcs-simulated@3`` has the API of 3.2.45."""
    generation = place or str(max(GENERATIONS))
    if generation not in map(str, GENERATIONS):
        raise DeviceError(
            f"mcs-simulated@{place}: behind the @ stands a generation of the API: "
            f"{' or '.join(map(str, GENERATIONS))}"
        )
    return simulated_bus(generation=int(generation))
