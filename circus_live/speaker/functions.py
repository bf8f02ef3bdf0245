"""Functions and errors of the DSP, and which firmware has which."""

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from circus_io.errors import FormatError

__all__ = ["FIRMWARES", "DspError", "DspFunction", "Firmware", "get_firmware"]


class DspFunction(IntEnum):
    """What the DSP can be called for; names are those of MEAME2 and CREPE."""

    DUMP = 1
    RESET = 2
    CONFIGURE_GROUP = 3
    MODE_MANUAL = 4
    MODE_AUTO = 5
    COMMIT_CONFIG = 6
    START_QUEUE = 7
    STOP_QUEUE = 8
    SET_PERIOD = 9
    ENABLE_GROUP = 10
    DISABLE_GROUP = 11
    COMMIT_CONFIG_DEBUG = 12
    WRITE_QUEUE_DEBUG = 13
    SET_BLANKING = 14
    SET_BLANKING_PROTECTION = 15


class DspError(IntEnum):
    """Codes of the register ERROR_FLAG."""

    NONE = 0
    MANUAL_TRIGGER = 1
    ILLEGAL_MODE = 2
    ZERO_PERIOD_TRIGGER = 3
    OUT_OF_RANGE = 4
    XZIBIT = 5


@dataclass(frozen=True)
class Firmware:
    """What a firmware of the DSP makes of the function codes.

    Attributes
    ----------
    name : str
    functions : frozenset of DspFunction
        Those that it has; others it ignores, or takes for something else.
    """

    name: str
    functions: frozenset[DspFunction]

    def check(self, function: DspFunction) -> None:
        """Raise `FormatError` if the firmware does not have a function."""
        if function not in self.functions:
            raise FormatError(
                f"the firmware {self.name} has no function {int(function)} "
                f"({function.name}); choose another firmware, or leave it out"
            )


_ALL = frozenset(DspFunction)
_BLANKING = {DspFunction.SET_BLANKING, DspFunction.SET_BLANKING_PROTECTION}
FIRMWARES = MappingProxyType(
    {
        # what MEAME2 and CREPE call
        "meame2": Firmware("meame2", _ALL),
        # the firmware that is public (MEAME-DSP, November 2018)
        "public": Firmware("public", _ALL - _BLANKING),
        # SHODAN's head gives code 5 to a health check
        "shodan": Firmware("shodan", _ALL - _BLANKING - {DspFunction.MODE_AUTO}),
    }
)


def get_firmware(name: str) -> Firmware:
    """Return a firmware by its name.

    Raises
    ------
    FormatError
        There is none of that name.
    """
    if name not in FIRMWARES:
        raise FormatError(f"firmware = {name}: choose from {', '.join(FIRMWARES)}")
    return FIRMWARES[name]
