"""Step 4: measure how the tissue moves along the probe; move the sampled peaks back.

Drift is looked for on long probes only, whose contacts are near enough to each other to
tell where between them a spike comes from.
"""

from pathlib import Path

import numpy as np

from circus_io.parallel import broadcast, sum_integers
from sorting.chunk_map import map_items, own_items
from sorting.front_end import FrontEnd
from sorting.kernels.localisation import REACH_UM, locate_depths, spatial_profile
from sorting.kernels.neighbours import nearest_channels
from sorting.kernels.occupancy import (
    N_PLACES,
    displacement_classes,
    shared_occupancy,
)
from sorting.kernels.registration import (
    pairwise_shifts,
    smooth_histograms,
    solve_displacement,
)
from sorting.motion import Motion, SteadyFrontEnd
from sorting.steps.context import Context
from sorting.steps.detection import (
    CLASS_RATIO,
    N_CLASSES,
    N_FEATURE_CHANNELS,
    read_peaks,
)
from sorting.steps.detection import (
    has_files as has_peak_files,
)
from sorting.steps.moving_peaks import move_peaks
from sorting.store import Store

__all__ = ["has_files", "peak_folder", "run", "steady_front_end", "take_turns"]

MOVED_PEAKS = "motion-peaks"
MIN_ELONGATION = 4.0  # length to width of a shank that goes into tissue
MIN_LENGTH_UM = 100.0
MAX_PITCH_UM = 30.0  # between contacts a spike is seen by several
PERIOD_S = 1.0
MAX_PERIODS = 600  # bounds the pairs of them
MIN_PEAKS = 50  # of a period, on the average
MIN_PERIODS = 5
DEPTH_STEP_UM = 4.0
MAX_SHIFT_UM = 100.0
WINDOW_UM = 400.0  # depths that move together
RIGIDITY = 0.25  # what the motion of the whole probe counts beside that of a window
LEAST_WEIGHT = 0.02  # of a depth in a window
MIN_RANGE_UM = 4.0  # less changes no amplitude by more than its own spread

TURNS = 0.35  # share of displacements at which two parts of a neuron are both seen


def run(context: Context) -> dict[str, np.ndarray]:
    """Return the displacement of each chunk in each depth window, 0 without drift."""
    axis = _depth_axis(context)
    n_chunks = len(context.front_end)
    motion = Motion(0, np.zeros(1), np.zeros((n_chunks, 1)))
    n_periods = _count_periods(context)
    if context.config.motion.correct and axis is not None and n_periods >= MIN_PERIODS:
        motion = _measure(context, axis, n_periods)
    if motion:
        move_peaks(context, motion, MOVED_PEAKS)
    return {
        "axis": np.int64(motion.axis),
        "depths": motion.depths_um,
        "displacement": motion.displacement_um,
    }


def has_files(store: Store, n_channels: int) -> bool:
    """Tell whether the peaks that this step moved are there, if it moved any."""
    moved = bool(Motion.from_arrays(store.load("motion")))
    return not moved or has_peak_files(store, n_channels, MOVED_PEAKS)


def peak_folder(context: Context) -> Path:
    """Return the folder of the sampled peaks as they are to be clustered."""
    moved = bool(Motion.from_arrays(context.store.load("motion")))
    return context.store.parts(MOVED_PEAKS if moved else "detection-peaks")


def steady_front_end(context: Context) -> FrontEnd | SteadyFrontEnd:
    """Return the front end, with drift taken out where there is any."""
    motion = Motion.from_arrays(context.store.load("motion"))
    if not motion:
        return context.front_end
    alive = context.store.load("whitening")["noise_levels"] > 0
    return SteadyFrontEnd(context.front_end, motion, context.probe, alive)


