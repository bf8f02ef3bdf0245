"""``[extracting]``: templates from given spike times."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import DimensionCount

__all__ = ["ExtractingSection"]


class ExtractingSection(Section):
    """Templates from given spike times; not part of the toolkit."""

    safety_time: float = key(1, "Distance between isolated spikes.", unit="ms", ge=0)
    max_elts: int = key(1000, "Spikes per template.", gt=0)
    output_dim: DimensionCount = key(5, "Size of the basis.")
    cc_merge: float = key(0.975, "Templates correlated above are one.", ge=0, le=1)
    noise_thr: float = key(0.8, "Smallest template.", ge=0, le=1)
