"""From an address to an open stream of samples."""

import logging
import socket
import time
from dataclasses import dataclass

from circus_io.errors import DeviceError, StreamStalledError
from circus_io.meame.control import ControlClient
from circus_io.meame.settings import StreamSettings

__all__ = ["Started", "connect_samples", "read_into", "start_acquisition"]

logger = logging.getLogger(__name__)

PATIENCE_S = 10.0
RETRY_S = 0.05
RECEIVE_BYTES = 2**22  # room for half a second of 60 channels at 50 kHz


@dataclass(frozen=True)
class Started:
    """How a server was found.

    Attributes
    ----------
    was_running : bool
        It streamed before it was asked: what was asked for is ignored.
    """

    was_running: bool


def start_acquisition(control: ControlClient, settings: StreamSettings) -> Started:
    """Ask a server for a rate and a segment length, and start it.

    Raises
    ------
    DeviceError
        It cannot be reached, or has no device.
    """
    status = control.status()
    control.connect(settings.sampling_rate, settings.segment_frames)
    control.start()
    return Started(was_running=bool(status.is_alive))


def connect_samples(
    settings: StreamSettings, port: int | None = None, patience_s: float = PATIENCE_S
) -> socket.socket:
    """Connect to a port of samples, which opens some time after the start.

    Parameters
    ----------
    settings : StreamSettings
    port : int, optional
        By default ``settings.data_port``.
    patience_s : float
        How long a refused connection is tried again, s.

    Returns
    -------
    socket
        Its reads time out after ``settings.read_timeout_s``.

    Raises
    ------
    DeviceError
        The port stays shut.
    """
    port = settings.data_port if port is None else port
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            connection = socket.create_connection(
                (settings.host, port), settings.read_timeout_s
            )
        except OSError as error:
            if time.monotonic() < deadline_s and not isinstance(error, socket.gaierror):
                time.sleep(RETRY_S)
                continue
            raise DeviceError(
                f"no samples at {settings.host}:{port} within {patience_s:g} s of the "
                f"start ({error}); MEAME opens the port only after it was configured "
                "and started: see its console, and check data_port"
            ) from error
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        return connection


def read_into(
    connection: socket.socket, room: memoryview, settings: StreamSettings
) -> int:
    """Receive what there is, and wait for it at most ``settings.read_timeout_s``.

    Returns
    -------
    int
        Bytes received; 0 if the server has closed the connection.

    Raises
    ------
    StreamStalledError
        Nothing came in time, though the connection is open.
    """
    try:
        return connection.recv_into(room)
    except TimeoutError:
        raise StreamStalledError(
            f"no sample came from {settings.host} for {settings.read_timeout_s:g} s, "
            "though the connection is open: the queue of the device has overflowed, or "
            "another client does not read. MEAME still calls itself alive; close the "
            "other clients, and if that does not help, restart MEAME"
        ) from None
