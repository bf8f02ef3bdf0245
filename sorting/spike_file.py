"""Sorted spikes on disk: written and read block by block, mapped rather than loaded.

The file holds ``SPIKE`` records in time order and nothing else. A recording of a day
has more spikes than memory should hold.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from circus_io.atomic import atomic_path
from sorting.kernels.spikes import SPIKE

__all__ = ["BLOCK_SPIKES", "blocks", "map_spikes", "slices", "write_spikes"]

BLOCK_SPIKES = 1 << 15  # 0.8 MB, and some times that while they are worked on


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


def slices(n_items: int, size: int = BLOCK_SPIKES) -> Iterator[slice]:
    """Yield slices that cover a long array, a bounded piece each."""
    for start in range(0, n_items, size):
        yield slice(start, min(start + size, n_items))


def blocks(spikes: np.ndarray, size: int = BLOCK_SPIKES) -> Iterator[np.ndarray]:
    """Yield copies of consecutive pieces of a long array of spikes."""
    for piece in slices(len(spikes), size):
        yield np.array(spikes[piece])
