"""Step 5: average the spikes of each cluster, join clusters that are one unit."""

from dataclasses import dataclass

import numpy as np

from circus_io.parallel import broadcast, sum_integers
from sorting.chunk_map import own_items
from sorting.kernels.basis import correlations, fit_basis, reduce_basis
from sorting.kernels.overlaps import overlap_table
from sorting.kernels.slices import slices
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
from sorting.memory import give_back
from sorting.steps.clustering import MAX_SNIPPETS
from sorting.steps.context import Context, Whitener
from sorting.steps.motion import steady_front_end, take_turns
from sorting.steps.pruning import choose_windows, needed_templates
from sorting.steps.tracking import MIN_PEAK, channels_near, track

__all__ = ["run"]

ENERGY = 0.995  # of all templates, that their basis keeps
COMPONENTS = (6, 12)
DRIFT_ALLOWANCE = 0.12  # less alike: what is left of drift, where clusters take turns
TOLD_APART = 0.03  # more alike: two frequent clusters that the same channel saw apart
CLUSTERS_AT_ONCE = 64  # whose sums are exchanged
FREQUENT = 0.25  # size of such a cluster beside the other: collisions are rarer


def run(context: Context) -> dict[str, np.ndarray]:
    """Return templates: coefficients on a basis of their own, and waveforms in µV."""
    basis, templates = _learn(context)
    give_back()
    kept = _needed(context, basis, templates)
    packed = None if context.comm.rank else _pack(context, basis, kept)
    found, times, ptr = broadcast(context.comm, packed)
    return {**found, **track(context, found, times, ptr)}


def _learn(context: Context) -> tuple[np.ndarray | None, list["_Template"]]:
    """Basis and templates on rank 0, from averages that are gone when it ends."""
    clusters = context.store.load("clustering")
    averages = _average(context, clusters)
    if averages is None:
        return None, []
    return _make_templates(context, clusters, averages)


@dataclass(frozen=True, eq=False)
class _Averages:
    """Wide averages of the clusters, on the channels near each.

    `whitened` and `filtered` are (n_clusters, n_wide, n_local); `channels` is
    (n_clusters, n_local), -1 where a shank has fewer.
    """

    whitened: np.ndarray
    filtered: np.ndarray
    channels: np.ndarray


def _average(context: Context, clusters: dict) -> _Averages | None:
    """Sum the spikes of all clusters in one pass over the chunks that hold any."""
    config = context.config.templates
    width = context.config.whitening.template_frames + 2 * config.realign_frames
    near = channels_near(context, clusters["channel"])
    shape = (clusters["channel"].size, width, near.shape[1])
    sums = [np.zeros(shape, np.int64) for _ in range(2)]
    counts = np.zeros(shape[0], np.int64)
    times = clusters["times"] - config.realign_frames
    owners = np.repeat(np.arange(shape[0]), np.diff(clusters["ptr"]))
    matrix = context.store.load("whitening")["matrix"]
    whitener = Whitener(steady_front_end(context), matrix)
    chunks = context.chunks_with(times)
    for index in own_items(chunks, context.comm, context.progress):
        piece, whitened = whitener.read(index, width)
        starts = times - piece.first_frame
        mine = (times >= piece.t_start) & (times < piece.t_stop)
        mine &= (starts >= 0) & (starts + width <= len(whitened))
        add_snippets(sums[0], whitened, starts[mine], owners[mine], near)
        add_snippets(sums[1], piece.traces, starts[mine], owners[mine], near)
        np.add.at(counts, owners[mine], 1)
    counts = sum_integers(context.comm, counts)
    means = [_mean_over_ranks(context, sums.pop(0), counts) for _ in range(2)]
    return None if context.comm.rank else _Averages(*means, near)


