"""`Program`: what a channel of a device puts out, in its own steps and ticks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from circus_io.errors import SafetyError
from stim.runs import expand, frozen, merged, whole_numbers
from stim.waveform import GRID_US, Waveform

if TYPE_CHECKING:
    from stim.scale import Scale

__all__ = ["Program"]

MOST_TICKS = 1 << 46  # with 16 bits of counts, sums stay within int64


@dataclass(frozen=True, eq=False)
class Program:
    """The counts of a converter, and for how many ticks each; made by `Scale.quantize`.

    What it says is what leaves: limits are held against this, not against what was
    asked for.

    Attributes
    ----------
    counts : int64 array, shape (n_runs,)
        Steps of the converter away from 0; neighbours differ.
    ticks : int64 array, shape (n_runs,)
        How long each lasts, in steps of `grid_us`; above 0.
    scale : Scale
    grid_us : int

    Both arrays are copies that cannot be written to.
    """

    counts: np.ndarray
    ticks: np.ndarray
    scale: "Scale"
    grid_us: int = GRID_US

    def __post_init__(self) -> None:
        """Make it canonical, and see that the device can do it."""
        counts = whole_numbers("counts", self.counts)
        ticks = whole_numbers("ticks", self.ticks)
        if counts.size != ticks.size or not ticks.size or ticks.min() <= 0:
            raise SafetyError("a program needs counts, and ticks above 0 for each")
        if ticks.sum(dtype=np.float64) >= MOST_TICKS:
            raise SafetyError("a program too long for its charge to be counted")
        if self.grid_us <= 0:
            raise SafetyError(f"grid_us = {self.grid_us}: expected above 0")
        self.scale.words(counts)  # none is beyond the channel
        counts, ticks = merged(counts, ticks)
        object.__setattr__(self, "counts", frozen(counts))
        object.__setattr__(self, "ticks", frozen(ticks))

    @property
    def amplitudes(self) -> np.ndarray:
        """What leaves in each run, int64, in the unit of the scale: whole steps."""
        return self.counts * self.scale.resolution

    @property
    def durations_us(self) -> np.ndarray:
        """How long each run lasts, int64, µs."""
        return self.ticks * self.grid_us

    @property
    def waveform(self) -> Waveform:
        """What leaves, as a waveform."""
        return Waveform(self.amplitudes, self.durations_us, self.scale.unit)

    @property
    def net_counts(self) -> int:
        """Counts × ticks that are left at the end; 0 exactly where it is balanced."""
        return int(self.counts @ self.ticks)

    @property
    def n_ticks(self) -> int:
        """Length in ticks."""
        return int(self.ticks.sum())

    @property
    def duration_us(self) -> int:
        """Length, µs."""
        return self.n_ticks * self.grid_us

    @property
    def is_silent(self) -> bool:
        """Whether it puts out 0 all the time."""
        return not self.counts.any()

    def words(self, rate_hz: int | None = None) -> np.ndarray:
        """Return the samples to stream: int16, left-justified, shape (n_samples,).

        Parameters
        ----------
        rate_hz : int, optional
            Output rate of the device; one sample per tick if it is left out.

        Raises
        ------
        SafetyError
            A tick is not a whole number of samples at this rate.
        """
        per_tick, rest = 1, 0
        if rate_hz is not None:
            per_tick, rest = divmod(self.grid_us * rate_hz, 1_000_000)
        if rest or per_tick < 1:
            raise SafetyError(
                f"ticks of {self.grid_us} µs are no whole samples at {rate_hz} Hz; "
                "quantize with grid_us = 1 000 000 / rate"
            )
        return expand(self.scale.words(self.counts), self.ticks * per_tick)

    def __eq__(self, other: object) -> bool:
        """Whether both put out the same at all times."""
        if not isinstance(other, Program):
            return NotImplemented
        return (
            (self.scale, self.grid_us) == (other.scale, other.grid_us)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.ticks, other.ticks)
        )

    def __hash__(self) -> int:
        return hash((self.counts.tobytes(), self.ticks.tobytes(), self.grid_us))
