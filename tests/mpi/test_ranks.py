"""The communicator among real ranks: sizes 1 to 4, and ranks that fail or die."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from circus_cli.launch import rank_command, rank_environment
from tests.rank_processes import ranks_of

SIZES = [1, 2, 3, 4]

# what ranks print by themselves may come out interleaved
SAY = """
def say(*words):
    lines = comm.gather(" ".join(map(str, words)))
    if comm.rank == 0:
        print("\\n".join(lines))
"""

SUM = """
import numpy as np
from circus_io.parallel import get_comm, sum_integers
comm = get_comm()
mine = np.array([[comm.rank, 1], [2**53 + 1, -(comm.rank + 1)]])
total = sum_integers(comm, mine)
try:
    sum_integers(comm, mine * 0.5)
except TypeError:
    say(comm.size, total.ravel().tolist())
"""


@pytest.mark.parametrize("n", SIZES)
def test_sum_of_integers_is_exact_on_all_ranks(mpi_run, n):
    done = mpi_run(n, "-c", SAY + SUM)
    ranks = sum(range(n))
    # 2**53 + 1 is the first integer that a float64 sum would lose
    expected = f"{n} {[ranks, n, n * (2**53 + 1), -(ranks + n)]}"
    assert done.stdout.splitlines() == [expected] * n, done.stderr


WAIT = """
import time
from circus_io.parallel import broadcast, get_comm, wait_for_all
comm = get_comm()
comm.barrier()
busy = time.process_time()
if comm.rank == 0:
    time.sleep(1.0)
came = time.monotonic()  # all ranks are on one machine, which has one such clock
wait_for_all(comm)
went, busy = time.monotonic(), time.process_time() - busy
word, last_came = broadcast(comm, ("word", came) if comm.rank == 0 else None)
say(went >= last_came, busy < 0.5, word)
"""


@pytest.mark.parametrize("n", SIZES)
def test_ranks_wait_for_the_last_one_asleep(mpi_run, n):
    done = mpi_run(n, "-c", SAY + WAIT)
    assert done.stdout.splitlines() == ["True True word"] * n, done.stderr


SHARE = """
import time
from circus_io.parallel import get_comm, share
comm = get_comm()
for n_items in (0, 1, 40):
    mine = []
    for item in share(n_items, comm):
        mine.append(item)
        time.sleep(0.03 if comm.rank == 0 else 0.001)
    say(comm.rank, n_items, mine)
"""


@pytest.mark.parametrize("n", SIZES)
def test_every_item_goes_to_one_rank_and_a_slow_one_gets_fewer(mpi_run, n):
    done = mpi_run(n, "-c", SAY + SHARE)
    shares = {}
    for line in done.stdout.splitlines():
        _, n_items, mine = line.split(" ", 2)
        shares.setdefault(int(n_items), []).append(json.loads(mine))
    assert sorted(shares) == [0, 1, 40], done.stderr
    for n_items, of_ranks in shares.items():
        assert len(of_ranks) == n
        assert all(mine == sorted(mine) for mine in of_ranks)
        assert sorted(item for mine in of_ranks for item in mine) == [*range(n_items)]
    if n > 1:
        slow, *others = map(len, shares[40])
        assert slow < max(others)


GATHER = """
import hashlib, pickle, sys
import numpy as np
from circus_io import parallel
parallel.MESSAGE_BYTES = 1000
comm = parallel.get_comm()
mine = {i: np.full(i * 7, i) for i in range(comm.rank, 20, comm.size)}
root = None if sys.argv[1] == "all" else int(sys.argv[1])
got = parallel.gather_ordered(comm, mine, root=root)
flat = [int(a.sum()) for a in got]
say(comm.rank, len(got), flat == [7 * i * i for i in range(20)])
"""


@pytest.mark.parametrize("n", SIZES)
def test_items_come_in_order_on_all_ranks_in_small_messages(mpi_run, n):
    done = mpi_run(n, "-c", SAY + GATHER, "all")
    expected = [f"{rank} 20 True" for rank in range(n)]
    assert done.stdout.splitlines() == expected, done.stderr


def test_items_come_to_one_rank_only(mpi_run):
    done = mpi_run(3, "-c", SAY + GATHER, "1")
    expected = ["0 0 False", "1 20 True", "2 0 False"]
    assert done.stdout.splitlines() == expected, done.stderr


def test_an_item_of_two_ranks_is_refused(mpi_run):
    code = (
        "from circus_io.parallel import *\n"
        "comm = get_comm()\n"
        "from circus_io.abort import abort_on_error\n"
        "with abort_on_error(comm): gather_ordered(comm, {3: 'x'})"
    )
    done = mpi_run(2, "-c", code)
    assert done.returncode == 1
    assert done.stderr == "error: items [3] were computed by two ranks\n"


RAISE = """
import sys
from circus_io.errors import ParameterError, StepError
from circus_io.abort import abort_on_error
from circus_io.parallel import get_comm
comm = get_comm()
with abort_on_error(comm):
    if sys.argv[1] in ("all", str(comm.rank)):
        raise StepError("no template was found")
    comm.Barrier()
