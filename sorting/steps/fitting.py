"""Step 6: explain every chunk by the templates; keep the spikes."""

from pathlib import Path

import numpy as np

from circus_io.parallel import broadcast, wait_for_all
from sorting.chunk_map import own_items
from sorting.kernels.spikes import SPIKE, without_duplicates
from sorting.motion import Motion
from sorting.moving_templates import MovingTemplates
from sorting.spike_file import map_spikes, write_spikes
from sorting.steps.context import Context, Whitener
from sorting.steps.placing import AtEveryFrame, AtPeaks

__all__ = ["run"]

CHUNKS_PER_PART = 16
MARGIN = 4  # template lengths: spikes farther out do not reach into the chunk


def run(context: Context) -> dict[str, np.ndarray]:
    """Write the spikes; parts of 16 chunks are kept so that a killed run goes on."""
    matcher = _Matcher(context)
    folder = context.store.open_parts("fitting", context.digest)
    n_chunks = len(context.front_end)
    parts = range(-(-n_chunks // CHUNKS_PER_PART))
    missing = [part for part in parts if not _part_file(folder, part).exists()]
    missing = broadcast(context.comm, missing)
    for part in own_items(missing, context.comm, context.progress):
        start = part * CHUNKS_PER_PART
        chunks = range(start, min(start + CHUNKS_PER_PART, n_chunks))
        write_spikes(_part_file(folder, part), map(matcher.match, chunks))
    wait_for_all(context.comm)
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
    """The templates and the matching of one chunk."""

    def __init__(self, context: Context):
        templates = context.store.load("templates")
        self.context = context
        self.before = context.config.whitening.frames_before
        self.width = templates["basis"].shape[1]
        self.n_templates = len(templates["coefficients"])
        at_peaks = context.config.fitting.least_peak is not None
        self.placing = (AtPeaks if at_peaks else AtEveryFrame)(
            context, templates["basis"]
        )
        motion = Motion.from_arrays(context.store.load("motion"))
        self.templates = MovingTemplates(templates, motion, self.placing.make_bank)
        matrix = context.store.load("whitening")["matrix"]
        self.whitener = Whitener(context.front_end, matrix)

    def match(self, index: int) -> np.ndarray:
        """Return the spikes whose trough lies in the core of a chunk."""
        if not self.n_templates:
            return np.empty(0, SPIKE)
        piece, traces = self.whitener.read(
            index,
            MARGIN * self.width,
            lead=self.width,
            by_channel=self.placing.by_channel,
        )
        n_beyond = self._count_beyond(traces)
        spikes = self.placing.place(traces, *self.templates.at(index))
        stops = np.minimum(spikes["time"] + self.width, len(traces))
        spikes = spikes[n_beyond[stops] == n_beyond[spikes["time"]]]
        spikes["time"] += piece.first_frame + self.before
        inside = (spikes["time"] >= piece.t_start) & (spikes["time"] < piece.t_stop)
        return spikes[inside & self.context.front_end.alive(spikes["time"])]

    def _count_beyond(self, traces: np.ndarray) -> np.ndarray:
        """Count frames before each one with a peak larger than a neuron may have."""
        largest = self.context.config.detection.largest
        if largest is None:
            return np.zeros(len(traces) + 1, np.int64)
        return np.cumsum(np.pad(np.abs(traces).max(axis=1) > largest, (1, 0)))
