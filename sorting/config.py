"""What each step is told: typed, in frames and Hz, free of files and ranks."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from circus_io.params import Parameters, to_samples
from sorting.artefacts import ArtefactTimes
from sorting.kernels.noise import MAD

__all__ = [
    "ClusteringConfig",
    "ConvertingConfig",
    "DetectionConfig",
    "FilteringConfig",
    "FittingConfig",
    "MergingConfig",
    "MotionConfig",
    "SortingConfig",
    "TemplatesConfig",
    "WhiteningConfig",
    "digest",
]

DEFAULT_RADIUS_UM = 100.0
EXCLUSION_MS = 0.5  # two peaks nearer than this, in space too, are one
REFRACTORY_MS = 2.0  # no longer: some neurons fire again after 3
EXTENSION_MS = 30.0  # of the odd reflection at the ends of a stream
MAX_CHUNK_SAMPLES = 30720 * 384  # bounds the memory of a chunk on large arrays
CHUNK_FRAMES = 30720
MAX_SAMPLE = 5000  # peaks per channel: more cost memory and find no more units

SATURATION_MS = 2.0  # amplifiers need about so long to leave their limits

AMPLITUDE_BOUNDS = (0.5, 2.0)  # of a spike, relative to the mean of its unit
AMPLITUDE_SD = 0.1  # of the spikes of a unit, relative to their mean
TRIAL_BOUNDS = (0.6, 1.7)  # where templates are held against each other:
TRIAL_SD = 0.05  # a unit of another size is another unit
MIN_NORM = 6.5  # noise sd: about one false spike a day for an independent template

NOISE_CHUNKS = 20  # about as many seconds
WIDTHS_UM = (20.0, 40.0)  # of the spatial filters, beside one contact alone
TRIALS = 12  # spikes of a template that are explained with and without it

# The fast preset.
FAST_CHUNK_SAMPLES = 16384 * 384  # small enough for memory to be used again
FAST_NOISE_CHUNKS = 5  # five seconds of 30 000 frames and more
FAST_CHUNKS = 18  # that units are learned from, and
FAST_LEARNING_S = 12.0  # at least so much of the recording, and
FAST_SHARE = 0.05  # of its chunks: drift is followed through a long one
FAST_CLUSTER = 0.5  # of the least size of a cluster: 10 spikes in 12 s are 0.8 Hz
FAST_WIDTHS_UM = (25.0,)
FAST_TRIALS = 6
FAST_PEAK = 0.85  # of the threshold: noise takes small spikes below it

# A spike that reaches the classic threshold (in MAD of one channel) has at least this
# many times its peak in matched-filter energy, which gathers the whole waveform.
ENERGY_PER_PEAK = 1.25

# The norm of a whole template, over its frames and channels, is about this many times
# its peak: what a unit at the classic threshold has.
NORM_PER_PEAK = 2.75


@dataclass(frozen=True)
class _Preset:
    """All that a preset changes.

    Units are learned from at least `chunks` chunks, `learning_s` seconds and `share` of
    the recording, or from all of it, with spatial filters of `widths_um` beside one
    contact alone; `trials` spikes of a template are explained with and without it.
    Templates are tried at peaks of `peak` thresholds, or at every frame.
    """

    chunk_samples: int = MAX_CHUNK_SAMPLES
    noise_chunks: int = NOISE_CHUNKS
    chunks: int | None = None
    learning_s: float = 0.0
    share: float = 0.0
    least_cluster: float = 1.0
    widths_um: tuple[float, ...] = WIDTHS_UM
    trials: int = TRIALS
    peak: float | None = None


PRESETS = {
    "accurate": _Preset(),
    "fast": _Preset(
        chunk_samples=FAST_CHUNK_SAMPLES,
        noise_chunks=FAST_NOISE_CHUNKS,
        chunks=FAST_CHUNKS,
        learning_s=FAST_LEARNING_S,
        share=FAST_SHARE,
        least_cluster=FAST_CLUSTER,
        widths_um=FAST_WIDTHS_UM,
        trials=FAST_TRIALS,
        peak=FAST_PEAK,
    ),
}


@dataclass(frozen=True)
class FilteringConfig:
    """`cut_off_hz` None leaves traces as they are recorded."""

    cut_off_hz: tuple[float, float | None] | None
    order: int
    remove_median: bool
    common_ground: tuple[tuple[str, int], ...]
    to_file: bool
    extension_frames: int
    chunk_frames: int
    dead_intervals: tuple[tuple[int, int], ...]
    artefacts: ArtefactTimes | None = None
    saturation: float | None = None  # fraction of the range of the sample type
    saturation_frames: int = 0  # that are no better on either side


@dataclass(frozen=True)
class WhiteningConfig:
    """Noise is measured where no channel exceeds `event_threshold` noise sd."""

    spatial: bool
    radius_um: float
    polarity: str
    event_threshold: float
    exclude_frames: int
    template_frames: int
    frames_before: int
    n_chunks: int
    seed: int


@dataclass(frozen=True)
class DetectionConfig:
    """Thresholds in noise sd of the matched-filter energy and of the traces.

    `n_chunks` None looks for peaks in all chunks; else in so many, or `share` of all if
    that is more.
    """

    threshold: float
    largest: float | None
    polarity: str
    exclude_frames: int
    radius_um: float
    widths_um: tuple[float, ...]
    max_per_channel: int
    n_chunks: int | None
    share: float
    seed: int


@dataclass(frozen=True)
class MotionConfig:
    """`correct` False takes the probe to stand still."""

    correct: bool


@dataclass(frozen=True)
class ClusteringConfig:
    """`n_dimensions` principal axes at each level of splitting."""

    n_dimensions: int
    min_size: int


@dataclass(frozen=True)
class TemplatesConfig:
    """Templates alike by at least `merge_similarity` are one unit.

    One without which `n_trials` of its spikes are explained but for `least_loss` of its
    squared norm is none; the rest says how spikes are explained in this trial.
    """

    merge_similarity: float
    least_loss: float
    n_trials: int
    amplitude_bounds: tuple[float, float]
    amplitude_sd: float
    min_norm: float
    refractory_frames: int
    seed: int
    max_lag_frames: int
    realign_frames: int
    radius_um: float


@dataclass(frozen=True)
class FittingConfig:
    """Amplitudes are N(1, `amplitude_sd`) within bounds, times a template.

    With `least_peak`, templates are tried only at peaks of so many noise sd.
    """

    amplitude_bounds: tuple[float, float]
    amplitude_sd: float
    min_norm: float
    refractory_frames: int
    least_peak: float | None = None


@dataclass(frozen=True)
class MergingConfig:
    """`dip` 0 or 1 leaves units as they are; below `noise_norm` a unit is noise."""

    dip: float
    min_cosine: float
    violation_frames: int
    max_violations: float
    remove_noise: bool
    noise_norm: float


@dataclass(frozen=True)
class ConvertingConfig:
    """How the phy folder is written."""

    sparse: bool
    prelabel: bool


@dataclass(frozen=True)
class SortingConfig:
    """One section per step; a step depends on its own and on those before it."""

    filtering: FilteringConfig
    whitening: WhiteningConfig
    detection: DetectionConfig
    motion: MotionConfig
    clustering: ClusteringConfig
    templates: TemplatesConfig
    fitting: FittingConfig
    merging: MergingConfig
    converting: ConvertingConfig

    @classmethod
    def from_parameters(
        cls,
        parameters: Parameters,
        *,
        sampling_rate: float,
        n_channels: int,
        probe_radius_um: float | None,
        dead_intervals: tuple[tuple[int, int], ...] = (),
        artefacts: ArtefactTimes | None = None,
    ) -> "SortingConfig":
        """Translate the classic parameters, each in one place.

        Parameters
        ----------
        parameters : Parameters
        sampling_rate : float
            In Hz.
        n_channels : int
            Channels that are analysed.
        probe_radius_um : float or None
            What ``radius = auto`` stands for.
        dead_intervals : tuple of (int, int)
            Global frames, half open, that take no part.
        artefacts : ArtefactTimes, optional
            To be subtracted.
        """
        told = _Translation(parameters, sampling_rate, n_channels, probe_radius_um)
        return cls(
            filtering=told.filtering(dead_intervals, artefacts),
            whitening=told.whitening(),
            detection=told.detection(),
            motion=MotionConfig(correct=parameters.circus.follow_drift),
            clustering=told.clustering(),
            templates=told.templates(),
            fitting=told.fitting(),
            merging=told.merging(),
            converting=ConvertingConfig(
                sparse=parameters.converting.sparse_export,
                prelabel=parameters.converting.prelabelling,
            ),
        )


@dataclass(frozen=True)
class _Translation:
    """Classic parameters on their way into frames and Hz: a method for each step."""

    parameters: Parameters
    sampling_rate: float
    n_channels: int
    probe_radius_um: float | None

    def frames(self, duration_ms: float) -> int:
        return max(1, to_samples(duration_ms, self.sampling_rate))

    @property
    def preset(self) -> _Preset:
        return PRESETS[self.parameters.circus.preset]

    @property
    def radius_um(self) -> float:
        given = self.parameters.detection.radius
        if given != "auto":
            return float(given)
        of_probe = self.probe_radius_um
        return DEFAULT_RADIUS_UM if of_probe is None else float(of_probe)

    @property
    def threshold(self) -> float:
        """Of a peak, in noise sd."""
        return MAD * self.parameters.detection.spike_thresh

    @property
    def chunk_frames(self) -> int:
        """Frames per chunk: a function of the probe only, never of memory or ranks."""
        per_channel = self.preset.chunk_samples // max(self.n_channels, 1)
        return max(4096, min(CHUNK_FRAMES, per_channel))

    @property
    def learning_chunks(self) -> int | None:
        """Chunks that units are learned from; None for all."""
        preset = self.preset
        if preset.chunks is None:
            return None
        learning_frames = preset.learning_s * self.sampling_rate
        return max(preset.chunks, math.ceil(learning_frames / self.chunk_frames))

    def filtering(
        self,
        dead_intervals: tuple[tuple[int, int], ...],
        artefacts: ArtefactTimes | None,
    ) -> FilteringConfig:
        section = self.parameters.filtering
        low, high = section.cut_off
        cut_off = (float(low), None if high == "auto" else float(high))
        return FilteringConfig(
            cut_off_hz=cut_off if section.filter else None,
            order=section.butter_order,
            remove_median=section.remove_median,
            common_ground=tuple(
                (str(k), int(v)) for k, v in (section.common_ground or {}).items()
            ),
            to_file=self.parameters.circus.filtered_file,
            extension_frames=self.frames(EXTENSION_MS),
            chunk_frames=self.chunk_frames,
            dead_intervals=tuple(dead_intervals),
            artefacts=artefacts,
            saturation=section.sat_value,
            saturation_frames=self.frames(SATURATION_MS),
        )

    def whitening(self) -> WhiteningConfig:
        width = self.frames(self.parameters.detection.N_t) | 1
        return WhiteningConfig(
            spatial=self.parameters.whitening.spatial,
            radius_um=self.radius_um,
            polarity=self.parameters.detection.peaks,
            event_threshold=self.threshold,
            exclude_frames=self.frames(1.0),
            template_frames=width,
            frames_before=width // 3,
            n_chunks=self.preset.noise_chunks,
            seed=self.parameters.circus.seed,
        )

    def detection(self) -> DetectionConfig:
        section = self.parameters.detection
        return DetectionConfig(
            threshold=ENERGY_PER_PEAK * MAD * section.spike_thresh,
            largest=_scaled(section.weird_thresh, MAD),
            polarity=section.peaks,
            exclude_frames=self.frames(EXCLUSION_MS),
            radius_um=self.radius_um / 2,
            widths_um=self.preset.widths_um,
            max_per_channel=min(self.parameters.clustering.max_elts, MAX_SAMPLE),
            n_chunks=self.learning_chunks,
            share=self.preset.share,
            seed=self.parameters.circus.seed,
        )

    def clustering(self) -> ClusteringConfig:
        section = self.parameters.clustering
        least_size = self.preset.least_cluster * max(15, section.n_abs_min)
        return ClusteringConfig(
            n_dimensions=min(section.sub_dim, 6), min_size=math.ceil(least_size)
        )

    def templates(self) -> TemplatesConfig:
        least_cosine = self.parameters.clustering.cc_merge
        return TemplatesConfig(
            merge_similarity=least_cosine - 0.03,
            least_loss=1 - least_cosine**2,
            n_trials=self.preset.trials,
            amplitude_bounds=TRIAL_BOUNDS,
            amplitude_sd=TRIAL_SD,
            min_norm=MIN_NORM,
            refractory_frames=self.frames(EXCLUSION_MS),
            seed=self.parameters.circus.seed,
            max_lag_frames=self.frames(EXCLUSION_MS),
            realign_frames=self.frames(2.0),
            radius_um=1.5 * self.radius_um,
        )

    def fitting(self) -> FittingConfig:
        section = self.parameters.fitting
        bounds = AMPLITUDE_BOUNDS if section.amp_auto else section.amp_limits
        return FittingConfig(
            amplitude_bounds=bounds,
            amplitude_sd=AMPLITUDE_SD,
            min_norm=MIN_NORM,
            refractory_frames=self.frames(section.refractory),
            least_peak=_scaled(self.preset.peak, self.threshold),
        )

    def merging(self) -> MergingConfig:
        section = self.parameters.merging
        return MergingConfig(
            dip=section.auto_mode,
            min_cosine=section.cc_overlap,
            violation_frames=self.frames(min(section.time_rpv, REFRACTORY_MS)),
            max_violations=section.rpv_threshold,
            remove_noise=section.remove_noise,
            noise_norm=section.noise_limit * NORM_PER_PEAK * self.threshold,
        )


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def digest(*parts: Any) -> str:
    """Hash of values that JSON can hold, dataclasses included."""
    plain = [asdict(p) if hasattr(p, "__dataclass_fields__") else p for p in parts]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
