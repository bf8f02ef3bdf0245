"""The picture of a stimulus: what will leave each channel, and its first pulse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from circus_cli.figures import COLOURS, GREY, INK, figure_style, new_figure, to_png
from circus_cli.stimulus import Line, Stimulus
from circus_io.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stim.safety import SafetyLimits
    from stim.waveform import Waveform

__all__ = ["write_picture"]

UNITS = {"nA": "µA", "uV": "mV"}
REFUSED, ALLOWED = COLOURS[1], COLOURS[0]
MOST_CHANNELS = 16  # that there is room for


def write_picture(path: Path, stimulus: Stimulus, limits: SafetyLimits) -> None:
    """Write a PNG: a row per channel, all of it on the left, a pulse on the right.

    Parameters
    ----------
    path : Path
    stimulus : Stimulus
    limits : SafetyLimits
        Drawn as lines, where they are in sight.

    Raises
    ------
    MissingDependencyError
        Without matplotlib.
    """
    lines = stimulus.lines[:MOST_CHANNELS]
    with figure_style():
        figure = new_figure(9, 1.0 + 1.7 * max(1, len(lines)))
        grid = figure.subplots(
            max(1, len(lines)), 2, squeeze=False, width_ratios=(3, 2)
        )
        for (whole, close), line in zip(grid, lines, strict=False):
            _draw_channel(whole, close, line, limits)
        grid[-1, 0].set_xlabel("time (ms)")
        grid[-1, 1].set_xlabel("time (ms), first pulse")
        figure.suptitle(
            f"{stimulus.path.name}: {_times(stimulus.repeats)}", x=0.01, ha="left"
        )
        picture = to_png(figure)
    with atomic_path(path) as temporary:
        temporary.write_bytes(picture)


def _times(repeats: int | None) -> str:
    if repeats is None:
        return "repeated until it is stopped"
    return {0: "repeated for ever", 1: "once"}.get(repeats, f"{repeats} times")


def _draw_channel(whole: Axes, close: Axes, line: Line, limits: SafetyLimits) -> None:
    leaves = line.program.waveform if line.program else None
    colour = REFUSED if line.problems else ALLOWED
    for axes in (whole, close):
        _draw(axes, line.asked, GREY, 1.0, "--")
        if leaves is not None:
            _draw(axes, leaves, colour, 1.4, "-")
        _draw_limits(axes, line.asked, limits)
    verdict = "refused" if line.problems else "allowed"
    whole.set_title(
        f"channel {line.channel + 1}: {verdict}", color=colour, weight="bold"
    )
    whole.set_ylabel(UNITS[line.asked.unit])
    pulse = _first_pulse_us(leaves or line.asked)
    if pulse is not None:
        begin, end = np.array(pulse) / 1000
        margin = 0.25 * (end - begin)
        close.set_xlim(begin - margin, end + margin)


def _draw(axes: Axes, waveform: Waveform, colour: str, width: float, style: str):
    edges, amplitudes = _runs_of(waveform)
    # the output is 0 before and after
    around = 0.02 * edges[-1]
    levels = np.concatenate([[0], amplitudes, [0]]) / 1000
    times = np.concatenate([[-around], edges, [edges[-1] + around]]) / 1000
    axes.stairs(levels, times, baseline=None, color=colour, lw=width, ls=style)


def _draw_limits(axes: Axes, waveform: Waveform, limits: SafetyLimits) -> None:
    """Draw the limits, but not so far away that nothing else would be seen."""
    axes.axhline(0, color=INK, lw=0.4, alpha=0.5, zorder=0)
    limit, largest = limits.max_amplitude / 1000, waveform.largest / 1000
    if limits.unit == waveform.unit and limit <= 3 * largest:
        for sign in (-1, 1):
            axes.axhline(sign * limit, color=REFUSED, lw=0.7, ls=":")


def _runs_of(waveform: Waveform) -> tuple[np.ndarray, np.ndarray]:
    """Return edges (µs, n + 1) and amplitudes (n) of a waveform, to be drawn."""
    edges = np.concatenate([[0], np.cumsum(waveform.durations_us)])
    return edges, waveform.amplitudes


def _first_pulse_us(waveform: Waveform) -> tuple[int, int] | None:
    """Return where the first pulse begins and ends, µs; None if there is none.

    A pulse ends at a pause that is longer than what came before.
    """
    edges, amplitudes = _runs_of(waveform)
    flowing = np.flatnonzero(amplitudes)
    if not flowing.size:
        return None
    begin = end = int(edges[flowing[0]])
    for run in flowing.tolist():
        if edges[run] - end > max(end - begin, 0) and end > begin:
            break
        end = int(edges[run + 1])
    return begin, end
