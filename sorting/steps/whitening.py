"""Step 2: noise levels, whitening and the temporal basis, from sampled chunks."""

import numpy as np

from sorting.chunk_map import each_item
from sorting.kernels.basis import fit_basis
from sorting.kernels.detection import local_peaks
from sorting.kernels.neighbours import neighbour_lists
from sorting.kernels.noise import masked_covariance, noise_level
from sorting.kernels.prototypes import default_waveforms, prototypes, snippets
from sorting.kernels.whitening import band_blocks, local_whitening
from sorting.steps.context import Context, Whitener

__all__ = ["run"]

LEVEL_FRAMES = 8192  # of a chunk for its levels: an error of 1 %, less over all chunks
MIN_SNIPPETS = 500  # read more chunks until the basis rests on this many
MAX_SNIPPETS = 20000
N_COMPONENTS = 8  # enough for features; templates get a basis of their own
DEAD_FRACTION = 0.05  # of the median noise level: such a channel is not connected
SNIPPET_RADIUS_UM = 60.0
SNIPPET_THRESHOLD = 5.0  # noise sd; only clear spikes shape the basis


def run(context: Context) -> dict[str, np.ndarray]:
    """Return noise levels, whitening matrix, basis and detection prototypes."""
    chunks = context.sample_chunks(context.config.whitening.n_chunks)
    config = context.config.whitening
    near = context.distance_um <= (config.radius_um if config.spatial else 0.0)
    levels, covariance = _measure_noise(context, chunks, near)
    matrix = _whitening_matrix(covariance, levels, near)
    waveforms, peaks = _spike_waveforms(context, matrix)
    noise = np.eye(config.template_frames)
    if len(peaks) < MIN_SNIPPETS // 10:
        waveforms = peaks = default_waveforms(
            config.template_frames,
            config.frames_before,
            context.recording.sampling_rate,
        )
        noise = np.zeros_like(noise)
    n_components = min(N_COMPONENTS, config.template_frames)
    basis, _ = fit_basis(waveforms, noise, n_components)
    return {
        "noise_levels": levels,
        "matrix": matrix,
        "basis": basis,
        "prototypes": prototypes(peaks, basis, config.frames_before),
    }


def _quiet_core(context: Context, index: int) -> np.ndarray:
    """Return the frames of a chunk that are outside of the dead periods."""
    piece = context.front_end.read(index)
    if not context.config.filtering.dead_intervals:
        return piece.core
    return piece.core[context.front_end.alive(np.arange(piece.t_start, piece.t_stop))]


def _measure_noise(context: Context, chunks: np.ndarray, near: np.ndarray):
    """Return noise levels (C,) and the covariance (C, C) of near channels.

    In each chunk a channel is quiet by the level it has there, so that every chunk is
    read once.
    """
    config = context.config.whitening
    blocks = band_blocks(near)

    def measure(index):
        traces = _quiet_core(context, index)
        levels = noise_level(traces[:: max(1, len(traces) // LEVEL_FRAMES)])
        limits = config.event_threshold, config.exclude_frames
        return levels, masked_covariance(traces, levels, *limits, blocks)

    per_chunk = [np.zeros(context.n_channels)]
    products = [np.zeros(near[rows][:, inputs].shape) for rows, inputs in blocks]
    counts = [np.zeros(part.shape) for part in products]
    for levels, sums in each_item(measure, chunks, context.comm, context.progress):
        per_chunk.append(levels)
        for total, part in zip(products + counts, sums[0] + sums[1], strict=True):
            total += part
    covariance = np.zeros(near.shape)
    for (rows, inputs), product, count in zip(blocks, products, counts, strict=True):
        covariance[rows, inputs] = product / np.maximum(count, 1)
    return _typical_levels(np.array(per_chunk)), covariance


def _typical_levels(per_chunk: np.ndarray) -> np.ndarray:
    """Median over the chunks that have any; 0 marks a dead channel."""
    if not per_chunk.any():
        return np.zeros(per_chunk.shape[1])
    levels = np.ma.median(np.ma.masked_equal(per_chunk, 0), axis=0).filled(0)
    typical = np.median(levels[levels > 0])
    return np.where(levels > DEAD_FRACTION * typical, levels, 0.0)


def _whitening_matrix(covariance, levels, near) -> np.ndarray:
    alive = levels > 0
    covariance = covariance.copy()
    np.fill_diagonal(covariance, np.where(alive, covariance.diagonal(), 0))
    unmeasured = alive & (covariance.diagonal() == 0)
    covariance[unmeasured, unmeasured] = levels[unmeasured] ** 2
    return local_whitening(covariance, near)


def _spike_waveforms(context, matrix) -> tuple[np.ndarray, np.ndarray]:
    """Collect snippets of clear spikes, chunk batch by chunk batch, until enough."""
    whitener = Whitener(context.front_end, matrix)
    config = context.config.whitening
    ptr, near = neighbour_lists(context.distance_um <= SNIPPET_RADIUS_UM)
    sign = {"negative": -1.0, "positive": 1.0}.get(config.polarity)

    def collect(index):
        piece, traces = whitener.read(index)
        height = np.abs(traces) if sign is None else sign * traces
        frames, channels = local_peaks(
            np.ascontiguousarray(height.T, np.float32),
            SNIPPET_THRESHOLD,
            ptr,
            near,
            config.exclude_frames // 2,
        )
        alive = context.front_end.alive(frames + piece.first_frame)
        return snippets(
            traces,
            frames[alive] - config.frames_before,
            channels[alive],
            ptr,
            near,
            config.template_frames,
        )

    waveforms = [np.zeros((0, config.template_frames), np.float32)]
    peaks = [np.zeros((0, config.template_frames), np.float32)]
    read = 0
    while read < len(context.front_end) and sum(map(len, peaks)) < MIN_SNIPPETS:
        found = context.map_chunks(
            collect, context.sample_chunks(config.n_chunks, read)
        )
        waveforms += [f[0] for f in found]
        peaks += [f[1] for f in found]
        read += config.n_chunks
    return (
        np.concatenate(waveforms)[:MAX_SNIPPETS],
        np.concatenate(peaks)[:MAX_SNIPPETS],
    )
