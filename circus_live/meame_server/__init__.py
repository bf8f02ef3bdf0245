"""A MEAME2 server without a device: the same commands, streams, registers and faults.

For trying things out, for the OFFLINE mode and for tests, over real sockets. What it
does not model: the USB of the device and its queue, the analog side of stimulation, and
the timing of the DSP beyond its acknowledgement.
"""

from circus_live.meame_server.faults import Faults
from circus_live.meame_server.server import MeameServer
from circus_live.meame_server.signals import Ramp, Replay, Sawtooth, Signal

__all__ = ["Faults", "MeameServer", "Ramp", "Replay", "Sawtooth", "Signal"]
