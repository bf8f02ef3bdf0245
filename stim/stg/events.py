"""What an event log is told of a signal: where its pulses are."""

from typing import Any

import numpy as np

from stim.program import Program
from stim.safety import CheckedProgram

__all__ = ["Labels", "no_log", "signal_fields"]


class Labels:
    """A number for each stimulus, the same for the same one."""

    def __init__(self) -> None:
        self._labels: dict[Program, int] = {}

    def of(self, program: Program) -> int:
        """Return the number of a program."""
        return self._labels.setdefault(program, len(self._labels))


def signal_fields(
    checked: CheckedProgram, channels: list[int], label: int, repeats: int | None
) -> dict[str, Any]:
    """Return the fields of a ``signal`` event, in samples.

    Pulses begin where the output leaves 0, and last until it is 0 again.
    """
    program = checked.program
    is_on = np.concatenate(([False], program.counts != 0, [False]))
    edges = np.concatenate(([0], np.cumsum(program.ticks)))
    onsets = edges[np.flatnonzero(is_on[1:] & ~is_on[:-1])]
    ends = edges[np.flatnonzero(is_on[:-1] & ~is_on[1:])]
    return {
        "label": label,
        "channels": channels,
        "period_samples": max(checked.period_us // program.grid_us, program.n_ticks),
        "onset_samples": onsets.tolist(),
        "length_samples": int((ends - onsets).max(initial=0)),
        "repeats": repeats,
    }


def no_log(command: str, **fields: Any) -> None:
    """Write nothing: there is no log."""
