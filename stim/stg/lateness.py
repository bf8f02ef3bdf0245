"""`preflight`: how late this computer gets to what has to be done every millisecond.

Rings have to last for as long as it may be held up. What is measured is the computer as
it is now, so measure while it does what it will do then.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from stim.stg.clock import WallClock
from stim.stg.port import Clock

__all__ = ["Preflight", "preflight"]

PERIOD_S = 0.001  # of a slice, and of a quick feeder
SHOWN = (50, 99, 99.9)  # percentiles
MARGIN = 1.25  # beyond the worst that was seen
BIN_EDGES_S = np.array([0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, np.inf])


@dataclass(frozen=True)
class Preflight:
    """How late calls came that were due every `period_s`.

    Attributes
    ----------
    lateness_s : float64 array, shape (n_calls,)
        s, in their order. Calls that were missed by being late are not in it.
    period_s : float
    """

    lateness_s: np.ndarray
    period_s: float = PERIOD_S

    @classmethod
    def of_times(cls, times_s: np.ndarray, period_s: float = PERIOD_S) -> Self:
        """Return what times of calls tell, as `WallClock.every` makes them.

        When the first was due is not known; the most punctual call is taken to have
        been on time.
        """
        due, lateness = float(times_s[0]), []
        for time_s in times_s.tolist():
            late = time_s - due
            lateness.append(late)
            due += period_s * (1 + max(0, late // period_s))
        late_s = np.array(lateness)
        return cls(late_s - late_s.min(), period_s)

    @property
    def max_s(self) -> float:
        """The worst, s."""
        return float(self.lateness_s.max())

    def percentile_s(self, percent: float) -> float:
        """Return a percentile, s."""
        return float(np.percentile(self.lateness_s, percent))

    def histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """Return counts (n,) and the edges of their bins (n + 1,), s."""
        return np.histogram(self.lateness_s, BIN_EDGES_S)

    @property
    def fill_s(self) -> float:
        """The smallest level of the ring of the host that would have lasted, s."""
        return _ceil_ms(MARGIN * (self.max_s + self.period_s))

    @property
    def capacity_s(self) -> float:
        """The smallest ring of the device that would have lasted, s.

        It is kept half full, and nothing gets into it while the host is held up.
        """
        return 2 * _ceil_ms(MARGIN * (self.max_s + 2 * self.period_s))

    @property
    def latency_s(self) -> float:
        """From a change of a signal to its output with these two, s."""
        return self.fill_s + self.capacity_s / 2

    def save(self, path: str | Path) -> None:
        """Write the lateness to a file of numpy, in whole µs."""
        microseconds = np.rint(self.lateness_s * 1e6).astype(np.uint32)
        np.savez_compressed(path, lateness_us=microseconds, period_s=self.period_s)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` has written."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["lateness_us"] / 1e6, float(stored["period_s"]))

    def __str__(self) -> str:
        counts, edges = self.histogram()
        late = [f"{self.percentile_s(q) * 1e3:.3f} ms ({q:g} %)" for q in SHOWN]
        lines = [
            f"{self.lateness_s.size} calls, one every {self.period_s * 1e3:g} ms; late "
            f"by {', '.join(late)}, {self.max_s * 1e3:.3f} ms (worst)"
        ]
        lines += [
            f"  {low * 1e3:>5g} to {high * 1e3:<5g} ms {count:>8}"
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
            if count
        ]
        lines.append(
            f"smallest safe buffers: buffer_in_s={self.fill_s:g}, capacity_in_s="
            f"{self.capacity_s:g} (latency {self.latency_s * 1e3:g} ms)"
        )
        return "\n".join(lines)


def preflight(
    seconds: float = 10.0, *, period_s: float = PERIOD_S, clock: Clock | None = None
) -> Preflight:
    """Measure how late this computer is, and what rings it needs.

    Parameters
    ----------
    seconds : float
        For how long, s. What happens once a minute is not seen in ten seconds.
    period_s : float
    clock : Clock, optional

    Examples
    --------
    >>> from stim.stg import preflight
    >>> print(preflight(1.0))  # doctest: +SKIP
    """
    clock = WallClock() if clock is None else clock
    times: list[float] = []
    end = clock.every(period_s, lambda: times.append(clock.now()))
    clock.sleep(seconds)
    end()
    return Preflight.of_times(np.array(times), period_s)


def _ceil_ms(seconds: float) -> float:
    return math.ceil(seconds * 1e3) / 1e3
