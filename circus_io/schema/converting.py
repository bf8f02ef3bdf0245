"""``[converting]``: results for phy."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from circus_io.schema.keys import Section, TypeName, key
from circus_io.schema.types import lower

__all__ = ["ConvertingSection"]


def _never_prompt(value: object) -> object:
    word = lower(value)
    return "none" if word in ("", None, "prompt") else word


_Components = Annotated[
    Literal["none", "some", "all"],
    BeforeValidator(_never_prompt),
    TypeName("prompt, none, some or all"),
]


class ConvertingSection(Section):
    """Results for phy."""

    erase_all: bool = key(
        True,
        "Replace an earlier phy folder without asking.",
        notice="a phy folder with changes is kept under another name, others are "
        "replaced",
    )
    export_pcs: _Components = key(
        "none",
        "Principal components to export; prompt never asks here and means none.",
        notice="principal components are not exported",
    )
    export_all: bool = key(False, "Export the unfitted spikes as units.")
    sparse_export: bool = key(
        True,
        "Export templates sparse.",
        used=True,
    )
    prelabelling: bool = key(
        False,
        "Propose good, mua or noise per unit.",
        used=True,
    )
    rpv_threshold: float = key(0.05, "Violations of a good unit.", ge=0, le=1)
