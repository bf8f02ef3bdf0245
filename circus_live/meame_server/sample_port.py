"""A port of samples: who listens, and sending to all of them."""

import socket
import struct
import threading
from contextlib import suppress

__all__ = ["SamplePort"]

RESET = struct.pack("ii", 1, 0)  # close at once, what is not sent yet is lost


class SamplePort:
    """A listening socket and its clients.

    As in MEAME2, sending waits for each client in turn: one that does not read makes
    all others wait.

    Parameters
    ----------
    host : str
    port : int
        0 takes a free one, which is known before it is open.
    send_buffer_bytes : int, optional
        What the system holds for each client; by default as it likes.

    Attributes
    ----------
    port : int
    """

    def __init__(
        self, host: str, port: int, send_buffer_bytes: int | None = None
    ) -> None:
        # bound, but refusing: nobody listens before the acquisition is started
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if send_buffer_bytes is not None:
            self._socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes
            )
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._thread: threading.Thread | None = None

    @property
    def n_clients(self) -> int:
        """Number of clients that are connected, as far as is known."""
        return len(self._clients)

    def open(self) -> None:
        """Let clients connect."""
        if self._thread is None:
            self._socket.listen()
            self._thread = threading.Thread(target=self._accept, daemon=True)
            self._thread.start()

    def send(self, data: bytes) -> None:
        """Send to every client in turn, waiting for each; forget who is gone."""
        for client in list(self._clients):
            try:
                client.sendall(data)
            except OSError:
                self._remove(client)

    def cut_off(self, data: bytes) -> None:
        """Send a part of a segment to every client, and disconnect it."""
        self.send(data)
        for client in list(self._clients):
            self._remove(client)

    def close(self) -> None:
        """Disconnect everybody; a `send` that waits is ended."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._thread is not None:
            self._thread.join()
        for client in list(self._clients):
            with suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.shutdown(socket.SHUT_RDWR)
            self._remove(client)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return  # it was closed
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients.append(client)

    def _remove(self, client: socket.socket) -> None:
        with suppress(ValueError):
            self._clients.remove(client)
        client.close()
