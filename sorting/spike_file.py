"""Sorted spikes on disk: written and read block by block, mapped rather than loaded.

The file holds ``SPIKE`` records in time order and nothing else. A recording of a day
has more spikes than memory should hold.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from circus_io.atomic import atomic_path
from sorting.kernels.slices import BLOCK_ITEMS, slices
from sorting.kernels.spikes import SPIKE

__all__ = ["blocks", "map_spikes", "write_spikes"]


def write_spikes(path: Path, parts: Iterable[np.ndarray]) -> None:
    """Write spikes one part after the other; the file appears when it is whole.

    Parameters
    ----------
    path : Path
    parts : iterable of SPIKE (n,)
        In time order.
    """
    with atomic_path(path) as partial, partial.open("wb") as file:
        for part in parts:
            file.write(np.ascontiguousarray(part, SPIKE).tobytes())


def map_spikes(path: Path) -> np.ndarray:
    """Map a file of spikes into memory, SPIKE (n_spikes,), read-only."""
    if not path.stat().st_size:  # nothing to map
        return np.empty(0, SPIKE)
    return np.memmap(path, SPIKE, "r")


def blocks(spikes: np.ndarray, size: int = BLOCK_ITEMS) -> Iterator[np.ndarray]:
    """Yield copies of consecutive pieces of a long array of spikes."""
    for piece in slices(len(spikes), size):
        yield np.array(spikes[piece])
