"""Step 6: explain every chunk by the templates; keep the spikes."""

from pathlib import Path

import numpy as np

from sorting.bank import make_bank
from sorting.chunk_map import own_items
from sorting.kernels.correlation import coarsest_stride, correlate
from sorting.kernels.matching import Bank, find_spikes
from sorting.kernels.refit import refit
from sorting.kernels.spikes import SPIKE, without_duplicates
from sorting.motion import Motion
from sorting.moving_templates import MovingTemplates
from sorting.spike_file import map_spikes, write_spikes
from sorting.steps.context import Context, Whitener

__all__ = ["run"]

CHUNKS_PER_PART = 16
MARGIN = 4  # template lengths: spikes farther out do not reach into the chunk
MAX_ROUNDS = 5000  # each places a spike; a second of a large array needs hundreds


def run(context: Context) -> dict[str, np.ndarray]:
    """Write the spikes; parts of 16 chunks are kept so that a killed run goes on."""
    matcher = _Matcher(context)
    folder = context.store.open_parts("fitting", context.digest)
    n_chunks = len(context.front_end)
    parts = range(-(-n_chunks // CHUNKS_PER_PART))
    missing = [part for part in parts if not _part_file(folder, part).exists()]
    missing = context.comm.bcast(missing, root=0)
    for part in own_items(missing, context.comm, context.progress):
        start = part * CHUNKS_PER_PART
        chunks = range(start, min(start + CHUNKS_PER_PART, n_chunks))
        write_spikes(_part_file(folder, part), map(matcher.match, chunks))
    context.comm.barrier()
    if context.comm.rank == 0:
        _collect(context, [_part_file(folder, part) for part in parts])
    return {}


def _part_file(folder: Path, part: int) -> Path:
    return folder / f"part-{part:06d}.spikes"


def _collect(context: Context, parts: list[Path]) -> None:
    """Order spikes by (time, unit) and drop those found from both sides of a border."""
    refractory = context.config.fitting.refractory_frames
    found = without_duplicates(map(map_spikes, parts), refractory)
    write_spikes(context.store.spikes("fitting"), found)


class _Matcher:
    """The template bank and the matching of one chunk."""

    def __init__(self, context: Context):
        templates = context.store.load("templates")
        self.context = context
        self.config = context.config.fitting
        self.before = context.config.whitening.frames_before
        self.basis = templates["basis"]
        self.n_templates = len(templates["coefficients"])
        motion = Motion.from_arrays(context.store.load("motion"))
        self.templates = MovingTemplates(templates, motion, self._make_bank)
        matrix = context.store.load("whitening")["matrix"]
        self.whitener = Whitener(context.front_end, matrix)

    def _make_bank(self, coefficients: np.ndarray) -> Bank:
        return make_bank(
            coefficients,
            self.basis,
            bounds=self.config.amplitude_bounds,
            amplitude_sd=self.config.amplitude_sd,
            min_norm=self.config.min_norm,
        )

    def match(self, index: int) -> np.ndarray:
        """Return the spikes whose trough lies in the core of a chunk."""
        width = self.basis.shape[1]
        if not self.n_templates:
            return np.empty(0, SPIKE)
        piece, traces = self.whitener.read(index, MARGIN * width, lead=width)
        coefficients, bank = self.templates.at(index)
        stride = coarsest_stride(bank)
        correlation = correlate(traces, self.basis, coefficients, stride)
        spikes = self._place(correlation, bank)
        spikes = spikes[self._plausible(traces, spikes["time"])]
        spikes["time"] += piece.first_frame + self.before
        inside = (spikes["time"] >= piece.t_start) & (spikes["time"] < piece.t_stop)
        return spikes[inside & self.context.front_end.alive(spikes["time"])]

    def _plausible(self, traces: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Tell which windows stay within the largest peak that a neuron may have."""
        largest = self.context.config.detection.largest
        if largest is None:
            return np.ones(starts.size, bool)
        beyond = np.cumsum(np.pad(np.abs(traces).max(axis=1) > largest, (1, 0)))
        stops = np.minimum(starts + self.basis.shape[1], len(traces))
        return beyond[stops] == beyond[starts]

    def _place(self, correlation: np.ndarray, bank: Bank) -> np.ndarray:
        """Place templates, then fit overlapping ones together."""
        refractory = self.config.refractory_frames
        found = find_spikes(correlation, bank, refractory, MAX_ROUNDS)
        frames, units, shifts, amplitudes, _ = found
        amplitudes, gains = refit(correlation, bank, frames, units, shifts, amplitudes)
        spikes = np.empty(frames.size, SPIKE)
        spikes["time"], spikes["unit"] = frames, units
        spikes["shift"], spikes["amplitude"] = shifts, amplitudes
        spikes["objective"] = gains
        return spikes[amplitudes > 0]
