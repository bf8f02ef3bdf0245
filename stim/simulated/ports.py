"""The ports of a simulated device: the half of it that lives with the host.

For streaming that half has a ring of its own and moves samples on in slices of 1 ms,
by a thread that is as late as the host.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stim.simulated.clock import NS, VirtualClock, Wakes
from stim.simulated.rings import SampleRing
from stim.stg.port import DeviceFacts

__all__ = ["SimulatedDownloadPort", "SimulatedStreamingPort"]

SLICE_NS = 1_000_000
_owners = itertools.count(1)


class _Port:
    """What both modes have in common."""

    is_streaming = False

    def __init__(self, device: Any) -> None:
        self._device = device
        self._owner: int | None = next(_owners)
        device.claim(self._owner, is_streaming=self.is_streaming)

    def facts(self) -> DeviceFacts:
        """Ask the device what it is."""
        return self._device.facts()

    def set_output_rate(self, rate_hz: int) -> None:
        """Set the samples per second of all channels."""
        self._device.set_output_rate(rate_hz)

    def set_mode(self, mode: str, channel: int | None = None) -> None:
        """Let a channel, or all, put out a current or a voltage."""
        self._device.set_mode(mode, channel)

    def send_start(self, triggers: int) -> None:
        """Start the triggers of a bitmap."""
        self._device.send_start(triggers)

    def send_stop(self, triggers: int) -> None:
        """Stop the triggers of a bitmap."""
        self._device.send_stop(triggers)

    def disconnect(self) -> None:
        """Let go of the device; a second call does nothing."""
        if self._owner is not None:
            self._device.release(self._owner)
            self._owner = None


class SimulatedDownloadPort(_Port):
    """The download mode; see `stim.stg.port.DownloadPort`."""

    @property
    def has_loops(self) -> bool:
        """Whether entries of 0 µs mark loops."""
        return self._device.has_loops

    def available_memory_bytes(self) -> int:
        """Return what is free."""
        return self._device.available_memory_bytes()

    def set_capacity(
        self, channel_bytes: Sequence[int], syncout_bytes: Sequence[int]
    ) -> None:
        """Do nothing: the memory needs no dividing."""

    def clear_channel(self, channel: int) -> None:
        """Forget what a channel would play."""
        self._device.clear_channel(channel)

    def send_data(
        self,
        channel: int,
        amplitudes: Sequence[int],
        durations_us: Sequence[int],
        destination: str,
        *,
        is_appended: bool = False,
    ) -> None:
        """Store a waveform."""
        self._device.send_data(
            channel,
            [int(amplitude) for amplitude in amplitudes],
            [int(duration) for duration in durations_us],
            destination,
            is_appended,
        )

    def setup_trigger(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        repeats: Sequence[int],
    ) -> None:
        """Say what triggers play, and how many times."""
        self._device.setup_download_trigger(
            list(channel_maps), list(syncout_maps), list(repeats)
        )

    def select_segment(self, segment: int) -> None:
        """Use another part of the memory."""
        self._device.select_segment(segment)

    def trigger_states(self) -> tuple[str, ...]:
        """Return what each trigger does."""
        return tuple(self._device.trigger_states())


class SimulatedStreamingPort(_Port):
    """The streaming mode; see `stim.stg.port.StreamingPort`.

    On a virtual clock slices are computed when somebody looks, many at once where
    nothing can be missed by it. On the wall clock a thread moves them.
    """

    is_streaming = True

    def __init__(
        self,
        device: Any,
        clock: Any,
        ring_samples: int,
        on_data: Callable[[int], None] | None = None,
        on_error: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(device)
        self._clock, self._size = clock, ring_samples
        self._on_data, self._on_error = on_data, on_error
        n_channels = device.facts().n_channels
        self._rings = [SampleRing(1, ring_samples) for _ in range(n_channels)]
        self._syncouts = [SampleRing(1, ring_samples) for _ in range(n_channels)]
        self._channels: list[list[int]] = []
        self._thresholds: list[float] = []
        self._is_called: list[bool] = []
        self._lock = threading.RLock()  # who feeds, and who moves slices
        self._wakes: Wakes | None = None
        self._end: Callable[[], None] | None = None
        device.on_removal(self._removed)

    def set_continuous(self, is_continuous: bool) -> None:
        """Say what happens without data."""
        self._device.set_continuous(is_continuous)

    def set_capacity(self, trigger_bytes: Sequence[int]) -> None:
        """Divide the memory of the device, in bytes."""
        self._device.set_stream_capacity(list(trigger_bytes))

    def setup_trigger(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        digout_maps: Sequence[int],
        autostarts: Sequence[int],
        callback_percents: Sequence[int],
    ) -> None:
        """Say what triggers stream, and below which filling data are called for."""
        self._device.setup_stream_trigger(list(channel_maps), self._size)
        n = len(self._rings)
        self._channels = [[c for c in range(n) if m >> c & 1] for m in channel_maps]
        self._thresholds = [self._size * percent / 100 for percent in callback_percents]
        self._is_called = [False] * len(self._channels)

    # ------------------------------------------------------------------------- feeding

    def enqueue(self, channel: int, words: np.ndarray) -> int:
        """Put samples into the ring of the host; return how many were taken."""
        self._catch_up()
        ring = self._rings[channel]
        with self._lock:
            n = min(words.size, ring.size - ring.level)
            ring.put(words[:n])
        return 2 * n if self._device.faults.counts_bytes else n

    def queue_space(self, channel: int) -> int:
        """Return how many samples the ring of the host can take."""
        self._catch_up()
        ring = self._rings[channel]
        return ring.size - ring.level

    def enqueue_syncout(self, syncout: int, words: np.ndarray) -> int:
        """Put words into the ring of a sync-out; they are not put out."""
        ring = self._syncouts[syncout]
        n = min(words.size, ring.size - ring.level)
        ring.put(words[:n].view(np.int16))
        return n

    def syncout_queue_space(self, syncout: int) -> int:
        """Return how many words the ring of a sync-out can take."""
        ring = self._syncouts[syncout]
        return ring.size - ring.level

    def frames_buffered(self, trigger: int) -> int:
        """Return how many frames are in the device."""
        return self._device.frames_buffered(trigger)

    def frames_done(self) -> int:
        """Return how many frames were put out."""
        self._catch_up()
        return self._device.frames_done()

    # ------------------------------------------------------------------------- slices

    def send_start(self, triggers: int) -> None:
        """Start the triggers of a bitmap."""
        self._catch_up()
        super().send_start(triggers)

    def send_stop(self, triggers: int) -> None:
        """Stop the triggers of a bitmap."""
        self._catch_up()
        super().send_stop(triggers)

    def start_loop(self) -> None:
        """Begin to move slices."""
        if not isinstance(self._clock, VirtualClock):
            self._end = self._clock.every(SLICE_NS / NS, self._total_slice)
            return
        self._device.catch_up = self._catch_up
        late_ns = self._clock.lateness_ns
        self._wakes = Wakes(self._clock.now_ns(), SLICE_NS, late_ns)
        if self._on_data is not None:  # it has to be called when it is time
            self._end = self._clock.every(SLICE_NS / NS, self._catch_up)

    def stop_loop(self) -> None:
        """Move no more; what is in the rings stays there."""
        self._catch_up()
        self._wakes = self._device.catch_up = None
        if self._end is not None:
            self._end()
            self._end = None

    def disconnect(self) -> None:
        """Let go of the device."""
        if self._owner is not None:
            if not self._device.faults.is_unplugged:
                self.stop_loop()
            elif self._end is not None:
                self._end()
            super().disconnect()

    def _catch_up(self) -> None:
        """Do the slices that were due until now, on a virtual clock."""
        if self._wakes is None or self._clock.now_ns() < self._wakes.next_ns:
            return
        times_ns = self._wakes.until(self._clock.now_ns())
        if self._device.faults.is_usb_stalled:
            return
        for trigger, stream in enumerate(self._device.streams):
            n_in_host = self._level(trigger)
            is_continuous = self._device.is_continuous
            if stream.is_running and stream.can_jump(times_ns, n_in_host):
                due = stream.due(times_ns[-1])
                self._move(
                    trigger, min(n_in_host, stream.room() + due), stream.ring.put
                )
                stream.drain(times_ns[-1], is_continuous=is_continuous)
                continue
            for time_ns in times_ns:
                stream.drain(time_ns, is_continuous=is_continuous)
                n = min(self._level(trigger), stream.room())
                self._move(trigger, n, stream.ring.put)
        self._call_for_data()

    def _total_slice(self) -> None:
        """Move one slice, from a thread; tell instead of raising."""
        try:
            self._slice()
        except OSError:  # the device is gone, or the process that it lives in
            self._removed()

    def _slice(self) -> None:
        if self._device.faults.is_usb_stalled:
            return
        parts: list[np.ndarray] = []
        sizes = []
        with self._lock:
            for trigger, room in enumerate(self._device.rooms()):
                sizes.append(min(self._level(trigger), room))
                self._move(trigger, sizes[-1], lambda w: parts.append(w.ravel().copy()))
            if parts:
                self._device.push(np.concatenate(parts), sizes)
        self._call_for_data()

    def _level(self, trigger: int) -> int:
        levels = [self._rings[channel].level for channel in self._channels[trigger]]
        return min(levels, default=0)

    def _move(self, trigger: int, n: int, put: Callable[[np.ndarray], None]) -> None:
        if n <= 0:
            return
        with self._lock:  # what is taken is a view of what may be overwritten
            rows = [self._rings[channel].take(n) for channel in self._channels[trigger]]
            put(rows[0] if len(rows) == 1 else np.vstack(rows))

    def _call_for_data(self) -> None:
        if self._on_data is None:
            return
        for trigger, threshold in enumerate(self._thresholds):
            is_low = self._level(trigger) < threshold
            if is_low and not self._is_called[trigger]:
                self._call_later(trigger)
            self._is_called[trigger] = is_low

    def _call_later(self, trigger: int) -> None:
        delay_ns = round(self._device.faults.callback_delay_s * NS)
        if delay_ns and isinstance(self._clock, VirtualClock):
            at_ns = self._clock.now_ns() + delay_ns
            self._clock.at(at_ns, lambda: self._on_data(trigger))
        else:
            self._clock.sleep(delay_ns / NS)
            self._on_data(trigger)

    def _removed(self) -> None:
        if self._owner is not None and self._on_error is not None:
            self._on_error()
