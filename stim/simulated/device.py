"""`SimulatedDevice`: the box itself, which lives in its own time.

Every call first lets it put out what is due by then. The host is not asked: a device
that waited for its host could not show what happens when that is late.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from circus_io.errors import (
    DeviceBusyError,
    DeviceMemoryError,
    DeviceNotFoundError,
    DeviceRefusedError,
    DeviceRemovedError,
)
from stim.simulated.clock import VirtualClock
from stim.simulated.faults import Faults
from stim.simulated.player import DownloadPlayer
from stim.simulated.rings import Clockwork, TriggerStream
from stim.simulated.trace import OutputTrace
from stim.simulated.variants import get_variant
from stim.stg.clock import WallClock
from stim.stg.port import MAX_RATE_HZ, MIN_RATE_HZ, DeviceEntry, DeviceFacts

__all__ = ["SimulatedDevice"]

MEMORY_BYTES = 64 << 20
MANUFACTURER = "circus-toolkit"
Sink = Callable[[int, int, np.ndarray], None]


class SimulatedDevice:
    """An STG4000 of some variant, with both modes.

    Parameters
    ----------
    variant : {'160uA', '1.6mA', '16mA', '160mA'}
    serial_number : str
    n_channels : int
        Also the number of triggers and of sync-outs.
    clock : VirtualClock or WallClock
    faults : Faults, optional
    trace : bool or path
        Whether the output is kept, and in which file besides.
    sink : callable, optional
        Gets channel, first frame and words of all that is streamed; a view that is
        valid during the call. Frames in between were zeros for want of data.
    has_loops : bool
        Whether entries of 0 µs mark loops in downloads.
    drift_ppm : int
        How much faster than that of the host its clock is.

    Attributes
    ----------
    catch_up : callable or None
        Set by the port that streams on a virtual clock: does the slices that are due.
    """

    def __init__(
        self,
        variant: str = "16mA",
        serial_number: str = "40008",
        n_channels: int = 8,
        *,
        clock: VirtualClock | WallClock | None = None,
        faults: Faults | None = None,
        trace: bool | str | Path = True,
        sink: Sink | None = None,
        has_loops: bool = True,
        drift_ppm: int = 0,
    ) -> None:
        self.variant = get_variant(variant)
        self.clock = WallClock() if clock is None else clock
        self.faults = Faults() if faults is None else faults
        self.entry = DeviceEntry(f"STG400{n_channels}", serial_number, MANUFACTURER)
        self.n_channels = n_channels
        self.drift_ppm, self.sink = drift_ppm, sink
        path = None if isinstance(trace, bool) else trace
        self._trace = OutputTrace(2 * n_channels, path) if trace else None
        self._lock = threading.RLock()
        self._owner: object = None
        self._removals: list[Callable[[], None]] = []
        self._modes = ["current"] * n_channels
        self._rate_hz = MAX_RATE_HZ
        self._capacity_bytes: list[int] = []
        self._streams: list[TriggerStream] = []
        self._is_continuous = False
        self._is_streaming = False
        self._player = DownloadPlayer(
            n_channels, self.total_memory_bytes, has_loops, self._put_levels
        )
        self.has_loops = has_loops
        self.catch_up: Callable[[], None] | None = None

    # ---------------------------------------------------------------- being plugged in

    def unplug(self) -> None:
        """Pull the plug: whoever has it learns of it, and nothing leaves any more."""
        with self._lock:
            self.advance()
            now_ns = self.clock.now_ns()
            self._silence(now_ns)
            self.faults.is_unplugged, self._owner = True, None
            removals = list(self._removals)
        for tell in removals:
            tell()

    def plug_in(self) -> None:
        """Plug it in again; it has forgotten everything."""
        with self._lock:
            self.faults.is_unplugged = False
            self._streams = []

    def on_removal(self, tell: Callable[[], None]) -> None:
        """Call something when it is unplugged."""
        self._removals.append(tell)

    def claim(self, owner: object, *, is_streaming: bool = False) -> None:
        """Let one program have it.

        Raises
        ------
        DeviceNotFoundError, DeviceBusyError
        """
        with self._lock:
            if self.faults.is_unplugged:
                raise DeviceNotFoundError(
                    f"{self.entry.serial_number} is not plugged in"
                )
            if self.faults.is_locked or self._owner not in (None, owner):
                raise DeviceBusyError(
                    f"another program has {self.entry.serial_number}; close that one"
                )
            self._owner = owner
            self._is_streaming = is_streaming

    def release(self, owner: object) -> None:
        """Let go of it; what it is doing goes on."""
        with self._lock:
            if self._owner == owner:
                self._owner = None

    @contextmanager
    def _in_time(self) -> Iterator[int]:
        """Hold the device at this moment, up to which it has put out what was due."""
        with self._lock:
            self._check_plugged()
            self.advance()
            yield self.clock.now_ns()

    def _check_plugged(self) -> None:
        if self.faults.is_unplugged:
            raise DeviceRemovedError(f"{self.entry.serial_number} was unplugged")

    def advance(self) -> None:
        """Put out what is due by now."""
        with self._lock:
            if self.catch_up is not None:  # slices that come before
                self.catch_up()
            now_ns = self.clock.now_ns()
            for stream in self._streams:
                stream.drain(now_ns, is_continuous=self._is_continuous)
            self._player.advance(now_ns)

    @property
    def trace(self) -> OutputTrace | None:
        """What has left it until now; sync-outs come after the channels."""
        self.advance()
        return self._trace

    # ------------------------------------------------------------------- in both modes

    def total_memory_bytes(self) -> int:
        """Return how much it can store."""
        short = self.faults.total_memory_bytes
        return MEMORY_BYTES if short is None else short

    def facts(self) -> DeviceFacts:
        """Return what it says of itself."""
        with self._in_time():
            n, variant = self.n_channels, self.variant
            return DeviceFacts(
                name=self.entry.name,
                serial_number=self.entry.serial_number,
                manufacturer=self.entry.manufacturer,
                software_version="1.0",
                hardware_version="Rev. 1",
                n_channels=n,
                n_syncouts=n,
                n_triggers=n,
                dac_bits=variant.dac_bits,
                total_memory_bytes=self.total_memory_bytes(),
                current_range_na=(variant.current_range_na,) * n,
                current_resolution_na=(variant.current_resolution_na,) * n,
                voltage_range_uv=(variant.voltage_range_uv,) * n,
                voltage_resolution_uv=(variant.voltage_resolution_uv,) * n,
            )

    def set_output_rate(self, rate_hz: int) -> None:
        """Set the rate of all channels, Hz."""
        with self._in_time():
            refused = rate_hz in self.faults.refused_rates_hz
            if refused or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
                raise DeviceRefusedError(
                    f"{rate_hz} Hz: the device takes {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
                )
            self._rate_hz = rate_hz

    def set_mode(self, mode: str, channel: int | None = None) -> None:
        """Put out currents or voltages."""
        with self._in_time():
            if mode not in ("current", "voltage"):
                raise DeviceRefusedError(f"mode {mode}: choose current or voltage")
            chosen = range(self.n_channels) if channel is None else [channel]
            for one in chosen:
                self._check_channel(one)
                self._modes[one] = mode

    def send_start(self, triggers: int) -> None:
        """Start the triggers of a bitmap, all at the same moment."""
        with self._in_time() as now_ns:
            if self.faults.ignores_start:
                return
            for trigger in self._bits(triggers):
                if self._is_streaming:
                    self._streams[trigger].start(now_ns)
                else:
                    self._player.start(trigger, now_ns)

    def send_stop(self, triggers: int) -> None:
        """Stop the triggers of a bitmap; what is in the rings stays there."""
        with self._in_time() as now_ns:
            for trigger in self._bits(triggers):
                self._player.stop(trigger, now_ns)
                if trigger < len(self._streams):
                    self._stop_stream(self._streams[trigger], now_ns)

    def _stop_stream(self, stream: TriggerStream, now_ns: int) -> None:
        stream.is_running = False
        for channel in stream.channels:
            self._put_level(channel, now_ns, 0)

    def _silence(self, now_ns: int) -> None:
        for trigger in range(self.n_channels):
            self._player.stop(trigger, now_ns)
        for stream in self._streams:
            self._stop_stream(stream, now_ns)

    def _bits(self, bitmap: int) -> list[int]:
        if not 0 <= bitmap < 1 << self.n_channels:
            raise DeviceRefusedError(
                f"triggers {bitmap:#b}: the device has {self.n_channels}"
            )
        return [bit for bit in range(self.n_channels) if bitmap >> bit & 1]

    def _check_channel(self, channel: int) -> None:
        if not 0 <= channel < self.n_channels:
            raise DeviceRefusedError(
                f"channel {channel}: the device has 0 to {self.n_channels - 1}"
            )

    # ------------------------------------------------------------------- download mode

    def available_memory_bytes(self) -> int:
        """Return what is free."""
        with self._in_time():
            return self._player.free_bytes()

    def clear_channel(self, channel: int) -> None:
        """Forget what a channel would play."""
        with self._in_time():
            self._check_channel(channel)
            self._player.clear(channel)

    def send_data(
        self,
        channel: int,
        amplitudes: Sequence[int],
        durations_us: Sequence[int],
        destination: str,
        is_appended: bool = False,
    ) -> None:
        """Store a waveform; see `stim.stg.port.DownloadPort`."""
        with self._in_time():
            self._check_channel(channel)
            levels = list(map(int, amplitudes))
            if destination == "syncout":
                channel += self.n_channels
            else:
                levels = self.variant.put_out(levels, durations_us, destination)
            if not is_appended:
                self._player.clear(channel)
            self._player.store(channel, levels, durations_us)

    def setup_download_trigger(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        repeats: Sequence[int],
    ) -> None:
        """Say what triggers play."""
        with self._in_time():
            maps = [
                channels | syncouts << self.n_channels
                for channels, syncouts in zip(channel_maps, syncout_maps, strict=True)
            ]
            self._player.map_triggers(maps, repeats)

    def select_segment(self, segment: int) -> None:
        """Use another part of the memory."""
        with self._in_time():
            self._player.select(segment)

    def trigger_states(self) -> tuple[str, ...]:
        """Return what each trigger does."""
        with self._in_time():
            return tuple(self._player.states)

    # ------------------------------------------------------------------ streaming mode

    def set_continuous(self, is_continuous: bool) -> None:
        """Say whether triggers go on without data, with zeros."""
        with self._in_time():
            self._is_continuous = is_continuous

    def set_stream_capacity(self, trigger_bytes: Sequence[int]) -> None:
        """Divide the memory between triggers."""
        with self._in_time():
            if sum(trigger_bytes) > self.total_memory_bytes():
                raise DeviceMemoryError(
                    f"{sum(trigger_bytes)} bytes are asked for, and there are "
                    f"{self.total_memory_bytes()}"
                )
            self._capacity_bytes = list(trigger_bytes)

    def setup_stream_trigger(
        self, channel_maps: Sequence[int], slack_frames: int = 0
    ) -> None:
        """Say which channels each trigger streams; rings are empty then."""
        with self._in_time():
            if len(channel_maps) > len(self._capacity_bytes):
                raise DeviceRefusedError(
                    f"{len(channel_maps)} triggers with {len(self._capacity_bytes)} "
                    "capacities; set those first"
                )
            self._streams = []
            for trigger, bitmap in enumerate(channel_maps):
                channels = tuple(self._bits(bitmap))
                frame_bytes = 2 * max(1, len(channels))
                self._streams.append(
                    TriggerStream(
                        channels,
                        self._capacity_bytes[trigger] // frame_bytes,
                        slack_frames,
                        Clockwork(self._rate_hz, self.drift_ppm),
                        self._put_words,
                    )
                )

    def rooms(self) -> list[int]:
        """Return how many frames each trigger would pull now."""
        with self._in_time():
            return [stream.room() for stream in self._streams]

    def push(self, words: np.ndarray, sizes: Sequence[int]) -> None:
        """Take one slice: frames of all triggers, at the same moment.

        Parameters
        ----------
        words : int16 array, shape (n,)
            Channel after channel, trigger after trigger.
        sizes : sequence of int
            Frames of each trigger.
        """
        with self._in_time():
            for stream, n_frames in zip(self._streams, sizes, strict=True):
                n_channels = len(stream.channels)
                part, words = np.split(words, [n_channels * n_frames])
                stream.ring.put(part.reshape(n_channels, n_frames))

    def frames_buffered(self, trigger: int) -> int:
        """Return how many frames are in the ring of a trigger."""
        with self._lock:
            self._check_plugged()
            stream = self._streams[trigger]  # asked often: the others can wait
            if self.catch_up is not None:
                self.catch_up()
            stream.drain(self.clock.now_ns(), is_continuous=self._is_continuous)
            return stream.ring.level

    def frames_done(self) -> int:
        """Return how many frames the triggers have put out, zeros among them."""
        with self._in_time():
            return max((stream.n_frames for stream in self._streams), default=0)

    @property
    def streams(self) -> list[TriggerStream]:
        """What each trigger streams, for those who live in the same time."""
        return self._streams

    @property
    def is_continuous(self) -> bool:
        """Whether triggers go on without data."""
        return self._is_continuous

    # -------------------------------------------------------------------------- output

    def _put_words(self, channel: int, first: int, words: np.ndarray | None) -> None:
        """Put out streamed words from a frame on, or zeros (None)."""
        stream = next(s for s in self._streams if channel in s.channels)
        if words is None:
            self._put_level(channel, stream.clockwork.time_of(first), 0)
            return
        if self.sink is not None:
            self.sink(channel, first, words)
        if self._trace is not None:
            counts = words.astype(np.int64) >> 16 - self.variant.dac_bits
            times_ns = stream.clockwork.times_of(first, words.size)
            self._trace.add(
                channel, times_ns, counts * self.variant.step(self._modes[channel])
            )

    def _put_levels(
        self, output: int, times_ns: np.ndarray, levels: np.ndarray
    ) -> None:
        if self._trace is not None:
            self._trace.add(output, times_ns, levels)

    def _put_level(self, output: int, time_ns: int, level: int) -> None:
        if self._trace is not None:
            self._trace.set(output, time_ns, level)
