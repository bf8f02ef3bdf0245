"""``[filtering]``: what is done to the traces before anything else."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from circus_io.schema.keys import Section, TypeName, key
from circus_io.schema.types import Band, GroupChannel, choice, empty_to_none

__all__ = ["FilteringSection"]

_Fraction = Annotated[float, Field(gt=0, le=1)]


class FilteringSection(Section):
    """What is done to the traces before anything else."""

    cut_off: Band = key(
        (300.0, "auto"), "Edges of the band-pass.", unit="Hz", used=True
    )
    filter: bool = key(True, "Band-pass the traces.", used=True)
    remove_median: bool = key(
        False, "Subtract the median over the channels of each group.", used=True
    )
    common_ground: GroupChannel = key(
        {}, "Channel of each group to subtract from the others.", used=True
    )
    sat_value: Annotated[
        _Fraction | None,
        BeforeValidator(empty_to_none),
        TypeName("number > 0 and ≤ 1, or empty for off"),
    ] = key(
        0.8,
        "Fraction of the range of the sample type above which samples saturate; they "
        "are replaced by a line.",
        used=True,
    )
    butter_order: int = key(
        3, "Order of the Butterworth filter.", used=True, hidden=True, ge=1, le=10
    )
    sat_threshold: choice("negative", "positive", "both") = key(
        "both", "Sign of the saturation.", hidden=True
    )
