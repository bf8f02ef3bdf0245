"""Start MPI ranks: this program again, under the mpiexec of its own environment.

A bare ``mpiexec`` may belong to another MPI than the one that mpi4py loads, and its
ranks would not see each other. So the one beside this Python comes first; the one on
the PATH is taken only if it is of the same family as the library of mpi4py.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, TextIO

from circus_io.errors import LaunchError, MissingDependencyError
from circus_io.threads import THREAD_VARIABLES

__all__ = [
    "default_n_ranks",
    "find_mpiexec",
    "mpi_family",
    "rank_command",
    "rank_environment",
    "run_child",
    "run_ranks",
]

INSTALL = "install MPI for it with: pip install 'circus-toolkit[mpi]'"
ONE_RANK = "one rank needs no MPI: -c 1"

# Open MPI refuses to start as root, as in a container, and more ranks than cores.
OPEN_MPI_VARIABLES = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
# What each family of MPI calls a file of hosts, and a word by which to tell it.
HOSTFILE_FLAGS = (
    ("Open MPI", ("Open MPI", "OpenRTE", "open-mpi"), "--hostfile"),
    ("Intel MPI", ("Intel(R) MPI",), "-machinefile"),
    ("Microsoft MPI", ("Microsoft MPI",), "-machinefile"),
    ("MPICH", ("HYDRA", "MPICH", "MVAPICH"), "-f"),
)
FORWARDED_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
LAST_WORDS_S = 5.0  # for output of ranks that outlive their mpiexec


def default_n_ranks() -> tuple[int, str | None]:
    """Return how many ranks to start unless told, and a notice if that is for want.

    Half of the processors this process may use, as classic did; 1 without MPI.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    n_cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    n_ranks = max(1, n_cpus // 2)
    if n_ranks == 1:
        return 1, None
    try:
        find_mpiexec()
    except (LaunchError, MissingDependencyError):
        return 1, f"1 rank on {n_cpus} processors, for want of MPI; {INSTALL}"
    return n_ranks, None


@cache
def find_mpiexec() -> Path:
    """Return the mpiexec that belongs to the MPI of this Python.

    Raises
    ------
    MissingDependencyError
        mpi4py is absent.
    LaunchError
        There is no mpiexec, or only one of another MPI.
    """
    if importlib.util.find_spec("mpi4py") is None:
        raise MissingDependencyError(
            f"more than one rank needs mpi4py, which {sys.executable} does not have; "
            f"{INSTALL}; {ONE_RANK}"
        )
    # not resolved: in a virtual environment the executable is a link out of it
    own_folders = [Path(sys.executable).parent, *_scripts_folders(Path(sys.prefix))]
    own = shutil.which("mpiexec", path=os.pathsep.join(map(str, own_folders)))
    return Path(own) if own else _mpiexec_on_path()


def _scripts_folders(prefix: Path) -> list[Path]:
    return [prefix / "bin", prefix / "Scripts", prefix / "Library" / "bin"]


def _mpiexec_on_path() -> Path:
    found = shutil.which("mpiexec")
    if found is None:
        raise LaunchError(
            f"there is no mpiexec, neither beside {sys.executable} nor on the PATH; "
            f"{INSTALL}; {ONE_RANK}"
        )
    library = mpi_family(_output(sys.executable, "-c", PRINT_LIBRARY))
    launcher = mpi_family(_output(found, "--version"))
    if library != launcher:
        raise LaunchError(
            f"{found} is of {launcher}, but mpi4py of {sys.executable} uses {library}; "
            f"{INSTALL}, or load the {library} that has an mpiexec; {ONE_RANK}"
        )
    return Path(found)


# in a process of its own: a library that is asked for its name stays loaded
PRINT_LIBRARY = (
    "import mpi4py; mpi4py.rc.initialize = False; "
    "from mpi4py import MPI; print(MPI.Get_library_version())"
)


def _output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def mpi_family(version: str) -> str:
    """Return the family of an MPI from what it or its mpiexec says of its version."""
    for family, words, _ in HOSTFILE_FLAGS:
        if any(word in version for word in words):
            return family
    return "an unknown MPI"


def rank_command(n_ranks: int, hostfile: Path | None = None) -> list[str]:
    """Return the start of the command that runs a program on `n_ranks` ranks.

    Raises
    ------
    LaunchError, MissingDependencyError
        As `find_mpiexec`.
    """
    mpiexec = find_mpiexec()
    command = [str(mpiexec), "-n", str(n_ranks)]
    if hostfile is None:
        return command
    family = mpi_family(_output(mpiexec, "--version"))
    flags = {name: flag for name, _, flag in HOSTFILE_FLAGS}
    return [*command, flags.get(family, "-f"), str(hostfile)]


def rank_environment() -> dict[str, str]:
    """Return the environment for ranks: one thread each, and what Open MPI wants."""
    threads = dict.fromkeys(THREAD_VARIABLES, "1")
    return {**OPEN_MPI_VARIABLES, **_slurm(), **os.environ, **threads, **_terminal()}


def _slurm() -> dict[str, str]:
    """Let MPICH start ranks directly inside of a Slurm step of one node.

    By default it starts them through srun, which waits for ever for the processors that
    the running step, such as a shell by srun --pty, holds.
    """
    in_step = "SLURM_STEP_NUM_TASKS" in os.environ
    one_node = os.environ.get("SLURM_STEP_NUM_NODES") == "1"
    return {"HYDRA_LAUNCHER": "fork"} if in_step and one_node else {}


def _terminal() -> dict[str, str]:
    """Tell ranks, whose output goes through a pipe of mpiexec, about the terminal."""
    if not sys.stderr.isatty():
        return {}
    return {"CIRCUS_TERMINAL_COLUMNS": str(shutil.get_terminal_size().columns)}


def run_ranks(
    n_ranks: int, arguments: Sequence[str], hostfile: Path | None = None
) -> int:
    """Run ``circus *arguments`` on MPI ranks and return its exit status.

    Raises
    ------
    LaunchError, MissingDependencyError
        As `find_mpiexec`.
    KeyboardInterrupt
        The user stopped the ranks; what mpiexec says about that is not shown.
    """
    program = [sys.executable, "-m", "circus_cli", *arguments]
    command = [*rank_command(n_ranks, hostfile), *program]
    interrupted = threading.Event()
    with _started(command, rank_environment(), interrupted, subprocess.PIPE) as process:
        relays = [
            threading.Thread(target=_relay, args=(*pipe, interrupted), daemon=True)
            for pipe in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        ]
        for relay in relays:
            relay.start()
        status = process.wait()
    for relay in relays:
        relay.join(LAST_WORDS_S)
    if interrupted.is_set():
        raise KeyboardInterrupt
    return _as_in_a_shell(status)


def _relay(pipe: BinaryIO, stream: TextIO, interrupted: threading.Event) -> None:
    """Write what a pipe holds to a stream of this process, until it is interrupted."""
    with pipe:
        while piece := os.read(pipe.fileno(), 65536):
            # the ranks do not wait for a reader that has gone, as head does
            with suppress(OSError):
                if not interrupted.is_set():
                    stream.buffer.write(piece)
                    stream.buffer.flush()


def run_child(command: Sequence[str], environment: dict[str, str] | None = None) -> int:
    """Run a command, pass signals on to it and return its exit status.

    The status of a command that a signal ended is 128 + its number, as in a shell.
    """
    with _started(command, environment, threading.Event()) as process:
        return _as_in_a_shell(process.wait())


def _as_in_a_shell(status: int) -> int:
    return status if status >= 0 else 128 - status


@contextmanager
def _started(
    command: Sequence[str],
    environment: dict[str, str] | None,
    interrupted: threading.Event,
    output: int | None = None,
) -> Iterator[subprocess.Popen]:
    """Start a process that gets the signals sent to this one, those meanwhile too.

    `interrupted` is set before an interrupt is passed on.
    """
    process: subprocess.Popen | None = None
    early: list[int] = []

    def forward(number: int, frame: object) -> None:
        if number == signal.SIGINT:
            interrupted.set()
        if process is None:
            early.append(number)
        else:
            process.send_signal(signal.SIGTERM if os.name == "nt" else number)

    with _signals_handled(forward):
        # A session of its own: Ctrl-C at a terminal then reaches it once, from here.
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        for number in early:
            forward(number, None)
        yield process


@contextmanager
def _signals_handled(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Have signals handled, in the main thread, where Python handles them.

    Those that are ignored, as by nohup, stay so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [
        getattr(signal, name) for name in FORWARDED_SIGNALS if hasattr(signal, name)
    ]
    former = {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler_before in former.items():
            signal.signal(number, handler_before)
