"""When the frames of an NWB series were sampled: its rate, and where it has gaps."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from circus_io.errors import FormatError, MissingParameterError
from circus_io.fields import convert
from circus_io.files.hdf5_access import check_chunks, number
from circus_io.files.parted import Span

__all__ = ["read_timing"]

BLOCK = 2**20  # time stamps that are read at once
MOST_SPANS = 2**16
LAST = 2**62


def read_timing(
    series: h5py.Group, n_frames: int, sampling_rate: float | None
) -> tuple[float, tuple[Span, ...]]:
    """Return the sampling rate (Hz) and the spans between gaps, at least one.

    Parameters
    ----------
    series : h5py.Group
        With ``starting_time`` and its rate, or with ``timestamps`` (s).
    n_frames : int
    sampling_rate : float or None
        What the user says, for a series that does not.

    Raises
    ------
    FormatError
        The times cannot be those of samples.
    MissingParameterError
        The file has no times.
    """
    start = series.get("starting_time")
    if start is not None:
        rate = convert("sampling_rate", number(start.attrs["rate"]))
        return rate, (Span(0, n_frames, _frame(number(start[()]), rate)),)
    stamps = series.get("timestamps")
    if stamps is None or len(stamps) < 2:
        if sampling_rate is None:
            raise MissingParameterError(
                f"{series.name} has no rate and no time stamps; give sampling_rate"
            )
        return sampling_rate, (Span(0, n_frames, 0),)
    if stamps.shape != (n_frames,) or stamps.dtype.kind not in "iuf":
        raise FormatError(
            f"{series.name} has {stamps.shape} time stamps of {stamps.dtype} for "
            f"{n_frames} frames"
        )
    check_chunks(stamps)
    return _spans(stamps, series.name)


def _spans(stamps: h5py.Dataset, name: str) -> tuple[float, tuple[Span, ...]]:
    period = _period(stamps[:BLOCK], name)
    borders = [0]
    for border in _gaps(stamps, period):
        borders.append(border)
        if len(borders) > MOST_SPANS:
            raise FormatError(f"{name} has more than {MOST_SPANS} gaps in its times")
    ends = [*borders[1:], len(stamps)]
    rate = _rate(stamps, max(zip(borders, ends, strict=True), key=_length), period)
    spans: list[Span] = []
    for first, stop in zip(borders, ends, strict=True):
        t_start = _frame(float(stamps[first]), rate)
        if spans:  # time stamps of single frames may be early by less than one
            behind = spans[-1].t_start + spans[-1].stop - spans[-1].first
            t_start = max(t_start, behind)
        spans.append(Span(first, stop, t_start))
    return rate, tuple(spans)


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _period(stamps: np.ndarray, name: str) -> float:
    """Return the seconds from one frame to the next."""
    steps = np.diff(stamps.astype(np.float64))
    period = float(np.median(steps))
    if not 0 < period < np.inf:
        raise FormatError(f"the time stamps of {name} do not increase")
    even = np.abs(steps - period) < period / 2
    if even.all():  # many steps are known better than one
        period = float(steps.mean())
    return period


def _rate(stamps: h5py.Dataset, span: tuple[int, int], period: float) -> float:
    """Return the rate over the longest span, without the noise of its time stamps."""
    first, last = span[0], span[1] - 1
    if last > first:
        period = (float(stamps[last]) - float(stamps[first])) / (last - first)
    return convert("sampling_rate", float(f"{1 / period:.9g}"))


def _gaps(stamps: h5py.Dataset, period: float) -> Iterator[int]:
    """Yield the frames that do not follow the one before them, in their order.

    Where the ends of a range are as far apart as its number of frames says, nothing
    inside is read: a recording without gaps costs two time stamps.
    """
    todo = [(0, len(stamps) - 1)]
    while todo:
        low, high = todo.pop()
        apart = float(stamps[high]) - float(stamps[low])
        if abs(apart - (high - low) * period) < period / 2:
            continue
        if high - low >= BLOCK:
            middle = (low + high) // 2
            todo += [(middle, high), (low, middle)]
            continue
        steps = np.diff(stamps[low : high + 1].astype(np.float64))
        jumps = ~(np.abs(steps - period) < period / 2)
        yield from (low + 1 + np.flatnonzero(jumps)).tolist()


def _frame(time_s: Any, rate: float) -> int:
    frame = float(time_s) * rate
    if not 0 <= frame < LAST:
        raise FormatError(f"a series starts at {time_s} s; expected 0 s or later")
    return round(frame)
