"""Step 1: measure artefacts, check the filter; write the filtered file on request.

Filtering itself happens on the way, whenever a later step reads a chunk: the raw file
is never changed and no copy is needed.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from circus_io.atomic import atomic_path
from circus_io.parallel import broadcast, wait_for_all
from sorting.chunk_map import own_items
from sorting.steps.artefacts import measure_artefacts
from sorting.steps.context import Context
from sorting.store import Store

__all__ = ["filtered_path", "has_file", "run"]


def run(context: Context) -> dict[str, np.ndarray]:
    """Return the filter's sections; all ranks write their chunks of the file."""
    artefacts = {}
    if context.config.filtering.artefacts is not None:
        measured = measure_artefacts(context)
        artefacts = measured.to_arrays(context.n_channels)
        front_end = context.front_end.with_artefacts(measured)
        context = replace(context, front_end=front_end)
    if context.config.filtering.to_file:
        _write_filtered(context)
    sos = context.front_end.sos
    return {
        "sos": np.zeros((0, 6)) if sos is None else sos,
        "has_file": np.array(context.config.filtering.to_file),
        **artefacts,
    }


def filtered_path(steps_folder: Path) -> Path:
    """Return where the filtered recording is: beside the folder of the steps."""
    variant = steps_folder.name.removeprefix("steps")
    return steps_folder.with_name(f"filtered{variant}.dat")


def has_file(store: Store) -> bool:
    """Tell whether the filtered recording of the stored settings is there."""
    written = bool(store.load("filtering")["has_file"])
    there = filtered_path(store.folder).exists() if store.comm.rank == 0 else None
    return written and broadcast(store.comm, there)


def _write_filtered(context: Context) -> None:
    """Write float32 µV of the analysed channels, streams end to end."""
    front_end = context.front_end
    path = filtered_path(context.store.folder)
    partial = context.store.open_parts("filtering", context.digest) / path.name
    grid = front_end.grid
    lengths = [stop - start for start, stop in map(grid.bounds, range(len(grid)))]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    frame_bytes = 4 * context.n_channels
    if context.comm.rank == 0:
        with partial.open("wb") as file:
            file.truncate(int(offsets[-1]) * frame_bytes)
    wait_for_all(context.comm)
    with partial.open("r+b") as file:
        for index in own_items(range(len(grid)), context.comm, context.progress):
            file.seek(int(offsets[index]) * frame_bytes)
            file.write(np.ascontiguousarray(front_end.read(index).core, "<f4").data)
    wait_for_all(context.comm)
    if context.comm.rank == 0:
        with atomic_path(path) as final:
            partial.replace(final)
    wait_for_all(context.comm)
