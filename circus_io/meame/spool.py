"""`Spool`: a live stream on its way into a file, in a thread of its own."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

from circus_io.errors import CircusError, DeviceError
from circus_io.meame.connection import connect_samples, read_into
from circus_io.meame.settings import StreamSettings

__all__ = ["Spool"]

CHUNK_BYTES = 2**18


class Spool:
    """Writes what a stream sends to a file, byte by byte as it comes.

    A client of MEAME has to read at all times: one that does not stops the server for
    all. So the thread does nothing else.

    Parameters
    ----------
    settings : StreamSettings
        Of a server that was started.
    path : path
        A file to be; one that is there is written over.
    port : int, optional
        By default that of the device.

    Attributes
    ----------
    error : CircusError or None
        Why the stream has ended; None while it goes on, and after `close`.
    """

    def __init__(
        self, settings: StreamSettings, path: str | Path, port: int | None = None
    ) -> None:
        self.settings, self.path = settings, Path(path)
        self.error: CircusError | None = None
        self._is_closing = False
        self._connection = connect_samples(settings, port)
        self._file = self.path.open("wb", buffering=0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether samples may still come."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Leave the server, which goes on; the file stays."""
        self._is_closing = True
        with suppress(OSError):  # the other side was faster
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _run(self) -> None:
        room = memoryview(bytearray(CHUNK_BYTES))
        try:
            with self._connection, self._file:
                while n_bytes := read_into(self._connection, room, self.settings):
                    self._file.write(room[:n_bytes])
                self._end(DeviceError(f"{self.settings.host} has closed the stream"))
        except CircusError as error:
            self._end(error)
        except OSError as error:
            self._end(DeviceError(f"the stream of {self.settings.host} broke: {error}"))

    def _end(self, error: CircusError) -> None:
        if not self._is_closing:
            self.error = error
