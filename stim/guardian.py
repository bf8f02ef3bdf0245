"""`Guardian`: a process that stops a device when this one is gone.

No handler runs in a process that is killed. This other one waits for its standard input
to end, and for its parent to change; if it was not dismissed, it stops the device. The
program that it runs calls `wait_for_end`, and `stop_surely`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from circus_io.errors import DeviceError

__all__ = ["Guardian", "stop_surely", "wait_for_end"]

DISMISSED = b"dismissed"
READY = b"watching\n"
JOIN_S = 5.0
LOOK_S = 0.1  # how often the parent is looked for
TRIES, PAUSE_S = 50, 0.1  # a driver may take a while to let go of a dead process
IGNORED = ("SIGINT", "SIGTERM", "SIGHUP")


class Guardian:
    """Starts the process, and dismisses it.

    Parameters
    ----------
    program : str
        Module that is run with ``-m``.
    arguments : sequence of str
        How it reaches the device.
    """

    def __init__(self, program: str, arguments: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal is not meant for it
        )
        if self._process.stdout.readline() != READY:
            self.dismiss()
            raise DeviceError(
                "the process that would stop the stimulator if this one is killed does "
                f"not start ({sys.executable} -m {program}); see what it printed, or "
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


def wait_for_end(parent: int) -> bool:
    """Wait for the end of a parent; return whether it came unannounced.

    Parameters
    ----------
    parent : int
        Its process, as ``os.getppid()`` said at the start.
    """
    for name in IGNORED:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.stdout.write(READY.decode())
    sys.stdout.flush()
    heard = bytearray()
    listener = threading.Thread(target=_listen, args=(heard,), daemon=True)
    listener.start()
    # forks of the parent may hold the other end of the pipe: then it does not end
    while listener.is_alive() and os.getppid() == parent:
        listener.join(LOOK_S)
    return heard != DISMISSED


def stop_surely(stop: Callable[[], None]) -> None:
    """Stop a device, again and again until that works; say so if it never does.

    Parameters
    ----------
    stop : callable
        Raises `DeviceError` if it fails.
    """
    error = None
    for _ in range(TRIES):
        try:
            stop()
        except DeviceError as refused:
            error = refused
            time.sleep(PAUSE_S)
        else:
            return
    sys.stderr.write(f"the device may still stimulate: {error}\n")


def _listen(heard: bytearray) -> None:
    while data := os.read(sys.stdin.fileno(), 100):
        heard += data
