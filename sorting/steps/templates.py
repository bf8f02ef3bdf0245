"""Step 5: average the spikes of each cluster, join clusters that are one unit."""

from dataclasses import dataclass

import numpy as np

from circus_io.parallel import sum_integers
from sorting.chunk_map import own_items
from sorting.kernels.basis import correlations, fit_basis
from sorting.kernels.neighbours import nearest_channels
from sorting.kernels.overlaps import overlap_table
from sorting.kernels.template_shapes import (
    FIXED_POINT,
    add_snippets,
    average_sets,
    merge_sets,
    pair_similarity,
    recentre,
    support_mask,
    template_norms,
)
from sorting.steps.context import Context, Whitener

__all__ = ["run"]

MAX_CHANNELS = 64  # on which a template is looked for
MIN_PEAK = 0.35  # noise sd of an averaged channel that belongs to the support
ENERGY = 0.995  # of all templates, that their basis keeps
COMPONENTS = (6, 12)


def run(context: Context) -> dict[str, np.ndarray]:
    """Return templates: coefficients on a basis of their own, and waveforms in µV."""
    clusters = context.store.load("clustering")
    averages = _average(context, clusters)
    found = _make_templates(context, clusters, averages) if averages else None
    return context.comm.bcast(found, root=0)


@dataclass(frozen=True, eq=False)
class _Averages:
    """Wide averages of the clusters, whitened and in µV, on local channels."""

    whitened: np.ndarray
    filtered: np.ndarray
    channels: np.ndarray

    def dense(self, waveforms: np.ndarray, members, n_channels: int) -> np.ndarray:
        """Spread the local channels of some clusters over the whole probe."""
        spread = np.zeros((len(members), waveforms.shape[1], n_channels), np.float32)
        for row, member in enumerate(members):
            local = self.channels[member]
            spread[row][:, local[local >= 0]] = waveforms[member][:, local >= 0]
        return spread


def _average(context: Context, clusters: dict) -> _Averages | None:
    """Sum the spikes of all clusters in one pass over the chunks that hold any."""
    config = context.config.templates
    width = context.config.whitening.template_frames + 2 * config.realign_frames
    near = nearest_channels(context.distance_um, MAX_CHANNELS)[clusters["channel"]]
    reach = np.take_along_axis(context.distance_um[clusters["channel"]], near, axis=1)
    near = np.where(reach <= config.radius_um, near, -1)
    shape = (clusters["channel"].size, width, near.shape[1])
    sums = np.zeros((2, *shape), np.int64)
    counts = np.zeros(shape[0], np.int64)
    times = clusters["times"] - config.realign_frames
    owners = np.repeat(np.arange(shape[0]), np.diff(clusters["ptr"]))
    whitener = Whitener(context.front_end, context.store.load("whitening")["matrix"])
    for index in own_items(_chunks_of(context, times), context.comm, context.progress):
        piece, whitened = whitener.read(index, width)
        starts = times - piece.first_frame
        mine = (times >= piece.t_start) & (times < piece.t_stop)
        mine &= (starts >= 0) & (starts + width <= len(whitened))
        add_snippets(sums[0], whitened, starts[mine], owners[mine], near)
        add_snippets(sums[1], piece.traces, starts[mine], owners[mine], near)
        np.add.at(counts, owners[mine], 1)
    counts = sum_integers(context.comm, counts)
    sums = sum_integers(context.comm, sums)
    if context.comm.rank:
        return None
    means = sums / (FIXED_POINT * np.maximum(counts, 1)[:, None, None])
    return _Averages(means[0], means[1], near)


def _chunks_of(context: Context, times: np.ndarray) -> list[int]:
    """List the chunks that hold the start of any window, rising."""
    grid = context.front_end.grid
    bounds = np.array([grid.bounds(i) for i in range(len(grid))]).reshape(-1, 2)
    at = np.searchsorted(bounds[:, 0], times, side="right") - 1
    at = at[(at >= 0) & (times < bounds[np.maximum(at, 0), 1])]
    return np.unique(at).tolist()


