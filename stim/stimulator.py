"""`Stimulator`: the contract of a device that drives electrodes.

Every value is checked before it can leave: the public methods hold what the device
would make of it against the limits, and call its hooks with a `CheckedProgram` only
then. A device that implements the hooks has no other way out::

    with MyStimulator(limits) as stimulator:
        stimulator.set_signal(0, Pulse.biphasic(100_000, 200), period_us=100_000)
        stimulator.start()
        ...
"""

import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from circus_io.errors import DeviceError, SafetyError
from stim.program import Program
from stim.pulse import Pulse
from stim.safety import CheckedProgram, SafetyLimits
from stim.waveform import Waveform

__all__ = ["Stimulator"]


class Stimulator(ABC):
    """A device with several outputs, each with a pulse that it repeats.

    Parameters
    ----------
    limits : SafetyLimits
        No limits, no stimulation.

    Attributes
    ----------
    is_connected, is_running : bool
    """

    # ------------------------------------------------ what a device sets and implements

    n_outputs: ClassVar[int] = 1
    """Outputs that are driven independently."""

    unit: ClassVar[str] = "uV"
    """Of its amplitudes."""

    counts_time: ClassVar[bool] = False
    """Whether it keeps account of what has left, and stops at the limit."""

    @abstractmethod
    def _connect(self) -> None:
        """Reach the device, and see that it is one; nothing is put out."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Let go of the device; if `is_running`, the stop before has failed."""

    @abstractmethod
    def _quantize(self, output: int, waveform: Waveform) -> Program:
        """Return what an output puts out for a waveform, in its steps and ticks."""

    @abstractmethod
    def _set_signal(
        self, output: int, checked: CheckedProgram, electrodes: Sequence[int]
    ) -> None:
        """Tell the device what an output repeats, and with which period."""

    @abstractmethod
    def _start(self) -> None:
        """Begin with all outputs that have a signal."""

    @abstractmethod
    def _stop(self) -> None:
        """Make all outputs silent in any state; try everything before raising."""

    # ------------------------------------------------------------------------- provided

    def __init__(self, limits: SafetyLimits) -> None:
        if not isinstance(limits, SafetyLimits):
            raise SafetyError("a stimulator needs SafetyLimits; there are no defaults")
        if limits.unit != self.unit:
            raise SafetyError(
                f"{type(self).__name__} puts out {self.unit}; its limits are in "
                f"{limits.unit}"
            )
        self.limits = limits
        self.is_connected = self.is_running = False
        self._n_stops = 0
        self._at_exit: weakref.finalize | None = None

    def connect(self) -> Self:
        """Reach the device; a second call does nothing.

        Raises
        ------
        DeviceError
            It is not there, or not what it should be.
        """
        if not self.is_connected:
            try:
                self._connect()
            except BaseException:
                self._disconnect()
                raise
            self.is_connected = True
            # also where nobody closes it: the program ends, or the object is forgotten
            self._at_exit = weakref.finalize(
                self, _call_in, os.getpid(), *self._last_resort()
            )
        return self

    def _last_resort(self) -> tuple[Any, ...]:
        """Return a function and its arguments that stop the device without `self`."""
        return (_nothing,)

    def set_signal(
        self,
        output: int,
        pulse: Pulse | Waveform,
        *,
        period_us: int,
        electrodes: Sequence[int] = (),
    ) -> None:
        """Let an output repeat a pulse, from the next `start` on.

        Parameters
        ----------
        output : int
        pulse : Pulse or Waveform
        period_us : int
            Time from one pulse to the next, µs.
        electrodes : sequence of int
            Labels of those that the output drives, where the device can choose.

        Raises
        ------
        SafetyError
            Anything that would leave the device, after its rounding, is beyond the
            limits, or leaves a charge; nothing was sent.
        DeviceError
            The device did not take it.
        """
        self._check_output(output)
        self._check_connected()
        self.limits.check_electrodes(electrodes)
        if isinstance(pulse, Pulse):
            pulse = Waveform.from_pulse(pulse)
        checked = self.check_program(self._quantize(output, pulse), period_us)
        self._set_signal(output, checked, electrodes)

    def check_program(self, program: Program, period_us: int) -> CheckedProgram:
        """Return a program that may be repeated with a period, or raise `SafetyError`.

        It ends when it is stopped; whatever happens to the host, something stops it.
        """
        if self.limits.max_on_time_s is not None and not self.counts_time:
            raise SafetyError(
                f"{type(self).__name__} cannot count how long something flows; leave "
                "max_on_time_s out of its limits, and stop it"
            )
        return self.limits.check_program(program, period_us, repeats=None)

    def start(self) -> None:
        """Begin to stimulate."""
        self._check_connected()
        # a start that fails half-way may have started something
        self.is_running, n_stops = True, self._n_stops
        try:
            self._start()
        except BaseException:
            self.is_running = True  # whoever has stopped it meanwhile
            self.stop()
            raise
        if self._n_stops != n_stops:
            # a signal handler or another thread has stopped it half-way: it counts
            self.is_running = True
            self.stop()

    def stop(self) -> None:
        """Stop all outputs; may be called at any time, and more than once.

        After one that failed it may still run, connected or not: another one tries it
        again, and so does the end of the program.
        """
        self._n_stops += 1
        if self.is_connected or self.is_running:
            self._stop()
        self.is_running = False

    def disconnect(self) -> None:
        """Stop, and let go of the device; a second call does nothing."""
        if not (self.is_connected or self.is_running):
            return
        try:
            self.stop()
            if self._at_exit is not None:
                self._at_exit.detach()
        finally:
            self.is_connected = False
            self._disconnect()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.disconnect()

    def _check_output(self, output: int) -> None:
        if not 0 <= output < self.n_outputs:
            raise SafetyError(
                f"output {output}: {type(self).__name__} has 0 to {self.n_outputs - 1}"
            )

    def _check_connected(self) -> None:
        if not self.is_connected:
            raise DeviceError("the stimulator is not connected; use it with `with`")


def _nothing() -> None:
    """Do nothing."""


def _call_in(pid: int, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function, but not in a fork of the process that it belongs to."""
    if os.getpid() == pid:
        function(*arguments)
