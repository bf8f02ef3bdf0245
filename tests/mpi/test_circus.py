"""``circus -c N`` and ``mpiexec circus`` from end to end, with real processes."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from tests.rank_processes import ranks_of
from tests.waiting import wait_until

CIRCUS = [sys.executable, "-m", "circus_cli"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A tetrode recording of 6 s: noise and two neurons."""
    folder = tmp_path_factory.mktemp("original")
    rng = np.random.default_rng(11)
    raw = rng.normal(0, 100, (90_000, 4))
    ms = (np.arange(-15, 30) / 15)[:, np.newaxis]
    shape = -np.exp(-((ms / 0.15) ** 2)) + 0.4 * np.exp(-(((ms - 0.5) / 0.3) ** 2))
    for peaks in ([1000, 400, 300, 100], [100, 200, 900, 600]):
        starts = np.cumsum(40 + rng.exponential(1200, 60).astype(int))
        for start in starts[starts < 89_000]:
            raw[start : start + 45] += shape * peaks
    np.rint(raw).astype("<i2").tofile(folder / "rec.dat")
    (folder / "rec.prb").write_text(
        "total_nb_channels = 4\nradius = 100\n"
        "channel_groups = {1: {'channels': [0, 1, 2, 3], 'graph': [], 'geometry': "
        "{0: [0, 0], 1: [0, 25], 2: [25, 0], 3: [25, 25]}}}\n"
    )
    (folder / "rec.params").write_text(
        "[data]\nfile_format = raw_binary\ndata_dtype = int16\nsampling_rate = 15000\n"
        "nb_channels = 4\ngain = 0.1\nmapping = rec.prb\n"
    )
    return folder


@pytest.fixture
def folder(require, original, tmp_path, monkeypatch):
    require("mpi4py", extra="mpi")
    folder = tmp_path / "a folder"
    shutil.copytree(original, folder)
    monkeypatch.chdir(folder)
    return folder


def circus(*arguments, **environment):
    return subprocess.run(
        [*CIRCUS, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, **environment},
    )


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def errors(done):
    return [line for line in done.stderr.splitlines() if line.startswith("error")]


def test_any_number_of_ranks_gives_the_same_file(folder):
    digests = set()
    for n_ranks in (1, 2, 3, 4):
        done = circus("rec.dat", "-c", n_ranks, "--output-dir", f"on {n_ranks}")
        assert done.returncode == 0, done.stderr
        assert f"ranks: {n_ranks}" in done.stdout
        assert done.stdout.count("2 units, ") == 1  # only rank 0 speaks
        digests.add(digest(folder / f"on {n_ranks}" / "rec.sorting.hdf5"))
    assert len(digests) == 1


def test_ranks_started_from_outside_are_taken(folder, mpi_run):
    done = mpi_run(2, "-m", "circus_cli", "rec.dat")
    assert done.returncode == 0, done.stderr
    assert "ranks: 2" in done.stdout
    assert mpi_run(2, "-m", "circus_cli", "rec.dat", "-c", "2").returncode == 0


def test_number_of_ranks_given_twice_and_differently(folder, mpi_run):
    done = mpi_run(2, "-m", "circus_cli", "rec.dat", "-c", "3")
    assert done.returncode == 2
    (error,) = errors(done)
    assert "3 ranks were asked for, but mpiexec started 2" in error


def test_one_launched_rank_that_should_be_three(folder, mpi_run):
    done = mpi_run(1, "-m", "circus_cli", "rec.dat", "-c", "3")
    assert done.returncode == 2
    assert "3 ranks were asked for, but mpiexec started 1" in errors(done)[0]


def test_hosts_belong_to_who_starts_the_ranks(folder, mpi_run):
    (folder / "hosts").write_text("localhost\n")
    done = mpi_run(2, "-m", "circus_cli", "rec.dat", "-H", "hosts")
    assert done.returncode == 2
    assert "-H does not go with ranks started from outside" in errors(done)[0]


