"""The program of `Guardian`: waits for the end of its parent, and stops the stimulator.

::

    python -m circus_live.speaker.watch HOST PORT
"""

import os
import sys
from functools import partial

from circus_io.errors import DeviceError
from circus_io.meame.control import ControlClient
from circus_live.speaker.registers import Register
from circus_live.speaker.transmitter import Transmitter, stop_everything
from stim.guardian import stop_surely, wait_for_end

__all__ = ["main"]


def main(host: str, port: int, parent: int) -> None:
    """Wait for the end of `parent`, and stop the stimulator if it came unannounced."""
    control = ControlClient(host, port)
    try:  # before it says that it watches: now somebody can hear of it
        control.read([Register.ERROR_FLAG])
    except DeviceError as error:
        sys.exit(f"no guard: {error}")
    if wait_for_end(parent):
        stop_surely(partial(stop_everything, Transmitter(control)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), os.getppid())
