"""Status codes of the vendor's assembly, and the errors that they mean here.

A device answers some calls with a code, and the others with an exception that carries
one. Either becomes an error of `circus_io.errors` whose ``status`` is the code.
"""

from enum import IntEnum

from circus_io.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceMemoryError,
    DeviceNotFoundError,
    DeviceRefusedError,
    DeviceRemovedError,
    DeviceTimeoutError,
    UnderrunError,
)

__all__ = ["Status", "device_error"]


class Status(IntEnum):
    """The codes that a driver of stimulators meets; there are others."""

    OK = 0
    DATA_UNDERRUN = 0xE010_0009
    BUFFER_UNDERRUN = 0xE010_000D
    NO_MEMORY = 0xE010_0100
    INVALID_PARAMETER = 0xE010_0300
    NO_SUCH_DEVICE = 0xE01F_0002
    DEVICE_NOT_FOUND = 0xE01F_0003
    NOT_SUPPORTED = 0xE01F_0005
    IO_TIMEOUT = 0xE01F_0007
    DEVICE_REMOVED = 0xE01F_0008
    DEVICE_LOCKED = 0xE01F_0010


_MEANINGS: dict[Status, tuple[type[DeviceError], str]] = {
    Status.DATA_UNDERRUN: (UnderrunError, "data came too late"),
    Status.BUFFER_UNDERRUN: (UnderrunError, "data came too late"),
    Status.NO_MEMORY: (DeviceMemoryError, "it does not fit into the device's memory"),
    Status.INVALID_PARAMETER: (DeviceRefusedError, "the device refuses the value"),
    Status.NO_SUCH_DEVICE: (DeviceNotFoundError, "there is no such device"),
    Status.DEVICE_NOT_FOUND: (DeviceNotFoundError, "it is not plugged in"),
    Status.NOT_SUPPORTED: (DeviceRefusedError, "this model of device cannot do it"),
    Status.IO_TIMEOUT: (DeviceTimeoutError, "the device does not answer; is it on?"),
    Status.DEVICE_REMOVED: (DeviceRemovedError, "the device was unplugged"),
    Status.DEVICE_LOCKED: (
        DeviceBusyError,
        "another program has the device; close that one first",
    ),
}


def device_error(status: int, doing: str, text: str = "") -> DeviceError:
    """Return the error for a status code, to be raised by the caller.

    Parameters
    ----------
    status : int
        Of the assembly, not 0.
    doing : str
        What was tried, for the message: ``'start triggers 0b11'``.
    text : str
        What the assembly says of the code, where nothing is said here.
    """
    kind, meaning = _MEANINGS.get(status, (DeviceError, text or "unknown status"))
    error = kind(f"{doing}: {meaning} (status 0x{status:08X})")
    error.status = int(status)
    return error
