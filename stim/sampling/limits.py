"""`DriveLimits`: what sampling may put on each electrode, and how fast it may change.

`stim.SafetyLimits` bound a pulse by one amplitude and the length of a phase. A device
that is sampled is driven for hours with slow waves, each electrode in a range of its
own that need not be symmetric.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Self

import numpy as np

from circus_io.errors import SafetyError
from stim.safety import SafetyLimits

__all__ = ["SCALES", "DriveLimits"]

SCALES = {"V": ("uV", 1e6), "A": ("nA", 1e9)}
"""Units of sampling; of stimulators the unit, and how many of it are one."""

TOLERANCE = 1e-9  # of the range: offset + amplitude may be one rounding beyond it


@dataclass(frozen=True)
class DriveLimits:
    """Bounds of a wave, for each electrode; 0 is what electrodes rest at.

    Attributes
    ----------
    low, high : tuple of float
        Of each electrode, in `unit`; 0 lies between them.
    max_slew_per_s : float
        Largest change, in `unit` per second. ``math.inf`` says that any step is fine.
    unit : {'V', 'A'}

    Raises
    ------
    SafetyError
        Here, limits that are none; by `check`, a wave beyond them.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    max_slew_per_s: float
    unit: str = "V"

    def __post_init__(self) -> None:
        """Check that limits are limits."""
        for name in ("low", "high"):
            values = tuple(float(value) for value in np.atleast_1d(getattr(self, name)))
            object.__setattr__(self, name, values)
        if self.unit not in SCALES:
            raise SafetyError(f"unit = {self.unit}: choose from {', '.join(SCALES)}")
        if len(self.low) != len(self.high) or not self.low:
            raise SafetyError(
                f"{len(self.low)} lower and {len(self.high)} upper limits: expected "
                "one of each for every electrode"
            )
        for electrode, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if not (
                isfinite(low) and isfinite(high) and low <= 0 <= high and low < high
            ):
                raise SafetyError(
                    f"electrode {electrode}: a range of {low} to {high} {self.unit}; "
                    "expected finite limits with 0, where it rests, between them"
                )
        if not self.max_slew_per_s > 0:
            raise SafetyError(
                f"max_slew_per_s = {self.max_slew_per_s}: expected above 0"
            )

    @classmethod
    def of(
        cls,
        ranges: Sequence[Sequence[float]],
        max_slew_per_s: float = inf,
        unit: str = "V",
    ) -> Self:
        """Return the limits of ``[[low, high], ...]``, one pair for each electrode."""
        pairs = np.asarray(ranges, dtype=float)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise SafetyError(
                f"ranges of shape {pairs.shape}: expected [low, high] for each "
                "electrode"
            )
        return cls(tuple(pairs[:, 0]), tuple(pairs[:, 1]), max_slew_per_s, unit)

    @classmethod
    def from_safety(
        cls, limits: SafetyLimits, n_electrodes: int, max_slew_per_s: float = inf
    ) -> Self:
        """Return what the limits of a stimulator allow on each of its electrodes.

        Only amplitudes are taken over: the stimulator itself checks phases and charge.
        """
        unit, scale = next(
            (unit, scale) for unit, (own, scale) in SCALES.items() if own == limits.unit
        )
        bound = (limits.max_amplitude / scale,) * n_electrodes
        return cls(tuple(-value for value in bound), bound, max_slew_per_s, unit)

    @property
    def n_electrodes(self) -> int:
        """How many electrodes have limits."""
        return len(self.low)

    @property
    def ranges(self) -> np.ndarray:
        """Lower and upper limits, float64 (n_electrodes, 2)."""
        return np.array([self.low, self.high]).T

    def intersection(self, other: "DriveLimits") -> "DriveLimits":
        """Return what both allow."""
        if other.unit != self.unit or other.n_electrodes != self.n_electrodes:
            raise SafetyError(
                f"limits of {self.n_electrodes} electrodes in {self.unit} for a device "
                f"with {other.n_electrodes} in {other.unit}"
            )
        return DriveLimits(
            tuple(map(max, self.low, other.low)),
            tuple(map(min, self.high, other.high)),
            min(self.max_slew_per_s, other.max_slew_per_s),
            self.unit,
        )

    def check(self, values: np.ndarray, rate_hz: float) -> None:
        """Raise `SafetyError` unless a whole wave is allowed, from rest and back.

        Parameters
        ----------
        values : float array, shape (n_samples, n_electrodes)
        rate_hz : float
        """
        values = np.asarray(values, dtype=float)
        if values.ndim != 2 or values.shape[1] != self.n_electrodes:
            raise SafetyError(
                f"a wave of shape {values.shape}: expected (samples, electrodes) with "
                f"{self.n_electrodes} electrodes"
            )
        ranges = self.ranges
        slack = TOLERANCE * (ranges[:, 1] - ranges[:, 0])
        # not >= and <=, so that NaN is refused as well
        inside = (values >= ranges[:, 0] - slack) & (values <= ranges[:, 1] + slack)
        self._refuse_first(~inside, values, "is beyond the limits")
        rest = np.zeros((1, self.n_electrodes))
        slew = np.diff(values, axis=0, prepend=rest, append=rest) * rate_hz
        too_fast = np.abs(slew) > self.max_slew_per_s * (1 + TOLERANCE)
        self._refuse_first(
            too_fast,
            slew,
            f"per second is more than {self.max_slew_per_s:g} {self.unit}",
        )

    def _refuse_first(self, wrong: np.ndarray, values: np.ndarray, what: str) -> None:
        if not wrong.any():
            return
        sample, electrode = np.argwhere(wrong)[0]
        raise SafetyError(
            f"electrode {electrode}, sample {sample}: {values[sample, electrode]:g} "
            f"{self.unit} {what}; its range is {self.low[electrode]:g} to "
            f"{self.high[electrode]:g} {self.unit}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as JSON has them; no bound of the slew is None."""
        slew = self.max_slew_per_s if isfinite(self.max_slew_per_s) else None
        return {
            "low": list(self.low),
            "high": list(self.high),
            "max_slew_per_s": slew,
            "unit": self.unit,
        }
