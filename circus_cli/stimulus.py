"""`Stimulus`: what a file asks a stimulator for, held against a device and limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from circus_cli.errors import UsageError
from circus_io.errors import FormatError, SafetyError

if TYPE_CHECKING:
    from stim.program import Program
    from stim.safety import SafetyLimits
    from stim.stg.port import DeviceFacts
    from stim.waveform import Waveform

__all__ = ["Line", "Stimulus", "load_stimulus", "needed_limits"]

MODES = {"nA": "current", "uV": "voltage"}


@dataclass(frozen=True)
class Line:
    """One channel of a stimulus.

    Attributes
    ----------
    channel : int
        From 0 on.
    asked : Waveform
        What the file says, with zeros up to the end of the longest channel.
    program : Program or None
        What the device puts out for that, in its own steps; None if it cannot.
    problems : tuple of str
        What is beyond the limits, or the device; nothing leaves where there is any.
    """

    channel: int
    asked: Waveform
    program: Program | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Stimulus:
    """All channels of a stimulus.

    Attributes
    ----------
    path : Path
    unit : {'nA', 'uV'}
    lines : tuple of Line
    repeats : int or None
        As `SafetyLimits.check_program` takes it.
    """

    path: Path
    unit: str
    lines: tuple[Line, ...]
    repeats: int | None

    @property
    def mode(self) -> str:
        """``'current'`` or ``'voltage'``."""
        return MODES[self.unit]

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, with its channel as it is written on the device."""
        return [
            f"channel {line.channel + 1}: {problem}"
            for line in self.lines
            for problem in line.problems
        ]

    def rows(self) -> list[tuple[object, ...]]:
        """Return a row of a table per channel, as `COLUMNS` names them."""
        return [_row(line) for line in self.lines]

    def check(self) -> None:
        """Raise `SafetyError` if anything is wrong."""
        if self.problems:
            n_problems = len(self.problems)
            raise SafetyError(
                f"nothing of {self.path} is sent: {n_problems} "
                f"{'problem' if n_problems == 1 else 'problems'}, above"
            )

    def columns(self) -> tuple[str, ...]:
        """Return the heads of the table."""
        unit = "µA" if self.unit == "nA" else "mV"
        charge = "most charge of a phase (nC)" if self.unit == "nA" else ""
        return ("channel", f"largest ({unit})", "length (ms)", charge, "left", "")


def load_stimulus(
    path: Path,
    facts: DeviceFacts,
    limits: SafetyLimits,
    repeats: int | None = 1,
) -> Stimulus:
    """Read a stimulus file and hold it against a device and limits; nothing is sent.

    Parameters
    ----------
    path : Path
        A ``.dat`` of MC_Stimulus II.
    facts : DeviceFacts
    limits : SafetyLimits
    repeats : int or None

    Raises
    ------
    FormatError
        It is no such file, or has nothing in it.

    Notes
    -----
    Channels are repeated together: those that are shorter wait for the longest.
    """
    from stim.dat_file import read_dat

    file = read_dat(path)
    longest_us = max((w.duration_us for w in file.waveforms if w), default=0)
    lines = tuple(
        _line(channel, _lengthened(waveform, longest_us), facts, limits, repeats)
        for channel, waveform in enumerate(file.waveforms)
        if waveform is not None
    )
    if not lines:
        raise FormatError(f"{path} has a stimulus on no channel")
    return Stimulus(path, file.unit, lines, repeats)


def needed_limits(path: Path | None, file: Path) -> SafetyLimits:
    """Return the limits of a file, or those of this user.

    Parameters
    ----------
    path : Path, optional
        Of the limits.
    file : Path
        The stimulus: one that is not there is the first thing to say.

    Raises
    ------
    UsageError
        There are no limits.
    FormatError
        There is no stimulus.
    """
    from stim.limits_file import load_limits, read_limits

    if not file.is_file():
        raise FormatError(f"there is no stimulus at {file}")
    limits = load_limits() if path is None else read_limits(path)
    if limits is None:
        raise UsageError(
            "no limits, no stimulation: give --limits FILE, or name a file in the "
            "environment variable CIRCUS_STIM_LIMITS. Such a file has lines like "
            'unit = "nA", max_amplitude = 20000, max_phase_us = 400, '
            "min_period_us = 100000; see docs/reference/stimulus-files.md"
        )
    return limits


def _lengthened(waveform: Waveform, duration_us: int) -> Waveform:
    """Return a waveform with zeros behind it: channels are repeated together."""
    from stim.waveform import Waveform

    pause_us = duration_us - waveform.duration_us
    if not pause_us:
        return waveform
    return Waveform(
        np.append(waveform.amplitudes, 0),
        np.append(waveform.durations_us, pause_us),
        waveform.unit,
    )


def _line(
    channel: int,
    waveform: Waveform,
    facts: DeviceFacts,
    limits: SafetyLimits,
    repeats: int | None,
) -> Line:
    from stim.stg.limits import scale_of

    if channel >= facts.n_channels:
        problem = f"{facts.name} has channels 1 to {facts.n_channels}"
        return Line(channel, waveform, None, (problem,))
    try:
        limits.check_electrodes([channel])
        program = scale_of(facts, channel, MODES[waveform.unit]).quantize(waveform)
    except SafetyError as error:
        return Line(channel, waveform, None, (str(error),))
    problems = tuple(limits.problems(program, None, repeats))
    return Line(channel, waveform, program, problems)


def _row(line: Line) -> tuple[object, ...]:
    shown = line.program.waveform if line.program else line.asked
    charge = ""
    if line.program and shown.unit == "nA":
        charge = f"{_most_charge_nc(line.program):g}"
    left = "?" if line.program is None else _left(line.program)
    return (
        str(line.channel + 1),
        f"{shown.largest / 1000:g}",
        f"{shown.duration_us / 1000:g}",
        charge,
        left,
        "refused" if line.problems else "allowed",
    )


def _most_charge_nc(program: Program) -> float:
    """Return the most charge that goes one way, nC."""
    from stim.dose import Account

    account = Account.of(program, 1, program.n_ticks)
    steps = account.phase_charge or 0
    return steps * program.scale.resolution * program.grid_us / 1e6


def _left(program: Program) -> str:
    return "nothing" if program.net_counts == 0 else f"{program.net_counts} steps"
