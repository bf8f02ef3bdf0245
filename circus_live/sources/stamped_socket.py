"""`StampedSocket`: bytes of a connection, and when the last of them had arrived.

A program that was asleep reads late. Linux notes when bytes reach the socket, on the
clock of the day, and tells it with them (``SO_TIMESTAMPNS`` of socket(7), which TCP has
since Linux 4.14). Elsewhere, and for the first moments after the system was asked for
stamps, the time of reading is all that is known.
"""

import select
import socket
import struct
import time
from contextlib import suppress

__all__ = ["StampedSocket"]

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python does not name it
STAMP = struct.Struct("@qq")  # struct timespec of 64 bits
# the clock of the day may be set between arrival and reading
LONGEST_WAIT_NS = 10_000_000_000
MOST_READINGS, SAME_TIME_NS = 5, 20_000


class StampedSocket:
    """A connection that is read without waiting.

    Parameters
    ----------
    connection : socket
        Closed by `close`.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._last_ns = 0
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to read, or the other side has closed."""
        return bool(self._poll.poll(timeout_s * 1000))

    def receive_into(self, room: memoryview) -> tuple[int | None, int]:
        """Read what there is.

        Returns
        -------
        n_bytes : int or None
            None if there is nothing; 0 at the end of the connection.
        arrived_ns : int
            `time.monotonic_ns` when the last of the bytes was there.

        Raises
        ------
        OSError
            The connection is broken.
        """
        try:
            n_bytes, told, _, _ = self._connection.recvmsg_into(
                [room], socket.CMSG_SPACE(STAMP.size)
            )
        except BlockingIOError:
            return None, self._last_ns
        self._last_ns = max(_arrived_ns(told), self._last_ns)
        return n_bytes, self._last_ns

    def close(self) -> None:
        """Leave the other side."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def _arrived_ns(told: list[tuple[int, int, bytes]]) -> int:
    """Return when bytes had arrived, on the monotonic clock: now, if nobody tells."""
    now_ns, day_ns = _both_clocks()
    for level, kind, data in told:
        is_stamp = level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS
        if is_stamp and len(data) == STAMP.size:
            seconds, ns = STAMP.unpack(data)
            waited_ns = day_ns - (seconds * 1_000_000_000 + ns)
            return now_ns - (waited_ns if 0 <= waited_ns < LONGEST_WAIT_NS else 0)
    return now_ns


def _both_clocks() -> tuple[int, int]:
    """Read the monotonic clock and that of the day at the same time, ns.

    Between the two, the system may let others run: then they are read again.
    """
    for _ in range(MOST_READINGS):
        before_ns, day_ns = time.monotonic_ns(), time.time_ns()
        if time.monotonic_ns() - before_ns < SAME_TIME_NS:
            break
    return before_ns, day_ns