def _mean_over_ranks(context: Context, sums: np.ndarray, counts: np.ndarray):
    """Add the sums of all ranks, some at a time to keep memory low; (K, ...) f4."""
    means = np.empty(sums.shape, np.float32)
    scale = FIXED_POINT * np.maximum(counts, 1)[:, None, None]
    for some in slices(len(sums), CLUSTERS_AT_ONCE):
        means[some] = sum_integers(context.comm, sums[some]) / scale[some]
    return means


def _make_templates(context, clusters, averages) -> tuple[np.ndarray, list]:
    """Align the averages, join those of one unit; basis and templates."""
    config = context.config
    n_frames = config.whitening.template_frames
    before = config.whitening.frames_before
    starts, _ = recentre(averages.whitened, before, n_frames)
    centred = _cut(averages.whitened, starts, n_frames)
    supported = _supported(centred, averages.channels)
    basis = _basis_of(supported, n_frames)
    coefficients = _project(supported, averages.channels, basis, context.n_channels)
    sets, lags = _find_duplicates(context, coefficients, basis, clusters)
    groups = [np.flatnonzero(sets == s) for s in range(int(sets.max(initial=-1)) + 1)]
    merged = [
        _join(averages, g, starts[g] + lags[g], clusters, context, basis)
        for g in groups
    ]
    return basis, [m for m in merged if m.norm >= config.templates.min_norm]


def _needed(context, basis, templates) -> list["_Template"]:
    """Leave out what the other templates explain: collisions, residues, doubles."""
    given = None
    if context.comm.rank == 0:
        given = (
            _dense(templates, context.n_channels, len(basis)),
            basis,
            np.array([template.size for template in templates], np.int64),
            [choose_windows(context, template.times) for template in templates],
        )
    kept = needed_templates(context, *broadcast(context.comm, given))
    return [t for t, needed in zip(templates, kept, strict=False) if needed]


def _pack(context, basis, templates):
    """Return the templates, and the first frames of their spikes by template."""
    none = np.zeros((0, basis.shape[1]), np.float32)
    sizes = np.array([t.size for t in templates], np.int64)
    basis, coefficients = reduce_basis(
        basis,
        _dense(templates, context.n_channels, basis.shape[0]),
        1 / np.clip(sizes, 1, MAX_SNIPPETS),
        ENERGY,
        COMPONENTS[0],
    )
    found = {
        "basis": basis,
        "coefficients": coefficients,
        "size": sizes,
        "ptr": np.cumsum([0, *(t.channels.size for t in templates)]).astype(np.int64),
        "channels": np.concatenate(
            [np.zeros(0, np.int32), *(t.channels for t in templates)]
        ).astype(np.int32),
        "waveforms": np.concatenate([none, *(t.filtered for t in templates)]),
    }
    times = np.concatenate([np.zeros(0, np.int64), *(t.times for t in templates)])
    return found, times, np.cumsum([0, *(t.times.size for t in templates)])


def _dense(templates, n_channels: int, n_components: int) -> np.ndarray:
    rows = [template.dense(n_channels) for template in templates]
    return np.array(rows, np.float32).reshape(-1, n_channels, n_components)


@dataclass(frozen=True, eq=False)
class _Template:
    """A template on its support: coefficients (n, P), waveforms in µV (n, T).

    `times` are the first frames of the spikes that make it.
    """

    channels: np.ndarray
    coefficients: np.ndarray
    filtered: np.ndarray
    size: int
    times: np.ndarray

    @property
    def norm(self) -> float:
        return float(np.sqrt((self.coefficients.astype(np.float64) ** 2).sum()))

    def dense(self, n_channels: int) -> np.ndarray:
        spread = np.zeros((n_channels, self.coefficients.shape[1]), np.float32)
        spread[self.channels] = self.coefficients
        return spread


