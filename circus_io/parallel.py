"""The communicator of a run; the only file that imports mpi4py.

``get_comm()`` is a `SerialComm` (rank 0 of 1) unless the process was started by an MPI
launcher, so one core needs no MPI at all. Under a launcher it is mpi4py's
``COMM_WORLD``, after a check that the ranks found are the ranks launched.

Two rules make results independent of the number of ranks: sums over ranks are integers
(`sum_integers`), everything else travels keyed by item and is combined in item order
(`gather_ordered`).
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from circus_io.errors import LaunchError, MissingDependencyError
from circus_io.launchers import find_launcher, launched_rank, launched_size
from circus_io.serial_comm import SerialComm
from circus_io.threads import limit_threads, set_thread_variables

__all__ = [
    "SerialComm",
    "broadcast",
    "check_world",
    "gather_ordered",
    "get_comm",
    "launched_rank",
    "launched_size",
    "library_version",
    "limit_threads",
    "set_thread_variables",
    "share",
    "sum_integers",
    "wait_for_all",
]

ADVICE = (
    "let circus start the ranks (circus recording.dat -c N), use the mpiexec of this "
    "Python environment, or install mpi4py for the MPI of the launcher"
)

MESSAGE_BYTES = 2**28  # far below the 2 GiB where MPI's int counts end
SHORTEST_NAP_S, LONGEST_NAP_S = 5e-5, 2e-3  # of a rank that waits for others


@cache
def get_comm() -> Any:
    """Return the communicator of this process.

    Returns
    -------
    SerialComm or mpi4py.MPI.Comm
        ``COMM_WORLD`` when a launcher started more than one rank, or when the calling
        program already imported MPI and has more than one rank.

    Raises
    ------
    MissingDependencyError
        More than one rank was launched and mpi4py, or the MPI library below it, is
        absent.
    LaunchError
        The ranks that a launcher started do not see each other.
    """
    n_launched = launched_size() or 1
    if n_launched == 1 and "mpi4py.MPI" not in sys.modules:
        return SerialComm()
    comm = _import_mpi().COMM_WORLD
    check_world(comm, n_launched)
    return comm if comm.size > 1 else SerialComm()


def __getattr__(name: str) -> Any:
    """Give ``comm`` on first use, so that importing this module starts no MPI."""
    if name == "comm":
        return get_comm()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _import_mpi() -> ModuleType:
    """Import mpi4py.MPI and start it, refusing a launcher of the other MPI family.

    An MPICH under Open MPI's launcher ends the process inside of MPI_Init instead of
    raising, so the library is asked for its name before it is started.
    """
    try:
        import mpi4py

        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = True
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError(
            f"{launched_size()} ranks were launched, but MPI cannot be used from "
            f"{sys.executable}: {error}; install it with: "
            "pip install 'circus-toolkit[mpi]'"
        ) from error
    if not MPI.Is_initialized():
        _check_vendor(MPI.Get_library_version())
        MPI.Init_thread()
    return MPI


def _check_vendor(version: str) -> None:
    launcher = find_launcher()
    if launcher is None or launcher[0] not in ("Open MPI's mpiexec", "mpiexec"):
        return
    if ("Open MPI" in version) != (launcher[0] == "Open MPI's mpiexec"):
        raise LaunchError(
            f"{launched_size()} ranks were started by {launcher[0]} ({launcher[1]} is "
            f"set), but mpi4py of {sys.executable} uses {_first_line(version)}, which "
            f"that launcher cannot connect; {ADVICE}"
        )


def check_world(comm: Any, n_expected: int) -> None:
    """Raise `LaunchError` unless `comm` has `n_expected` ranks; say why it has not.

    Parameters
    ----------
    comm : SerialComm or mpi4py.MPI.Comm
    n_expected : int
        Ranks that were launched, or asked for on the command line.
    """
    if comm.size == n_expected:
        return
    launcher = find_launcher()
    name = "the launcher" if launcher is None else launcher[0]
    if comm.size > 1 or launched_size() in (None, 1):
        raise LaunchError(
            f"{n_expected} ranks were asked for, but {name} started {comm.size}; give "
            f"the number of ranks once: to {name}, or as -c {n_expected} without it"
        )
    if name == "srun":
        raise LaunchError(
            f"srun started {launched_size()} tasks, but each is alone (MPI world of "
            f"size 1, {library_version()}): srun ran without an MPI plug-in that this "
            "library speaks; use srun --mpi=pmi2 (MPICH) or srun --mpi=pmix (Open "
            "MPI), or let circus start the ranks: circus recording.dat -c N in a batch "
            "script, without srun"
        )
    raise LaunchError(
        f"{name} started {launched_size()} ranks, but each is alone (MPI world of size "
        f"1): {library_version()} does not belong to that launcher; {ADVICE}"
    )


def library_version() -> str:
    """Return the name and version of the MPI library in use, or ``"no MPI"``."""
    mpi = sys.modules.get("mpi4py.MPI")
    return "no MPI" if mpi is None else _first_line(mpi.Get_library_version())


def _first_line(version: str) -> str:
    """Return ``MPICH Version:      5.0.2`` and the like as ``MPICH 5.0.2``."""
    line = version.replace("\0", "").strip().splitlines()[0].split(", package")[0]
    return " ".join(line.replace("Version:", " ").split())


def sum_integers(comm: Any, array: Any) -> np.ndarray:
    """Return the sum of `array` over all ranks, on all ranks, exactly.

    Parameters
    ----------
    comm : SerialComm or mpi4py.MPI.Comm
    array : array_like of int or bool, any shape, the same on all ranks
        Sums have to stay within int64.

    Returns
    -------
    ndarray of int64, shape of `array`

    Raises
    ------
    TypeError
        For floats: their sum depends on the order, hence on the number of ranks. Use
        `gather_ordered` and add in item order, or scale to integers first.
    """
    values = np.asarray(array)
    if not np.can_cast(values.dtype, np.int64):
        raise TypeError(
            f"sum_integers got {values.dtype}, but only integers that fit int64 add up "
            "to the same sum on any number of ranks; gather and add in item order"
        )
    values = np.ascontiguousarray(values, dtype=np.int64).reshape(values.shape)
    total = np.empty_like(values)
    wait_for_all(comm)
    comm.Allreduce(values, total)
    return total


def share(n_items: int, comm: Any) -> Iterator[int]:
    """Yield the items 0, 1, 2, ... of this rank: each goes to the rank that is free.

    A counter on rank 0 hands them out. The next one is asked for before the last one is
    computed, so that nobody waits for it. All ranks have to go through to the end.

    Parameters
    ----------
    n_items : int
        The same on all ranks.
    comm : SerialComm or mpi4py.MPI.Comm
        Of another kind of communicator, rank r gets every size-th item from r on.
    """
    if not hasattr(comm, "Split_type"):  # no MPI behind it, so no counter to share
        yield from range(comm.rank, n_items, comm.size)
        return
    wait_for_all(comm)
    window = _import_mpi().Win.Allocate(8 if comm.rank == 0 else 0, 8, comm=comm)
    if comm.rank == 0:
        np.frombuffer(window, np.int64)[:] = 0
    wait_for_all(comm)
    window.Lock_all()
    item, request = _ask(window)
    request.Wait()
    while item[0] < n_items:
        following, request = _ask(window)
        yield int(item[0])
        request.Wait()
        item = following
    wait_for_all(comm)  # both keep the processor busy until the last rank is there
    window.Unlock_all()
    window.Free()


_ONE = np.ones(1, np.int64)  # outlives the requests that read it


def _ask(window: Any) -> tuple[np.ndarray, Any]:
    """Ask for the next number of the counter; it is there when the request is done."""
    number = np.empty(1, np.int64)
    return number, window.Rget_accumulate(_ONE, number, 0, op=_import_mpi().SUM)


def wait_for_all(comm: Any) -> None:
    """Wait until all ranks are here, asleep.

    MPI's own barrier keeps the processor busy, for nothing where one rank works and all
    others wait for it, and to its harm where ranks share processors.
    """
    if not hasattr(comm, "Ibarrier"):
        comm.barrier()
        return
    request = comm.Ibarrier()
    nap_s = SHORTEST_NAP_S
    while not request.Test():
        time.sleep(nap_s)
        nap_s = min(2 * nap_s, LONGEST_NAP_S)


def broadcast(comm: Any, value: Any) -> Any:
    """Return the `value` of rank 0 on all ranks, which wait for it asleep."""
    wait_for_all(comm)
    return comm.bcast(value, root=0)


def gather_ordered(
    comm: Any, items: Mapping[int, Any], *, root: int | None = None
) -> list[Any]:
    """Gather items from all ranks, in the order of their index.

    Parameters
    ----------
    comm : SerialComm or mpi4py.MPI.Comm
    items : mapping of int to object
        What this rank computed, by item index; an index belongs to one rank.
    root : int, optional
        The rank that gets the list; all ranks by default.

    Returns
    -------
    list
        Items by ascending index; on ranks other than `root` an empty list.

    Raises
    ------
    ValueError
        On the receiving ranks, if two ranks hold the same index.
    """
    if comm.size == 1:
        return [items[index] for index in sorted(items)]
    payload = np.frombuffer(pickle.dumps(dict(items), protocol=5), dtype=np.uint8)
    wait_for_all(comm)
    sizes = comm.allgather(payload.size)
    merged: dict[int, Any] = {}
    for source, size in enumerate(sizes):
        received = _receive(comm, payload, source, size, root)
        if received is not None:
            _merge_disjoint(merged, pickle.loads(received))
    return [merged[index] for index in sorted(merged)]


def _receive(
    comm: Any, payload: np.ndarray, source: int, size: int, root: int | None
) -> np.ndarray | None:
    """Move the bytes of rank `source` to `root` (or to all) in bounded messages."""
    if root is not None and comm.rank not in (source, root):
        return None
    buffer = payload if comm.rank == source else np.empty(size, dtype=np.uint8)
    for start in range(0, size, MESSAGE_BYTES):
        piece = buffer[start : start + MESSAGE_BYTES]
        if root is None:
            # a broadcast only reads at its source, where the pickle is read-only
            comm.Bcast(piece, root=source)
        elif source != root and comm.rank == source:
            comm.Send(piece, dest=root)
        elif source != root:
            comm.Recv(piece, source=source, tag=0)  # no word of an abort
    return buffer if root in (None, comm.rank) else None


def _merge_disjoint(merged: dict[int, Any], new: dict[int, Any]) -> None:
    shared = merged.keys() & new.keys()
    if shared:
        raise ValueError(f"items {sorted(shared)[:10]} were computed by two ranks")
    merged.update(new)
