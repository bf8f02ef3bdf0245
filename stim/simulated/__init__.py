"""STG4000 stimulators without a device: two rings, a clock of its own, and faults.

::

    from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock

    clock = VirtualClock()
    device = SimulatedDevice("16mA", clock=clock)
    bus = SimulatedBus([device])
"""

from stim.simulated.bus import SimulatedBus
from stim.simulated.clock import VirtualClock
from stim.simulated.device import SimulatedDevice
from stim.simulated.faults import Faults
from stim.simulated.trace import OutputTrace
from stim.simulated.variants import VARIANTS

__all__ = [
    "VARIANTS",
    "Faults",
    "OutputTrace",
    "SimulatedBus",
    "SimulatedDevice",
    "VirtualClock",
]
