"""`LimitSet`: the limits of a device that may put out currents and voltages."""

from collections.abc import Iterable

from circus_io.errors import SafetyError
from stim.program import Program
from stim.safety import CheckedProgram, SafetyLimits
from stim.scale import Scale
from stim.stg.port import DeviceFacts

__all__ = ["MODES", "LimitSet", "scale_of"]

MODES = {"current": "nA", "voltage": "uV"}

# what a device without limits may put out: no step of any converter is as small
NOTHING = {unit: SafetyLimits(1, 1, 1, unit=unit) for unit in MODES.values()}


def scale_of(facts: DeviceFacts, channel: int, mode: str) -> Scale:
    """Return the scale of a channel, as the device tells it."""
    if mode == "current":
        steps, ranges = facts.current_resolution_na, facts.current_range_na
    else:
        steps, ranges = facts.voltage_resolution_uv, facts.voltage_range_uv
    return Scale(steps[channel], facts.dac_bits, ranges[channel], MODES[mode])


class LimitSet:
    """At most one `SafetyLimits` per unit; without one, nothing but zero may leave.

    Parameters
    ----------
    limits : SafetyLimits, or several, or None

    Raises
    ------
    SafetyError
        Two are in the same unit.
    """

    def __init__(self, limits: SafetyLimits | Iterable[SafetyLimits] | None) -> None:
        given = [limits] if isinstance(limits, SafetyLimits) else list(limits or ())
        self._by_unit = {one.unit: one for one in given}
        if len(self._by_unit) < len(given):
            raise SafetyError("two SafetyLimits in one unit; give one per unit")

    def of(self, unit: str) -> SafetyLimits:
        """Return the limits in a unit; those that allow nothing if there are none."""
        return self._by_unit.get(unit, NOTHING[unit])

    def check(
        self,
        channel: int,
        program: Program,
        period_us: int | None = None,
        repeats: int | None = 1,
    ) -> CheckedProgram:
        """Return a program that may leave through a channel.

        Raises
        ------
        SafetyError
            There are no limits in its unit, or it is beyond them.
        """
        unit = program.scale.unit
        if not program.is_silent:
            if unit not in self._by_unit:
                raise SafetyError(
                    f"no limits in {unit}, no stimulation: give limits=SafetyLimits("
                    f'..., unit="{unit}"), or a file of limits that '
                    "CIRCUS_STIM_LIMITS names"
                )
            self.of(unit).check_electrodes([channel])
        return self.of(unit).check_program(program, period_us, repeats)
