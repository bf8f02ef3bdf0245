"""`Streamer`: the streaming mode, fed by hand; and `queue`, which feeds it.

What feeds itself is `STG4000.start_streaming`. Here every sample is posted by the
caller, through the same limits.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from circus_io.errors import SafetyError, StimulatorStateError
from stim.program import Program
from stim.stg.limits import LimitSet, scale_of
from stim.stg.port import MAX_RATE_HZ
from stim.stg.streaming_gate import StreamingGate

__all__ = ["Streamer", "diagonalize_triggermap", "queue", "set_capacity"]


class Streamer:
    """A device that streams what is queued; use it with ``with``.

    Parameters
    ----------
    open_gate : callable
        Returns a new `StreamingGate`.
    limits : LimitSet
    """

    def __init__(
        self, open_gate: Callable[[], StreamingGate], limits: LimitSet
    ) -> None:
        self._open, self._limits = open_gate, limits
        self._gate: StreamingGate | None = None
        self._capacity = MAX_RATE_HZ
        self._callback_percent = 10

    def __enter__(self) -> Self:
        self._gate = self._open()
        self._set_up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        gate, self._gate = self._open_gate, None
        if error is None:
            with suppress(OSError):  # what has been put out need not be counted as cut
                gate.look()
        try:
            gate.send_stop()
        finally:
            with suppress(OSError):
                gate.stop_loop()
            gate.disconnect()

    @property
    def _open_gate(self) -> StreamingGate:
        if self._gate is None:
            raise StimulatorStateError("the streamer is not open; use it with `with`")
        return self._gate

    def set_capacity(self, capacity: int) -> None:
        """Set the ring of the device, in samples per channel."""
        self._capacity = int(capacity)
        self._set_up()

    def diagonalize_triggermap(self, callback_percent: int = 10) -> None:
        """Let each trigger play the channel of its number."""
        self._callback_percent = callback_percent
        self._set_up()

    def _set_up(self) -> None:
        self._open_gate.set_up(MAX_RATE_HZ, self._capacity, self._callback_percent)

    def start(self) -> None:
        """Let samples move, and start all triggers.

        Raises
        ------
        StimulatorStateError
            Another thread has stopped meanwhile.
        """
        gate, n_stops = self._open_gate, self._open_gate.n_stops
        gate.start_loop()
        _check_stopped(gate, n_stops)
        gate.start()
        if gate.n_stops != n_stops:
            gate.send_stop()
        _check_stopped(gate, n_stops)

    def stop(self) -> None:
        """Stop all triggers at once."""
        if self._gate is not None:
            self._gate.send_stop()

    def queue(self, signal: ArrayLike, channel: int = 0) -> int:
        """Post samples, all of them or, where there is no room, none.

        Parameters
        ----------
        signal : array_like of int, shape (n_samples,)
            Words: left-justified int16 of the scale of the channel.
        channel : int

        Returns
        -------
        int
            How many were posted: ``len(signal)`` or 0.

        Raises
        ------
        SafetyError
            They are no words, or beyond the limits.
        """
        gate, words = self._open_gate, np.asarray(signal)
        if words.ndim != 1 or not np.can_cast(words.dtype, np.int64, "safe"):
            raise SafetyError("signal: expected a row of whole numbers, int16 words")
        if words.size and np.abs(words.astype(np.int64)).max() > np.iinfo(np.int16).max:
            raise SafetyError("signal: expected words of 16 bits")
        _, spaces = gate.look()
        if not words.size or spaces[channel] < words.size:
            return 0
        scale = scale_of(gate.facts, channel, gate.modes[channel])
        counts = words.astype(np.int64) >> scale.shift
        program = Program(counts, np.ones(words.size, np.int64), scale)
        gate.admit(channel, self._limits.check(channel, program))
        gate.post_one(channel, words.astype(np.int16))
        return int(words.size)


def _check_stopped(gate: StreamingGate, n_stops: int) -> None:
    """Raise if somebody has stopped what is about to be started."""
    if gate.n_stops != n_stops:
        raise StimulatorStateError("stopped before it had started")


def queue(device: Streamer, signal: Sequence[int], chan: int = 0) -> int:
    """Post samples to a channel of a streamer; see `Streamer.queue`."""
    return device.queue(signal, chan)


def set_capacity(device: Streamer, capacity: int) -> None:
    """Set the ring of the device, in samples per channel; bytes are worked out here."""
    device.set_capacity(capacity)


def diagonalize_triggermap(device: Streamer, callback_percent: int = 10) -> None:
    """Let each trigger play the channel of its number."""
    device.diagonalize_triggermap(callback_percent)