"""


@pytest.mark.parametrize("who", ["0", "1", "all"])
def test_a_rank_that_raises_ends_the_job_with_its_status_and_one_line(mpi_run, who):
    done = mpi_run(3, "-c", RAISE, who)
    assert done.returncode == 4
    assert done.stderr == "error: no template was found\n"


SLOW_TO_SAY = """
import sys, time
from circus_io.abort import abort_on_error
from circus_io.parallel import get_comm
comm = get_comm()

def report(error):
    if comm.rank == 0:
        time.sleep(2)  # as on a busy machine: longer than the others wait for a word
    print(f"rank {comm.rank}: {error}", file=sys.stderr)

with abort_on_error(comm, report):
    raise ValueError("all ranks meet it")
"""


def test_an_error_of_all_ranks_is_said_once_however_long_it_takes(mpi_run):
    done = mpi_run(3, "-c", SLOW_TO_SAY)
    assert (done.returncode, done.stderr) == (1, "rank 0: all ranks meet it\n")


DIE = """
import os, signal, sys
from circus_io.parallel import get_comm
comm = get_comm()
comm.Barrier()
if comm.rank == int(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
comm.Barrier()
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("rank", [0, 2])
def test_a_rank_that_is_killed_ends_the_job(mpi_run, rank):
    started_s = time.monotonic()
    done = mpi_run(3, "-c", DIE, rank, timeout=60)
    assert done.returncode == signal.SIGKILL
    assert time.monotonic() - started_s < 30


PARENTS = """
import os, subprocess, sys, time
from circus_io.parallel import get_comm
comm = get_comm()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
say(os.getpid(), child.pid)
sys.stdout.flush()
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="the environment of others is not shown")
def test_what_ranks_start_is_no_rank(require):
    """Else a test that means to kill a rank may kill what nobody misses."""
    require("mpi4py", extra="mpi")
    command = [*rank_command(2), sys.executable, "-c", SAY + PARENTS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=rank_environment(), text=True, **pipes) as job:
        lines = [job.stdout.readline().split() for _ in range(2)]
        ranks, children = zip(*(map(int, line) for line in lines), strict=True)
        assert all(map(psutil.pid_exists, children))
        assert sorted(rank.pid for rank in ranks_of(job)) == sorted(ranks)
        job.terminate()


def test_one_thread_per_rank(mpi_run):
    code = (
        "import numpy, numba, threadpoolctl\n"
        "from circus_io.parallel import get_comm, limit_threads\n"
        "comm = get_comm()\n"
        "limit_threads()\n"
        "say({p['num_threads'] for p in threadpoolctl.threadpool_info()}, "
        "numba.config.NUMBA_NUM_THREADS)"
    )
    assert mpi_run(2, "-c", SAY + code).stdout == "{1} 1\n" * 2


def test_large_arrays_travel_by_buffer(mpi_run):
    code = (
        "import numpy as np\n"
        "from circus_io.parallel import *\n"
        "comm = get_comm()\n"
        "counts = np.arange(300_000).reshape(3, -1) + comm.rank\n"
        "say(int(sum_integers(comm, counts.T).sum()))"
    )
    expected = int(2 * np.arange(300_000).sum() + 300_000)
    assert mpi_run(2, "-c", SAY + code).stdout.split() == [str(expected)] * 2


def test_open_mpi_launcher_with_an_mpich_python_says_why(require):
    mpiexec = require("mpiexec.openmpi", package="openmpi-bin")
    require("mpi4py", extra="mpi")
    from circus_cli.launch import OPEN_MPI_VARIABLES

    done = subprocess.run(
        [mpiexec, "-n", "2", sys.executable, "-m", "circus_cli", "absent.dat"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **OPEN_MPI_VARIABLES},
    )
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "Open MPI's mpiexec" in line
    assert "MPICH" in line
