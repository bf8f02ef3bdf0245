"""`McsDownloadPort`, `McsStreamingPort`: one call of a port is one of the assembly."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from circus_io.errors import DeviceError, DeviceRefusedError
from stim.mcs.assembly import Assembly
from stim.mcs.calls import Callbacks, ask, net_exception, translated
from stim.mcs.pinned import PinnedArrays, net_array
from stim.stg.port import DeviceEntry, DeviceFacts
from stim.stg.status import device_error

__all__ = ["McsDownloadPort", "McsStreamingPort"]

N_SEGMENTS = 100  # as many as there can be
STATES = ("idle", "running", "finished", "armed")


class McsPort:
    """One open device; see `stim.stg.port.StgPort`.

    Parameters
    ----------
    assembly : Assembly
    device : object of .NET
        Not connected yet.
    entry : DeviceEntry
    net_entry : object of .NET
        The same, in the list of devices.
    callbacks : Callbacks
        What the device was given to call.
    """

    def __init__(
        self,
        assembly: Assembly,
        device: Any,
        entry: DeviceEntry,
        net_entry: Any,
        callbacks: Callbacks,
    ) -> None:
        self._assembly, self._device, self._entry = assembly, device, entry
        self._callbacks, self._net_exception = callbacks, net_exception()
        self._is_open = False
        # void calls would fail in silence otherwise
        ask("enable exceptions", device.EnableExceptions, True)
        doing = f"connect to {entry.name} ({entry.serial_number})"
        try:
            status = ask(doing, device.Connect, net_entry)
            if status:
                text = ask(doing, assembly.types.CMcsUsbNet.GetErrorText, status)
                raise device_error(status, doing, text)
        except BaseException:
            device.Dispose()
            raise
        self._is_open = True

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._callbacks.failure is not None:
            self._callbacks.raise_failure()
        try:
            return function(*arguments)
        except self._net_exception as error:
            raise translated(self._doing(function), error) from error

    def _doing(self, function: Callable[..., Any]) -> str:
        return f"{self._entry.name} ({self._entry.serial_number}), {function.__name__}"

    def facts(self) -> DeviceFacts:
        """Ask the device what it is."""
        device = self._device
        # pythonnet 2 returns None as well, before what is passed out
        software, hardware = self._ask(device.GetStgVersionInfo, "", "")[-2:]
        n = self._ask(device.GetNumberOfAnalogChannels)

        def of_each(getter: Callable[[int], int]) -> tuple[int, ...]:
            return tuple(self._ask(getter, channel) for channel in range(n))

        return DeviceFacts(
            name=self._entry.name,
            serial_number=self._entry.serial_number,
            manufacturer=self._entry.manufacturer,
            software_version=software,
            hardware_version=hardware,
            n_channels=n,
            n_syncouts=self._ask(device.GetNumberOfSyncoutChannels),
            n_triggers=self._ask(device.GetNumberOfTriggerInputs),
            dac_bits=self._ask(device.GetDACResolution),
            total_memory_bytes=self._ask(device.GetTotalMemory),
            current_range_na=of_each(device.GetCurrentRangeInNanoAmp),
            current_resolution_na=of_each(device.GetCurrentResolutionInNanoAmp),
            voltage_range_uv=of_each(device.GetVoltageRangeInMicroVolt),
            voltage_resolution_uv=of_each(device.GetVoltageResolutionInMicroVolt),
        )

    def set_output_rate(self, rate_hz: int) -> None:
        """Set the samples per second of all channels."""
        self._ask(self._device.SetOutputRate, int(rate_hz))

    def set_mode(self, mode: str, channel: int | None = None) -> None:
        """Let a channel, or all, put out a ``'current'`` or a ``'voltage'``."""
        if mode not in ("current", "voltage"):
            raise DeviceRefusedError(f"mode {mode}: choose current or voltage")
        device = self._device
        change = device.SetCurrentMode if mode == "current" else device.SetVoltageMode
        self._ask(change, *(() if channel is None else (int(channel),)))

    def send_start(self, triggers: int) -> None:
        """Start the triggers of a bitmap."""
        self._ask(self._device.SendStart, self._bitmap(triggers))

    def send_stop(self, triggers: int) -> None:
        """Stop the triggers of a bitmap; also after a callback has failed.

        From any thread, without a lock: where another one has let go of the device
        meanwhile, there is nothing left to stop.
        """
        stop, triggers = self._device.SendStop, self._bitmap(triggers)
        try:
            ask(self._doing(stop), stop, triggers)
        except DeviceError:
            if self._is_open:
                raise

    def _bitmap(self, triggers: int) -> int:
        if not 0 <= triggers < 1 << 32:
            raise DeviceRefusedError(f"triggers {triggers}: not a bitmap of 32 bits")
        return int(triggers)

    def disconnect(self) -> None:
        """Let go of the device; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        self._callbacks.are_closed = True
        # not disposed of: a stop of another thread may be in the middle of its call
        ask("disconnect", self._device.Disconnect)


