"""The one chunk loop: which rank computes which chunk, and in what order results come.

A chunk is computed whole by one rank, so its result does not depend on how many ranks
there are; results are combined by chunk index.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from circus_io.parallel import gather_ordered, share

__all__ = ["Progress", "each_item", "map_items", "own_items", "silent"]

Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Report nothing."""


def own_items(
    items: Sequence[int],
    comm: Any,
    progress: Progress = silent,
    *,
    sticky: bool = False,
) -> Iterator[int]:
    """Yield this rank's share of items, to whoever is free, and report progress.

    Which rank gets which item differs from run to run; results must not show it.

    Parameters
    ----------
    items : sequence of int
        Chunk or channel indices, the same on every rank.
    comm : SerialComm or mpi4py.MPI.Comm
    progress : callable
        Called with (items handed out before, items in all).
    sticky : bool
        Give the same items to the same rank each time: it keeps what it read for them.
    """
    fixed = range(comm.rank, len(items), comm.size)
    for number in fixed if sticky else share(len(items), comm):
        progress(number, len(items))
        yield items[number]
    progress(len(items), len(items))


def map_items(
    function: Callable[[int], Any],
    items: Sequence[int],
    comm: Any,
    progress: Progress = silent,
    *,
    root: int | None = None,
    sticky: bool = False,
) -> list[Any]:
    """Apply a function to every item and gather the results in item order.

    Parameters
    ----------
    function : callable
        Of one item; must not depend on the rank.
    items : sequence of int
        Unique, rising.
    comm : SerialComm or mpi4py.MPI.Comm
    progress : callable
    root : int, optional
        Only this rank gets the list; all ranks by default.
    sticky : bool
        As in `own_items`.

    Returns
    -------
    list
        Empty on ranks that are not `root`.
    """
    own = own_items(items, comm, progress, sticky=sticky)
    mine = {item: function(item) for item in own}
    return gather_ordered(comm, mine, root=root)


def each_item(
    function: Callable[[int], Any],
    items: Sequence[int],
    comm: Any,
    progress: Progress = silent,
) -> Iterator[Any]:
    """Yield the result of every item, in item order, on every rank.

    Results are exchanged after each round of the ranks, so that no more of them are in
    memory than there are ranks: for large ones that are added up.

    Parameters
    ----------
    function, items, comm, progress
        As for `map_items`.
    """
    for first in range(0, len(items), comm.size):
        progress(first, len(items))
        yield from map_items(function, items[first : first + comm.size], comm)
    progress(len(items), len(items))
