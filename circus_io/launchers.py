"""Who started this process, as the environment tells: how many ranks, and which."""

import os

__all__ = ["LAUNCHERS", "find_launcher", "launched_rank", "launched_size"]

# (launcher, variable with the number of ranks, variable with the rank). The first one
# set wins: inside a Slurm allocation MPICH's mpiexec starts its helpers through srun,
# so a rank may see both sets, and the outer one counts nodes. SLURM_STEP_* are those of
# srun; SLURM_NTASKS alone is also set in a batch script, which no launcher started.
LAUNCHERS = (
    ("Open MPI's mpiexec", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("mpiexec", "PMI_SIZE", "PMI_RANK"),
    ("MVAPICH's mpiexec", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("flux run", "FLUX_JOB_SIZE", "FLUX_TASK_RANK"),
)

BATCH_SYSTEMS = ("srun", "flux run")


def launched_size() -> int | None:
    """Return how many ranks a launcher says it started; None without a launcher."""
    launcher = find_launcher()
    return None if launcher is None else int(os.environ[launcher[1]])


def launched_rank() -> int:
    """Return the rank a launcher gave this process, without importing MPI."""
    launcher = find_launcher()
    return 0 if launcher is None else int(os.environ.get(launcher[2], "0"))


def find_launcher() -> tuple[str, str, str] | None:
    """Return the row of `LAUNCHERS` that started this process; None without one."""
    for row in LAUNCHERS:
        count = os.environ.get(row[1], "")
        # one task of a batch system is also what an interactive shell in a job is
        if count.isdigit() and not (count == "1" and row[0] in BATCH_SYSTEMS):
            return row
    return None