def _make_templates(context, clusters, averages) -> dict[str, np.ndarray]:
    config = context.config
    n_frames = config.whitening.template_frames
    before = config.whitening.frames_before
    starts, _ = recentre(averages.whitened, before, n_frames)
    members = np.arange(starts.size)
    wide = averages.dense(averages.whitened, members, context.n_channels)
    centred = _cut(wide, starts, n_frames)
    supported = _supported(context, centred)
    basis = _basis_of(supported, n_frames)
    coefficients = _project(supported, basis)
    sets, lags = _find_duplicates(context, coefficients, basis, clusters["size"])
    wide_uv = averages.dense(averages.filtered, members, context.n_channels)
    sizes = clusters["size"].astype(np.float64)
    groups = [np.flatnonzero(sets == s) for s in range(int(sets.max(initial=-1)) + 1)]
    whitened, filtered = (
        np.array(
            [
                average_sets(source[g], starts[g] + lags[g], sizes[g], n_frames)
                for g in groups
            ]
        ).reshape(-1, n_frames, context.n_channels)
        for source in (wide, wide_uv)
    )
    supported = _supported(context, whitened)
    coefficients = _project(supported, basis)
    keep = np.sqrt(template_norms(coefficients)) >= config.fitting.min_norm
    return {
        "basis": basis,
        "coefficients": coefficients[keep],
        "size": np.array([sizes[g].sum() for g in groups], np.int64)[keep],
        **_sparse(filtered[keep], coefficients[keep]),
    }


def _cut(wide: np.ndarray, starts: np.ndarray, n_frames: int) -> np.ndarray:
    window = starts[:, None] + np.arange(n_frames)
    return np.take_along_axis(wide, window[:, :, None], axis=1)


def _supported(context: Context, waveforms: np.ndarray) -> np.ndarray:
    """Set channels that hold only noise to zero."""
    if not len(waveforms):
        return waveforms
    radius = context.config.templates.radius_um
    mask = support_mask(waveforms, context.distance_um, radius, MIN_PEAK)
    return waveforms * mask[:, None, :]


def _basis_of(waveforms: np.ndarray, n_frames: int) -> np.ndarray:
    """Fit the basis to the templates themselves: they are what is to be explained."""
    least, most = COMPONENTS
    rows = waveforms.transpose(0, 2, 1).reshape(-1, n_frames)
    rows = rows[np.any(rows != 0, axis=1)]
    basis, energy = fit_basis(rows, np.zeros((n_frames, n_frames)), min(most, n_frames))
    enough = int(np.searchsorted(energy, ENERGY)) + 1
    return basis[: max(least, enough)]


def _project(waveforms: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return np.einsum("ktc,pt->kcp", waveforms, basis).astype(np.float32)


def _find_duplicates(context, coefficients, basis, sizes):
    """Group clusters of the same unit; lag of each against the largest of its group."""
    config = context.config.templates
    overlaps = overlap_table(coefficients, correlations(basis))
    norms = template_norms(coefficients)
    first, second, similarity, lag = pair_similarity(
        overlaps, norms, config.max_lag_frames
    )
    sets = merge_sets(norms.size, first, second, similarity, config.merge_similarity)
    between = dict(zip(zip(first, second, strict=True), lag, strict=True))
    lags = np.zeros(norms.size, np.int64)
    for label in range(int(sets.max(initial=-1)) + 1):
        members = np.flatnonzero(sets == label)
        leader = members[np.argmax(sizes[members])]
        for member in members[members != leader]:
            low, high = min(leader, member), max(leader, member)
            lags[member] = between[low, high] * (1 if leader == low else -1)
    return sets, lags


def _sparse(waveforms: np.ndarray, coefficients: np.ndarray) -> dict[str, np.ndarray]:
    support = np.any(coefficients != 0, axis=2)
    units, channels = np.nonzero(support)
    return {
        "ptr": np.concatenate([[0], np.cumsum(support.sum(axis=1))]).astype(np.int64),
        "channels": channels.astype(np.int32),
        "waveforms": waveforms[units, :, channels].astype(np.float32),
    }
