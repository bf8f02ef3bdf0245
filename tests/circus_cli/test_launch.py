import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from circus_cli import launch
from circus_io.errors import LaunchError, MissingDependencyError


@pytest.fixture(autouse=True)
def fresh_search():
    launch.find_mpiexec.cache_clear()
    yield
    launch.find_mpiexec.cache_clear()


@pytest.fixture
def empty_environment(monkeypatch, tmp_path):
    """A Python whose environment has no mpiexec of its own."""
    monkeypatch.setattr(launch.sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(launch.sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def make_mpiexec(folder, says):
    folder.mkdir(exist_ok=True)
    path = folder / "mpiexec"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_own_mpiexec_wins_over_the_path(require, monkeypatch, tmp_path):
    require("mpi4py", extra="mpi")
    make_mpiexec(tmp_path, "mpiexec (OpenRTE) 4.1.4")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert launch.find_mpiexec().parent == Path(sys.executable).parent


def test_without_mpi4py_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"circus-toolkit\[mpi\]"):
        launch.find_mpiexec()


def test_without_mpiexec_the_extra_is_named(require, empty_environment):
    require("mpi4py", extra="mpi")
    with pytest.raises(LaunchError, match=r"no mpiexec.*circus-toolkit\[mpi\].*-c 1"):
        launch.find_mpiexec()


def test_mpiexec_of_another_mpi_on_the_path_is_refused(
    require, empty_environment, monkeypatch
):
    require("mpi4py", extra="mpi")
    make_mpiexec(empty_environment, "mpiexec (OpenRTE) 4.1.4")
    monkeypatch.setattr(launch, "_output", _output_with("MPICH Version: 4.2"))
    with pytest.raises(LaunchError, match=r"is of Open MPI, but mpi4py .* uses MPICH"):
        launch.find_mpiexec()


def test_mpiexec_of_the_same_mpi_on_the_path_is_taken(
    require, empty_environment, monkeypatch
):
    require("mpi4py", extra="mpi")
    path = make_mpiexec(empty_environment, "mpirun (Open MPI) 5.0.3")
    monkeypatch.setattr(launch, "_output", _output_with("Open MPI v5.0.3, package"))
    assert launch.find_mpiexec() == path


def _output_with(library):
    """Run commands but for the one that asks mpi4py for its library."""
    real = launch._output

    def output(*command):
        return library if launch.PRINT_LIBRARY in command else real(*command)

    return output


@pytest.mark.parametrize(
    ("says", "flag"),
    [
        ("HYDRA build details:\n Version: 4.2", "-f"),
        ("mpiexec (OpenRTE) 4.1.4", "--hostfile"),
        ("mpirun (Open MPI) 5.0.3", "--hostfile"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.13", "-machinefile"),
        ("Microsoft MPI Startup Program [Version 10.1]", "-machinefile"),
    ],
)
def test_hostfile_flag_of_each_mpi(monkeypatch, says, flag):
    monkeypatch.setattr(launch, "find_mpiexec", lambda: Path("/opt/mpiexec"))
    monkeypatch.setattr(launch, "_output", lambda *command: says)
    assert launch.rank_command(3, Path("my hosts")) == [
        *(str(Path("/opt/mpiexec")), "-n", "3", flag, "my hosts")
    ]


def test_library_and_mpiexec_of_this_environment_are_of_one_family(require):
    require("mpi4py", extra="mpi")
    library = launch._output(sys.executable, "-c", launch.PRINT_LIBRARY)
    mpiexec = launch._output(launch.find_mpiexec(), "--version")
    assert launch.mpi_family(library) == launch.mpi_family(mpiexec)
    assert launch.mpi_family(library) != "an unknown MPI"


def test_default_is_half_of_the_processors(require, monkeypatch):
    require("mpi4py", extra="mpi")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(9)), False)
    assert launch.default_n_ranks() == (4, None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5}, False)
    assert launch.default_n_ranks() == (1, None)


def test_default_without_mpi_is_one_with_a_notice(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), False)
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    n_ranks, notice = launch.default_n_ranks()
    assert n_ranks == 1
    assert "8 processors" in notice
    assert "circus-toolkit[mpi]" in notice


def test_environment_of_ranks_has_one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    environment = launch.rank_environment()
    assert environment["OMP_NUM_THREADS"] == environment["NUMBA_NUM_THREADS"] == "1"
    assert environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"


def test_choices_of_the_user_about_open_mpi_stay(monkeypatch):
    monkeypatch.setenv("PRTE_MCA_rmaps_default_mapping_policy", "core")
    name = "PRTE_MCA_rmaps_default_mapping_policy"
    assert launch.rank_environment()[name] == "core"


RUN_CHILD = """
import os, signal, subprocess, sys
from circus_cli import launch

class SlowToStart(subprocess.Popen):
    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        {meanwhile}

signal.signal(signal.SIGHUP, signal.{hang_up})
subprocess.Popen = SlowToStart
sys.exit(launch.run_child({command!r}))
"""
READY = "import time; print('ready', flush=True); time.sleep(60)"


@contextmanager
def running_child(command, meanwhile="pass", hang_up="SIG_DFL"):
    """Run a child; `meanwhile` is done when it is started, and nobody knows it yet."""
    code = RUN_CHILD.format(command=command, meanwhile=meanwhile, hang_up=hang_up)
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **outputs) as process:
        yield process


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_reach_the_child_and_its_status_comes_back(number):
    with running_child([sys.executable, "-c", READY]) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        # Python turns SIGINT into an exception, and then ends by that signal itself
        assert process.wait(timeout=60) == 128 + number


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_the_start_leaves_no_child(number):
    meanwhile = f"os.kill(os.getpid(), {int(number)})"
    # no Python, which makes an exit status of an interrupt that comes while it starts
    with running_child(["sleep", "60"], meanwhile) as process:
        assert process.wait(timeout=50) == 128 + number
        assert process.stdout.read() == b""  # a child would hold it for a minute


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_that_is_ignored_stays_so():
    """As of a run under nohup whose terminal closes."""
    child = "import signal, sys; sys.exit(signal.getsignal(signal.SIGHUP).name)"
    meanwhile = "os.kill(os.getpid(), signal.SIGHUP)"
    command = [sys.executable, "-c", child]
    with running_child(command, meanwhile, hang_up="SIG_IGN") as process:
        assert process.wait(timeout=60) == 1
        assert process.stderr.read() == b"SIG_IGN\n"


@pytest.mark.parametrize("status", [0, 3, 4])
def test_status_of_the_child_comes_back(status):
    command = [sys.executable, "-c", f"raise SystemExit({status})"]
    assert launch.run_child(command) == status
