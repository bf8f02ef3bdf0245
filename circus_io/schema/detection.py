"""``[detection]``: what counts as a spike."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import (
    AutoOrPositive,
    GroupChannels,
    OptionalPositive,
    choice,
)

__all__ = ["DetectionSection"]


class DetectionSection(Section):
    """What counts as a spike."""

    radius: AutoOrPositive = key(
        "auto",
        "Reach of a unit; auto takes the radius of the probe.",
        unit="µm",
        used=True,
    )
    N_t: float = key(3, "Width of a template.", unit="ms", used=True, gt=0)
    spike_thresh: float = key(
        6, "Threshold of a peak.", unit="× MAD of the channel", used=True, gt=0
    )
    peaks: choice("negative", "positive", "both") = key(
        "negative", "Sign of the peaks to detect.", used=True
    )
    dead_channels: GroupChannels = key(
        {}, "Channels to leave out of the analysis, per group of the probe.", used=True
    )
    weird_thresh: OptionalPositive = key(
        None, "Peaks larger than this are discarded.", unit="× MAD", used=True
    )
    alignment: bool = key(True, "Realign waveforms by oversampling.", hidden=True)
    oversampling_factor: int = key(
        10, "Oversampling of the realignment.", hidden=True, ge=0
    )
    jitter_range: float = key(
        0.2, "Largest shift of the realignment.", unit="ms", hidden=True, ge=0
    )
    smoothing_factor: float = key(
        1.48, "Smoothing of the realignment.", hidden=True, ge=0
    )
    hanning: bool = key(True, "Taper waveforms before clustering.", hidden=True)
    matched_filter: bool = key(
        False, "Detect on matched filters.", hidden=True, alias="matched-filter"
    )
    matched_thresh: float = key(
        5, "Threshold of the matched filter.", unit="× MAD", hidden=True, gt=0
    )
    isolation: bool = key(True, "Cluster only isolated spikes.", hidden=True)
    spike_width: float = key(
        0, "Shortest width of a peak.", unit="ms", hidden=True, ge=0
    )
    use_barycenter: bool = key(
        True, "Assign a spike to the centre of its amplitudes.", hidden=True
    )
    rejection_threshold: float = key(
        1, "Rejection of noise snippets.", hidden=True, ge=0
    )
    noise_time: float = key(
        0.1, "Window of the rejection of noise.", unit="ms", hidden=True, ge=0
    )
    low_channels_thr: int = key(
        3, "Channels that make a spike spread out.", hidden=True, ge=0
    )
