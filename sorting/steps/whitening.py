"""Step 2: noise levels, whitening and the temporal basis, from sampled chunks."""

import numpy as np

from sorting.kernels.basis import fit_basis
from sorting.kernels.detection import local_peaks
from sorting.kernels.neighbours import neighbour_lists
from sorting.kernels.noise import masked_covariance, noise_level
from sorting.kernels.prototypes import default_waveforms, prototypes, snippets
from sorting.kernels.whitening import local_whitening
from sorting.steps.context import Context, Whitener

__all__ = ["run"]

NOISE_CHUNKS = 20  # about as many seconds
MIN_SNIPPETS = 500  # read more chunks until the basis rests on this many
MAX_SNIPPETS = 20000
N_COMPONENTS = 8  # enough for features; templates get a basis of their own
DEAD_FRACTION = 0.05  # of the median noise level: such a channel is not connected
SNIPPET_RADIUS_UM = 60.0
SNIPPET_THRESHOLD = 5.0  # noise sd; only clear spikes shape the basis


def run(context: Context) -> dict[str, np.ndarray]:
    """Return noise levels, whitening matrix, basis and detection prototypes."""
    chunks = context.sample_chunks(NOISE_CHUNKS)
    levels = _noise_levels(context, chunks)
    matrix = _whitening_matrix(context, chunks, levels)
    waveforms, peaks = _spike_waveforms(context, matrix)
    config = context.config.whitening
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


def _noise_levels(context: Context, chunks: np.ndarray) -> np.ndarray:
    """Median robust sd over the chunks that have any; 0 marks a dead channel."""
    per_chunk = context.map_chunks(
        lambda index: noise_level(_quiet_core(context, index)), chunks
    )
    levels = np.array(per_chunk).reshape(-1, context.n_channels)
    if not levels.any():
        return np.zeros(context.n_channels)
    levels = np.ma.median(np.ma.masked_equal(levels, 0), axis=0).filled(0)
    typical = np.median(levels[levels > 0])
    return np.where(levels > DEAD_FRACTION * typical, levels, 0.0)


def _whitening_matrix(context, chunks, levels) -> np.ndarray:
    config = context.config.whitening
    alive = levels > 0
    sums = context.map_chunks(
        lambda index: masked_covariance(
            _quiet_core(context, index),
            levels,
            config.event_threshold,
            config.exclude_frames,
        ),
        chunks,
    )
    products = sum((s[0] for s in sums), np.zeros((levels.size, levels.size)))
    counts = sum((s[1] for s in sums), np.zeros((levels.size, levels.size)))
    covariance = products / np.maximum(counts, 1)
    np.fill_diagonal(covariance, np.where(alive, covariance.diagonal(), 0))
    unmeasured = alive & (covariance.diagonal() == 0)
    covariance[unmeasured, unmeasured] = levels[unmeasured] ** 2
    radius = config.radius_um if config.spatial else 0.0
    return local_whitening(covariance, context.distance_um <= radius)


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
        found = context.map_chunks(collect, context.sample_chunks(NOISE_CHUNKS, read))
        waveforms += [f[0] for f in found]
        peaks += [f[1] for f in found]
        read += NOISE_CHUNKS
    return (
        np.concatenate(waveforms)[:MAX_SNIPPETS],
        np.concatenate(peaks)[:MAX_SNIPPETS],
    )
