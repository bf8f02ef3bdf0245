"""Step 7: join units that are one neuron, drop those that hardly fire."""

from collections.abc import Iterator

import numpy as np

from sorting.kernels.basis import correlations
from sorting.kernels.coincidences import count_coincidences, families
from sorting.kernels.merging import FLANKS, greedy_merges
from sorting.kernels.overlaps import overlap_table
from sorting.kernels.spikes import without_duplicates
from sorting.kernels.template_shapes import template_norms
from sorting.spike_file import blocks, map_spikes, write_spikes
from sorting.steps.context import Context

__all__ = ["run"]

MIN_SPIKES = 20  # a unit of fewer is no unit
MIN_RATE_HZ = 0.05
MIN_CONFIRMED = 0.25  # of the clustered spikes: the others explain the rest better


def run(context: Context) -> dict[str, np.ndarray]:
    """Write spikes with final units; return which template each unit has.

    Spikes pass by block by block, on one rank: only counts are held.
    """
    if context.comm.rank:
        return {}
    bank = context.store.load("templates")
    spikes = map_spikes(context.store.spikes("fitting"))
    counts = _count(spikes, len(bank["coefficients"]))
    kept = _large_enough(context, counts, bank["size"])
    owner = _merge(context, bank, spikes, counts, kept)
    units = np.unique(owner[kept])
    row = np.full(counts.size, -1)
    row[units] = np.arange(units.size)
    renamed = _rename(spikes, np.where(kept, row[owner], -1))
    refractory = context.config.fitting.refractory_frames
    path = context.store.spikes("merging")
    write_spikes(path, without_duplicates(renamed, refractory))
    return {"template": units}


def _count(spikes: np.ndarray, n_templates: int) -> np.ndarray:
    counts = np.zeros(n_templates, np.int64)
    for block in blocks(spikes):
        counts += np.bincount(block["unit"], minlength=n_templates)
    return counts


def _rename(spikes: np.ndarray, new: np.ndarray) -> Iterator[np.ndarray]:
    """Give spikes their final units; leave out those whose unit is -1."""
    for block in blocks(spikes):
        block["unit"] = new[block["unit"]]
        yield block[block["unit"] >= 0]


def _large_enough(
    context: Context, counts: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Tell which units fire often enough, also beside the `sizes` of their clusters."""
    if not context.config.merging.remove_noise:
        return counts > 0
    duration_s = _n_frames(context) / context.recording.sampling_rate
    least = max(MIN_SPIKES, MIN_RATE_HZ * duration_s)
    return counts >= np.maximum(least, MIN_CONFIRMED * sizes)


def _n_frames(context: Context) -> int:
    """Count the frames that were looked at."""
    recorded = sum(int(source.duration) for source in context.recording.streams)
    dead = sum(stop - start for start, stop in context.config.filtering.dead_intervals)
    return max(recorded - dead, 1)


def _merge(context: Context, bank: dict, spikes, counts, kept) -> np.ndarray:
    """Return the template that each one joins, itself for most."""
    config = context.config.merging
    owner = np.arange(kept.size)
    if config.dip in (0, 1) or not kept.any():
        return owner
    pairs = _alike(context, bank, kept)
    related = families(kept.size, pairs)
    reaches = (config.violation_frames, FLANKS * config.violation_frames)
    parts = ((block["time"], block["unit"]) for block in blocks(spikes))
    for number, (near, far) in enumerate(count_coincidences(parts, related, reaches)):
        units = related.units(number)
        place = related.member
        joined = greedy_merges(
            counts[units],
            near,
            far,
            [(place[a], place[b]) for a, b in pairs if related.family[a] == number],
            reach=config.violation_frames,
            least_dip=config.dip,
            max_violations=config.max_violations,
        )
        owner[units] = units[joined]
    return owner


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
