"""`Intake`: a thread that reads a stream of segments at all times."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from circus_io.errors import SourceError, StreamStalledError
from circus_io.meame.connection import read_into
from circus_io.meame.framing import Framer
from circus_io.meame.settings import StreamSettings

__all__ = ["Arrival", "Intake"]


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A segment that came.

    Attributes
    ----------
    traces : ndarray, shape (segment_frames, n_channels)
    host_time_ns : int
        `time.monotonic_ns` when it was complete.
    n_lost_before : int
        Segments that came directly before, and found no room.
    """

    traces: np.ndarray
    host_time_ns: int
    n_lost_before: int


class Intake:
    """Reads a connection in a thread of its own, whatever its user does meanwhile.

    A MEAME server waits for its slowest client, and all others with it. Segments that
    are not taken in time are dropped here, and counted.

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
        self._connection, self._settings = connection, settings
        self._most_segments = most_segments
        self._queue: SimpleQueue[Arrival | SourceError] = SimpleQueue()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Arrival | None:
        """Return the next segment, or None if none came in time.

        Raises
        ------
        SourceError
            The connection has ended; everything that came was taken before.
        """
        try:
            item = self._queue.get(timeout=timeout_s)
        except Empty:
            return None
        if isinstance(item, SourceError):
            raise item
        return item

    def close(self) -> None:
        """Leave the server; a second call does nothing."""
        self._is_closing = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        framer, n_lost = Framer(self._settings), 0
        try:
            while not self._is_closing:
                n_bytes = self._read(framer)
                now_ns = time.monotonic_ns()
                for traces in framer.take(n_bytes):
                    if self._queue.qsize() >= self._most_segments:
                        n_lost += 1
                        continue
                    self._queue.put(Arrival(traces, now_ns, n_lost))
                    n_lost = 0
        except (OSError, SourceError) as error:
            self._queue.put(
                SourceError(f"the connection to {self._settings.host} ended: {error}")
            )

    def _read(self, framer: Framer) -> int:
        """Return the bytes that came; 0 if it is silent, which its user will notice."""
        try:
            n_bytes = read_into(self._connection, framer.room(), self._settings)
        except StreamStalledError:
            return 0
        if not n_bytes:
            raise SourceError("the server closed it")
        return n_bytes
