"""`Faults`: what the server does wrong, by choice."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from circus_io.errors import FormatError
from circus_io.fields import to_bool

__all__ = ["DSP_KINDS", "Faults"]

DSP_KINDS = ("live", "mock", "deaf", "absent")


@dataclass
class Faults:
    """Switches that may be moved while the server runs; the first is MEAME2's own.

    Attributes
    ----------
    zero_last_sample : bool
        The last sample of every segment is 0 on all channels, on the port of the device
        alone. MEAME2 does so.
    reconfigurable : bool
        Every connect counts, until the start. MEAME2 ignores all but the first.
    has_device : bool
        Without one, a connect is answered with 500.
    refuse_rate : bool
        The device stays at 10 kHz; the answer is 200.
    dsp : {'live', 'mock', 'deaf', 'absent'}
        ``mock`` acknowledges everything and keeps nothing, as MEAME2 is shipped;
        ``deaf`` never acknowledges; ``absent`` neither, and the status says so.
    stall_after : int, optional
        After so many segments, nothing is sent for `stall_s`, and then all of it.
    stall_s : float
        s.
    silence_after : int, optional
        After so many segments nothing is sent any more, on open connections.
    disconnect_after : int, optional
        After so many segments all clients are cut off in the middle of the next, once.
    speed : float
        Times the real pace: 0.5 is a server that is too slow.
    big_endian : bool
        Samples are sent big-endian.
    """

    zero_last_sample: bool = True
    reconfigurable: bool = False
    has_device: bool = True
    refuse_rate: bool = False
    dsp: str = "live"
    stall_after: int | None = None
    stall_s: float = 1.0
    silence_after: int | None = None
    disconnect_after: int | None = None
    speed: float = 1.0
    big_endian: bool = False

    def __post_init__(self) -> None:
        """Check what has few values."""
        if self.dsp not in DSP_KINDS:
            raise FormatError(f"dsp = {self.dsp}: choose from {', '.join(DSP_KINDS)}")
        if not self.speed > 0:
            raise FormatError(f"speed = {self.speed}: expected above 0")

    @classmethod
    def from_text(cls, given: Mapping[str, str]) -> Self:
        """Return the faults of ``{"silence_after": "100"}``.

        Raises
        ------
        FormatError
            No such fault, or no value of it.
        """
        kinds = {field.name: str(field.type) for field in fields(cls)}
        values = {}
        for name, text in given.items():
            if name not in kinds:
                raise FormatError(
                    f"there is no fault {name}; choose from {', '.join(kinds)}"
                )
            try:
                values[name] = _convert(kinds[name], text)
            except ValueError as error:
                raise FormatError(f"{name} = {text!r}: {error}") from None
        return cls(**values)


def _convert(kind: str, text: str) -> bool | int | float | str:
    if "bool" in kind:
        return to_bool(text)
    if "int" in kind:
        return int(text)
    return float(text) if "float" in kind else text
