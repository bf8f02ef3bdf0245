"""`Connection`: one device, in one of its modes at a time.

It is opened once and stays open. Streaming needs another object of the assembly than
downloads do, so going from one mode to the other is a new connection.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

from circus_io.errors import DeviceError, DeviceRemovedError
from stim.dose import Dose
from stim.stg.download_gate import DownloadGate
from stim.stg.history import History
from stim.stg.limits import LimitSet
from stim.stg.port import Bus, DeviceEntry, DeviceFacts, StgPort
from stim.stg.streaming_gate import StreamingGate

__all__ = ["Connection"]

STOP_TRIES = 3


class Connection:
    """Opens the gates of a device.

    Parameters
    ----------
    bus : Bus
    serial_number : str, optional
        The only device, if it is left out.
    limits : LimitSet

    Attributes
    ----------
    facts : DeviceFacts
    modes : list of str
        ``'current'`` or ``'voltage'`` of each channel.
    history : History
    """

    def __init__(self, bus: Bus, serial_number: str | None, limits: LimitSet) -> None:
        self.bus, self.clock, self.limits = bus, bus.clock, limits
        port = bus.open_download(serial_number)
        self.facts: DeviceFacts = port.facts()
        self.modes = ["current"] * self.facts.n_channels
        self.history = History(self.facts.n_channels, self.clock)
        self._gate: DownloadGate | StreamingGate | None = self._download_gate(port)
        self._on_error: Callable[[], None] | None = None
        self._unwatch = bus.watch(_nothing, self._removed)

    @property
    def gate(self) -> DownloadGate | StreamingGate | None:
        """The one that is open."""
        gate = self._gate
        return gate if gate is not None and gate.is_open else None

    def _download_gate(self, port: object) -> DownloadGate:
        return DownloadGate(port, self.facts, self.limits, self.history)

    def _check_same(self, port: StgPort) -> None:
        """Raise `DeviceError` if what is plugged in now is not what was before."""
        if port.facts() != self.facts:
            port.disconnect()
            raise DeviceError(
                f"device {self.facts.serial_number} says other ranges or steps than "
                "before; open it anew"
            )

    def downloads(self) -> DownloadGate:
        """Return the gate of the download mode; opened again after streaming."""
        if not isinstance(self.gate, DownloadGate):
            self._let_go()
            port = self.bus.open_download(self.facts.serial_number)
            self._check_same(port)
            gate = self._download_gate(port)
            gate.modes = list(self.modes)
            self._gate, self._on_error = gate, None
        return self._gate

    def streaming(
        self,
        ring_frames: int,
        doses: list[Dose],
        on_error: Callable[[], None] | None = None,
    ) -> StreamingGate:
        """Return a new gate of the streaming mode, with empty rings."""
        self._let_go()
        port = self.bus.open_streaming(
            ring_frames, self.facts.serial_number, on_error=on_error
        )
        self._check_same(port)
        gate = StreamingGate(
            port, self.facts, self.limits, ring_frames, doses, self.history
        )
        self._on_error = on_error
        self._gate = gate  # whatever fails from here on, it can be stopped
        if self.history.is_open(range(self.facts.n_channels)):
            gate.send_stop()  # a stop before has failed
        for channel, mode in enumerate(self.modes):
            gate.set_mode(channel, mode)
        return gate

    def is_open(self, channels: Iterable[int]) -> bool:
        """Whether something may still flow through some channels, as far as is known.

        A device in the download mode is asked; one that streams is not taken from that.
        """
        is_open = self.history.is_open(channels)
        if is_open and isinstance(self.gate, DownloadGate):
            self.gate.states()
            is_open = self.history.is_open(channels)
        return is_open

    def close(self) -> None:
        """Stop, and let go of the device; a second call does nothing.

        Raises
        ------
        DeviceError
            It could not be stopped, again and again, and may go on.
        """
        self._unwatch()
        self._let_go()

    def _let_go(self) -> None:
        gate, self._gate = self.gate, None
        if gate is None:
            return
        try:
            if gate.was_used:
                _stop_surely(gate)
        finally:
            gate.disconnect()

    def _removed(self, entry: DeviceEntry) -> None:
        if entry.serial_number == self.facts.serial_number:
            self.history.lose()
            gate, self._gate = self.gate, None
            if gate is not None and self._on_error is not None:
                self._on_error()
            elif gate is not None:
                with suppress(Exception):  # there is nothing to let go of
                    gate.disconnect()


def _stop_surely(gate: DownloadGate | StreamingGate) -> None:
    """Stop before letting go: nobody could do it afterwards, so once is not enough."""
    for tries_left in reversed(range(STOP_TRIES)):
        try:
            gate.send_stop()
        except DeviceRemovedError:
            return  # there is nothing to stop
        except DeviceError:
            if not tries_left:
                raise
        else:
            return


def _nothing(_: object) -> None:
    """Do nothing."""
