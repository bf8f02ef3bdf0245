"""`Acquisition`: the device of the server, and the thread that sends its segments."""

import threading
import time

import numpy as np

from circus_io.meame import StreamSettings, encode_segment
from circus_live.meame_server.faults import Faults
from circus_live.meame_server.sample_port import SamplePort
from circus_live.meame_server.signals import Sawtooth, Signal

__all__ = ["Acquisition"]

DEVICE_RATE_HZ = 10_000  # of a device that refuses another
HIGHEST_RATE_HZ = 50_000
LONGEST_SEGMENT = 100_000  # frames; nothing is sent for what fits no memory
LOOK_S = 0.005


class Acquisition:
    """Sends segments of a signal from its start on, whether somebody listens or not.

    Parameters
    ----------
    signal : Signal
    n_channels : int
    data_port, test_port : SamplePort
        The test signal starts when somebody listens to it first.
    faults : Faults
    is_paced : bool
        At the rate of the device. Otherwise as fast as the clients read; then it waits
        for the first one.

    Attributes
    ----------
    sampling_rate, segment_frames : int
        As configured; 0 before.
    was_started : bool
    n_segments : int
        Sent so far.
    """

    def __init__(
        self,
        signal: Signal,
        n_channels: int,
        data_port: SamplePort,
        test_port: SamplePort,
        faults: Faults,
        *,
        is_paced: bool = True,
    ) -> None:
        self.signal, self.test_signal = signal, Sawtooth(n_channels)
        self.n_channels, self.faults, self.is_paced = n_channels, faults, is_paced
        self.data_port, self.test_port = data_port, test_port
        self.sampling_rate = self.segment_frames = 0
        self.was_started = self._is_configured = False
        self.n_segments = self._n_test_segments = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def configure(self, sampling_rate: int, segment_frames: int) -> None:
        """Take the first configuration; later ones only if they are wanted."""
        with self._lock:
            may_change = self.faults.reconfigurable and not self.was_started
            if self._is_configured and not may_change:
                return
            self._is_configured = True
            is_possible = 0 < sampling_rate <= HIGHEST_RATE_HZ
            is_refused = self.faults.refuse_rate or not is_possible
            self.sampling_rate = DEVICE_RATE_HZ if is_refused else sampling_rate
            self.segment_frames = segment_frames

    def start(self) -> None:
        """Open the ports and send; without a configuration, and again: nothing."""
        with self._lock:
            if not self._is_configured or self.was_started:
                return
            self.was_started = True
            self.data_port.open()
            self.test_port.open()
            if 0 < self.segment_frames <= LONGEST_SEGMENT:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread; the ports are closed before, so that it does not wait."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def settings(self) -> StreamSettings:
        """Return what the bytes mean that are sent now."""
        return StreamSettings(
            n_channels=self.n_channels,
            segment_frames=self.segment_frames,
            sampling_rate=self.sampling_rate,
            byteorder="big" if self.faults.big_endian else "little",
        )

    # -------------------------------------------------------------------------- sending

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._stop.is_set():
            if self.is_paced:
                due_s += self.segment_frames / self.sampling_rate / self.faults.speed
                self._stop.wait(max(due_s - time.monotonic(), 0))
            if self._is_silent():
                self._stop.wait(LOOK_S)
            elif not self._stop.is_set():
                self._stall()
                self._send()

    def _is_silent(self) -> bool:
        if not self.is_paced and not (
            self.data_port.n_clients + self.test_port.n_clients
        ):
            return True
        after = self.faults.silence_after
        return after is not None and self.n_segments >= after

    def _stall(self) -> None:
        if self.faults.stall_after == self.n_segments:
            self.faults.stall_after = None
            self._stop.wait(self.faults.stall_s)

    def _send(self) -> None:
        data = self._segment()
        if self.faults.disconnect_after == self.n_segments:
            self.faults.disconnect_after = None
            self.data_port.cut_off(data[: len(data) // 2 + 1])
        else:
            self.data_port.send(data)
        self.n_segments += 1
        if self.test_port.n_clients:
            self.test_port.send(self._test_segment())
            self._n_test_segments += 1

    def _segment(self) -> bytes:
        first = self.n_segments * self.segment_frames
        traces = self.signal.frames(first, first + self.segment_frames)
        if self.faults.zero_last_sample:
            traces = np.array(traces)
            traces[-1] = 0
        return encode_segment(traces, self.settings())

    def _test_segment(self) -> bytes:
        first = self._n_test_segments * self.segment_frames
        traces = self.test_signal.frames(first, first + self.segment_frames)
        return encode_segment(traces, self.settings())
