"""From a name to simulated devices."""

from stim.simulated.bus import SimulatedBus
from stim.simulated.remote import RemoteDevice

__all__ = ["open_simulated_bus"]


def open_simulated_bus(place: str | None = None) -> SimulatedBus:
    """Return a bus with one device, on the wall clock.

    Parameters
    ----------
    place : str, optional
        ``HOST:PORT`` of a device in a process of its own; in this one by default.
    """
    if place is None:
        return SimulatedBus()
    bus = SimulatedBus([RemoteDevice(place)])
    bus.reach = f"simulated@{place}"
    return bus
