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
            if int(getattr(self, name)) != getattr(self, name):
                raise SafetyError(
                    f"{name} = {getattr(self, name)}: expected a whole number"
                )
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
        if not self.phases:
            raise SafetyError("a pulse without phases; give at least one")

    @classmethod
    def of(cls, phases: Iterable[tuple[int, int]], unit: str = "uV") -> Self:
        """Return the pulse of ``(amplitude, duration_us)`` pairs."""
        return cls(tuple(Phase(*phase) for phase in phases), unit)

    @classmethod
    def biphasic(cls, amplitude: int, phase_us: int, unit: str = "uV") -> Self:
        """Return a balanced pulse of two equal phases, the one of `amplitude` first."""
        return cls.of([(amplitude, phase_us), (-amplitude, phase_us)], unit)

    @property
    def duration_us(self) -> int:
        """Length, µs."""
        return sum(phase.duration_us for phase in self.phases)

    @property
    def largest(self) -> int:
        """Largest amplitude of either sign, in its unit."""
        return max(abs(phase.amplitude) for phase in self.phases)
