"""The program of `Guardian`: waits for the end of its parent, and stops the stimulator.

::

    python -m circus_live.speaker.watch HOST PORT
"""

import os
import select
import signal
import sys

from circus_io.errors import DeviceError
from circus_io.meame.control import ControlClient
from circus_live.speaker.guardian import DISMISSED
from circus_live.speaker.transmitter import Transmitter, stop_everything

__all__ = ["main"]

LOOK_S = 0.1  # how often the parent is looked for


def main(host: str, port: int, parent: int) -> None:
    """Wait for the end of `parent`, and stop the stimulator if it came unannounced."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    if not _is_dismissed(parent):
        try:
            stop_everything(Transmitter(ControlClient(host, port)))
        except DeviceError as error:
            sys.stderr.write(f"{error}\n")


def _is_dismissed(parent: int) -> bool:
    heard = b""
    while os.getppid() == parent:
        # children of the parent may hold the other end of the pipe
        ready, _, _ = select.select([sys.stdin], [], [], LOOK_S)
        if ready:
            data = os.read(sys.stdin.fileno(), 100)
            heard += data
            if not data:
                break
    return heard == DISMISSED


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), os.getppid())
