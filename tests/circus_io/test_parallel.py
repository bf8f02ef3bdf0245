import os
import subprocess
import sys

import numpy as np
import pytest

from circus_io import parallel
from circus_io.errors import LaunchError, MissingDependencyError
from circus_io.launchers import LAUNCHERS
from circus_io.parallel import SerialComm

COUNT_VARIABLES = [row[1] for row in LAUNCHERS]


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    """Give every test an environment as if no launcher had started it."""
    for variable in COUNT_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    parallel.get_comm.cache_clear()
    yield
    parallel.get_comm.cache_clear()


class FakeWorld:
    """A communicator whose size is told, for messages about launches gone wrong."""

    def __init__(self, size):
        self.size = size


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_one_process_is_serial_and_loads_no_mpi():
    code = (
        "import sys; from circus_io.parallel import comm; print(comm, "
        "[m for m in sys.modules if m.startswith('mpi4py')])"
    )
    assert run_python(code).stdout == "SerialComm() []\n"


def test_world_of_one_launched_rank_is_serial():
    code = "from circus_io.parallel import get_comm; print(get_comm())"
    assert run_python(code, PMI_SIZE="1", PMI_RANK="0").stdout == "SerialComm()\n"


def test_comm_is_the_only_lazy_name():
    assert parallel.comm is parallel.get_comm()
    with pytest.raises(AttributeError, match="no attribute 'comn'"):
        parallel.comn  # noqa: B018


def test_serial_comm_has_the_names_and_arguments_of_mpi4py(require):
    mpi4py_comm = require("mpi4py.MPI", extra="mpi").Intracomm
    names = [name for name in dir(SerialComm) if not name.startswith("_")]
    assert [name for name in names if not hasattr(mpi4py_comm, name)] == []


def test_serial_collectives_return_what_went_in():
    comm = SerialComm()
    assert (comm.rank, comm.size, comm.Get_rank(), comm.Get_size()) == (0, 1, 0, 1)
    assert comm.bcast("x") == comm.reduce("x") == comm.allreduce("x") == "x"
    assert comm.gather("x") == comm.allgather("x") == ["x"]
    assert comm.scatter(["x"]) == "x"
    assert comm.alltoall(["x"]) == ["x"]
    assert comm.Barrier() is None
    assert comm.barrier() is None
    values = np.arange(3)
    comm.Bcast(values)
    total = np.empty_like(values)
    comm.Allreduce(values, total)
    assert total.tolist() == values.tolist() == [0, 1, 2]
    with pytest.raises(SystemExit) as caught:
        comm.Abort(4)
    assert caught.value.code == 4


def test_one_rank_waits_for_nobody():
    parallel.wait_for_all(SerialComm())
    assert parallel.broadcast(SerialComm(), "x") == "x"


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint32, np.int64])
def test_sum_integers_keeps_shape_and_gives_int64(dtype):
    values = np.ones((2, 3), dtype)
    total = parallel.sum_integers(SerialComm(), values)
    assert total.dtype == np.int64
    assert total.shape == (2, 3)
    assert total.sum() == 6


@pytest.mark.parametrize("dtype", [np.float32, np.float64, complex, np.uint64])
def test_sum_integers_refuses_what_does_not_add_exactly(dtype):
    with pytest.raises(TypeError, match=np.dtype(dtype).name):
        parallel.sum_integers(SerialComm(), np.ones(2, dtype))


def test_sum_integers_of_a_number_has_no_axes():
    assert parallel.sum_integers(SerialComm(), 5).shape == ()


def test_gather_ordered_sorts_by_index_on_one_rank():
    assert parallel.gather_ordered(SerialComm(), {10: "c", 2: "b", -1: "a"}) == [
        "a",
        "b",
        "c",
    ]


def test_library_version_of_a_run_without_mpi():
    code = "from circus_io.parallel import library_version; print(library_version())"
    assert run_python(code).stdout == "no MPI\n"


def test_world_of_the_expected_size_passes():
    parallel.check_world(SerialComm(), 1)
    parallel.check_world(FakeWorld(3), 3)


def test_count_given_twice_and_differently(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(LaunchError, match=r"4 ranks were asked for, but mpiexec.* 2"):
        parallel.check_world(FakeWorld(2), 4)


def test_srun_without_mpi_plugin_is_named(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(LaunchError, match=r"srun started 2 tasks.*--mpi=pmi2"):
        parallel.check_world(SerialComm(), 2)


def test_slurm_batch_script_is_no_launcher(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert parallel.launched_size() is None
    assert parallel.get_comm().size == 1


def test_mpiexec_inside_of_slurm_wins_over_the_step(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("PMI_SIZE", "4")
    monkeypatch.setenv("PMI_RANK", "3")
    assert (parallel.launched_size(), parallel.launched_rank()) == (4, 3)


@pytest.mark.parametrize(
    ("variable", "library"),
    [
        ("OMPI_COMM_WORLD_SIZE", "MPICH Version:      4.2.1\nMPICH Release date: ..."),
        ("PMI_SIZE", "Open MPI v5.0.3, package: Open MPI x@y, ident: 5.0.3"),
    ],
)
def test_launcher_of_the_other_family_is_named(monkeypatch, variable, library):
    monkeypatch.setenv(variable, "2")
    with pytest.raises(LaunchError) as caught:
        parallel._check_vendor(library)
    assert variable in str(caught.value)
    assert "MPICH 4.2.1" in str(caught.value) or "Open MPI v5.0.3" in str(caught.value)
    assert "Release" not in str(caught.value)
    assert "package" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "library"),
    [
        ("OMPI_COMM_WORLD_SIZE", "Open MPI v5.0.3, package: Open MPI x@y"),
        ("PMI_SIZE", "MPICH Version:      4.2.1"),
        ("PMI_SIZE", "Intel(R) MPI Library 2021.13 for Linux* OS"),
        ("SLURM_STEP_NUM_TASKS", "Open MPI v5.0.3"),
        ("SLURM_STEP_NUM_TASKS", "MPICH Version:      4.2.1"),
    ],
)
def test_launcher_of_the_same_family_passes(monkeypatch, variable, library):
    monkeypatch.setenv(variable, "2")
    parallel._check_vendor(library)


def test_launched_without_mpi4py_names_the_extra(tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('no mpi4py in this test')")
    code = (
        "from circus_io import parallel\n"
        "from circus_io.errors import MissingDependencyError\n"
        "try: parallel.get_comm()\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    done = run_python(code, PMI_SIZE="2", PYTHONPATH=str(tmp_path))
    assert "circus-toolkit[mpi]" in done.stdout, done.stderr
    assert issubclass(MissingDependencyError, ImportError)
