"""The program of `Guardian`: waits for the end of its parent, and stops the stimulator.

::

    python -m circus_live.speaker.watch HOST PORT
"""

import os
import signal
import sys
import threading

from circus_io.errors import DeviceError
from circus_io.meame.control import ControlClient
from circus_live.speaker.guardian import DISMISSED
from circus_live.speaker.transmitter import Transmitter, stop_everything

__all__ = ["main"]

LOOK_S = 0.1  # how often the parent is looked for
IGNORED = ("SIGINT", "SIGTERM", "SIGHUP")


def main(host: str, port: int, parent: int) -> None:
    """Wait for the end of `parent`, and stop the stimulator if it came unannounced."""
    for name in IGNORED:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    if not _is_dismissed(parent):
        try:
            stop_everything(Transmitter(ControlClient(host, port)))
        except DeviceError as error:
            sys.stderr.write(f"{error}\n")


def _is_dismissed(parent: int) -> bool:
    heard = bytearray()
    listener = threading.Thread(target=_listen, args=(heard,), daemon=True)
    listener.start()
    # forks of the parent may hold the other end of the pipe: then it does not end
    while listener.is_alive() and os.getppid() == parent:
        listener.join(LOOK_S)
    return heard == DISMISSED


def _listen(heard: bytearray) -> None:
    while data := os.read(sys.stdin.fileno(), 100):
        heard += data


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), os.getppid())
