"""Step 3: find peaks in every chunk and keep a fair sample of their features.

The sample holds, for each channel and amplitude class, the peaks with the smallest hash
keys: the same peaks however many ranks looked for them, rare and small units included.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from circus_io.atomic import atomic_path
from circus_io.parallel import broadcast, sum_integers, wait_for_all
from sorting.chunk_map import own_items
from sorting.kernels.basis import project_windows
from sorting.kernels.detection import (
    coarsest_stride,
    local_peaks,
    matched_energy,
    spatial_filters,
)
from sorting.kernels.neighbours import nearest_channels, neighbour_lists
from sorting.kernels.sampling import hash_keys
from sorting.peak_sample import PEAK, PeakSample, smallest
from sorting.steps.context import STAGE_PEAKS, Context, Whitener
from sorting.store import Store

__all__ = [
    "CLASS_RATIO",
    "N_CLASSES",
    "N_FEATURE_CHANNELS",
    "channel_file",
    "has_files",
    "read_peaks",
    "run",
    "store_by_channel",
]

N_CLASSES = 10  # of amplitude, each 1.35 times the one before
CLASS_RATIO = 1.35
N_FEATURE_CHANNELS = 16


def run(context: Context) -> dict[str, np.ndarray]:
    """Return peak counts; the sampled peaks of each channel stand in its own file."""
    folder = _peak_folder(context)
    detector = _Detector(context)
    per_class = max(context.config.detection.max_per_channel // N_CLASSES, 1)
    sample = PeakSample(
        folder / f"features-of-rank-{context.comm.rank}",
        (context.n_channels, N_CLASSES),
        per_class,
        detector.n_features,
    )
    counts = np.zeros((context.n_channels, N_CLASSES), np.int64)
    chunks = context.learning_chunks()
    for index in own_items(chunks, context.comm, context.progress):
        peaks, features = detector.detect(index, sample.wanted)
        np.add.at(counts, (peaks["channel"], peaks["amplitude_class"]), 1)
        sample.add(peaks[sample.wanted(peaks)], features)
    store_by_channel(context, folder, sample, per_class)
    sample.path.unlink()
    return {"counts": sum_integers(context.comm, counts)}


def _peak_folder(context: Context) -> Path:
    folder = context.store.parts("detection-peaks")
    if context.comm.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("features-of-rank-*"):  # of a run that was killed
            path.unlink()
    wait_for_all(context.comm)
    return folder


def channel_file(folder: Path, channel: int) -> Path:
    """Return where the sampled peaks of a channel are."""
    return folder / f"channel-{channel:05d}.npz"


def has_files(store: Store, n_channels: int, name: str = "detection-peaks") -> bool:
    """Tell whether the sampled peaks of all channels are there."""
    folder = store.parts(name)
    there = None
    if store.comm.rank == 0:
        there = all(channel_file(folder, c).exists() for c in range(n_channels))
    return broadcast(store.comm, there)


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
        self.stride = coarsest_stride(self.prototypes)
        distance = context.distance_um
        self.lists = neighbour_lists(distance <= self.config.radius_um)
        self.nearest = nearest_channels(distance, N_FEATURE_CHANNELS)
        self.filters = spatial_filters(
            context.probe.contact_positions,
            context.probe.groups,
            self.config.widths_um,
            stored["noise_levels"] > 0,
        )
        ratio = CLASS_RATIO ** np.arange(1, N_CLASSES)
        self.edges = self.config.threshold * ratio

    @property
    def n_features(self) -> int:
        """Features of a peak: components on the nearest channels."""
        return self.nearest.shape[1] * self.basis.shape[0]

    def detect(
        self, index: int, wanted: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the peaks whose trough lies in the core, features of those wanted."""
        piece, traces = self.whitener.read(index, 2 * self.width, lead=self.width)
        energy = matched_energy(
            traces, self.prototypes, self.filters, self.config.polarity, self.stride
        )
        frames, channels = local_peaks(
            energy, self.config.threshold, *self.lists, self.config.exclude_frames
        )
        times = frames + piece.first_frame
        keep = self._belong(piece, times, traces, frames, channels)
        frames, channels, times = frames[keep], channels[keep], times[keep]
        peaks = self._describe(energy[channels, frames], channels, times)
        chosen = wanted(peaks)
        return peaks, self._features(traces, frames[chosen], channels[chosen])

    def _belong(self, piece, times, traces, frames, channels) -> np.ndarray:
        troughs = times + self.before
        keep = (troughs >= piece.t_start) & (troughs < piece.t_stop)
        keep &= self.context.front_end.alive(troughs)
        if self.config.largest is not None:
            at = np.minimum(frames + self.before, len(traces) - 1)
            keep &= np.abs(traces[at, channels]) <= self.config.largest
        return keep

    def _describe(self, energy, channels, times) -> np.ndarray:
        peaks = np.zeros(times.size, PEAK)
        peaks["time"] = times
        peaks["channel"] = channels
        peaks["amplitude_class"] = np.searchsorted(self.edges, energy, side="right")
        peaks["key"] = hash_keys(self.config.seed, STAGE_PEAKS, times, channels)
        return peaks

    def _features(self, traces, frames, channels) -> np.ndarray:
        nearest = self.nearest[channels]
        features = project_windows(traces, frames, nearest, self.basis)
        features[nearest < 0] = 0
        return features.reshape(frames.size, self.n_features)


def store_by_channel(
    context: Context, folder: Path, sample: PeakSample, per_class: int
) -> None:
    """Send each channel's peaks to the rank that owns it; owners write the files.

    One channel of each owner at a time, so that little is under way at once.
    """
    comm = context.comm
    mine = sample.peaks()
    for first in range(0, context.n_channels, comm.size):
        outgoing = []
        for owner in range(comm.size):
            peaks = mine[mine["channel"] == first + owner]
            outgoing.append((peaks, sample.features(peaks)))
        wait_for_all(comm)
        received = comm.alltoall(outgoing)
        channel = first + comm.rank
        if channel < context.n_channels:
            peaks, features = (
                np.concatenate(parts) for parts in zip(*received, strict=True)
            )
            kept = smallest(peaks, N_CLASSES, per_class)
            with atomic_path(channel_file(folder, channel)) as path:
                _write_peaks(path, peaks[kept], features[kept])
    wait_for_all(comm)


def read_peaks(context: Context, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the sampled peaks of a channel.

    Returns
    -------
    peaks : PEAK (n_peaks,)
    features : float32 (n_peaks, n_features)
    """
    path = channel_file(context.store.parts("detection-peaks"), channel)
    with np.load(path, allow_pickle=False) as file:
        peaks = np.zeros(file["time"].size, PEAK)
        for name in ("time", "key", "amplitude_class"):
            peaks[name] = file[name]
        peaks["channel"] = channel
        return peaks, file["features"].astype(np.float32)


def _write_peaks(path: Path, peaks: np.ndarray, features: np.ndarray) -> None:
    with path.open("wb") as file:
        columns = {name: peaks[name] for name in ("time", "key", "amplitude_class")}
        np.savez(file, features=features, **columns)
