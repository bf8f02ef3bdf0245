"""Part of step 6: what each template looks like at each displacement of the tissue.

Interpolation between contacts knows the scale of spikes, but not their shape. The
spikes of a template, seen at many displacements, say what it looks like at each.
"""

import numpy as np

from circus_io.parallel import sum_integers
from sorting.chunk_map import own_items
from sorting.kernels.basis import project_windows
from sorting.kernels.kriging import kriging_weights
from sorting.kernels.neighbours import nearest_channels
from sorting.kernels.template_shapes import FIXED_POINT, quantise
from sorting.kernels.tracks import hat_weights, solve_tracks, track_support
from sorting.motion import Motion, positions_apart
from sorting.steps.context import Context, Whitener

__all__ = ["MIN_PEAK", "channels_near", "track"]

MAX_CHANNELS = 48  # on which a template is looked for
MIN_PEAK = 0.35  # noise sd of an averaged channel that belongs to the support
KNOT_UM = 5.0  # between displacements: spikes change little, several spikes at each


def track(
    context: Context, templates: dict, times: np.ndarray, ptr: np.ndarray
) -> dict[str, np.ndarray]:
    """Return coefficients of each template at each knot, on rank 0; none without drift.

    Parameters
    ----------
    context : Context
    templates : dict
        What the step found, at no displacement.
    times : int64 (n_spikes,)
        First frames of the windows of clear spikes, template by template.
    ptr : int64 (n_templates + 1,)
    """
    motion = Motion.from_arrays(context.store.load("motion"))
    n_templates = len(templates["coefficients"])
    if not motion or not n_templates:
        return {"knots": np.zeros(0)}
    best = (templates["coefficients"] ** 2).sum(axis=2).argmax(axis=1)
    displacement = motion.at(context.probe.contact_positions[best, motion.axis])
    first = np.floor(displacement.min() / KNOT_UM)
    knots = KNOT_UM * np.arange(first, np.ceil(displacement.max() / KNOT_UM) + 1)
    channels = channels_near(context, best)
    sums = _sum_spikes(
        context, templates["basis"], times, ptr, displacement, knots, channels
    )
    sums, weights = (sum_integers(context.comm, part) / FIXED_POINT for part in sums)
    if context.comm.rank:
        return {}
    expected = _predict(context, templates, motion.axis, knots, channels)
    tracks = solve_tracks(sums, weights, expected, knots)
    basis = templates["basis"].astype(np.float64)
    tracks *= track_support(tracks, basis, MIN_PEAK)
    return {
        "knots": knots,
        "track_depths": context.probe.contact_positions[best, motion.axis],
        "track_channels": channels,
        "tracks": tracks.astype(np.float32),
    }


def channels_near(context: Context, centres: np.ndarray) -> np.ndarray:
    """List the channels on which templates are looked for, nearest first.

    Parameters
    ----------
    context : Context
    centres : int64 (n_templates,)
        Channel of each template.

    Returns
    -------
    int64 (n_templates, n_local_channels)
        -1 where a shank has fewer.
    """
    near = nearest_channels(context.distance_um, MAX_CHANNELS)[centres]
    reach = np.take_along_axis(context.distance_um[centres], near, axis=1)
    return np.where(reach <= context.config.templates.radius_um, near, -1)


def _sum_spikes(context, basis, times, ptr, displacement, knots, channels):
    """Weighted sums of projected spikes on this rank, and of products of weights."""
    n_templates, n_local = channels.shape
    width = basis.shape[1]
    sums = np.zeros((n_templates, knots.size, n_local, len(basis)), np.int64)
    weights = np.zeros((n_templates, knots.size, knots.size), np.int64)
    owners = np.repeat(np.arange(n_templates), np.diff(ptr))
    chunks, learned = context.chunks_of(times), context.learning_chunks()
    matrix = context.store.load("whitening")["matrix"]
    whitener = Whitener(context.front_end, matrix)
    for index in own_items(np.intersect1d(chunks, learned).tolist(), context.comm):
        piece, traces = whitener.read(index, width)
        starts = times - piece.first_frame
        mine = (chunks == index) & (starts >= 0) & (starts + width <= len(traces))
        local = channels[owners[mine]]
        spikes = project_windows(traces, starts[mine], local, basis)
        spikes[local < 0] = 0
        hats = hat_weights(displacement[index, owners[mine]], knots)
        for spike, hat, owner in zip(spikes, hats, owners[mine], strict=True):
            at = np.flatnonzero(hat)
            sums[owner, at] += quantise(hat[at, None, None] * spike)
            weights[owner] += quantise(np.outer(hat, hat))
    return sums, weights


def _predict(context, templates, axis: int, knots, channels) -> np.ndarray:
    """Interpolate between contacts in µV, where channels are not mixed; whiten."""
    matrix = context.store.load("whitening")["matrix"].astype(np.float64)
    positions = positions_apart(context.probe)
    basis = templates["basis"].astype(np.float64)
    expected = np.zeros((len(channels), knots.size, channels.shape[1], len(basis)))
    for row, near in enumerate(channels):
        mine = near[near >= 0]
        still = np.zeros((context.n_channels, basis.shape[1]))
        entries = slice(templates["ptr"][row], templates["ptr"][row + 1])
        still[templates["channels"][entries]] = templates["waveforms"][entries]
        places = np.repeat(positions[None, mine], knots.size, axis=0)
        places[:, :, axis] -= knots[:, None]
        weights = kriging_weights(places.reshape(-1, places.shape[2]), positions[mine])
        moved = (weights @ still[mine]).reshape(knots.size, mine.size, -1)
        whitened = matrix[np.ix_(mine, mine)] @ moved
        expected[row][:, near >= 0] = whitened @ basis.T
    return expected
