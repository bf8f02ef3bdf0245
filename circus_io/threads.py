"""One thread per rank: ranks are the parallelism."""

from __future__ import annotations

import os

from threadpoolctl import threadpool_info, threadpool_limits

from circus_io.errors import LaunchError

__all__ = ["THREAD_VARIABLES", "limit_threads", "set_thread_variables"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def set_thread_variables() -> None:
    """Ask libraries loaded later, here and in child processes, for one thread."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"


def limit_threads() -> threadpool_limits:
    """Give this rank one BLAS and one OpenMP thread.

    Ranks are the parallelism: more threads per rank would compete for the same cores,
    and the rounding of a BLAS call may depend on its number of threads.

    Returns
    -------
    threadpool_limits
        As a context manager it restores the former limits on leaving.

    Raises
    ------
    LaunchError
        A library kept more than one thread.
    """
    set_thread_variables()
    limits = threadpool_limits(limits=1)
    stubborn = [pool for pool in threadpool_info() if pool["num_threads"] != 1]
    if stubborn:
        names = ", ".join(f"{p['prefix']} ({p['num_threads']})" for p in stubborn)
        raise LaunchError(
            f"these libraries keep more than one thread per rank: {names}; set "
            "OMP_NUM_THREADS=1 before starting Python"
        )
    return limits
