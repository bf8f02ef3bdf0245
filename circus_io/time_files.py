"""Text files of times: periods to leave out, and stimuli.

Lines hold two numbers parted by blanks; ``#`` and ``//`` start a comment.
"""

from pathlib import Path

import numpy as np

from circus_io.errors import ParameterError
from circus_io.params import to_samples

__all__ = ["read_durations", "read_intervals", "read_triggers"]

_UNITS = ("ms", "timestep")


def read_intervals(path: str | Path, unit: str, sampling_rate: float) -> np.ndarray:
    """Read the periods of a ``dead_file``.

    Parameters
    ----------
    path : path
        Lines of ``start stop``.
    unit : {"ms", "timestep"}
        Unit of the numbers.
    sampling_rate : float
        Hz.

    Returns
    -------
    numpy.ndarray
        int64 (n, 2): half-open frames, sorted, overlapping and touching periods merged.

    Raises
    ------
    ParameterError
        Every broken line at once.
    """
    rows = _read_rows(path, unit)
    problems = [
        f"line {line}: stop {stop:g} must come after start {start:g}, and start at 0 "
        "or later"
        for line, start, stop in rows
        if not 0 <= start < stop
    ]
    _raise(path, problems)
    times = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)
    return _merge(_to_frames(times, unit, sampling_rate))


def read_triggers(
    path: str | Path, unit: str, sampling_rate: float
) -> list[tuple[float, int]]:
    """Read the stimuli of a ``trig_file``.

    Parameters
    ----------
    path : path
        Lines of ``label time``.
    unit : {"ms", "timestep"}
        Unit of the times.
    sampling_rate : float
        Hz.

    Returns
    -------
    list of (label, frame)
        By frame.

    Raises
    ------
    ParameterError
        Every broken line at once.
    """
    rows = _read_rows(path, unit)
    problems = [
        f"line {line}: time {time:g} must be 0 or later"
        for line, _, time in rows
        if time < 0
    ]
    _raise(path, problems)
    frames = _to_frames(np.array([row[2] for row in rows]), unit, sampling_rate)
    labels = [row[1] for row in rows]
    return sorted(zip(labels, frames.tolist(), strict=True), key=lambda row: row[::-1])


def read_durations(
    path: str | Path, unit: str, sampling_rate: float
) -> dict[float, int]:
    """Read how long each kind of artefact lasts from a ``trig_windows`` file.

    Parameters
    ----------
    path : path
        Lines of ``label duration``.
    unit : {"ms", "timestep"}
        Unit of the durations.
    sampling_rate : float
        Hz.

    Returns
    -------
    dict of label to frames

    Raises
    ------
    ParameterError
        Every broken line at once, and labels given twice.
    """
    durations: dict[float, int] = {}
    problems = []
    for line, label, duration in _read_rows(path, unit):
        frames = int(_to_frames(np.array([duration]), unit, sampling_rate)[0])
        if label in durations:
            problems.append(f"line {line}: label {label:g} was given before")
        elif frames < 1:
            problems.append(f"line {line}: {duration:g} is shorter than one frame")
        durations[label] = frames
    _raise(path, problems)
    return durations


def _read_rows(path: str | Path, unit: str) -> list[tuple[int, float, float]]:
    """List (line, first, second) of every line that is not empty."""
    if unit not in _UNITS:
        raise ParameterError(f"time unit {unit!r} is unknown; choose ms or timestep")
    path = Path(path)
    if not path.is_file():
        raise ParameterError(f"there is no file of times at {path}")
    rows, problems = [], []
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ParameterError(
            f"cannot read {path}: {error.strerror}; check who may read it"
        ) from error
    for line, content in enumerate(text.splitlines(), start=1):
        words = content.split("#")[0].split("//")[0].split()
        if not words:
            continue
        numbers = _two_numbers(words)
        if numbers is None:
            problems.append(f"line {line}: {content.strip()!r} is not two numbers")
        else:
            rows.append((line, *numbers))
    _raise(path, problems)
    return rows


def _two_numbers(words: list[str]) -> tuple[float, float] | None:
    try:
        first, second = map(float, words)
    except ValueError:
        return None
    return (first, second) if np.isfinite([first, second]).all() else None


def _to_frames(times: np.ndarray, unit: str, sampling_rate: float) -> np.ndarray:
    if unit == "ms":
        return to_samples(times, sampling_rate)
    return np.rint(times).astype(np.int64)


def _merge(intervals: np.ndarray) -> np.ndarray:
    """Sort half-open intervals and join those that overlap or touch."""
    intervals = intervals[intervals[:, 0] < intervals[:, 1]]  # rounding may empty one
    intervals = intervals[np.argsort(intervals[:, 0], kind="stable")]
    if not len(intervals):
        return intervals
    reach = np.maximum.accumulate(intervals[:, 1])
    first = np.append(True, intervals[1:, 0] > reach[:-1])
    last = np.append(first[1:], True)
    return np.column_stack([intervals[first, 0], reach[last]])


def _raise(path: str | Path, problems: list[str]) -> None:
    if problems:
        raise ParameterError("\n  ".join([f"{path}: broken lines", *problems]))