def _join(averages, members, starts, clusters, context, basis) -> _Template:
    """Average the clusters of one unit, aligned, on all channels near any of them."""
    n_frames = basis.shape[1]
    sizes = clusters["size"][members]
    moved = starts - context.config.templates.realign_frames
    times = [
        _times(clusters, k) + shift for k, shift in zip(members, moved, strict=True)
    ]
    whitened, filtered = (
        average_sets(
            _spread(source[members], averages.channels[members], context.n_channels),
            starts,
            sizes.astype(np.float64),
            n_frames,
        )
        for source in (averages.whitened, averages.filtered)
    )
    radius = context.config.templates.radius_um
    support = support_mask(whitened[None], context.distance_um, radius, MIN_PEAK)[0]
    channels = np.flatnonzero(support)
    return _Template(
        channels,
        (basis @ whitened[:, channels]).T.astype(np.float32),
        filtered[:, channels].T.astype(np.float32),
        int(sizes.sum()),
        np.concatenate(times),
    )


def _times(clusters: dict, row: int) -> np.ndarray:
    return clusters["times"][clusters["ptr"][row] : clusters["ptr"][row + 1]]


def _spread(waveforms, channels, n_channels: int) -> np.ndarray:
    """Put local channels (m, n_wide, n_local) in their places (m, n_wide, C)."""
    spread = np.zeros((*waveforms.shape[:2], n_channels), np.float32)
    for row, (waveform, local) in enumerate(zip(waveforms, channels, strict=True)):
        spread[row][:, local[local >= 0]] = waveform[:, local >= 0]
    return spread


def _cut(wide: np.ndarray, starts: np.ndarray, n_frames: int) -> np.ndarray:
    window = starts[:, None] + np.arange(n_frames)
    return np.take_along_axis(wide, window[:, :, None], axis=1)


def _supported(waveforms: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Set local channels that hold only noise to zero."""
    peaks = np.abs(waveforms).max(axis=1, initial=0)
    return waveforms * ((peaks > MIN_PEAK) & (channels >= 0))[:, None, :]


def _basis_of(waveforms: np.ndarray, n_frames: int) -> np.ndarray:
    """Fit the basis to the templates themselves: they are what is to be explained."""
    least, most = COMPONENTS
    rows = waveforms.transpose(0, 2, 1).reshape(-1, n_frames)
    rows = rows[np.any(rows != 0, axis=1)]
    basis, energy = fit_basis(rows, np.zeros((n_frames, n_frames)), min(most, n_frames))
    enough = int(np.searchsorted(energy, ENERGY)) + 1
    return basis[: max(least, enough)]


def _project(waveforms, channels, basis, n_channels) -> np.ndarray:
    """Coefficients on all channels, (K, C, P)."""
    local = np.einsum("ktc,pt->kcp", waveforms, basis).astype(np.float32)
    dense = np.zeros((len(local), n_channels, basis.shape[0]), np.float32)
    for row, near in enumerate(channels):
        dense[row, near[near >= 0]] = local[row, near >= 0]
    return dense


def _find_duplicates(context, coefficients, basis, clusters):
    """Group clusters of the same unit; lag of each against the largest of its group."""
    config = context.config.templates
    overlaps = overlap_table(coefficients, correlations(basis))
    norms = template_norms(coefficients)
    first, second, similarity, lag = pair_similarity(
        overlaps, norms, config.max_lag_frames
    )
    sizes = clusters["size"]
    turns = take_turns(context, clusters, first, second)
    similarity += DRIFT_ALLOWANCE * turns
    similarity -= TOLD_APART * (~turns & _told_apart(clusters, first, second))
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


def _told_apart(clusters: dict, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Tell which pairs came apart on one channel, and are no collisions by their size.

    Seen from two channels, a unit has two templates for no other reason; here a dip
    between them is known.
    """
    channels, sizes = clusters["channel"], clusters["size"]
    smaller = np.minimum(sizes[first], sizes[second])
    larger = np.maximum(sizes[first], sizes[second])
    return (channels[first] == channels[second]) & (smaller >= FREQUENT * larger)
