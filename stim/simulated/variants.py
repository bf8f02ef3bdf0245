"""The models that can be simulated: what differs between them, as they tell it."""

from collections.abc import Sequence
from dataclasses import dataclass

from circus_io.errors import DeviceNotFoundError, DeviceRefusedError

__all__ = ["VARIANTS", "Variant", "get_variant"]


@dataclass(frozen=True)
class Variant:
    """Ranges of an STG4000, of either sign; a step is 1/8000 of the range.

    Attributes
    ----------
    current_range_na, current_resolution_na : int
        nA.
    voltage_range_uv, voltage_resolution_uv : int
        µV.
    """

    current_range_na: int
    current_resolution_na: int
    voltage_range_uv: int = 8_000_000
    voltage_resolution_uv: int = 1_000
    dac_bits: int = 14

    def reach(self, mode: str) -> int:
        """Return the range of ``'current'``, nA, or ``'voltage'``, µV."""
        return self.current_range_na if mode == "current" else self.voltage_range_uv

    def step(self, mode: str) -> int:
        """Return the resolution of ``'current'``, nA, or ``'voltage'``, µV."""
        is_current = mode == "current"
        return self.current_resolution_na if is_current else self.voltage_resolution_uv

    def put_out(
        self, levels: Sequence[int], durations_us: Sequence[int], mode: str
    ) -> list[int]:
        """Return levels as the converter makes them; loop markers as they are.

        Raises
        ------
        DeviceRefusedError
            A level is beyond the range.
        """
        reach, step = self.reach(mode), self.step(mode)
        made = []
        for level, duration in zip(levels, durations_us, strict=True):
            if duration and abs(level) > reach:
                raise DeviceRefusedError(f"{level} is beyond the range of ±{reach}")
            made.append(round(level / step) * step if duration else level)
        return made


VARIANTS = {
    "160uA": Variant(160_000, 20),
    "1.6mA": Variant(1_600_000, 200),
    "16mA": Variant(16_000_000, 2_000),
    "160mA": Variant(160_000_000, 20_000),
}


def get_variant(name: str) -> Variant:
    """Return a variant by its name."""
    if name not in VARIANTS:
        raise DeviceNotFoundError(
            f"variant {name}: no such simulated device; choose from "
            f"{', '.join(VARIANTS)}"
        )
    return VARIANTS[name]