def take_turns(
    context: Context, clusters: dict, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Tell which pairs of clusters are hardly seen at the same displacement.

    Parameters
    ----------
    context : Context
    clusters : dict
        What the clustering stored.
    first, second : int64 (n_pairs,)

    Returns
    -------
    bool (n_pairs,)
        False without drift.
    """
    motion = Motion.from_arrays(context.store.load("motion"))
    if not motion:
        return np.zeros(first.size, bool)
    chunks = context.chunks_of(clusters["times"])
    counts = np.zeros((clusters["channel"].size, N_PLACES), np.int64)
    depths = context.probe.contact_positions[clusters["channel"], motion.axis]
    for row, displacement in enumerate(motion.at(depths).T):
        place = displacement_classes(displacement)
        mine = chunks[clusters["ptr"][row] : clusters["ptr"][row + 1]]
        counts[row] = np.bincount(place[mine], minlength=N_PLACES)
    return shared_occupancy(counts, first, second) < TURNS


def _depth_axis(context: Context) -> int | None:
    """Return the long dimension of the shanks; None if there is none, or coarse."""
    positions = context.probe.contact_positions.copy()
    for group in np.unique(context.probe.groups):
        mine = context.probe.groups == group
        positions[mine] -= positions[mine].mean(axis=0)
    extent = np.ptp(positions, axis=0)
    axis = int(extent.argmax())
    others = np.delete(extent, axis).max(initial=0.0)
    apart = np.where(np.eye(len(positions)), np.inf, context.distance_um).min(axis=1)
    long = extent[axis] >= max(MIN_LENGTH_UM, MIN_ELONGATION * others)
    return axis if long and np.median(apart) <= MAX_PITCH_UM else None


def _count_periods(context: Context) -> int:
    """Periods as short as the number of peaks allows."""
    counts = context.store.load("detection")["counts"]
    per_class = max(context.config.detection.max_per_channel // N_CLASSES, 1)
    n_peaks = int(np.minimum(counts, per_class).sum())
    period = PERIOD_S * context.recording.sampling_rate
    n_frames = len(context.front_end) * context.config.filtering.chunk_frames
    n_chunks = len(context.learning_chunks())
    most = min(MAX_PERIODS, n_chunks, int(n_frames / period))
    return min(most, n_peaks // MIN_PEAKS)


def _measure(context: Context, axis: int, n_periods: int) -> Motion:
    """Displacement of each window, interpolated from periods to chunks."""
    counts = sum_integers(context.comm, _count_depths(context, axis, n_periods))
    middles, windows = _register(context, axis, counts)
    n_chunks = len(context.front_end)
    at = (np.arange(n_periods) + 0.5) * n_chunks / n_periods - 0.5
    displacement = np.array([np.interp(np.arange(n_chunks), at, w) for w in windows]).T
    low, high = np.percentile(np.array(windows), [2, 98])
    if high - low < MIN_RANGE_UM:
        displacement = np.zeros_like(displacement)
    return Motion(axis, middles, displacement)


def _count_depths(context: Context, axis: int, n_periods: int) -> np.ndarray:
    """Histograms of this rank's channels, int32 (n_periods, n_sizes, n_depths)."""
    positions = context.probe.contact_positions
    across = int(np.delete(np.ptp(positions, axis=0), axis).argmax())
    across += across >= axis
    plane = positions[:, [across, axis]]
    lowest = plane[:, 1].min() - REACH_UM
    n_depths = int((np.ptp(plane[:, 1]) + 2 * REACH_UM) / DEPTH_STEP_UM) + 1
    counts = np.zeros((n_periods, N_CLASSES, n_depths), np.int32)
    near = nearest_channels(context.distance_um, N_FEATURE_CHANNELS)
    threshold = context.config.detection.threshold
    edges = threshold * CLASS_RATIO ** np.arange(1, N_CLASSES)
    for channel in own_items(range(context.n_channels), context.comm, context.progress):
        peaks, features = read_peaks(context, channel)
        relative = plane[near[channel]] - plane[channel]
        relative[near[channel] < 0] = np.inf
        n_components = features.shape[1] // len(relative)
        features = features.reshape(len(peaks), len(relative), n_components)
        depths, sizes = locate_depths(spatial_profile(features), relative)
        period = context.chunks_of(peaks["time"]) * n_periods // len(context.front_end)
        row = ((plane[channel, 1] + depths - lowest) / DEPTH_STEP_UM).astype(int)
        np.add.at(counts, (period, np.searchsorted(edges, sizes), row), 1)
    return counts


def _register(
    context: Context, axis: int, counts: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Middles of the depth windows, and the displacement in each of each period."""
    n_depths = counts.shape[2]
    along = context.probe.contact_positions[:, axis]
    depths = along.min() - REACH_UM + DEPTH_STEP_UM * (np.arange(n_depths) + 0.5)
    length = np.ptp(along)
    reach = int(min(MAX_SHIFT_UM, length / 4) / DEPTH_STEP_UM)
    n_windows = max(1, int(length / WINDOW_UM))
    middles = along.min() + length * (np.arange(n_windows) + 0.5) / n_windows
    rigid = _solve(counts, reach) if context.comm.rank == 0 else None
    rigid = broadcast(context.comm, rigid)
    if n_windows == 1:
        return middles, [rigid]
    spread = length / n_windows / 2

    def solve(window):
        weights = np.exp(-0.5 * ((depths - middles[window]) / spread) ** 2)
        there = weights > LEAST_WEIGHT
        return _solve(counts[:, :, there] * weights[there], reach, rigid)

    return middles, map_items(solve, range(n_windows), context.comm)


def _solve(
    counts: np.ndarray, reach: int, rigid: np.ndarray | None = None
) -> np.ndarray:
    histograms = smooth_histograms(counts, DEPTH_STEP_UM)
    shifts, weights = pairwise_shifts(histograms, reach)
    shifts *= DEPTH_STEP_UM
    if rigid is not None:
        expected = rigid[:, None] - rigid[None]
        shifts = (weights * shifts + RIGIDITY * expected) / (weights + RIGIDITY)
        weights = weights + RIGIDITY
    return solve_displacement(shifts, weights, rigid)
