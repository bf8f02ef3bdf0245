"""`Stream`: one run of the streaming mode, from its set-up to its end.

::

    idle -> armed -> streaming -> draining -> idle
               any of them -> fault

The first thing that goes wrong is kept, stops the device, and is raised by the next
call of the user.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from circus_io.errors import DeviceError, DeviceRemovedError, DeviceTimeoutError
from stim.stg.feeder import Feeder, Tick
from stim.stg.gate import GONE
from stim.stg.port import Clock
from stim.stg.signals import Signals
from stim.stg.statistics import State, StreamStatistics
from stim.stg.streaming_gate import StreamingGate
from stim.stg.underruns import Underruns

__all__ = ["Stream", "StreamSettings"]

LOOK_S = 0.001
SETTLE_S = 1.0  # as long as the vendor's examples wait before a start
SLICE_S = 0.001
ENOUGH = 0.9  # of the half of the ring of the device
DRAIN_MARGIN_S = 0.1
STUCK_S = 5.0  # far more than a computer is late
CLOSE_S = 5.0  # more than any part of it waits
Log = Callable[..., None]


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is buffered; latency is `fill_frames` plus half of the capacity.

    Attributes
    ----------
    rate_hz : int
    capacity_frames : int
        Ring of the device.
    ring_frames, fill_frames : int
        Ring of the host, and the level that is kept in it.
    period_s : float
        Time from one step of the feeder to the next, s.
    callback_percent : int
    tolerance_s : float
        How far the clocks of device and host may seem to differ before frames count as
        lost, s.
    """

    rate_hz: int
    capacity_frames: int
    ring_frames: int
    fill_frames: int
    period_s: float
    callback_percent: int = 10
    tolerance_s: float = 2 * SLICE_S

    @property
    def latency_s(self) -> float:
        """From the host to the output, s."""
        return (self.fill_frames + self.capacity_frames / 2) / self.rate_hz


