"""`SafetyLimits`: what may reach an electrode."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from circus_io.errors import SafetyError
from stim.pulse import UNITS, Pulse

__all__ = ["SafetyLimits"]


@dataclass(frozen=True)
class SafetyLimits:
    """Bounds of a stimulus. Every stimulator needs them; there are no defaults.

    Attributes
    ----------
    max_amplitude : int
        Of either sign, in `unit`.
    max_phase_us : int
        Longest phase, µs; phases of one sign, with or without pauses, count together.
    min_period_us : int
        Shortest time from one pulse to the next, µs.
    electrodes : frozenset of int, optional
        Those that may be stimulated, by their labels; None allows all that there are.
    unit : {'uV', 'nA'}

    Raises
    ------
    SafetyError
        Here, limits that allow nothing; by the methods, what is beyond them.
    """

    max_amplitude: int
    max_phase_us: int
    min_period_us: int
    electrodes: frozenset[int] | None = None
    unit: str = "uV"

    def __post_init__(self) -> None:
        """Check that limits are limits."""
        if self.unit not in UNITS:
            raise SafetyError(f"unit = {self.unit}: choose from {', '.join(UNITS)}")
        for name in ("max_amplitude", "max_phase_us", "min_period_us"):
            if not getattr(self, name) > 0:
                raise SafetyError(f"{name} = {getattr(self, name)}: expected above 0")
        if self.electrodes is not None:
            object.__setattr__(self, "electrodes", frozenset(self.electrodes))

    def check_pulse(self, pulse: Pulse) -> None:
        """Raise `SafetyError` if an amplitude or a phase is beyond the limits."""
        if pulse.unit != self.unit:
            raise SafetyError(
                f"a pulse in {pulse.unit} for a device that is limited in {self.unit}"
            )
        if pulse.largest > self.max_amplitude:
            raise SafetyError(
                f"an amplitude of {pulse.largest} {self.unit} is beyond the limit of "
                f"{self.max_amplitude} {self.unit}"
            )
        longest_us = pulse.longest_us
        if longest_us > self.max_phase_us:
            raise SafetyError(
                f"a phase of {longest_us} µs is beyond the limit of "
                f"{self.max_phase_us} µs"
            )

    def check_period(self, period_us: int, pulse: Pulse) -> None:
        """Raise `SafetyError` if pulses come too fast, or would run into each other."""
        if period_us < self.min_period_us:
            raise SafetyError(
                f"a period of {period_us} µs is below the limit of "
                f"{self.min_period_us} µs"
            )
        if period_us <= pulse.duration_us:
            raise SafetyError(
                f"a pulse of {pulse.duration_us} µs does not fit into a period of "
                f"{period_us} µs"
            )

    def check_electrodes(self, labels: Iterable[int]) -> None:
        """Raise `SafetyError` if one of some electrodes may not be stimulated."""
        if self.electrodes is None:
            return
        refused = sorted(set(labels) - self.electrodes)
        if refused:
            raise SafetyError(
                f"electrode {', '.join(map(str, refused))} may not be stimulated; the "
                f"limits allow {', '.join(map(str, sorted(self.electrodes)))}"
            )

    @staticmethod
    def check_balance(counts: Sequence[int], ticks: Sequence[int]) -> None:
        """Raise `SafetyError` unless the charge that leaves is exactly none.

        Parameters
        ----------
        counts, ticks : sequence of int
            What the device is told: the output in its own steps, and for how many of
            its own. Rounding to them is where balance is lost.
        """
        net = sum(c * t for c, t in zip(counts, ticks, strict=True))
        if net:
            parts = ", ".join(
                f"{c} × {t}" for c, t in zip(counts, ticks, strict=True) if c
            )
            raise SafetyError(
                f"the pulse leaves a charge: {parts} steps of the device sum up to "
                f"{net}, not 0; make its phases equal and opposite, or choose "
                "amplitudes that are whole steps"
            )
