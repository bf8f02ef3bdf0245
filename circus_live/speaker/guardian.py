"""A process that stops the stimulator when the one that started it is gone.

No handler runs in a process that is killed. This one waits for its standard input to
end, and for its parent to change; if it was not dismissed before, it stops all groups.
"""

import os
import select
import signal
import subprocess
import sys

from circus_io.errors import DeviceError
from circus_io.meame.control import ControlClient
from circus_live.speaker.transmitter import Transmitter, stop_everything

__all__ = ["Guardian", "main"]

DISMISSED = b"dismissed"
LOOK_S = 0.1  # how often the parent is looked for
JOIN_S = 5.0


class Guardian:
    """Starts the process, and dismisses it.

    Parameters
    ----------
    host : str
    port : int
        Of the commands of the MEAME server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, host, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal is not meant for it
        )
        self._process.stdout.readline()  # it watches from now on

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def dismiss(self) -> None:
        """End it without a stop; a second call does nothing."""
        if self._process.stdin.closed:
            return
        try:
            self._process.stdin.write(DISMISSED)
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended
        self._process.wait(JOIN_S)
        self._process.stdout.close()


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
