"""`SampleClock`: which sample was when, on the monotonic clock of this machine.

Two crystals never agree: that of an amplifier and that of a computer part by a second a
day or so. Blocks say when they were complete, but late: a system is busy, a cable has a
queue. Delays have one sign, so of each second the block that was least late is
taken, and a straight line is fitted to those::

    clock = SampleClock(info.sampling_rate)
    for block in source:
        clock.note_block(block)
    fit = clock.fit
    fit.to_sample(stimulus_ns * 1e-9), fit.uncertainty_s(block.sample_index)
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io.errors import LiveError
from circus_live.block import Block, BlockFlag

__all__ = ["ClockFit", "SampleClock"]

BIN_NS = 1_000_000_000
MOST_BINS = 600
LEAST_BINS = 8  # below, the rate is what the device calls it
# how far a crystal may be from what it is sold as
CRYSTAL_ERROR = 1e-4
N_TRIMS, TRIM_SD = 3, 4.0
SD_PER_MAD = 1.4826  # of a normal distribution
RESOLUTION_S = 1e-6
LATE_S = 0.02  # of one arrival, while nothing else says how late it may have been


@dataclass(frozen=True)
class ClockFit:
    """A straight line from sample index to host time, and how far to trust it.

    Attributes
    ----------
    sample_index : float
        Where the line is known best.
    host_s : float
        Host time there, s of `time.monotonic`.
    rate_hz : float
        Samples in a second of the host.
    residual_s : float
        Standard deviation of single arrivals around the line, s.
    rate_error : float
        Standard error of `rate_hz`, as a part of it.
    n_points : int
        Seconds that the line was fitted to.
    """

    sample_index: float
    host_s: float
    rate_hz: float
    residual_s: float
    rate_error: float
    n_points: int

    def to_host_s(self, sample_index: Any) -> Any:
        """Return the host time of samples, s; of a number or of an array."""
        return self.host_s + (sample_index - self.sample_index) / self.rate_hz

    def to_sample(self, host_s: Any) -> Any:
        """Return the sample index at host times (s), with its fraction."""
        return self.sample_index + (host_s - self.host_s) * self.rate_hz

    def uncertainty_s(self, sample_index: Any) -> Any:
        """Return the standard uncertainty of `to_host_s` and `to_sample`, s.

        That of the line where it is fitted, and growing beyond. What it cannot know
        is a delay that all blocks have: host times are late by the shortest of them.
        """
        passed_s = (sample_index - self.sample_index) / self.rate_hz
        return np.hypot(self.residual_s, passed_s * self.rate_error)


class SampleClock:
    """Learns from arrivals how the clock of a stream runs against that of the host.

    Parameters
    ----------
    sampling_rate : float
        What the device calls its rate, Hz.
    most_s : int
        Seconds that are remembered: crystals drift with temperature.

    Notes
    -----
    Ordinary least squares on the least delayed arrival of each second; seconds of which
    all arrivals were late are trimmed. In the first seconds the rate is taken as
    given, known to 100 ppm, and the time to how far arrivals were apart in their
    delays; the fewer there are, the less that says: of one, 20 ms.
    """

    def __init__(self, sampling_rate: float, most_s: int = MOST_BINS) -> None:
        self.sampling_rate = float(sampling_rate)
        # index and host time (ns) of the least delayed arrival of each second
        self._bins: deque[tuple[int, int]] = deque(maxlen=most_s)
        self._bin, self._n_noted = -1, 0
        self._least = self._most = math.inf
        self._fit: ClockFit | None = None

    def note_block(self, block: Block) -> None:
        """Note a block; after a new connection, of which the gap is a guess, anew."""
        if block.flags & BlockFlag.RECONNECTED:
            self.reset()
        self.note(block.t_stop, block.host_time_ns)

    def note(self, t_stop: int, host_time_ns: int) -> None:
        """Note that all samples before `t_stop` were there at `host_time_ns`."""
        late = host_time_ns - t_stop * (1e9 / self.sampling_rate)
        number = host_time_ns // BIN_NS
        if number != self._bin:
            self._bin, self._least = number, late
            self._most = late if not self._bins else max(self._most, late)
            self._bins.append((t_stop, host_time_ns))
        elif late < self._least:
            self._least = late
            self._bins[-1] = (t_stop, host_time_ns)
        self._most = max(self._most, late)
        self._n_noted += 1
        self._fit = None

    def reset(self) -> None:
        """Forget everything: sample indices mean something else from now on."""
        self._bins.clear()
        self._bin, self._n_noted = -1, 0

    @property
    def is_known(self) -> bool:
        """Whether any arrival has been noted."""
        return bool(self._bins)

    @property
    def fit(self) -> ClockFit:
        """The line, as it is known now.

        Raises
        ------
        LiveError
            Nothing has been noted yet.
        """
        if not self._bins:
            raise LiveError("no block has come yet, so its clock is not known")
        if self._fit is None:
            points = np.array(self._bins, np.int64)
            is_short = len(points) < LEAST_BINS
            self._fit = self._first_guess(points) if is_short else _line(points)
        return self._fit

    def _first_guess(self, points: np.ndarray) -> ClockFit:
        """Return a line of the rate that the device is said to have."""
        late = points[:, 1] - points[:, 0] * (1e9 / self.sampling_rate)
        index, host_ns = points[np.argmin(late)].tolist()
        seen_s = (self._most - late.min()) * 1e-9
        spread_s = max(seen_s, LATE_S / self._n_noted, RESOLUTION_S)
        return ClockFit(
            float(index),
            host_ns * 1e-9,
            self.sampling_rate,
            spread_s,
            CRYSTAL_ERROR,
            len(points),
        )


def _line(points: np.ndarray) -> ClockFit:
    """Fit a line to index and host time (ns), int64 (n, 2), without what was late."""
    # integers first: differences of large numbers keep their digits
    origin = points[len(points) // 2]
    samples, host_s = (points - origin).T * np.array([[1.0], [1e-9]])
    good = np.ones(len(points), bool)
    for _ in range(N_TRIMS):
        residuals = _residuals(samples, host_s, good)[0]
        middle = np.median(residuals)
        mad = np.median(np.abs(residuals - middle))
        good = residuals <= middle + TRIM_SD * SD_PER_MAD * max(mad, RESOLUTION_S)
    residuals, slope, centre, middle_s = _residuals(samples, host_s, good)
    n_points = int(good.sum())
    # two of the points went into the line; of so few, the spread itself is uncertain
    # (the variance of Student's t), which takes as many again
    kept = residuals[good]
    scatter_s = math.sqrt(kept @ kept / max(n_points - 4, 1))
    extent = math.sqrt(((samples[good] - centre) ** 2).sum())
    return ClockFit(
        sample_index=float(origin[0] + centre),
        host_s=float(origin[1] * 1e-9 + middle_s),
        rate_hz=float(1 / slope),
        residual_s=float(max(scatter_s, RESOLUTION_S) * math.sqrt(1 + 1 / n_points)),
        rate_error=float(scatter_s / extent / slope),
        n_points=n_points,
    )


def _residuals(
    samples: np.ndarray, host_s: np.ndarray, good: np.ndarray
) -> tuple[np.ndarray, float, float, float]:
    """Return distances to the line through the good points, its slope, its centre."""
    centre, middle_s = samples[good].mean(), host_s[good].mean()
    apart = samples[good] - centre
    slope = (apart @ (host_s[good] - middle_s)) / (apart @ apart)
    return host_s - middle_s - slope * (samples - centre), slope, centre, middle_s
