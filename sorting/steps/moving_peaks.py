"""The sampled peaks as they would be if the tissue had not moved."""

import numpy as np

from circus_io.parallel import wait_for_all
from sorting.chunk_map import own_items
from sorting.kernels.kriging import kriging_weights
from sorting.kernels.neighbours import nearest_channels
from sorting.motion import Motion, positions_apart
from sorting.peak_sample import PeakSample
from sorting.steps.context import Context
from sorting.steps.detection import (
    N_CLASSES,
    N_FEATURE_CHANNELS,
    read_peaks,
    store_by_channel,
)

__all__ = ["move_peaks"]


def move_peaks(context: Context, motion: Motion, name: str) -> None:
    """Write the sampled peaks anew, where they would be if nothing had moved.

    Parameters
    ----------
    context : Context
    motion : Motion
    name : str
        Of the folder for the files of the channels.
    """
    folder = context.store.parts(name)
    if context.comm.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("features-of-rank-*"):  # of a run that was killed
            path.unlink()
    wait_for_all(context.comm)
    per_class = max(context.config.detection.max_per_channel // N_CLASSES, 1)
    mover = _PeakMover(context, motion)
    sample = PeakSample(
        folder / f"features-of-rank-{context.comm.rank}",
        (context.n_channels, N_CLASSES),
        per_class,
        mover.n_features,
    )
    for channel in own_items(range(context.n_channels), context.comm):
        peaks, features = read_peaks(context, channel)
        sample.add(*mover.move(channel, peaks, features))
    store_by_channel(context, folder, sample, per_class)
    sample.path.unlink()


class _PeakMover:
    """Interpolates features at the places where channels see the same tissue."""

    def __init__(self, context: Context, motion: Motion):
        self.context = context
        self.motion = motion
        self.positions = positions_apart(context.probe)
        self.near = nearest_channels(context.distance_um, N_FEATURE_CHANNELS)
        stored = context.store.load("whitening")
        self.alive = stored["noise_levels"] > 0
        self.n_features = self.near.shape[1] * stored["basis"].shape[0]

    def move(self, channel: int, peaks: np.ndarray, features: np.ndarray):
        """Return peaks with the channel they belong to, and their features there."""
        n_near = self.near.shape[1]
        features = features.reshape(len(peaks), n_near, self.n_features // n_near)
        if not peaks.size:
            return peaks, features.reshape(0, self.n_features)
        moved, result = peaks.copy(), np.zeros_like(features)
        chunks = self.context.chunks_of(peaks["time"])
        levels = np.array([self.motion.levels(chunk) for chunk in chunks])
        for level in np.unique(levels, axis=0):
            mine = np.flatnonzero((levels == level).all(axis=1))
            nearby = self._predict(features[mine], channel, channel, level)
            best = (nearby**2).sum(axis=2).argmax(axis=1)
            moved["channel"][mine] = self.near[channel][best]
            for home in np.unique(moved["channel"][mine]):
                here = mine[moved["channel"][mine] == home]
                result[here] = self._predict(features[here], channel, home, level)
        return moved, result.reshape(len(peaks), self.n_features)

    def _predict(self, features, source: int, target: int, level) -> np.ndarray:
        """Features on the channels near `target`, from those near `source`."""
        given, wanted = self.near[source], self.near[target]
        places = self.motion.moved(self.positions[wanted], tuple(level))
        known = (given >= 0) & self.alive[given]
        weights = np.zeros((wanted.size, given.size), np.float32)
        weights[:, known] = kriging_weights(places, self.positions[given[known]])
        weights[(wanted < 0) | ~self.alive[wanted]] = 0
        return np.einsum("wg,ngp->nwp", weights, features, optimize=True)
