"""CREPE's ready-made sequences of the stimulator, within limits.

Each takes a `MeameStimulator` that is connected, and so has limits; CREPE's had none,
and its own pulse leaves a charge. What they send is stopped when its ``with`` block
ends::

    with MeameStimulator(limits, host, port) as stimulator:
        pulse = apply_wave_shape("Square", amplitude=-100_000, phase_us=200)
        template_complete(stimulator, pulse, groups=[[12, 13]])
"""

from collections.abc import Sequence

from circus_io.errors import DeviceError, FormatError, SafetyError
from circus_live.speaker import MeameStimulator, Register
from circus_live.speaker.functions import DspFunction
from circus_live.speaker.messages import Call
from circus_live.speaker.transmitter import Transmitter
from circus_live.speaker.words import TICK_US
from stim import Pulse

__all__ = [
    "apply_wave_shape",
    "commit_and_start_stim",
    "define_elec_grp",
    "do_remote_example",
    "dsp_get_status",
    "reset_device",
    "set_stim",
    "template_complete",
    "template_setup",
    "template_stim",
]

PERIOD_TICKS = 5000  # of CREPE's template: 100 ms
STATUS = {
    "is_running": Register.STIM_QUEUE_RUNNING,
    "n_shots": Register.SHOTS_FIRED,
    "error": Register.ERROR_FLAG,
    "n_steps": Register.STEP_COUNTER,
}


def reset_device(transmitter: Transmitter) -> None:
    """Let the DSP choose modes, stop its queue, and clear its electrodes: 5, 8, 2."""
    for function in (DspFunction.MODE_AUTO, DspFunction.STOP_QUEUE, DspFunction.RESET):
        transmitter.send(Call(function))


def apply_wave_shape(shape: str, amplitude: int, phase_us: int) -> Pulse:
    """Return a pulse: ``Square`` has two equal phases, the one of `amplitude` first.

    Parameters
    ----------
    shape : {'Square'}
    amplitude : int
        µV.
    phase_us : int
        Of each phase, µs.

    Raises
    ------
    FormatError
        Another shape.
    """
    if shape != "Square":
        raise FormatError(
            f"wave shape {shape}: there is Square; a Pulse of any phases can be made"
        )
    return Pulse.biphasic(amplitude, phase_us)


def define_elec_grp(
    stimulator: MeameStimulator,
    group: int,
    electrodes: Sequence[int],
    pulse: Pulse,
    period: int = PERIOD_TICKS,
) -> None:
    """Give a group its electrodes, pulse and period (ticks of 20 µs).

    Raises
    ------
    SafetyError
        Beyond the limits; nothing was sent.
    """
    period_us = period * TICK_US
    stimulator.set_signal(group, pulse, period_us=period_us, electrodes=electrodes)


def template_setup(
    stimulator: MeameStimulator, pulse: Pulse, groups: Sequence[Sequence[int]]
) -> None:
    """Set up groups 0, 1, ... with their electrodes, one pulse, and 100 ms.

    Parameters
    ----------
    stimulator : MeameStimulator
        Connecting has reset it.
    pulse : Pulse
    groups : sequence of sequences of int
        Labels of the electrodes of up to three groups.
    """
    for group, electrodes in enumerate(groups):
        define_elec_grp(stimulator, group, electrodes, pulse)


def commit_and_start_stim(stimulator: MeameStimulator) -> None:
    """Commit the electrodes, start the queue, and enable all groups that are set up."""
    stimulator.start()


def template_stim(stimulator: MeameStimulator) -> None:
    """Stimulate as it was set up; the same as `commit_and_start_stim`."""
    commit_and_start_stim(stimulator)


def set_stim(stimulator: MeameStimulator, group: int, period: int) -> None:
    """Let a group stimulate with a period in ticks of 20 µs, from now on."""
    stimulator.set_period(group, period * TICK_US)
    if not stimulator.is_running:
        stimulator.start()


def template_complete(
    stimulator: MeameStimulator,
    pulse: Pulse,
    groups: Sequence[Sequence[int]],
    samplerate: int = 10_000,
    segment_length: int = 100,
) -> None:
    """Set the stimulator up and start it, then configure and start the acquisition.

    Raises
    ------
    DeviceError
        A server does not answer, or it is a dry run, which has none.
    """
    control = stimulator.transmitter.control
    if control is None:
        raise DeviceError("a dry run has no server whose acquisition could be started")
    control.flash()
    template_setup(stimulator, pulse, groups)
    template_stim(stimulator)
    control.connect(samplerate, segment_length)
    control.start()


def do_remote_example(stimulator: MeameStimulator) -> None:
    """Refuse to let the server replay its own example, whose pulse leaves a charge.

    Raises
    ------
    SafetyError
        Always.
    """
    raise SafetyError(
        "the example that MEAME replays stimulates without limits, with a pulse that "
        "leaves a charge; use template_setup and template_stim with one of your own"
    )


def dsp_get_status(stimulator: MeameStimulator) -> dict[str, int]:
    """Return what the DSP says of itself: running, shots, error, steps."""
    control = stimulator.transmitter.control
    if control is None:
        return dict.fromkeys(STATUS, 0)
    return dict(zip(STATUS, control.read(list(STATUS.values())), strict=True))