class Stream:
    """Feeds a device until it is stopped.

    Parameters
    ----------
    gate : StreamingGate
        Of this stream only; it is closed with it.
    signals : Signals
    settings : StreamSettings
    clock : Clock
    callback : callable, optional
        Called with a `Tick` before each step; what it raises stops the device.
    log : callable
        Called as `stim.event_log.EventLog.write`.
    """

    def __init__(
        self,
        gate: StreamingGate,
        signals: Signals,
        settings: StreamSettings,
        clock: Clock,
        callback: Callable[[Tick], None] | None,
        log: Log,
    ) -> None:
        self.gate, self.settings, self.state = gate, settings, State.IDLE
        self._signals, self._clock, self._log = signals, clock, log
        self.error: BaseException | None = None
        self.was_raised = False
        self.is_closed = False  # once the device is stopped, and free again
        self._is_over = threading.Event()
        self.started_s: float | None = None
        self._is_stopping = False
        self._closing = threading.Lock()
        self._end_ticking: Callable[[], None] = _nothing
        self._feeding_thread: int | None = None
        self._n_played = 0
        rate_hz = settings.rate_hz
        tolerance = max(1, round(settings.tolerance_s * rate_hz))
        self.feeder = Feeder(
            gate,
            signals,
            clock,
            fill_frames=settings.fill_frames,
            period_s=settings.period_s,
            underruns=Underruns(rate_hz, tolerance),
            callback=callback,
        )

    # --------------------------------------------------------------------------- start

    def start(self, timeout_s: float) -> None:
        """Set up, fill the rings, and start all channels at once.

        Raises
        ------
        DeviceError
            A step of it was refused; the device is free again.
        DeviceTimeoutError
            The device takes no samples.
        """
        settings = self.settings
        try:
            self.gate.set_up(
                settings.rate_hz, settings.capacity_frames, settings.callback_percent
            )
            self.state = State.ARMED
            self._signals.restart()
            self.feeder.fill()
            self.gate.start_loop()
            self._fill_device(timeout_s)
            self._begin()
        except BaseException as error:
            self.error = self.error or error
            with suppress(OSError):
                self.stop("start failed")
            raise

    def _fill_device(self, timeout_s: float) -> None:
        """Wait until the ring of the device is about half full, and grows no more."""
        begin, before = self._clock.now(), -1
        enough = ENOUGH * (self.settings.capacity_frames // 2)
        while not self._is_stopping:
            least = min(self.gate.buffered())
            waited_s = self._clock.now() - begin
            if least == before and (least >= enough or (least and waited_s > SETTLE_S)):
                return  # where it pulls less than is known of it, what is there will do
            if waited_s > timeout_s:
                raise DeviceTimeoutError(
                    f"the device took too few samples within {timeout_s:g} s: is it "
                    "connected by USB 2.0, and does no other program use it?"
                )
            before = least
            self._clock.sleep(LOOK_S)
            self.feeder.fill()

    def _begin(self) -> None:
        if self._is_stopping:  # stopped by another thread while it was set up
            raise DeviceError("stopped before it had started")
        before_s = self._clock.now()
        self.gate.start()
        self.started_s = self._clock.now()
        self.state = State.STREAMING
        self._log(
            "start",
            mode="streaming",
            triggers=self.gate.used_triggers,
            rate_hz=self.settings.rate_hz,
            device_sample=0,
            host_s=before_s,
            host_span_s=[before_s, self.started_s],
            latency_s=self.settings.latency_s,
        )
        self.feeder.underruns.start(before_s)
        self.feeder.last_step_s = self.started_s
        if self._is_stopping:  # or between the last look and the start
            self.gate.send_stop()
            raise DeviceError("stopped while it started")
        self._end_ticking = self._clock.every(self.settings.period_s, self._step)

    # ------------------------------------------------------------------------- feeding

    def _step(self) -> None:
        """Feed; whatever is raised stops the device before anything else."""
        if self._is_stopping:
            return
        self._feeding_thread = threading.get_ident()
        try:
            self._tell(self.feeder.step())
        except BaseException as error:
            self.fail(error)
        finally:
            self._feeding_thread = None

    def _tell(self, lost: int) -> None:
        """Log what the last step has brought; samples are those of the device."""
        n_lost = self.feeder.underruns.n_lost
        if lost:
            at = self.feeder.played() + n_lost
            self._log("underrun", device_sample=at, n_samples=lost)
        for frame, fields in self._signals.heard():
            self._log("signal", device_sample=frame + n_lost, **fields)

    def fail(self, error: BaseException) -> None:
        """Stop the device for an error, which the next call of the user raises."""
        if self._is_stopping:
            return  # the end of a stream that somebody has stopped
        self.state, self.error = State.FAULT, self.error or error
        with suppress(Exception):  # the error before counts
            self.stop("fault")

    def check_feeding(self) -> None:
        """Stop the device if the feeder is stuck, in a callback or in the driver."""
        silent_s = self._clock.now() - self.feeder.last_step_s
        if self.state is State.STREAMING and silent_s > STUCK_S:
            self.fail(
                DeviceTimeoutError(
                    f"nothing was fed for {silent_s:.3g} s: a callback does not "
                    "return, or the driver does not; stopped"
                )
            )

    def device_failed(self) -> None:
        """Hear from the driver that the device fails; must not raise."""
        self.fail(DeviceRemovedError("the device fails, or was unplugged"))

    def is_feeding_thread(self) -> bool:
        """Whether the caller is called by a step: it cannot wait for the next one."""
        return threading.get_ident() == self._feeding_thread

    # ---------------------------------------------------------------------------- stop

    def stop(self, reason: str = "stop") -> None:
        """Stop at once; from any thread, any number of times.

        The stop is sent before anything else, without a lock; one call then tidies up.
        A device that could not be told stays connected, so that the next call can.
        """
        self._is_stopping = True
        failure = None
        try:
            self.gate.send_stop()
        except Exception as error:
            failure = error
        if self._closing.acquire(blocking=False):
            try:
                self._end(reason, failure)
            finally:
                self._closing.release()
        if failure is not None and (self.error is None or not self.is_closed):
            raise failure

    def _end(self, reason: str, failure: Exception | None) -> None:
        """Tidy up, once; and as far as that goes where it could not be stopped."""
        if self.is_closed:
            return
        if failure is None or isinstance(failure, GONE):
            self._close(reason)
        else:
            self._run_dry(failure)

    def _run_dry(self, failure: Exception) -> None:
        """Feed no more, and keep the device: what is in its ring may still leave it."""
        self.state = State.FAULT
        try:
            self._end_ticking()
            with suppress(Exception):
                self.gate.stop_loop()
            told = f"the device could not be stopped ({failure}); stop() tries again"
            failure.add_note(told)
            if self.error is not None:
                self.error.add_note(told)
            self._log("fault", error=f"{type(failure).__name__}: {told}")
        finally:
            self._is_over.set()

    def _close(self, reason: str) -> None:
        self.state = State.FAULT if self.error is not None else State.IDLE
        try:
            self._end_ticking()
            with suppress(Exception):
                self._n_played = self.feeder.played()
            for tidy in (self.gate.stop_loop, self.gate.disconnect):
                with suppress(Exception):  # it is stopped, and may be unplugged
                    tidy()
            self._tell_end(reason)
        finally:
            self.is_closed = True
            self._is_over.set()

    def _tell_end(self, reason: str) -> None:
        if self.error is not None:
            self._log("fault", error=f"{type(self.error).__name__}: {self.error}")
        if self.started_s is not None:
            at = self._n_played + self.feeder.underruns.n_lost
            self._log("stop", reason=reason, device_sample=at)

    def drain(self, until: int, timeout_s: float | None) -> None:
        """Wait until a frame that was or will be posted has been put out, then stop."""
        self.state = State.DRAINING
        left = max(0, until - self.feeder.played())
        bound_s = left / self.settings.rate_hz + DRAIN_MARGIN_S
        if timeout_s is not None:
            bound_s = min(bound_s, timeout_s)
        end = self._clock.now() + bound_s
        while self._clock.now() < end and not self._is_stopping:
            self.feeder.played()
            if self.gate.played_surely() >= until:
                break
            self._clock.sleep(LOOK_S)
        self.stop("drained")

    # --------------------------------------------------------------------------- facts

    @property
    def is_running(self) -> bool:
        """Whether something may leave the device, or it is not free yet."""
        return self.state is not State.IDLE and not self.is_closed

    def wait_until_closed(self) -> None:
        """Wait for another thread that is stopping the device to have done so."""
        if not self.is_feeding_thread():
            self._is_over.wait(CLOSE_S)

    def stats(self) -> StreamStatistics:
        """Return how it is doing."""
        feeder = self.feeder
        if self.is_running:
            with suppress(DeviceError):
                self._n_played = feeder.played()
        elapsed_s = 0.0
        if self.started_s is not None:
            elapsed_s = feeder.last_step_s - self.started_s
        return StreamStatistics(
            state=self.state,
            n_posted=self._signals.position,
            n_played=self._n_played,
            n_underruns=feeder.underruns.n_underruns,
            n_lost=feeder.underruns.n_lost,
            skew=feeder.skew,
            n_steps=feeder.n_steps,
            max_late_s=feeder.late_s,
            cpu_share=feeder.cpu_s / elapsed_s if elapsed_s else 0.0,
            latency_s=self.settings.latency_s,
            charges=tuple(dose.charge for dose in self.gate.doses),
            error=None if self.error is None else repr(self.error),
        )


def _nothing(*_: Any, **__: Iterable[Any]) -> None:
    """Do nothing."""