def test_hostfile_is_given_to_mpiexec(folder):
    (folder / "hosts").write_text("localhost\n")
    done = circus("rec.dat", "-c", "2", "-H", "hosts")
    assert done.returncode == 0, done.stderr
    assert "ranks: 2" in done.stdout


@pytest.mark.parametrize("n_ranks", [1, 2])
def test_wrong_input_is_one_line_on_any_number_of_ranks(folder, mpi_run, n_ranks):
    with (folder / "rec.params").open("a") as file:
        file.write("x = 1\n")
    done = mpi_run(n_ranks, "-m", "circus_cli", "rec.dat")
    assert done.returncode == 3
    assert done.stderr.splitlines() == errors(done)
    assert len(errors(done)) == 1
    assert circus("rec.dat", "-c", n_ranks).stderr == done.stderr


@pytest.mark.parametrize("n_ranks", [1, 2])
def test_a_warning_is_said_once_and_not_if_quiet(folder, n_ranks):
    with (folder / "rec.dat").open("ab") as file:
        file.write(b"odd")
    done = circus("rec.dat", "-c", n_ranks)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "rec.dat" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: ")
    quiet = circus("rec.dat", "-c", n_ranks, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize("option", ["-p", "-r"])
def test_a_warning_before_a_picture_is_said_once_and_not_if_quiet(folder, option):
    with (folder / "rec.dat").open("ab") as file:
        file.write(b"odd")
    if option == "-r":
        assert circus("rec.dat").returncode == 0
    assert circus("rec.dat", option).stderr.count("warning: ") == 1
    assert circus("rec.dat", option, "--quiet").stderr == ""


def test_ranks_leave_the_summary_to_who_started_them(folder, mpi_run):
    done = mpi_run(2, "-m", "circus_cli", "rec.dat", "--no-summary")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_summary_stays_on_the_terminal(folder):
    """What comes after the last control code of the bars, nothing wipes."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*CIRCUS, "rec.dat", "-c", "2"], stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # how Linux ends a terminal without writers
        while piece := os.read(ours, 4096):
            text += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0
    _, bar, end = text.decode().rpartition("\x1b[2K")
    assert bar
    assert " units, " in end
    for word in ("ranks: 2", "result ", "phy "):
        assert word in end


LEAVE = """
import sys
from circus_io.files.raw_binary import RawBinaryFile
from circus_io.parallel import launched_rank

class Leaves(RawBinaryFile):
    description = "leaves"

    def chunk_grid(self, *arguments):
        if launched_rank() == 1:
            sys.exit(0)
        return super().chunk_grid(*arguments)
"""


def test_wrapper_that_ends_one_rank_ends_all_with_status_4(folder):
    (folder / "leaves.py").write_text(LEAVE)
    text = (folder / "rec.params").read_text()
    (folder / "rec.params").write_text(text.replace("raw_binary", "leaves.py:Leaves"))
    done = circus("rec.dat", "-c", "2")
    assert done.returncode == 4
    (error,) = errors(done)
    assert error.startswith("error (rank 1): ")
    assert "the code of a file format ended the program: sys.exit(0)" in error


def test_one_rank_writes_what_is_not_sorted(folder, mpi_run):
    done = mpi_run(3, "-m", "circus_cli", "params", "--init", "new.params")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote new.params") == 1
    done = mpi_run(2, "-m", "circus_cli", "rec.dat", "-p")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "rec" / "rec.preview.png").is_file()


BREAK = """
import sys
from sorting import pipeline
from circus_io.parallel import get_comm
from circus_cli.main import main

def broken(context):
    if context.comm.rank == 1:
        raise ZeroDivisionError("a bug on rank 1")
    context.comm.barrier()

pipeline.STEPS["fitting"] = broken
sys.exit(main(["rec.dat"]))
"""


def test_step_that_fails_on_one_rank_ends_all_with_status_4(folder, mpi_run):
    done = mpi_run(3, "-c", BREAK)
    assert done.returncode == 4
    assert errors(done) == [
        "error (rank 1): sorting failed: ZeroDivisionError: a bug on rank 1; "
        "--debug shows where"
    ]
    assert "MPI_Abort" not in done.stderr


@pytest.fixture
def long_job(folder):
    """Start ``circus -c 2`` on a recording that takes a while; wait for its ranks."""
    raw = (folder / "rec.dat").read_bytes()
    (folder / "rec.dat").write_bytes(raw * 20)
    process = subprocess.Popen(
        [*CIRCUS, "rec.dat", "-c", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((folder / "rec" / "steps").is_dir)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killing_one_rank_ends_the_job_and_a_new_run_resumes(folder, long_job):
    before = digest(folder / "rec.dat")
    victim = ranks_of(long_job)[-1]
    victim.send_signal(signal.SIGKILL)
    assert long_job.wait(timeout=60) != 0
    assert digest(folder / "rec.dat") == before
    again = circus("rec.dat", "-c", "2", "--output-dir", "rec")
    whole = circus("rec.dat", "-c", "1", "--output-dir", "whole")
    assert (again.returncode, whole.returncode) == (0, 0), again.stderr + whole.stderr
    assert digest(folder / "rec" / "rec.sorting.hdf5") == digest(
        folder / "whole" / "rec.sorting.hdf5"
    )


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_circus_ends_its_ranks(folder, long_job, number):
    ranks = ranks_of(long_job)
    assert len(ranks) >= 2
    long_job.send_signal(number)
    assert long_job.wait(timeout=60) != 0
    _, alive = psutil.wait_procs(ranks, timeout=30)
    assert alive == []


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("n_ranks", [1, 2])
def test_interrupt_is_one_line_and_the_run_can_go_on(folder, n_ranks):
    np.tile(np.fromfile("rec.dat", "<i2"), 80).tofile("rec.dat")
    process = subprocess.Popen(
        [*CIRCUS, "rec.dat", "-c", str(n_ranks)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((folder / "rec" / "steps").is_dir)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    lines = [line for line in err.splitlines() if " of " not in line]
    assert lines == ["interrupted; start it again to go on where it was"]
    again = circus("rec.dat", "-c", n_ranks)
    assert again.returncode == 0, again.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("answer", ["pass", "raise SystemError('lost') from None"])
def test_interrupt_that_a_library_loses_is_heard(folder, answer):
    (folder / "lossy.py").write_text(
        "import os, signal\n"
        "from circus_io.files.raw_binary import RawBinaryFile\n"
        "class Lossy(RawBinaryFile):\n"
        "    def _read_frames(self, *arguments):\n"
        "        try:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "        except KeyboardInterrupt:\n"
        f"            {answer}\n"
        "        return super()._read_frames(*arguments)\n"
    )
    done = sort_with_wrapper(folder, "lossy.py:Lossy")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1].startswith("interrupted; ")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupt_that_compiled_code_drops_is_heard_without_a_traceback(folder):
    (folder / "dropping.py").write_text(
        "import ctypes, os, signal\n"
        "from circus_io.files.raw_binary import RawBinaryFile\n"
        "@ctypes.CFUNCTYPE(None)\n"
        "def called_back():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "class Dropping(RawBinaryFile):\n"
        "    def _read_frames(self, *arguments):\n"
        "        called_back()\n"
        "        return super()._read_frames(*arguments)\n"
    )
    done = sort_with_wrapper(folder, "dropping.py:Dropping")
    assert (done.returncode, done.stdout) == (130, "")
    lines = [line for line in done.stderr.splitlines() if " of " not in line]
    assert lines == ["interrupted; start it again to go on where it was"]


def sort_with_wrapper(folder, wrapper):
    params = (folder / "rec.params").read_text()
    (folder / "rec.params").write_text(params.replace("raw_binary", f"./{wrapper}"))
    return circus("rec.dat")


def test_status_of_a_step_that_fails_comes_through_mpiexec(folder):
    done = circus("rec.dat", "-c", "2", "-m", "fitting")
    assert done.returncode == 4
    assert len(errors(done)) == 1
