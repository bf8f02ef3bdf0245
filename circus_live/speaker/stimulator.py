"""`MeameStimulator`: the stimulator of a MEA2100, through a MEAME server."""

import logging
import random
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from circus_io.errors import DeviceError, SafetyError
from circus_io.meame.channel_maps import get_channel_map
from circus_io.meame.control import ControlClient
from circus_live.speaker import words
from circus_live.speaker.functions import DspError, DspFunction, get_firmware
from circus_live.speaker.guardian import Guardian
from circus_live.speaker.messages import (
    Call,
    Message,
    Write,
    configure_group,
    disable_group,
    electrode_words,
    enable_group,
    set_blanking,
    set_blanking_protection,
    set_modes,
    set_period,
)
from circus_live.speaker.registers import (
    N_GROUPS,
    Register,
    dac_memory,
    group_state,
    sideband_memory,
    write_pointer,
)
from circus_live.speaker.transmitter import Sent, Transmitter, stop_everything
from stim import CheckedProgram, Program, SafetyLimits, Stimulator, Waveform

__all__ = ["MeameStimulator"]

logger = logging.getLogger(__name__)

MARGIN_TICKS = 10  # amplifiers stay protected so long after a pulse
MANUAL_MODE = 3  # of two bits per electrode


class MeameStimulator(Stimulator):
    """Three groups of electrodes, each with its pulse and its period.

    Parameters
    ----------
    limits : SafetyLimits
    host : str
    port : int
        Of the commands of the MEAME server.
    firmware : {'meame2', 'public', 'shodan'}
        What the DSP runs.
    channel_map : {'shodan', 'sinri'}
        How electrodes are labelled.
    timeout_s : float
        For each command, s.
    dry_run : bool
        Nothing is sent; `transcript` holds what would be.
    guarded : bool
        A process of its own stops the stimulator if this one is killed.

    Notes
    -----
    Whichever way it ends (the end of ``with``, an exception, `disconnect`, the end of
    the program, its being forgotten, a kill), groups 0 to 2 are disabled and the queue
    is stopped. Commands are tried again only where twice is the same as once.

    A server without a DSP answers as if there were one. `connect` writes a register and
    reads it back.
    """

    n_outputs: ClassVar[int] = N_GROUPS
    unit: ClassVar[str] = "uV"

    def __init__(
        self,
        limits: SafetyLimits,
        host: str = "127.0.0.1",
        port: int = 8888,
        *,
        firmware: str = "meame2",
        channel_map: str = "shodan",
        timeout_s: float = 2.0,
        dry_run: bool = False,
        guarded: bool = True,
    ) -> None:
        super().__init__(limits)
        self.firmware = get_firmware(firmware)
        self.channel_map = get_channel_map(channel_map)
        self._control = None if dry_run else ControlClient(host, port, timeout_s)
        self._transmitter = Transmitter(self._control)
        self.guarded = guarded
        self._guardian: Guardian | None = None
        self._channels: dict[int, tuple[int, ...]] = {}
        self._programs: dict[int, Program] = {}

    @property
    def transmitter(self) -> Transmitter:
        """What its messages go through."""
        return self._transmitter

    @property
    def transcript(self) -> deque[Sent]:
        """The last messages, and when each left and was acknowledged."""
        return self._transmitter.transcript

    # ------------------------------------------------------------------ while it runs

    def set_period(self, group: int, period_us: int) -> Sent:
        """Change the period of a group, also while it stimulates.

        Raises
        ------
        SafetyError
            The group has no signal, or the period is not allowed.
        """
        self._check_has_signal(group)
        self._check_connected()
        checked = self.check_program(self._programs[group], period_us)
        _check_switches_fit(checked)
        return self._send(set_period(group, words.ticks_of(period_us)))

    def enable(self, group: int) -> Sent:
        """Let one group stimulate; `start` does so with all that have a signal."""
        self._check_has_signal(group)
        self._check_connected()
        return self._send(enable_group(group))

    def disable(self, group: int) -> Sent:
        """Let one group stimulate no more; the others go on."""
        self._check_output(group)
        return self._send(disable_group(group))

    def read_error(self) -> DspError:
        """Return the last error that the DSP noted."""
        if self._control is None:
            return DspError.NONE
        return DspError(self._control.read([Register.ERROR_FLAG])[0])

    def is_active(self, group: int) -> bool:
        """Ask the DSP whether a group stimulates."""
        self._check_output(group)
        if self._control is None:
            return False
        return bool(self._control.read([group_state(group)[0]])[0])

    # ------------------------------------------------------------ hooks of the contract

    def _connect(self) -> None:
        if self._control is not None:
            self._check_dsp(self._control)
            if self.guarded and self._guardian is None:
                self._guardian = Guardian(self._control.host, self._control.port)
        self._channels.clear()
        self._programs.clear()
        stop_everything(self._transmitter)
        self._send(Call(DspFunction.RESET))

    def _check_dsp(self, control: ControlClient) -> None:
        """Raise `DeviceError` unless there is a DSP that keeps what it is told."""
        marks = [random.getrandbits(30) for _ in range(2)]
        registers = [Register.ELEC0, Register.ELEC1]
        control.write(registers, marks, is_repeatable=True)
        if control.read(registers) != marks:
            raise DeviceError(
                f"the server at {control.host}:{control.port} answers, but its "
                "registers do not hold what was written: it runs without a DSP. Start "
                "MEAME with the executor of the DSP, or use dry_run=True"
            )

    def _disconnect(self) -> None:
        # after a stop that failed it stays, and tries again when this process ends
        if self._guardian is not None and not self.is_running:
            self._guardian.dismiss()
            self._guardian = None

    def _last_resort(self) -> tuple[Any, ...]:
        return stop_everything, self._transmitter

    def _quantize(self, output: int, waveform: Waveform) -> Program:
        return words.SCALE.quantize(waveform, words.TICK_US)

    def _set_signal(
        self, output: int, checked: CheckedProgram, electrodes: Sequence[int]
    ) -> None:
        if self.is_running:
            raise SafetyError(
                "stop before a signal is changed; set_period may be at once"
            )
        if not electrodes:
            raise SafetyError(f"group {output} needs electrodes, by their labels")
        period_ticks = words.ticks_of(checked.period_us)
        _check_switches_fit(checked)
        channels = tuple(self.channel_map.indices_of(electrodes))
        self._check_free(output, channels)
        program = checked.program
        # half of a new signal must not be started as the one before
        self._channels.pop(output, None)
        self._programs.pop(output, None)
        runs = zip(program.counts.tolist(), program.ticks.tolist(), strict=True)
        self._fill(2 * output, words.encode_dac(runs))
        n_protected = program.n_ticks + MARGIN_TICKS
        self._fill(2 * output + 1, words.encode_switches(n_protected))
        self._send(configure_group(output, electrode_words(channels)))
        self._send(set_period(output, period_ticks))
        self._channels[output], self._programs[output] = channels, program

    def _check_free(self, output: int, channels: Sequence[int]) -> None:
        for group, taken in self._channels.items():
            both = sorted(set(taken) & set(channels))
            if group != output and both:
                labels = [str(self.channel_map.label_of(channel)) for channel in both]
                raise SafetyError(
                    f"electrode {', '.join(labels)} is driven by group {group} already"
                )

    def _fill(self, memory: int, stimulus: list[int]) -> None:
        group, is_sideband = divmod(memory, 2)
        address = sideband_memory(group) if is_sideband else dac_memory(group)
        self._send(Write((write_pointer(memory),), (0,)))
        self._send(Write((address,) * len(stimulus), tuple(stimulus)))

    def _start(self) -> None:
        if not self._channels:
            raise SafetyError("no group has a signal; call set_signal before start")
        everything = [c for channels in self._channels.values() for c in channels]
        both = electrode_words(everything)
        if DspFunction.SET_BLANKING in self.firmware.functions:
            self._send(set_blanking(both))
            self._send(set_blanking_protection(both))
        self._send(set_modes(_mode_words(everything)))
        self._send(Call(DspFunction.COMMIT_CONFIG))
        self._send(Call(DspFunction.START_QUEUE))
        for group in sorted(self._channels):
            self._send(enable_group(group))

    def _stop(self) -> None:
        stop_everything(self._transmitter)

    def _send(self, message: Message) -> Sent:
        """Send a call that the firmware has, or a write."""
        if isinstance(message, Call):
            self.firmware.check(message.function)
        return self._transmitter.send(message)

    def _check_has_signal(self, group: int) -> None:
        self._check_output(group)
        if group not in self._channels:
            raise SafetyError(f"group {group} has no signal; call set_signal first")


def _check_switches_fit(checked: CheckedProgram) -> None:
    """Raise `SafetyError` if switches of one pulse would go off within the next."""
    least_us = checked.program.duration_us + (MARGIN_TICKS + 1) * words.TICK_US
    if checked.period_us < least_us:
        raise SafetyError(
            f"a period of {checked.period_us} µs is too short: with the protection of "
            f"the amplifiers, the pulse takes {least_us} µs"
        )


def _mode_words(channels: Sequence[int]) -> list[int]:
    """Return four words of 15 × 2 bits that put electrodes into the manual mode."""
    modes = [0, 0, 0, 0]
    for channel in channels:
        word, place = divmod(channel, 15)
        modes[word] |= MANUAL_MODE << 2 * place
    return modes
