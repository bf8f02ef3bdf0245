"""`Guardian`: a process that stops the stimulator when this one is gone.

No handler runs in a process that is killed. This other one waits for its standard input
to end, and for its parent to change; if it was not dismissed, it stops all groups.
"""

import subprocess
import sys
from contextlib import suppress

from circus_io.errors import DeviceError

__all__ = ["DISMISSED", "Guardian"]

DISMISSED = b"dismissed"
READY = b"watching\n"
PROGRAM = "circus_live.speaker.watch"
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
            [sys.executable, "-m", PROGRAM, host, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal is not meant for it
        )
        if self._process.stdout.readline() != READY:
            self.dismiss()
            raise DeviceError(
                "the process that would stop the stimulator if this one is killed does "
                f"not start ({sys.executable} -m {PROGRAM}); see what it printed, or "
                "use guarded=False"
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def dismiss(self) -> None:
        """End it without a stop; a second call does nothing."""
        if self._process.stdin.closed:
            return
        with suppress(BrokenPipeError):  # it has ended
            self._process.stdin.write(DISMISSED)
            self._process.stdin.close()
        try:
            self._process.wait(JOIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
