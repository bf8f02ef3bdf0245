"""What an STG is asked for, in the terms of Python: the door to the vendor's assembly.

A *bus* finds devices and opens them; a *port* is one open device in one of its two
modes. Behind these protocols is the vendor's assembly, or a simulator of the device.
They add nothing: one call of a port is one call of the assembly, with its units. What
may be sent is decided above them; nothing but `stim.stg` and the simulators' tests may
hold a port.

Triggers to start and to stop are bitmaps, as the device has them: bit ``i`` is trigger
``i``. Failures are `circus_io.errors.DeviceError`, or what is derived from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = [
    "Bus",
    "Clock",
    "DeviceEntry",
    "DeviceFacts",
    "DownloadPort",
    "StgPort",
    "StreamingPort",
]

GRID_US = 20  # time resolution of the download mode, and of streaming at 50 kHz
MAX_RATE_HZ = 50_000
MIN_RATE_HZ = 1_000


class Clock(Protocol):
    """Time on the host: the wall clock, or one that only a simulator advances."""

    def now(self) -> float:
        """Return the monotonic time, s."""

    def sleep(self, seconds: float) -> None:
        """Wait; on a virtual clock, let the device run for so long."""

    def every(
        self, period_s: float, function: Callable[[], None]
    ) -> Callable[[], None]:
        """Call a function again and again, and return what ends that.

        One call at a time, each as soon as the host gets to it; what it has missed by
        then is left out. The function must not raise. What ends it may be called from
        anywhere, also from the function, and returns when no call is under way.
        """


@dataclass(frozen=True)
class DeviceEntry:
    """A device that is plugged in, whether or not somebody uses it."""

    name: str
    serial_number: str
    manufacturer: str


@dataclass(frozen=True)
class DeviceFacts:
    """What an open device says of itself; nothing of it is known beforehand.

    Attributes
    ----------
    dac_bits : int
        Resolution of the converters.
    current_range_na, current_resolution_na : tuple of int
        Of each channel, nA; ranges are of either sign.
    voltage_range_uv, voltage_resolution_uv : tuple of int
        Of each channel, µV.
    total_memory_bytes : int
    """

    name: str
    serial_number: str
    manufacturer: str
    software_version: str
    hardware_version: str
    n_channels: int
    n_syncouts: int
    n_triggers: int
    dac_bits: int
    total_memory_bytes: int
    current_range_na: tuple[int, ...]
    current_resolution_na: tuple[int, ...]
    voltage_range_uv: tuple[int, ...]
    voltage_resolution_uv: tuple[int, ...]


class StgPort(Protocol):
    """One open device, in either mode."""

    def facts(self) -> DeviceFacts:
        """Ask the device what it is."""

    def set_output_rate(self, rate_hz: int) -> None:
        """Set the samples per second of all channels, 1000 to 50 000."""

    def set_mode(self, mode: str, channel: int | None = None) -> None:
        """Let a channel, or all, put out a ``'current'`` or a ``'voltage'``."""

    def send_start(self, triggers: int) -> None:
        """Start the triggers of a bitmap."""

    def send_stop(self, triggers: int) -> None:
        """Stop the triggers of a bitmap."""

    def disconnect(self) -> None:
        """Let go of the device; a second call does nothing."""


class DownloadPort(StgPort, Protocol):
    """A device that plays what was stored in it, without the host."""

    def available_memory_bytes(self) -> int:
        """Return what is free in the current segment."""

    def set_capacity(
        self, channel_bytes: Sequence[int], syncout_bytes: Sequence[int]
    ) -> None:
        """Divide the memory, where the assembly still lets one; else do nothing."""

    def clear_channel(self, channel: int) -> None:
        """Forget what a channel would play."""

    def send_data(
        self,
        channel: int,
        amplitudes: Sequence[int],
        durations_us: Sequence[int],
        destination: str,
        *,
        is_appended: bool = False,
    ) -> None:
        """Store a waveform in run-length form.

        Parameters
        ----------
        channel : int
            Of the output, or of the sync-out.
        amplitudes : sequence of int
            nA or µV; for a sync-out, the bit pattern.
        durations_us : sequence of int
            µs. Entries of 0 µs mark loops, on assemblies from 5.0 on.
        destination : {'current', 'voltage', 'syncout'}
        is_appended : bool
            Behind what is there, instead of in its place.
        """

    def setup_trigger(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        repeats: Sequence[int],
    ) -> None:
        """Say which channels and sync-outs each trigger starts, and how many times.

        Bitmaps, one per trigger from the first on; 0 repeats are repeats for ever.
        """

    def select_segment(self, segment: int) -> None:
        """Let downloads go to, and triggers play, another part of the memory."""

    def trigger_states(self) -> tuple[str, ...]:
        """Return ``'idle'``, ``'running'``, ``'finished'`` or ``'armed'`` of each."""

    has_loops: bool
    """Whether entries of 0 µs mark loops."""


class StreamingPort(StgPort, Protocol):
    """A device that plays what the host feeds, through a ring on either side."""

    def set_continuous(self, is_continuous: bool) -> None:
        """Say what happens without data: zeros (True), or the trigger stops."""

    def set_capacity(self, trigger_bytes: Sequence[int]) -> None:
        """Divide the memory of the device between triggers, in bytes."""

    def setup_trigger(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        digout_maps: Sequence[int],
        autostarts: Sequence[int],
        callback_percents: Sequence[int],
    ) -> None:
        """Say what each trigger starts, and below which filling data are called for."""

    def enqueue(self, channel: int, words: np.ndarray) -> int:
        """Put samples into the ring of the host.

        Parameters
        ----------
        channel : int
        words : int16 array, shape (n_samples,), C order
            Left-justified two's complement; the device drops the lowest bits.

        Returns
        -------
        int
            Samples that were taken, whatever unit the assembly counts in.
        """

    def queue_space(self, channel: int) -> int:
        """Return how many samples the ring of the host can take now."""

    def enqueue_syncout(self, syncout: int, words: np.ndarray) -> int:
        """Put uint16 words into the ring of a sync-out; return how many were taken."""

    def syncout_queue_space(self, syncout: int) -> int:
        """Return how many words the ring of a sync-out can take now."""

    def frames_buffered(self, trigger: int) -> int:
        """Return how many frames are in the device now: 0 while running is too late."""

    def frames_done(self) -> int:
        """Return how many frames were put out."""

    def start_loop(self) -> None:
        """Let the assembly move samples from its ring into the device."""

    def stop_loop(self) -> None:
        """Let it move no more; what is queued stays queued."""


class Bus(Protocol):
    """A way to devices: the vendor's assembly, or a simulator.

    Attributes
    ----------
    name : {'stg4000', 'mcs-simulated', 'simulated'}
    version : str
        Of the assembly, such as ``'5.3.15.0'``.
    clock : Clock
        The time in which its devices live.

    Notes
    -----
    Two more attributes are optional. ``reach`` is the name by which `open_bus` finds
    the same devices in another process; ``ends_with_process`` is true of devices that
    do nothing any more when this process is gone. Without either of them, nothing is
    repeated for ever, unless ``guarded=False`` asks for it.
    """

    name: str
    version: str
    clock: Clock

    def list_devices(self) -> list[DeviceEntry]:
        """Return the stimulators that are plugged in."""

    def open_download(self, serial_number: str | None = None) -> DownloadPort:
        """Connect to a device, the only one if no serial number is given.

        Raises
        ------
        DeviceError
            It is not there, several are, or another program has it.
        """

    def open_streaming(
        self,
        ring_samples: int,
        serial_number: str | None = None,
        on_data: Callable[[int], None] | None = None,
        on_error: Callable[[], None] | None = None,
    ) -> StreamingPort:
        """Connect to a device for streaming.

        Parameters
        ----------
        ring_samples : int
            Size of the ring of the host, per channel.
        serial_number : str, optional
        on_data : callable, optional
            Called with a trigger whose ring is filled below its threshold, by a thread
            of the assembly. It must not raise.
        on_error : callable, optional
            Called when a device fails; must not raise.
        """

    def watch(
        self,
        on_arrival: Callable[[DeviceEntry], None],
        on_removal: Callable[[DeviceEntry], None],
    ) -> Callable[[], None]:
        """Tell when devices are plugged in and out; return what ends that."""
