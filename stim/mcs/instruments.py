"""`Instruments`: what a simulated device shows and suffers, beyond the vendor's API."""

from typing import Any, NamedTuple

import numpy as np

from stim.mcs.pinned import array_of_net

__all__ = ["Instruments", "StreamCounts"]


class StreamCounts(NamedTuple):
    """What a trigger has streamed.

    Attributes
    ----------
    n_played, n_zeros : int
        Frames put out from data, and for want of data.
    n_underruns : int
        How often data have ended while it ran.
    """

    n_played: int
    n_zeros: int
    n_underruns: int


class Instruments:
    """One simulated device, seen from its own side.

    Parameters
    ----------
    device : object of .NET
        A ``SimDevice``.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self.serial_number = device.SerialNumber
        self.n_channels = device.NChannels

    # ---------------------------------------------------------------------- instruments

    def trace(self, output: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what has left an output, change by change; 0 before the first.

        Parameters
        ----------
        output : int
            Channels, and behind them the sync-outs.

        Returns
        -------
        times_ns : int64 array
            Monotonic time of this computer.
        levels : int64 array
            From each time on: nA or µV; bit patterns of a sync-out.
        """
        _, times, levels = self._device.ReadTrace(output, None, None)
        return array_of_net(times, "i8"), array_of_net(levels, "i4").astype(np.int64)

    def level(self, output: int) -> int:
        """Return what leaves an output now, nA or µV."""
        _, levels = self.trace(output)
        return int(levels[-1]) if levels.size else 0

    def clear_traces(self) -> None:
        """Forget what has left."""
        self._device.ClearTraces()

    def n_clipped(self, output: int) -> int:
        """Return how many levels were beyond the range, and cut to it."""
        return self._device.Output(output).Clipped

    def stream_counts(self, trigger: int) -> StreamCounts:
        """Return what a trigger has streamed since its set-up."""
        return StreamCounts(*map(int, self._device.StreamCounts(trigger)))

    def take_latencies(self, channel: int) -> np.ndarray:
        """Return the times from posting a block to its first sample, s; forget them."""
        _, posted, played = self._device.TakeLatencies(channel, None, None)
        return (array_of_net(played, "i8") - array_of_net(posted, "i8")) * 1e-9

    # --------------------------------------------------------------------------- faults

    def unplug(self) -> None:
        """Pull the plug of USB."""
        self._device.Unplug()

    def plug_in(self) -> None:
        """Plug it in again."""
        self._device.Plug()

    def lock(self, is_locked: bool = True) -> None:
        """Let another program have it."""
        self._device.IsLocked = is_locked

    def stall_usb(self, is_stalled: bool = True) -> None:
        """Let no samples get from the host into the device."""
        self._device.IsUsbStalled = is_stalled

    def delay_callbacks(self, seconds: float) -> None:
        """Call for data so much later; samples wait too."""
        self._device.CallbackDelayMs = round(1000 * seconds)

    def refuse_rate(self, rate_hz: int) -> None:
        """Take another output rate only."""
        self._device.RefuseRate(rate_hz)

    def set_total_memory(self, n_bytes: int) -> None:
        """Have so much memory."""
        self._device.TotalMemory = n_bytes

    def fail_once(self, status: int) -> None:
        """Let the next call fail with a status."""
        self._device.FailOnce(status)
