"""`STG4000`: a stimulator of Multi Channel Systems, in both of its modes.

The names of methods, properties and keywords are those of the package `stg`, so its
programs run with their import changed. What differs: nothing leaves that
`SafetyLimits` do not allow, and whatever goes wrong is raised.
"""

import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike

from circus_io.errors import SafetyError, StimulatorStateError
from stim.limits_file import load_limits
from stim.safety import CheckedProgram, SafetyLimits
from stim.stg.connection import Connection
from stim.stg.downloads import Downloads
from stim.stg.emergency import Outlet, chain_signals
from stim.stg.events import Labels, no_log
from stim.stg.feeder import Tick
from stim.stg.guarding import check_reach
from stim.stg.heartbeat import Heartbeat
from stim.stg.limits import LimitSet, scale_of
from stim.stg.opening import open_bus
from stim.stg.port import MAX_RATE_HZ, Bus, DeviceFacts
from stim.stg.settings import stream_settings
from stim.stg.signal_mapping import SignalMapping
from stim.stg.statistics import State, StreamStatistics
from stim.stg.stg_downloads import StgDownloads
from stim.stg.streamer import Streamer
from stim.stg.streaming import Streaming
from stim.stg.surface import waveform_of
from stim.waveform import Waveform

__all__ = ["STG4000", "STG4000Streamer"]


