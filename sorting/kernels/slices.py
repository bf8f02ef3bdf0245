"""Bounded pieces of a long array, so that memory does not grow with it."""

from collections.abc import Iterator

__all__ = ["BLOCK_ITEMS", "slices"]

BLOCK_ITEMS = 1 << 15  # of spikes 0.8 MB, and some times that while they are worked on


def slices(n_items: int, size: int = BLOCK_ITEMS) -> Iterator[slice]:
    """Yield slices that cover a long array, a bounded piece each."""
    for start in range(0, n_items, size):
        yield slice(start, min(start + size, n_items))
