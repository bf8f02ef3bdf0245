import os
import select
import subprocess
import sys
import time

import pytest

from circus_io.abort import abort_on_error
from circus_io.errors import StepError
from circus_io.serial_comm import SerialComm


def test_errors_pass_through_one_rank():
    with (
        pytest.raises(StepError, match="no peaks"),
        abort_on_error(SerialComm()),
    ):
        raise StepError("no peaks")


ABORT = """
import sys
from circus_io.abort import abort_on_error

class World:
    rank, size = 0, 2

    def Abort(self, status):
        open("aborted", "w").close()
        sys.exit(status)

with abort_on_error(World()):
    raise ValueError("heard late")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pipes tell no bytes elsewhere")
def test_a_rank_ends_the_job_only_when_its_error_has_been_read(tmp_path):
    """A launcher that hears of the end first drops what it has not read."""
    with subprocess.Popen(
        [sys.executable, "-c", ABORT],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as rank:
        select.select([rank.stderr], [], [], 60)
        time.sleep(0.3)  # in which a rank that does not wait would end the job
        assert not (tmp_path / "aborted").exists()
        assert rank.stderr.read() == b"error: heard late\n"
    assert rank.returncode == 1
    assert (tmp_path / "aborted").exists()


INTERRUPTED = """
import builtins, os, sys
from circus_io.errors import StepError
from circus_io.abort import abort_on_error

class World:
    rank, size = 1, 2

    def iprobe(self, source, tag):
        raise getattr(builtins, sys.argv[1])

    def Abort(self, status):
        print("aborted with", status, flush=True)
        os._exit(status)

with abort_on_error(World()):
    raise StepError("no peaks")
"""


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [("RuntimeError", "error: no peaks\n"), ("KeyboardInterrupt", "")],
)
def test_whatever_happens_while_an_error_waits_to_be_said_the_job_ends(meanwhile, said):
    """MPI that fails, too, and an interrupt: the other ranks wait for the end."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, meanwhile],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout) == (4, "aborted with 4\n")
    assert done.stderr == said
