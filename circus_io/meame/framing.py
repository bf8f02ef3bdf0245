"""Bytes of a MEAME stream, however they arrive → segments, and back.

The wire carries segments and nothing else: no handshake, header, length, number, time
or end. The first byte that a client gets is the first of a segment, since the server
sends whole ones; TCP may cut them anywhere.
"""

from collections.abc import Iterator

import numpy as np

from circus_io.meame.settings import StreamSettings

__all__ = ["Framer", "decode_segment", "encode_segment"]

BUFFER_BYTES = 2**18  # what one call may receive; a segment if that is longer


def decode_segment(data: bytes | memoryview, settings: StreamSettings) -> np.ndarray:
    """Return one segment as traces.

    Parameters
    ----------
    data : bytes-like
        ``settings.segment_bytes`` of the stream.

    Returns
    -------
    ndarray, shape (segment_frames, n_channels), C order
        Counts, in the byte order of this machine; a copy.
    """
    samples = np.frombuffer(data, settings.wire_dtype)
    if settings.order == "frame-major":
        frames = samples.reshape(settings.segment_frames, settings.n_channels)
    else:
        frames = samples.reshape(settings.n_channels, settings.segment_frames).T
    return frames.astype(settings.native_dtype, order="C")


def encode_segment(traces: np.ndarray, settings: StreamSettings) -> bytes:
    """Return traces (segment_frames, n_channels) as the bytes of one segment."""
    frames = traces if settings.order == "frame-major" else traces.T
    return frames.astype(settings.wire_dtype, order="C").tobytes()


class Framer:
    """Cuts a stream of bytes into segments.

    Parameters
    ----------
    settings : StreamSettings

    Notes
    -----
    Without copies, for a socket::

        n_bytes = socket.recv_into(framer.room())
        for traces in framer.take(n_bytes): ...

    or with bytes that are there already: ``framer.feed(data)``.
    """

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        size = settings.segment_bytes
        self._buffer = bytearray(max(BUFFER_BYTES // size, 1) * size)
        self._view = memoryview(self._buffer)
        self._n_held = 0

    @property
    def n_bytes_held(self) -> int:
        """Bytes of a segment that is not complete."""
        return self._n_held

    def room(self) -> memoryview:
        """Return the place for the next bytes; never empty."""
        return self._view[self._n_held :]

    def take(self, n_bytes: int) -> Iterator[np.ndarray]:
        """Yield the segments that `n_bytes` more in `room` complete.

        Yields
        ------
        ndarray, shape (segment_frames, n_channels)
            As `decode_segment`. Take all of them before the next call of `room`.
        """
        size = self.settings.segment_bytes
        self._n_held += n_bytes
        n_whole = self._n_held // size
        for start in range(0, n_whole * size, size):
            yield decode_segment(self._view[start : start + size], self.settings)
        rest = self._n_held - n_whole * size
        if n_whole and rest:
            self._view[:rest] = bytes(self._view[n_whole * size : self._n_held])
        self._n_held = rest

    def feed(self, data: bytes | memoryview) -> Iterator[np.ndarray]:
        """Yield the segments that `data` complete, of any length."""
        data = memoryview(data)
        while len(data):
            room = self.room()
            n_bytes = min(len(room), len(data))
            room[:n_bytes] = data[:n_bytes]
            data = data[n_bytes:]
            yield from self.take(n_bytes)

    def reset(self) -> None:
        """Forget the part of a segment that is held, as after a new connection."""
        self._n_held = 0
