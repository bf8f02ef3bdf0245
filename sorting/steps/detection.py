"""Step 3: find peaks in every chunk and keep a fair sample of their features.

The sample holds, for each channel and amplitude class, the peaks with the smallest hash
keys: the same peaks however many ranks looked for them, rare and small units included.
"""

from pathlib import Path

import numpy as np

from circus_io.atomic import atomic_path
from sorting.chunk_map import own_items
from sorting.kernels.basis import project_windows
from sorting.kernels.detection import local_peaks, matched_energy, spatial_filters
from sorting.kernels.neighbours import nearest_channels, neighbour_lists
from sorting.kernels.sampling import bottom_k, hash_keys
from sorting.steps.context import STAGE_PEAKS, Context, Whitener

__all__ = ["channel_file", "run"]

N_CLASSES = 10  # of amplitude, each 1.35 times the one before
CLASS_RATIO = 1.35
N_FEATURE_CHANNELS = 16
WIDTHS_UM = (0.0, 20.0, 40.0)  # of the spatial filters: from one contact to many
PRUNE_EVERY = 16  # chunks


def run(context: Context) -> dict[str, np.ndarray]:
    """Return peak counts; the sampled peaks of each channel stand in its own file."""
    detector = _Detector(context)
    sample = _Sample(context.config.detection.max_per_channel // N_CLASSES)
    counts = np.zeros((context.n_channels, N_CLASSES), np.int64)
    chunks = range(len(context.front_end))
    for index in own_items(chunks, context.comm, context.progress):
        peaks = detector.detect(index)
        np.add.at(counts, (peaks["channel"], peaks["amplitude_class"]), 1)
        sample.add(peaks)
    _store_by_channel(context, sample.peaks())
    counts = context.comm.allgather(counts)
    return {"counts": np.sum(counts, axis=0)}


def channel_file(folder: Path, channel: int) -> Path:
    """Return where the sampled peaks of a channel are."""
    return folder / f"channel-{channel:05d}.npz"


class _Detector:
    """Whiten a chunk, project it, and list its peaks with their features."""

    def __init__(self, context: Context):
        stored = context.store.load("whitening")
        self.context = context
        self.config = context.config.detection
        self.before = context.config.whitening.frames_before
        self.width = context.config.whitening.template_frames
        self.whitener = Whitener(context.front_end, stored["matrix"])
        self.basis = stored["basis"]
        self.prototypes = stored["prototypes"] @ stored["basis"]
        distance = context.distance_um
        self.lists = neighbour_lists(distance <= self.config.radius_um)
        self.nearest = nearest_channels(distance, N_FEATURE_CHANNELS)
        self.filters = spatial_filters(
            context.probe.contact_positions,
            context.probe.groups,
            WIDTHS_UM,
            stored["noise_levels"] > 0,
        )
        ratio = CLASS_RATIO ** np.arange(1, N_CLASSES)
        self.edges = self.config.threshold * ratio

    def detect(self, index: int) -> np.ndarray:
        """Return the peaks of a chunk whose trough lies in its core."""
        piece, traces = self.whitener.read(index, 2 * self.width)
        lead = self.width if piece.at_start else 0
        if lead:  # windows may begin before the stream
            traces = np.pad(traces, ((lead, 0), (0, 0)))
        energy = matched_energy(
            traces, self.prototypes, self.filters, self.config.polarity
        )
        frames, channels = local_peaks(
            energy, self.config.threshold, *self.lists, self.config.exclude_frames
        )
        times = frames + piece.first_frame - lead
        keep = self._belong(piece, times, traces, frames, channels)
        return self._describe(traces, energy, frames[keep], channels[keep], times[keep])

    def _belong(self, piece, times, traces, frames, channels) -> np.ndarray:
        troughs = times + self.before
        keep = (troughs >= piece.t_start) & (troughs < piece.t_stop)
        keep &= self.context.front_end.alive(troughs)
        if self.config.largest is not None:
            at = np.minimum(frames + self.before, len(traces) - 1)
            keep &= np.abs(traces[at, channels]) <= self.config.largest
        return keep

    def _describe(self, traces, energy, frames, channels, times) -> np.ndarray:
        nearest = self.nearest[channels]
        features = project_windows(traces, frames, nearest, self.basis)
        features[nearest < 0] = 0
        n_features = features.shape[1] * features.shape[2]
        peaks = np.empty(frames.size, peak_dtype(n_features))
        peaks["time"] = times
        peaks["channel"] = channels
        peaks["amplitude_class"] = np.searchsorted(
            self.edges, energy[channels, frames], side="right"
        )
        peaks["key"] = hash_keys(self.config.seed, STAGE_PEAKS, times, channels)
        peaks["features"] = features.reshape(frames.size, n_features)
        return peaks


def peak_dtype(n_features: int) -> np.dtype:
    """Return the record of a sampled peak; `time` is the first frame of its window."""
    return np.dtype(
        [
            ("time", np.int64),
            ("key", np.uint64),
            ("channel", np.int32),
            ("amplitude_class", np.int32),
            (
                "features",
                np.float16,
                (n_features,),
            ),  # 1e-3 of a spike is below its noise
        ]
    )


class _Sample:
    """Peaks with the smallest keys of each channel and amplitude class."""

    def __init__(self, per_class: int):
        self.per_class = max(per_class, 1)
        self.parts: list[np.ndarray] = []

    def add(self, peaks: np.ndarray) -> None:
        self.parts.append(peaks)
        if len(self.parts) > PRUNE_EVERY:
            self.parts = [self._prune()]

    def peaks(self) -> np.ndarray | None:
        return self._prune() if self.parts else None

    def _prune(self) -> np.ndarray:
        return smallest_keys(np.concatenate(self.parts), self.per_class)


def smallest_keys(peaks: np.ndarray, per_class: int) -> np.ndarray:
    """Reduce peaks to the sample, sorted by (channel, class, key)."""
    strata = peaks["channel"].astype(np.int64) * N_CLASSES + peaks["amplitude_class"]
    return peaks[bottom_k(strata, peaks["key"], per_class)]


def _store_by_channel(context: Context, mine: np.ndarray | None) -> None:
    """Send each channel's peaks to the rank that owns it; owners write the files."""
    comm = context.comm
    per_class = max(context.config.detection.max_per_channel // N_CLASSES, 1)
    outgoing = [
        None if mine is None else mine[mine["channel"] % comm.size == rank]
        for rank in range(comm.size)
    ]
    received = [part for part in comm.alltoall(outgoing) if part is not None]
    folder = context.store.parts("detection-peaks")
    if comm.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
    comm.barrier()
    merged = smallest_keys(np.concatenate(received), per_class) if received else None
    for channel in range(comm.rank, context.n_channels, comm.size):
        peaks = (
            np.empty(0, peak_dtype(1))
            if merged is None
            else merged[merged["channel"] == channel]
        )
        columns = {name: peaks[name] for name in ("time", "key", "features")}
        with atomic_path(channel_file(folder, channel)) as path, path.open("wb") as f:
            np.savez(f, **columns)
    comm.barrier()
