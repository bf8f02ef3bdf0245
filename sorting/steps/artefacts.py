"""How stimulation artefacts look and how large each one is: part of step 1."""

import numpy as np

from sorting.artefacts import Artefacts
from sorting.chunk_map import map_items
from sorting.kernels.artefacts import artefact_amplitude, artefact_shape
from sorting.kernels.sampling import bottom_k, hash_keys
from sorting.steps.context import STAGE_ARTEFACTS, Context

__all__ = ["measure_artefacts"]

MAX_EVENTS = 500  # whose median is the shape
MAX_SAMPLES = 64_000_000  # of all of them: a quarter of a gigabyte
EVENTS_PER_ITEM = 64


def measure_artefacts(context: Context) -> Artefacts:
    """Return the artefacts of all triggers that lie in the recording."""
    times = context.config.filtering.artefacts
    onsets, kinds = _inside(context)
    shapes = map_items(
        lambda kind: _shape(context, onsets[kinds == kind], times.widths[kind]),
        range(len(times.widths)),
        context.comm,
    )
    starts = range(0, onsets.size, EVENTS_PER_ITEM)
    amplitudes = map_items(
        lambda start: [
            _amplitude(context, onsets[event], shapes[kinds[event]])
            for event in range(start, min(start + EVENTS_PER_ITEM, onsets.size))
        ],
        starts,
        context.comm,
        context.progress,
    )
    sizes = [size for part in amplitudes for size in part]
    return Artefacts(onsets, kinds, np.array(sizes, np.float32), shapes)


def _inside(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Keep the triggers that lie in a stream."""
    times = context.config.filtering.artefacts
    onsets = np.array(times.onsets, np.int64)
    inside = np.zeros(onsets.size, bool)
    for source in context.recording.streams:
        inside |= (onsets >= source.t_start) & (onsets < source.t_stop)
    return onsets[inside], np.array(times.kinds, np.int64)[inside]


def _shape(context: Context, onsets: np.ndarray, width: int) -> np.ndarray:
    """Median over events that are chosen by hash, of those that are whole."""
    before = context.config.filtering.artefacts.baseline_frames
    n_events = max(1, min(MAX_EVENTS, MAX_SAMPLES // (width * context.n_channels)))
    keys = hash_keys(context.config.whitening.seed, STAGE_ARTEFACTS, onsets)
    order = bottom_k(np.zeros(onsets.size, np.int64), keys, onsets.size)
    windows = (_window(context, onset, width) for onset in onsets[order])
    whole = (window for window in windows if len(window) == before + width)
    chosen = [window for _, window in zip(range(n_events), whole, strict=False)]
    if not chosen:
        return np.zeros((width, context.n_channels), np.float32)
    return artefact_shape(np.array(chosen), before)


def _amplitude(context: Context, onset: int, shape: np.ndarray) -> float:
    before = context.config.filtering.artefacts.baseline_frames
    window = _window(context, onset, len(shape))
    return artefact_amplitude(window, shape, before) if len(window) > before else 0.0


def _window(context: Context, onset: int, width: int) -> np.ndarray:
    """Traces from the baseline to the end of an artefact, shorter at a stream's end."""
    before = context.config.filtering.artefacts.baseline_frames
    first, traces = context.front_end.as_recorded(onset - before, onset + width)
    return traces if first == onset - before else traces[:0]
