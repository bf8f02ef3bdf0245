"""One run at a time in a folder of results."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from circus_io.errors import NotWritableError
from circus_io.parallel import broadcast

__all__ = ["sole_run"]

logger = logging.getLogger(__name__)


@contextmanager
def sole_run(folder: Path, comm: Any) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets go when this one dies.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    comm : SerialComm or mpi4py.MPI.Comm
        Rank 0 holds the lock for all.

    Raises
    ------
    NotWritableError
        On every rank, if another run works in the folder.
    """
    problem, lock = None, None
    if comm.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            problem = (
                f"another run works in {folder.parent}; wait until it ends, or give "
                "this one a folder of its own with --output-dir DIR"
            )
        except OSError as error:  # a file system without locks
            logger.warning("no lock in %s (%s): start no second run", folder, error)
            lock = None
    problem = broadcast(comm, problem)
    if problem:
        raise NotWritableError(problem)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
