"""The models that can be simulated: what differs between them, as they tell it."""

from dataclasses import dataclass

__all__ = ["VARIANTS", "Variant", "get_variant"]

from circus_io.errors import DeviceNotFoundError


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
