"""What a DSP is told: each message as a value, and how it is put on the wire."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from circus_io.errors import SafetyError
from circus_live.speaker.functions import DspFunction
from circus_live.speaker.registers import N_GROUPS, Register

__all__ = [
    "Call",
    "Message",
    "Write",
    "configure_group",
    "disable_group",
    "electrode_words",
    "enable_group",
    "safe_stop",
    "set_blanking",
    "set_blanking_protection",
    "set_modes",
    "set_period",
]

BITS_PER_WORD = 30
# twice is the same as once
REPEATABLE = frozenset(
    {
        DspFunction.RESET,
        DspFunction.CONFIGURE_GROUP,
        DspFunction.MODE_MANUAL,
        DspFunction.MODE_AUTO,
        DspFunction.STOP_QUEUE,
        DspFunction.SET_PERIOD,
        DspFunction.DISABLE_GROUP,
        DspFunction.SET_BLANKING,
        DspFunction.SET_BLANKING_PROTECTION,
    }
)


@dataclass(frozen=True)
class Call:
    """A function of the DSP, with the values at the addresses as its arguments."""

    function: DspFunction
    addresses: tuple[int, ...] = ()
    values: tuple[int, ...] = ()

    path = "/DSP/call"

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again where no answer came."""
        return self.function in REPEATABLE

    def as_json(self) -> dict[str, Any]:
        """Return the body of the request."""
        return {
            "func": int(self.function),
            "argAddrs": list(self.addresses),
            "argVals": list(self.values),
        }


@dataclass(frozen=True)
class Write:
    """Values for registers, in their order; one that appends may come several times."""

    addresses: tuple[int, ...]
    values: tuple[int, ...]

    path = "/DSP/write"
    is_repeatable = False

    def as_json(self) -> dict[str, Any]:
        """Return the body of the request."""
        return {"addresses": list(self.addresses), "values": list(self.values)}


Message = Call | Write


def electrode_words(channels: Iterable[int]) -> tuple[int, int]:
    """Return the two words in which each electrode is a bit.

    Parameters
    ----------
    channels : iterable of int
        By their number in the stream, 0 to 59.

    Raises
    ------
    SafetyError
        There is no such electrode.
    """
    words = [0, 0]
    for channel in channels:
        if not 0 <= channel < 2 * BITS_PER_WORD:
            raise SafetyError(f"channel {channel}: electrodes are channels 0 to 59")
        words[channel // BITS_PER_WORD] |= 1 << channel % BITS_PER_WORD
    return words[0], words[1]


def configure_group(group: int, words: tuple[int, int]) -> Call:
    """Let a group drive the electrodes whose bits are set in two words."""
    addresses = (Register.GROUP, Register.ELEC0, Register.ELEC1)
    return _call(DspFunction.CONFIGURE_GROUP, addresses, (_group(group), *words))


def set_period(group: int, ticks: int) -> Call:
    """Let a group repeat its pulse every so many ticks of 20 µs."""
    if ticks < 1:
        raise SafetyError(f"a period of {ticks} ticks; expected 1 or more")
    addresses = (Register.GROUP, Register.PERIOD)
    return _call(DspFunction.SET_PERIOD, addresses, (_group(group), ticks))


def enable_group(group: int) -> Call:
    """Let a group stimulate."""
    return _call(DspFunction.ENABLE_GROUP, (Register.GROUP,), (_group(group),))


def disable_group(group: int) -> Call:
    """Let a group stimulate no more."""
    return _call(DspFunction.DISABLE_GROUP, (Register.GROUP,), (_group(group),))


def set_modes(words: Sequence[int]) -> Call:
    """Give all electrodes their mode: four words of 15 × 2 bits."""
    addresses = (Register.MODE1, Register.MODE2, Register.MODE3, Register.MODE4)
    return _call(DspFunction.MODE_MANUAL, addresses, tuple(words))


def set_blanking(words: tuple[int, int]) -> Call:
    """Choose the electrodes whose amplifiers are blanked while a pulse lasts."""
    addresses = (Register.BLANKING1, Register.BLANKING2)
    return _call(DspFunction.SET_BLANKING, addresses, words)


def set_blanking_protection(words: tuple[int, int]) -> Call:
    """Choose the electrodes whose amplifiers are protected while a pulse lasts."""
    addresses = (Register.BLANKING_PROTECTION1, Register.BLANKING_PROTECTION2)
    return _call(DspFunction.SET_BLANKING_PROTECTION, addresses, words)


def safe_stop() -> list[Call]:
    """Return what makes the stimulator silent: no group, then no queue."""
    groups = [disable_group(group) for group in range(N_GROUPS)]
    return [*groups, Call(DspFunction.STOP_QUEUE)]


def _call(
    function: DspFunction, addresses: tuple[int, ...], values: tuple[int, ...]
) -> Call:
    return Call(function, tuple(int(address) for address in addresses), values)


def _group(group: int) -> int:
    if not 0 <= group < N_GROUPS:
        raise SafetyError(f"group {group}: the DSP has 0 to {N_GROUPS - 1}")
    return group
