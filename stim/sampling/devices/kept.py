"""A device in a process of its own, which brings it down when nobody is there any more.

What ends a program without a word, such as SIGKILL, cannot be answered by that program.
So the device lives with a keeper: a process that does what it is asked to, and, as soon
as whoever asked is gone, stops the wave that is under way and goes to the safe state.
Nothing keeps the keeper itself from being killed.
"""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from circus_io.closing import Closing
from circus_io.errors import DeviceError
from stim.sampling.device import Response, SamplingDevice, Wave
from stim.sampling.limits import DriveLimits

__all__ = ["KeptDevice"]

PATIENCE_S = 30.0  # for a wave to stop, and for outputs to go down


class KeptDevice(Closing):
    """A `SamplingDevice` that somebody else holds.

    Parameters
    ----------
    opener : callable
        Opens the device, in the process of the keeper; has to be importable there.
    *arguments
        Of the opener.

    Attributes
    ----------
    n_electrodes, n_readouts, facts
        Those of the device.

    Raises
    ------
    Exception
        What the opener raised.
    DeviceError
        The keeper ended without a word.
    """

    def __init__(self, opener: Callable[..., SamplingDevice], *arguments: Any) -> None:
        # a fresh process: a fork would share the open files and threads of this one
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # a daemon: a program that ends without `close` ends it, outputs down
        self._process = context.Process(
            target=_keep,
            args=(theirs, opener, arguments),
            name="circus-keeper",
            daemon=True,
        )
        self._process.start()
        theirs.close()
        self.n_electrodes, self.n_readouts, self.facts, self._limits = self._answer()

    def limits(self) -> DriveLimits:
        """Return the limits of the device."""
        return self._limits

    def run(self, wave: Wave) -> Response:
        """Let the device run; an interrupt here stops the wave there."""
        try:
            return self._ask("run", wave)
        except KeyboardInterrupt:
            if self._process.is_alive():
                self._process.terminate()
                if self._connection.poll(PATIENCE_S):
                    self._connection.recv()
            raise

    def safe_state(self) -> None:
        """Bring the outputs down; a keeper that has ended has done so."""
        if self._process.exitcode != 0:
            self._ask("safe_state")

    def close(self) -> None:
        """Bring the outputs down, and end the keeper; a second call does nothing."""
        self._connection.close()
        self._process.join(PATIENCE_S)
        if self._process.is_alive():
            raise DeviceError(
                f"the keeper of the device, process {self._process.pid}, does not end; "
                "see what the device is doing before ending it by hand"
            )

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            self._connection.send((name, arguments))
        except OSError as error:
            raise self._is_gone() from error
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._is_gone() from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _is_gone(self) -> DeviceError:
        self._process.join(PATIENCE_S)
        code = self._process.exitcode
        how = "has ended, outputs down" if code == 0 else f"has died (status {code})"
        return DeviceError(f"the keeper of the device {how}")


def _keep(
    connection: Connection, opener: Callable[..., SamplingDevice], arguments: tuple
) -> None:
    """Hold a device: the main function of the keeper."""
    # an interrupt at the terminal goes to all processes: the other one decides
    for name in ("SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_watch_parent, daemon=True).start()
    try:
        device = opener(*arguments)
    except Exception as error:
        _send(connection, error)
        return
    try:
        facts = (device.n_electrodes, device.n_readouts, device.facts)
        connection.send((*facts, device.limits()))
        _serve(connection, device)
    except (EOFError, OSError, KeyboardInterrupt):
        pass  # nobody asks any more
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            device.safe_state()
        finally:
            device.close()


def _serve(connection: Connection, device: SamplingDevice) -> None:
    while True:
        name, arguments = connection.recv()
        try:
            answer = getattr(device, name)(*arguments)
        except KeyboardInterrupt:
            if not multiprocessing.parent_process().is_alive():
                raise
            answer = DeviceError("the wave was interrupted")
        except Exception as error:
            answer = error
        _send(connection, answer)


def _send(connection: Connection, answer: Any) -> None:
    """Send an answer, or what is to be known of an error that cannot travel."""
    try:
        connection.send(answer)
    except (TypeError, AttributeError, pickle.PicklingError):
        connection.send(DeviceError(f"{type(answer).__name__}: {answer}"))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _watch_parent() -> None:
    """Interrupt whatever is under way once the parent is gone."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
