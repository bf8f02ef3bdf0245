"""`Pulse`: a stimulus in explicit units, as integers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from circus_io.errors import SafetyError

__all__ = ["UNITS", "Phase", "Pulse"]

UNITS = ("uV", "nA")


@dataclass(frozen=True)
class Phase:
    """A constant output for a while.

    Attributes
    ----------
    amplitude : int
        In the unit of the pulse.
    duration_us : int
        µs, above 0.

    Raises
    ------
    SafetyError
        Not whole numbers, or no duration.
    """

    amplitude: int
    duration_us: int

    def __post_init__(self) -> None:
        """Refuse what would have to be rounded, since that can unbalance a pulse."""
        for name in ("amplitude", "duration_us"):
            given = getattr(self, name)
            if given % 1:  # or NaN
                raise SafetyError(f"{name} = {given}: expected a whole number")
            # small integers of numpy would overflow: abs(int16(-32768)) is below 0
            object.__setattr__(self, name, int(given))
        if self.duration_us <= 0:
            raise SafetyError(f"duration_us = {self.duration_us}: expected more than 0")


@dataclass(frozen=True)
class Pulse:
    """Phases one after another; the output is 0 before and after.

    Attributes
    ----------
    phases : tuple of Phase
    unit : {'uV', 'nA'}
        Of the amplitudes: a voltage or a current.
    """

    phases: tuple[Phase, ...]
    unit: str = "uV"

    def __post_init__(self) -> None:
        """Check that there is something, in a known unit."""
        if self.unit not in UNITS:
            raise SafetyError(f"unit = {self.unit}: choose from {', '.join(UNITS)}")
        object.__setattr__(self, "phases", tuple(self.phases))
        if not self.phases:
            raise SafetyError("a pulse without phases; give at least one")

    @classmethod
    def of(cls, phases: Iterable[tuple[int, int]], unit: str = "uV") -> Self:
        """Return the pulse of ``(amplitude, duration_us)`` pairs."""
        return cls(tuple(Phase(*phase) for phase in phases), unit)

    @classmethod
    def biphasic(cls, amplitude: int, phase_us: int, unit: str = "uV") -> Self:
        """Return a balanced pulse of two equal phases, the one of `amplitude` first."""
        first = Phase(amplitude, phase_us)
        return cls((first, Phase(-first.amplitude, first.duration_us)), unit)

    @property
    def duration_us(self) -> int:
        """Length, µs."""
        return sum(phase.duration_us for phase in self.phases)

    @property
    def longest_us(self) -> int:
        """Longest time for which charge goes one way, in one phase or several, µs."""
        longest = run_us = sign = 0
        for phase in self.phases:
            if phase.amplitude * sign < 0:
                run_us = 0
            if phase.amplitude:
                sign = 1 if phase.amplitude > 0 else -1
                run_us += phase.duration_us
            longest = max(longest, run_us, phase.duration_us)
        return longest

    @property
    def largest(self) -> int:
        """Largest amplitude of either sign, in its unit."""
        return max(abs(phase.amplitude) for phase in self.phases)
