"""The program that stops an STG when the one that uses it is gone.

::

    python -m stim.stg.guarding BUS SERIAL_NUMBER
"""

import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from circus_io.errors import DeviceError
from stim.guardian import Guardian, stop_surely, wait_for_end
from stim.stg.opening import open_bus

if TYPE_CHECKING:
    from stim.stg.connection import Connection
    from stim.stg.port import Bus

__all__ = ["check_reach", "guard", "main"]

PROGRAM = "stim.stg.guarding"


def check_reach(bus: "Bus") -> str:
    """Return what opens a bus in another process.

    Raises
    ------
    DeviceError
        Nothing does, so nobody could stop its devices from there.
    """
    reach = getattr(bus, "reach", None)
    if reach is None:
        raise DeviceError(
            f"bus {bus.name} cannot be reached from another process, so nothing would "
            "stop the device if this one is killed. Give the bus a `reach`, the name "
            "by which open_bus() opens it there; or guarded=False, to go on without"
        )
    return reach


def guard(connection: "Connection") -> Guardian | None:
    """Start the process for a device; none for one that ends with its process.

    Raises
    ------
    DeviceError
        The device goes on without its process, and no other one can reach it.
    """
    bus = connection.bus
    if getattr(bus, "ends_with_process", False):
        return None
    return Guardian(PROGRAM, [check_reach(bus), connection.facts.serial_number])


def main(bus: str, serial_number: str, parent: int) -> None:
    """Wait for the end of `parent`, and stop the device if it came unannounced."""
    try:
        open_bus(bus)  # before it says that it watches: now somebody can hear of it
    except (DeviceError, ImportError) as error:
        sys.exit(f"no guard of {bus}: {error}")
    if wait_for_end(parent):
        stop_surely(partial(_stop, bus, serial_number))


def _stop(bus: str, serial_number: str) -> None:
    port = open_bus(bus).open_download(serial_number)
    try:
        port.send_stop((1 << port.facts().n_triggers) - 1)
    finally:
        with suppress(DeviceError):
            port.disconnect()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], os.getppid())
