"""The processes of the MPI ranks of a running job."""

import psutil

__all__ = ["ranks_of"]

RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")


def ranks_of(process):
    """Return the ranks below a process, without what they start themselves.

    A rank that imports h5py asks ``uname`` for the processor: a process with the
    environment of a rank, which nobody misses if it is killed.
    """
    below = psutil.Process(process.pid).children(recursive=True)
    return [child for child in below if _is_rank(child)]


def _is_rank(process):
    try:
        return _says_rank(process) and not _says_rank(process.parent())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _says_rank(process):
    return process is not None and any(map(process.environ().get, RANK_VARIABLES))
