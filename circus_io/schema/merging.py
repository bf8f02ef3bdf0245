"""``[merging]``: units that are one neuron."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from circus_io.schema.keys import Section, TypeName, key

__all__ = ["MergingSection"]


def _empty_to_zero(value: object) -> object:
    return 0.0 if value in ("", None) else value


class MergingSection(Section):
    """Units that are one neuron."""

    erase_all: bool = key(True, "Discard earlier merges without asking.")
    cc_overlap: float = key(
        0.75, "Only templates correlated above this may merge.", used=True, ge=0, le=1
    )
    cc_bin: float = key(2, "Bin of the correlograms.", unit="ms", gt=0)
    default_lag: float = key(5, "Lag of the dip of a correlogram.", unit="ms", gt=0)
    auto_mode: Annotated[
        float,
        BeforeValidator(_empty_to_zero),
        Field(ge=0, le=1),
        TypeName("number ≥ 0 and ≤ 1, empty is 0"),
    ] = key(
        0.75,
        "Caution of automatic merges: small values merge much, 1 nothing; 0, where the "
        "classic program opens a window, merges nothing either.",
        used=True,
    )
    remove_noise: bool = key(True, "Remove units that are noise.", used=True)
    noise_limit: float = key(
        0.75,
        "Units smaller than this are noise; from 0.84 of it on not those that stand "
        "apart. The smaller, the more often they have to fire.",
        unit="× threshold",
        used=True,
        ge=0,
    )
    sparsity_limit: float = key(0, "Units sparser than this are noise.", le=1)
    time_rpv: float = key(
        2,
        "Interval that counts as a refractory violation; at most 2 ms are looked at.",
        unit="ms",
        used=True,
        ge=0,
        most=2,
    )
    rpv_threshold: float = key(
        0.02, "Violations that a merge may bring.", used=True, ge=0, le=1
    )
    merge_drifts: bool = key(True, "Merge units that follow one another.")
    drift_limit: float = key(1, "Distance of such units.", ge=0)
    clean_merging: bool = key(False, "Remove doubles after a merge.")
    correct_lag: bool = key(False, "Shift merged spikes by their lag.", hidden=True)
    min_spikes: int = key(20, "Fewest spikes of a merge.", hidden=True, ge=0)
