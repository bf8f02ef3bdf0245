"""The program of `Guardian`: waits for the end of its parent, and stops the stimulator.

::

    python -m circus_live.speaker.watch HOST PORT
"""

import os
import sys

from circus_io.errors import DeviceError
from circus_io.meame.control import ControlClient
from circus_live.speaker.transmitter import Transmitter, stop_everything
from stim.guardian import wait_for_end

__all__ = ["main"]


def main(host: str, port: int, parent: int) -> None:
    """Wait for the end of `parent`, and stop the stimulator if it came unannounced."""
    if wait_for_end(parent):
        try:
            stop_everything(Transmitter(ControlClient(host, port)))
        except DeviceError as error:
            sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), os.getppid())
