"""Step 4: cluster the sampled peaks of each channel on its own."""

from pathlib import Path

import numpy as np

from sorting.chunk_map import map_items
from sorting.kernels.clustering import cluster_features, core_members
from sorting.kernels.sampling import bottom_k
from sorting.steps.context import Context
from sorting.steps.detection import channel_file
from sorting.steps.motion import peak_folder

__all__ = ["run"]

MAX_SNIPPETS = 300  # spikes that make a template
N_CHANNELS = 7  # nearest to the peak: farther ones hold more of other spikes
MIN_FEATURE_NORM = 5.0  # noise sd; a weaker mean is a cluster of noise


def run(context: Context) -> dict[str, np.ndarray]:
    """Return the clusters: channel, size, and the spikes that stand for each."""
    folder = peak_folder(context)
    n_features = N_CHANNELS * len(context.store.load("whitening")["basis"])
    per_channel = map_items(
        lambda channel: _cluster_channel(context, folder, channel, n_features),
        range(context.n_channels),
        context.comm,
        context.progress,
    )
    clusters = [cluster for channel in per_channel for cluster in channel]
    times = [cluster["times"] for cluster in clusters]
    return {
        "channel": np.array([c["channel"] for c in clusters], np.int64),
        "size": np.array([c["size"] for c in clusters], np.int64),
        "ptr": np.concatenate([[0], np.cumsum([t.size for t in times])]).astype("i8"),
        "times": np.concatenate([np.zeros(0, np.int64), *times]),
    }


def _cluster_channel(
    context: Context, folder: Path, channel: int, n_features: int
) -> list[dict]:
    config = context.config.clustering
    with np.load(channel_file(folder, channel), allow_pickle=False) as file:
        times, keys = file["time"], file["key"]
        features = file["features"][:, :n_features].astype(np.float32)
    if times.size < config.min_size:
        return []
    labels = cluster_features(features, config.n_dimensions, config.min_size)
    found = []
    for label in range(labels.max() + 1):
        members = np.flatnonzero(labels == label)
        core = members[core_members(features[members])]
        if np.linalg.norm(np.median(features[core], axis=0)) < MIN_FEATURE_NORM:
            continue
        kept = core[bottom_k(np.zeros(core.size, "i8"), keys[core], MAX_SNIPPETS)]
        found.append(
            {"channel": channel, "size": members.size, "times": np.sort(times[kept])}
        )
    return found
