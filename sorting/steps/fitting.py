"""Step 6: explain every chunk by the templates; keep the spikes."""

from pathlib import Path

import numpy as np

from circus_io.atomic import atomic_path
from circus_io.parallel import broadcast, wait_for_all
from sorting.array_file import map_arrays, write_arrays
from sorting.chunk_map import own_items
from sorting.kernels.basis import correlations
from sorting.kernels.overlaps import OverlapTable, overlap_table
from sorting.kernels.spikes import SPIKE, without_duplicates
from sorting.motion import Motion
from sorting.moving_templates import MovingTemplates
from sorting.spike_file import map_spikes, write_spikes
from sorting.steps.context import Context, Whitener
from sorting.steps.placing import AtEveryFrame, AtPeaks

__all__ = ["run"]

CHUNKS_PER_PART = 16  # at most: of a long recording
LEAST_PARTS = 64  # so that many ranks end together
MARGIN = 4  # template lengths: spikes farther out do not reach into the chunk


def run(context: Context) -> dict[str, np.ndarray]:
    """Write the spikes; parts of some chunks are kept so that a killed run goes on."""
    folder = context.store.open_parts("fitting", context.digest)
    matcher = _Matcher(context, folder)
    n_chunks = len(context.front_end)
    per_part = min(CHUNKS_PER_PART, max(1, n_chunks // LEAST_PARTS))
    parts = range(-(-n_chunks // per_part))
    missing = [part for part in parts if not _part_file(folder, part).exists()]
    missing = broadcast(context.comm, missing)
    for part in own_items(missing, context.comm, context.progress):
        start = part * per_part
        chunks = range(start, min(start + per_part, n_chunks))
        write_spikes(_part_file(folder, part), map(matcher.match, chunks))
    wait_for_all(context.comm)
    if context.comm.rank == 0:
        _collect(context, [_part_file(folder, part) for part in parts])
    return {}


def _part_file(folder: Path, part: int) -> Path:
    return folder / f"part-{part:06d}.spikes"


def _share_overlaps(context: Context, folder: Path, templates: dict) -> OverlapTable:
    """Tabulate overlaps once: ranks that map the file share its memory on a node."""
    path = folder / "overlaps.npz"
    if context.comm.rank == 0 and not path.exists():
        lags = correlations(templates["basis"])
        table = overlap_table(templates["coefficients"], lags)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            write_arrays(file, vars(table))
    wait_for_all(context.comm)
    return OverlapTable(**map_arrays(path))


def _collect(context: Context, parts: list[Path]) -> None:
    """Order spikes by (time, unit) and drop those found from both sides of a border."""
    refractory = context.config.fitting.refractory_frames
    found = without_duplicates(map(map_spikes, parts), refractory)
    write_spikes(context.store.spikes("fitting"), found)


class _Matcher:
    """The templates and the matching of one chunk."""

    def __init__(self, context: Context, folder: Path):
        templates = context.store.load("templates")
        self.context = context
        self.before = context.config.whitening.frames_before
        self.width = templates["basis"].shape[1]
        self.n_templates = len(templates["coefficients"])
        basis = templates["basis"]
        if context.config.fitting.least_peak is not None:
            self.placing = AtPeaks(context, basis)
        elif templates["knots"].size:  # with drift, each chunk has overlaps of its own
            self.placing = AtEveryFrame(context, basis)
        else:
            table = _share_overlaps(context, folder, templates)
            self.placing = AtEveryFrame(context, basis, table)
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
