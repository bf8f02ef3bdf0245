"""``[whitening]``: noise correlations and the waveform basis."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import AutoOrPositive, DimensionCount

__all__ = ["WhiteningSection"]


class WhiteningSection(Section):
    """Noise correlations and the waveform basis."""

    spatial: bool = key(True, "Whiten the noise over channels.", used=True)
    max_elts: int = key(1000, "Waveforms per electrode for the basis.", gt=0)
    nb_elts: float = key(0.8, "Fraction of max_elts to wait for.", gt=0, le=1)
    output_dim: DimensionCount = key(5, "Size of the basis.")
    temporal: bool = key(False, "Whiten over time.", hidden=True)
    chunk_size: float = key(30, "Data for the noise.", unit="s", hidden=True, gt=0)
    fudge: float = key(1e-15, "Regularisation of the whitening.", hidden=True, ge=0)
    safety_time: AutoOrPositive = key(
        "auto", "Distance between isolated spikes.", unit="ms", hidden=True
    )
    safety_space: bool = key(True, "Isolation counts neighbours too.", hidden=True)
    ignore_spikes: bool = key(
        False, "Leave spikes out of the noise estimate.", hidden=True
    )
    sort_waveforms: bool = key(
        True, "Prefer the largest waveforms for the basis.", hidden=True
    )
