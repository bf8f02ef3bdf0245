"""`Faults`: what a simulated device does wrong."""

from dataclasses import dataclass, field

__all__ = ["Faults"]


@dataclass
class Faults:
    """What goes wrong; may be changed while the device is in use.

    Attributes
    ----------
    is_unplugged : bool
        The device is not there, or not any more; see `SimulatedDevice.unplug`.
    is_locked : bool
        Another program has it.
    is_usb_stalled : bool
        Samples do not get from the host into the device; calls do.
    callback_delay_s : float
        How much later than it should the assembly calls for data, s.
    refused_rates_hz : set of int
        Output rates that the device does not take.
    total_memory_bytes : int or None
        As little memory as this, instead of that of the model.
    counts_bytes : bool
        Enqueued samples are counted in bytes, which the vendor's text says.
    ignores_start : bool
        A start is taken and not carried out.
    """

    is_unplugged: bool = False
    is_locked: bool = False
    is_usb_stalled: bool = False
    callback_delay_s: float = 0.0
    refused_rates_hz: set[int] = field(default_factory=set)
    total_memory_bytes: int | None = None
    counts_bytes: bool = False
    ignores_start: bool = False