class McsDownloadPort(McsPort):
    """A device that plays what was stored in it; see `stim.stg.port.DownloadPort`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.has_loops = self._assembly.has_loops
        self._has_data = self._has_segments = False

    def available_memory_bytes(self) -> int:
        """Return what is free in the current segment."""
        device = self._device
        is_old = hasattr(device, "GetMemory")
        return self._ask(device.GetMemory if is_old else device.GetAvailableMemory)

    def set_capacity(
        self, channel_bytes: Sequence[int], syncout_bytes: Sequence[int]
    ) -> None:
        """Divide the memory, where the assembly still lets one; else do nothing."""
        if hasattr(self._device, "SetCapacity"):
            maps = (net_array(each, "u4") for each in (channel_bytes, syncout_bytes))
            self._ask(self._device.SetCapacity, *maps)

    def clear_channel(self, channel: int) -> None:
        """Forget what a channel would play."""
        self._ask(self._device.ClearChannelData, int(channel))

    def send_data(
        self,
        channel: int,
        amplitudes: Sequence[int],
        durations_us: Sequence[int],
        destination: str,
        *,
        is_appended: bool = False,
    ) -> None:
        """Store a waveform in run-length form."""
        device = self._device
        send = device.PrepareAndAppendData if is_appended else device.PrepareAndSendData
        self._has_data = True
        self._ask(
            send,
            int(channel),
            net_array(amplitudes, "i4"),
            net_array(durations_us, "u8"),
            self._assembly.destination(destination),
        )

    def setup_trigger(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        repeats: Sequence[int],
    ) -> None:
        """Say which channels and sync-outs each trigger starts, and how many times."""
        maps = (net_array(each, "u4") for each in (channel_maps, syncout_maps, repeats))
        self._ask(self._device.SetupTrigger, 0, *maps)

    def select_segment(self, segment: int) -> None:
        """Let downloads go to, and triggers play, another part of the memory.

        The first call divides the memory into 100 equal parts.

        Raises
        ------
        DeviceRefusedError
            There is no such part; or something was stored before the first call, which
            dividing the memory would lose.
        """
        if not 0 <= segment < N_SEGMENTS:
            raise DeviceRefusedError(
                f"segment {segment}: there are 0 to {N_SEGMENTS - 1}"
            )
        if not self._has_segments:
            if segment == 0:
                return
            self._divide()
        device = self._device
        if hasattr(device, "SegmentSelect"):
            flags = self._assembly.types.Stg200xSegmentFlagsEnumNet
            self._ask(device.SegmentSelect, int(segment), getattr(flags, "None"))
        else:
            self._ask(device.SendSegmentSelect, int(segment), self._no_flags())

    def _no_flags(self) -> Any:
        """Return what says nothing: versions 5.0 and 5.1 have old names, new types."""
        flags = getattr(self._assembly.types, "Stg200xSegmentFlagsEnumNet", None)
        return 0 if flags is None else getattr(flags, "None")

    def _divide(self) -> None:
        if self._has_data:
            raise DeviceRefusedError(
                "select a segment before the first download: dividing the memory into "
                "segments loses what is stored in it"
            )
        device = self._device
        size = self._ask(device.GetTotalMemory) // N_SEGMENTS
        is_new = hasattr(device, "SegmentDefine")
        define = device.SegmentDefine if is_new else device.SendSegmentDefine
        self._ask(define, net_array([size] * N_SEGMENTS, "u4"))
        self._has_segments = True

    def trigger_states(self) -> tuple[str, ...]:
        """Return ``'idle'``, ``'running'``, ``'finished'`` or ``'armed'`` of each."""
        status = self._ask(self._device.QueryTriggerstatus)
        if not isinstance(status, int):
            return tuple(STATES[int(state)] for state in status.TiggerStatus)
        n = self._ask(self._device.GetNumberOfTriggerInputs)
        # before version 5, two bits for each trigger
        return tuple(STATES[status >> 2 * trigger & 3] for trigger in range(n))


class McsStreamingPort(McsPort):
    """A device that plays what the host feeds; see `stim.stg.port.StreamingPort`.

    One thread at a time may enqueue.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._words = PinnedArrays(np.int16)
        self._syncout_words = PinnedArrays(np.uint16)
        self._bytes_per_count: int | None = None
        # a lookup of a method costs as much as its call
        self._enqueue = self._device.EnqueueData
        self._queue_space = self._device.GetDataQueueSpace
        self._frames_buffered = self._device.GetFramesBuffered
        self._frames_done = self._device.GetFramesDone

    def set_continuous(self, is_continuous: bool) -> None:
        """Say what happens without data: zeros (True), or the trigger stops."""
        device = self._device
        self._ask(
            device.EnableContinousMode if is_continuous else device.DisableContinousMode
        )

    def set_capacity(self, trigger_bytes: Sequence[int]) -> None:
        """Divide the memory of the device between triggers, in bytes."""
        self._ask(self._device.SetCapacity, net_array(trigger_bytes, "u4"))

    def setup_trigger(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        digout_maps: Sequence[int],
        autostarts: Sequence[int],
        callback_percents: Sequence[int],
    ) -> None:
        """Say what each trigger starts, and below which filling data are called for."""
        given = channel_maps, syncout_maps, digout_maps, autostarts, callback_percents
        self._ask(self._device.SetupTrigger, *(net_array(each, "u4") for each in given))

    def enqueue(self, channel: int, words: np.ndarray) -> int:
        """Put samples into the ring of the host; return how many were taken."""
        if not words.size:
            return 0
        if self._bytes_per_count is None:
            # what there is room for is taken, so that the answer tells its unit
            words = words[: self.queue_space(channel)]
        counted = self._ask(self._enqueue, channel, self._words.filled(words))
        if self._bytes_per_count is None and words.size:
            self._bytes_per_count = 2 if counted == 2 * words.size else 1
        return counted // (self._bytes_per_count or 1)

    def queue_space(self, channel: int) -> int:
        """Return how many samples the ring of the host can take now."""
        return self._ask(self._queue_space, channel)

    def enqueue_syncout(self, syncout: int, words: np.ndarray) -> int:
        """Put uint16 words into the ring of a sync-out; return how many were taken.

        The assembly answers with a status, so no more are given than there is room for.
        """
        words = words[: self.syncout_queue_space(syncout)]
        if not words.size:
            return 0
        status = self._ask(
            self._device.EnqueueSyncout, syncout, self._syncout_words.filled(words)
        )
        if status not in (0, words.size, 2 * words.size):
            raise device_error(status, self._doing(self._device.EnqueueSyncout))
        return words.size

    def syncout_queue_space(self, syncout: int) -> int:
        """Return how many words the ring of a sync-out can take now."""
        return self._ask(self._device.GetSyncoutQueueSpace, syncout)

    def frames_buffered(self, trigger: int) -> int:
        """Return how many frames are in the device now."""
        return self._ask(self._frames_buffered, trigger)

    def frames_done(self) -> int:
        """Return how many frames were put out."""
        return self._ask(self._frames_done)

    def start_loop(self) -> None:
        """Let the assembly move samples from its ring into the device."""
        self._ask(self._device.StartLoop)

    def stop_loop(self) -> None:
        """Let it move no more; also after a callback has failed."""
        ask(self._doing(self._device.StopLoop), self._device.StopLoop)
