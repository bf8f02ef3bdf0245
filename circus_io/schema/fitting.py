"""``[fitting]``: from templates to spikes."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import Pair

__all__ = ["FittingSection"]


class FittingSection(Section):
    """From templates to spikes."""

    amp_limits: Pair = key(
        (0.3, 5.0),
        "Amplitudes that a spike may have, where amp_auto is False.",
        unit="× template",
        used=True,
    )
    amp_auto: bool = key(
        True,
        "Amplitudes from 0.5 to 2 × template, whatever amp_limits says.",
        used=True,
    )
    collect_all: bool = key(False, "Keep the crossings that no template explains.")
    ratio_thresh: float = key(
        0.9, "Threshold of the fit; lower is slower.", unit="× threshold", gt=0, le=1
    )
    mse_error: bool = key(False, "Store the error of the fit.")
    two_components: bool = key(True, "Fit a second component.", hidden=True)
    refractory: float = key(
        0.5,
        "Shortest interval between spikes of a unit.",
        unit="ms",
        used=True,
        hidden=True,
        ge=0,
    )
    min_second_component: float = key(
        0.1, "Smallest second component.", hidden=True, ge=0
    )
    sparse_thresh: float = key(
        0.2, "Sparsity from which arrays are dense.", hidden=True, ge=0
    )
    max_chunk: float = key(
        float("inf"), "Chunks to fit.", hidden=True, gt=0, allow_inf_nan=True
    )
    chunk_size: float = key(1, "Length of a chunk.", unit="s", hidden=True, gt=0)
    gpu_only: bool = key(False, "Fit on the graphics processor.", hidden=True)
    debug: bool = key(False, "Print more.", hidden=True)
    nb_chances: float = key(3, "Failures before giving up a peak.", hidden=True, ge=0)
    max_nb_chances: float = key(10, "Upper limit of nb_chances.", hidden=True, ge=0)
    percent_nb_chances: float = key(
        99, "Percentile of nb_chances.", hidden=True, ge=0, le=100
    )
    auto_nb_chances: bool = key(False, "Estimate nb_chances.", hidden=True)

    @property
    def ignores_amp_limits(self) -> bool:
        """Whether limits are given that amp_auto overrules."""
        default = type(self).model_fields["amp_limits"].default
        return self.amp_auto and self.amp_limits != default
