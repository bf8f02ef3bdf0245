"""`Intake`: the segments of a connection, taken at once and never left there."""

import socket
import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from circus_io.errors import SourceError
from circus_io.meame.framing import Framer
from circus_io.meame.settings import StreamSettings
from circus_live.sources.stamped_socket import StampedSocket

__all__ = ["Arrival", "Intake"]

# the socket holds some tens of ms of the fastest stream
DRAIN_EVERY_S = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A segment that came.

    Attributes
    ----------
    traces : ndarray, shape (segment_frames, n_channels)
    host_time_ns : int
        `time.monotonic_ns` when its last byte was in the socket.
    n_lost_before : int
        Segments that came directly before, and found no room.
    """

    traces: np.ndarray
    host_time_ns: int
    n_lost_before: int


class Intake:
    """Reads a connection where segments are waited for, and whenever nobody waits.

    A MEAME server waits for its slowest client, and all others with it. Who takes
    segments reads the socket itself, so no thread has to be woken on the way; while
    it does something else, a thread empties the socket. Segments that are not taken
    in time are dropped, and counted.

    Parameters
    ----------
    connection : socket
        Closed at the end.
    settings : StreamSettings
    most_segments : int
        So many may wait.
    """

    def __init__(
        self, connection: socket.socket, settings: StreamSettings, most_segments: int
    ) -> None:
        self._socket, self._settings = StampedSocket(connection), settings
        self._framer, self._most_segments = Framer(settings), most_segments
        self._held: deque[Arrival] = deque()
        self._n_lost = 0
        self._error: SourceError | None = None
        self._lock = threading.Lock()  # of all above
        self._is_taken = False
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Arrival | None:
        """Return the next segment, or None if none came in time.

        Raises
        ------
        SourceError
            The connection has ended; everything that came was taken before.
        """
        until_s = time.monotonic() + timeout_s
        self._is_taken = True
        try:
            while (arrival := self._next()) is None:
                left_s = until_s - time.monotonic()
                if left_s <= 0 or not self._socket.wait(left_s):
                    return None
                with self._lock:
                    self._receive()
            return arrival
        finally:
            self._is_taken = False

    def close(self) -> None:
        """Leave the server; a second call does nothing."""
        self._is_closing.set()
        self._thread.join()
        self._socket.close()

    # ------------------------------------------------------------------------ its parts

    def _next(self) -> Arrival | None:
        with self._lock:
            if self._held:
                return self._held.popleft()
            if self._error is not None:
                raise self._error
            return None

    def _drain(self) -> None:
        """Empty the socket again and again, unless somebody waits for segments."""
        while not self._is_closing.wait(DRAIN_EVERY_S):
            while not self._is_taken:
                with self._lock:
                    if not self._receive():
                        break

    def _receive(self) -> bool:
        """Take what the socket has, at most a buffer; False if there was nothing."""
        if self._error is not None:
            return False
        try:
            n_bytes, arrived_ns = self._socket.receive_into(self._framer.room())
        except OSError as error:
            self._end(str(error))
            return False
        if n_bytes is None:
            return False
        if n_bytes == 0:
            self._end("the server closed it")
        for traces in self._framer.take(n_bytes):
            self._keep(traces, arrived_ns)
        return True

    def _keep(self, traces: np.ndarray, arrived_ns: int) -> None:
        if len(self._held) >= self._most_segments:
            self._n_lost += 1
            return
        self._held.append(Arrival(traces, arrived_ns, self._n_lost))
        self._n_lost = 0

    def _end(self, why: str) -> None:
        self._error = SourceError(
            f"the connection to {self._settings.host} ended: {why}"
        )
