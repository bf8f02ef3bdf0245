"""``[clustering]``: from detected peaks to templates."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from circus_io.schema.keys import Section, TypeName, key
from circus_io.schema.types import (
    AutoOrPositive,
    AutoOrWhole,
    ImageFormat,
    Pair,
    choice,
    lower,
)

__all__ = ["ClusteringSection"]


class ClusteringSection(Section):
    """From detected peaks to templates."""

    extraction: choice("median-raw", "mean-raw") = key(
        "median-raw", "Estimate of a template."
    )
    sub_dim: int = key(
        6,
        "Dimensions of the features that are split; at most 6 are.",
        used=True,
        gt=0,
        most=6,
    )
    max_elts: int = key(
        5000,
        "Peaks clustered per electrode; at most 5000 are.",
        used=True,
        gt=0,
        most=5000,
    )
    nb_elts: float = key(0.8, "Fraction of max_elts to wait for.", gt=0, le=1)
    nb_repeats: int = key(3, "Passes over the data.", gt=0)
    smart_search: bool = key(True, "Sample peaks uniformly in amplitude.")
    merging_method: choice(
        "nd-bhatta", "distance", "dip", "folding", "nd-folding", "bhatta"
    ) = key("nd-bhatta", "Criterion of the local merges.")
    merging_param: Annotated[
        float | Literal["default"],
        BeforeValidator(lower),
        TypeName("default, or a number"),
    ] = key("default", "Parameter of the local merges.")
    sensitivity: float = key(3, "Lower values give more clusters.", gt=0)
    cc_merge: float = key(
        0.95,
        "Templates alike by more than this less 0.03 are one unit.",
        used=True,
        ge=0,
        le=1,
    )
    dispersion: Pair = key(
        (5.0, 5.0), "Range of amplitudes around the median.", unit="MAD"
    )
    fine_amplitude: bool = key(True, "Optimise the limits of the amplitudes.")
    make_plots: ImageFormat = key("none", "Pictures of the clusters.")
    noise_thr: float = key(0.5, "Smallest template.", hidden=True, ge=0, le=1)
    sparsify: float = key(0.25, "Cut of weak channels.", hidden=True, ge=0)
    sparsity_limit: float = key(1.0, "Largest sparsity.", hidden=True, le=1)
    ignored_mixtures: float = key(15, "Units beyond are no mixtures.", hidden=True)
    remove_mixture: bool = key(True, "Remove sums of templates.", hidden=True)
    two_components: bool = key(True, "Keep a second component.", hidden=True)
    templates_normalization: bool = key(True, "Compare normalised.", hidden=True)
    compress: bool = key(True, "Store templates sparse.", hidden=True)
    n_abs_min: int = key(
        20,
        "Fewest spikes of a cluster, at least 15.",
        used=True,
        hidden=True,
        ge=1,
        least=15,
    )
    m_ratio: float = key(0.01, "Smallest share of a cluster.", hidden=True, ge=0, le=1)
    halo_rejection: float = key(
        float("inf"), "Distance of rejected spikes.", hidden=True, allow_inf_nan=True
    )
    bad_clusters_ratio: float = key(100, "Limit of bad clusters.", hidden=True)
    safety_time: AutoOrPositive = key(
        "auto", "Distance between isolated spikes.", unit="ms", hidden=True
    )
    safety_space: bool = key(True, "Isolation counts neighbours too.", hidden=True)
    nb_snippets: int = key(50, "Snippets of a template.", hidden=True, gt=0)
    nb_amplitude_snippets: int = key(250, "Snippets of amplitudes.", hidden=True, gt=0)
    max_amplitude: AutoOrPositive = key("auto", "Largest amplitude.", hidden=True)
    fixed_amplitudes: bool = key(True, "One range for the recording.", hidden=True)
    nb_amp_bins: int = key(3, "Bins in time of the amplitudes.", hidden=True, gt=0)
    nb_ss_bins: AutoOrWhole = key("auto", "Bins of the smart search.", hidden=True)
    nb_ss_rand: int = key(10000, "Draws of the smart search.", hidden=True, gt=0)
    smart_search_scale: Annotated[float, Field(gt=0)] = key(
        3600, "Time scale of the smart search.", hidden=True
    )
    savgol: bool = key(True, "Smooth the templates.", hidden=True)
    savgol_time: float = key(
        0.2, "Window of the smoothing.", unit="ms", hidden=True, gt=0
    )
    decimation: bool = key(False, "Decimate the waveforms.", hidden=True)
    test_clusters: bool = key(False, "Inject test clusters.", hidden=True)
    debug: bool = key(False, "Print more.", hidden=True)
    debug_plots: ImageFormat = key("none", "More pictures.", hidden=True)
