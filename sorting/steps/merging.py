"""Step 7: join units that are one neuron, drop those that hardly fire."""

from itertools import pairwise

import numpy as np

from sorting.kernels.basis import correlations
from sorting.kernels.merging import greedy_merges
from sorting.kernels.overlaps import overlap_table
from sorting.kernels.spikes import drop_duplicates
from sorting.kernels.template_shapes import template_norms
from sorting.steps.context import Context

__all__ = ["run"]

MIN_SPIKES = 20  # a unit of fewer is no unit
MIN_RATE_HZ = 0.05


def run(context: Context) -> dict[str, np.ndarray]:
    """Return spikes with final units, and which template each unit has."""
    if context.comm.rank:  # all spikes are held once, whatever the number of ranks
        return {}
    bank = context.store.read("templates")
    spikes = context.store.read("fitting")
    n_templates = len(bank["coefficients"])
    kept = _large_enough(context, spikes, n_templates)
    owner = _merge(context, bank, spikes, kept)
    final = np.where(kept, owner, -1)
    units = np.flatnonzero(np.bincount(final[final >= 0], minlength=n_templates))
    row = np.full(n_templates + 1, -1)
    row[units] = np.arange(units.size)
    new = row[final[spikes["unit"]]]
    keep = new >= 0
    merged = {name: values[keep] for name, values in spikes.items()}
    merged["unit"] = new[keep].astype(np.int32)
    return {**_deduplicate(context, merged), "template": units}


def _large_enough(context: Context, spikes: dict, n_templates: int) -> np.ndarray:
    counts = np.bincount(spikes["unit"], minlength=n_templates)
    if not context.config.merging.remove_noise:
        return counts > 0
    duration_s = _n_frames(context) / context.recording.sampling_rate
    return counts >= max(MIN_SPIKES, MIN_RATE_HZ * duration_s)


def _n_frames(context: Context) -> int:
    """Count the frames that were looked at."""
    recorded = sum(int(source.duration) for source in context.recording.streams)
    dead = sum(stop - start for start, stop in context.config.filtering.dead_intervals)
    return max(recorded - dead, 1)


def _merge(context: Context, bank: dict, spikes: dict, kept: np.ndarray) -> np.ndarray:
    config = context.config.merging
    if config.dip in (0, 1) or not kept.any():
        return np.arange(kept.size)
    order = np.argsort(spikes["unit"], kind="stable")
    bounds = np.searchsorted(spikes["unit"][order], np.arange(kept.size + 1))
    trains = [spikes["time"][order[a:b]] for a, b in pairwise(bounds)]
    return greedy_merges(
        trains,
        _alike(context, bank, kept),
        reach=config.violation_frames,
        least_dip=config.dip,
        max_violations=config.max_violations,
    )


def _alike(context: Context, bank: dict, kept: np.ndarray) -> list[tuple[int, int]]:
    """List pairs of kept units whose waveforms have a high cosine at some lag."""
    overlaps = overlap_table(bank["coefficients"], correlations(bank["basis"]))
    norms = np.sqrt(template_norms(bank["coefficients"]))
    centre = overlaps.values.shape[1] // 2
    reach = context.config.templates.max_lag_frames
    peak = overlaps.values[:, centre - reach : centre + reach + 1].max(axis=1)
    first = np.repeat(np.arange(norms.size), np.diff(overlaps.ptr))
    second = overlaps.neighbours
    cosine = peak / (norms[first] * norms[second])
    chosen = (first < second) & (cosine >= context.config.merging.min_cosine)
    chosen &= kept[first] & kept[second]
    return list(zip(first[chosen].tolist(), second[chosen].tolist(), strict=True))


def _deduplicate(context: Context, spikes: dict) -> dict[str, np.ndarray]:
    records = np.rec.fromarrays(list(spikes.values()), names=list(spikes))
    order = np.lexsort((records["unit"], records["time"]))
    records = records[order]
    keep = drop_duplicates(records, context.config.fitting.refractory_frames)
    return {name: np.asarray(records[name][keep]) for name in spikes}