class STG4000(StgDownloads):
    """A stimulator that is connected until `close`, or until it is forgotten.

    Parameters
    ----------
    serial : int or str, optional
        Which one; the only one, if it is left out.
    limits : SafetyLimits or several, optional
        One per unit that is put out. By default those of the file that
        ``CIRCUS_STIM_LIMITS`` names, or that is in the folder of the user's settings.
        Without any, only zeros leave.
    bus : str or Bus, optional
        See `stim.stg.opening.open_bus`.
    event_log : EventLog, optional
        Gets every command, with the sample of the device and the time of the host.
    heartbeat_s : float, optional
        The device stops when no method of this object, nor `beat`, was called for so
        long, s.
    guarded : bool, optional
        A process of its own stops the device if this one is killed; by default when a
        download is to be repeated for ever, which goes on without the host.

    Raises
    ------
    DeviceError
        The device is not there, several are, or another program has it; or it is to be
        guarded, and no other process can reach it.

    Examples
    --------
    >>> from stim import STG4000, SafetyLimits
    >>> limits = SafetyLimits(2_000_000, 500, 20_000, unit="nA")
    >>> with STG4000(limits=limits, bus="simulated") as stg:
    ...     stg.download(0, amplitudes_in_mA=[1, -1], durations_in_ms=[0.2, 0.2])
    ...     stg.start_stimulation([0])
    """

    def __init__(
        self,
        serial: int | str | None = None,
        *,
        limits: SafetyLimits | Iterable[SafetyLimits] | None = None,
        bus: str | Bus | None = None,
        event_log: Any = None,
        heartbeat_s: float | None = None,
        guarded: bool | None = None,
    ) -> None:
        self._limits = LimitSet(load_limits() if limits is None else limits)
        bus = open_bus(bus) if bus is None or isinstance(bus, str) else bus
        if guarded:
            check_reach(bus)
        serial_number = None if serial is None else str(serial)
        self._connection = Connection(bus, serial_number, self._limits)
        self._clock = bus.clock
        self._log = no_log if event_log is None else event_log.write
        labels, connection = Labels(), self._connection
        self._downloads = Downloads(connection, labels, self._log, guarded)
        self._streaming = Streaming(connection, labels, self._log)
        self._fault: BaseException | None = None
        self._is_closed = False
        parts = self._streaming, self._downloads
        self.outlet = Outlet(partial(_stop, *parts))
        self._at_exit = weakref.finalize(self, _close, self.outlet, *parts, connection)
        chain_signals()
        self._heart: Heartbeat | None = None
        if heartbeat_s is not None:
            stalled = partial(_tell_stall, weakref.ref(self), self.outlet)
            self._heart = Heartbeat(self._clock, heartbeat_s, stalled)
        self._log(
            "open",
            device=self.name,
            serial_number=self.facts.serial_number,
            bus=bus.name,
            rate_hz=MAX_RATE_HZ,
        )

    # --------------------------------------------------------------------------- facts

    @property
    def facts(self) -> DeviceFacts:
        """What the device says of itself, channel by channel."""
        return self._connection.facts

    @property
    def state(self) -> State:
        """What the stream is doing."""
        return self._streaming.state

    def stats(self) -> StreamStatistics:
        """Return how the stream is doing, or how the last one did."""
        return self._streaming.stats()

    def __repr__(self) -> str:
        return (
            f"<{self.name} {self.facts.serial_number} on {self._connection.bus.name}>"
        )

    # ----------------------------------------------------------------------- streaming

    def set_signal(
        self,
        channel_index: int = 0,
        amplitudes_in_mA: ArrayLike | None = None,
        durations_in_ms: ArrayLike = (0,),
        *,
        amplitudes_in_mV: ArrayLike | None = None,
        rounding: str = "refuse",
    ) -> int | None:
        """Let a channel repeat a signal, back to back, from now or from the start on.

        Parameters
        ----------
        channel_index : int
        amplitudes_in_mA, durations_in_ms : array_like
            As many of both; silence, if both are left out.
        amplitudes_in_mV : array_like, optional
            In their place, for a channel that puts out voltages; see `set_mode`.
        rounding : {'refuse', 'keep-charge'}

        Returns
        -------
        int or None
            While it streams, the sample of the device from which on the channel puts
            out the new signal: the first one at which the old one is at its end.

        Raises
        ------
        SafetyError
            It is beyond the limits; the old signal goes on.
        """
        channel = self._check_channel(channel_index)
        mode = self.mode_of(channel)
        waveform = waveform_of(
            mode, amplitudes_in_mA, amplitudes_in_mV, durations_in_ms, rounding
        )
        return self.set_waveforms({channel: waveform})

    def set_waveforms(self, waveforms: Mapping[int, Waveform]) -> int | None:
        """Let channels repeat waveforms, all from the same sample on.

        Each channel ends the repetition that it is in, and waits with zeros for those
        that take longer. Returns and raises as `set_signal`.
        """
        self._check()
        checked = {}
        for given, waveform in waveforms.items():
            channel = self._check_channel(given)
            scale = scale_of(self.facts, channel, self.mode_of(channel))
            program = scale.quantize(waveform)
            checked[channel] = self._limits.check(channel, program, repeats=None)
        return self._streaming.set(checked)

    def set_checked(self, checked: Mapping[int, CheckedProgram]) -> int | None:
        """Let channels repeat programs with their periods, as `set_waveforms` does.

        Raises
        ------
        SafetyError
            One was not made by limits, or may not be repeated until it is stopped.
        """
        self._check()
        repeated = {}
        for given, one in checked.items():
            channel = self._check_channel(given)
            if not isinstance(one, CheckedProgram):
                raise SafetyError(
                    f"{type(one).__name__}: expected what SafetyLimits.check_program "
                    "returns"
                )
            repeated[channel] = self._limits.check(
                channel, one.program, one.period_us, repeats=None
            )
        return self._streaming.set(repeated)

    @property
    def signals(self) -> SignalMapping:
        """What channels repeat, as a dictionary: see `SignalMapping`."""
        return SignalMapping(self)

    def waveforms(self) -> dict[int, Waveform]:
        """Return what channels repeat, or will; those that are silent are left out."""
        return self._streaming.waveforms()

    def mode_of(self, channel: int) -> str:
        """Return ``'current'`` or ``'voltage'``."""
        return self._connection.modes[self._check_channel(channel)]

    def start_streaming(
        self,
        capacity_in_s: float = 1.0,
        buffer_in_s: float = 0.1,
        callback_percent: int = 10,
        *,
        fill_in_s: float | None = None,
        callback: Callable[[Tick], None] | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        """Start all channels, with the signals that are set, and zeros elsewhere.

        A change of a signal is heard after ``buffer_in_s + capacity_in_s / 2``. Shorter
        rings answer faster, and run dry more easily: see `stim.stg.lateness`.

        Parameters
        ----------
        capacity_in_s : float
            Ring of the device, s.
        buffer_in_s : float
            What is kept in the ring of the host, s.
        callback_percent : int
            Told to the driver; feeding does not depend on it.
        fill_in_s : float, optional
            What is kept in the ring of the host, if that is to be larger, s.
        callback : callable, optional
            Called with a `Tick` before each block is made; it may call `set_signal`.
            What it raises stops the device, and is raised by the next call here.
        timeout_s : float
            For the device to take its first samples, s.

        Raises
        ------
        StimulatorStateError
            It streams already.
        DeviceError
            A step of the set-up was refused; nothing streams.
        """
        self._check()
        settings = stream_settings(
            capacity_in_s, buffer_in_s, fill_in_s, callback_percent=callback_percent
        )
        self._streaming.start(settings, callback, timeout_s)

    def stop_streaming(self, drain_timeout_s: float | None = None) -> None:
        """Let every signal end its repetition, and stop.

        Parameters
        ----------
        drain_timeout_s : float, optional
            Stop after so long in any case, s; `stop` does so at once.

        Raises
        ------
        StimulatorStateError
            Nothing was ever started.
        Exception
            What has stopped the stream before.
        """
        self._streaming.drain(drain_timeout_s)
        self._raise_fault()

    def streamer(self, dll_buffer_size: int = 5000) -> Streamer:
        """Return the streaming mode to be fed by hand; see `stim.stg.queue`.

        Parameters
        ----------
        dll_buffer_size : int
            Ring of the host, samples.
        """
        self._check_idle("streamer")
        connection, doses = self._connection, self._streaming.doses
        return Streamer(
            lambda: connection.streaming(dll_buffer_size, doses), self._limits
        )

    # ------------------------------------------------------------------- in both modes

    def sleep(self, duration_in_ms: float) -> None:
        """Wait, in the time of the device."""
        self._clock.sleep(duration_in_ms / 1e3)
        self._check()

    def beat(self) -> None:
        """Say that this program is alive; see `heartbeat_s`."""
        if self._heart is not None:
            self._heart.beat()

    def stop(self) -> None:
        """Stop everything at once; from any thread, any number of times.

        Raises
        ------
        Exception
            The device could not be told, and the next call tries again; or what had
            stopped it before.
        """
        self.outlet.stop()
        self._raise_fault()

    def close(self) -> None:
        """Stop, and let go of the device; a second call does nothing.

        Raises
        ------
        DeviceError
            It could not be stopped, and may go on.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._at_exit.detach()
        if self._heart is not None:
            self._heart.end()
        parts = self._streaming, self._downloads, self._connection
        failure = _close(self.outlet, *parts)
        self._log("close")
        if failure is not None:
            raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None:
            self._raise_fault()

    def _check(self) -> None:
        """Raise what went wrong in the meantime; count as a sign of life."""
        self.beat()
        self._raise_fault()
        if self._is_closed:
            raise StimulatorStateError("the stimulator was closed; open another one")

    def _check_idle(self, what: str) -> None:
        self._check()
        if self._streaming.is_running:
            raise StimulatorStateError(f"stop_streaming() before {what}()")

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        fault = self._streaming.fault() or fault
        if fault is not None:
            raise fault

    def _stalled(self, error: BaseException) -> bool:
        """Stop, since the program says nothing; its next call learns why.

        Returns whether it was stopped.
        """
        if self._streaming.is_running:
            self._streaming.fail(error)
        elif self._fault is None:
            self._fault = error
        return self.outlet.stop_quietly()


STG4000Streamer = STG4000  # the name of what only streams, in programs for `stg`


def _stop(streaming: Streaming, downloads: Downloads) -> None:
    """Stop whatever a device does, at once."""
    streaming.stop()
    downloads.stop()


def _close(
    outlet: Outlet, streaming: Streaming, downloads: Downloads, connection: Connection
) -> Exception | None:
    """Stop a device that is closed or forgotten, or whose program ends.

    Returns what has kept it from being stopped.
    """
    if not outlet.is_ours:
        return None
    if streaming.is_running:
        outlet.stop_quietly()
    with suppress(Exception):  # then its guard stops it
        downloads.close()
    try:
        connection.close()
    except Exception as error:
        return error
    with suppress(Exception):  # it has ended by now, if only by that
        streaming.stop()
    return None


def _tell_stall(
    stimulator: "weakref.ref[STG4000]", outlet: Outlet, error: BaseException
) -> bool:
    alive = stimulator()
    return outlet.stop_quietly() if alive is None else alive._stalled(error)
