"""`open_stimulator`: a name → a stimulator behind the contract of all of them."""

from typing import Any

from stim.safety import SafetyLimits
from stim.stg.opening import open_bus
from stim.stg.port import Bus
from stim.stg.stimulator import StgStimulator
from stim.stimulator import Stimulator

__all__ = ["open_stimulator"]


def open_stimulator(
    name: str | Bus, limits: SafetyLimits, **settings: Any
) -> Stimulator:
    """Return a stimulator; ``with`` connects it.

    Parameters
    ----------
    name : {'stg4000', 'mcs-simulated', 'simulated'} or Bus
        A device, a simulator of its driver, or a simulator that needs nothing.
    limits : SafetyLimits
    **settings
        Of `StgStimulator`: ``serial``, ``capacity_in_s``, ``buffer_in_s``,
        ``event_log``.

    Raises
    ------
    DeviceError
        There is no such device on this system.

    Examples
    --------
    >>> from stim import Pulse, SafetyLimits, open_stimulator
    >>> limits = SafetyLimits(100_000, 400, 20_000, unit="nA")
    >>> with open_stimulator("simulated", limits) as stimulator:
    ...     pulse = Pulse.biphasic(50_000, 200, unit="nA")
    ...     stimulator.set_signal(0, pulse, period_us=50_000)
    ...     stimulator.start()
    """
    bus = open_bus(name) if isinstance(name, str) else name
    return StgStimulator(limits, bus, **settings)
