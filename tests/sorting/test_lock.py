"""Two runs in one folder: the second is refused, a killed one leaves no lock."""

import subprocess
import sys

import pytest

from circus_io.errors import NotWritableError
from circus_io.parallel import SerialComm
from sorting.lock import sole_run

HOLD = """
import sys, time
from pathlib import Path
from circus_io.parallel import SerialComm
from sorting.lock import sole_run
with sole_run(Path(sys.argv[1]), SerialComm()):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_told_what_to_do(tmp_path):
    folder = tmp_path / "results" / "steps"
    with (
        sole_run(folder, SerialComm()),
        pytest.raises(NotWritableError, match=r"another run works.*--output-dir"),
        sole_run(folder, SerialComm()),
    ):
        pass


def test_the_folder_is_free_after_a_run_and_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), sole_run(tmp_path, SerialComm()):
        raise ZeroDivisionError
    with sole_run(tmp_path, SerialComm()):
        assert (tmp_path / "lock").exists()


def test_a_killed_run_leaves_the_folder_free(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(NotWritableError), sole_run(tmp_path, SerialComm()):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with sole_run(tmp_path, SerialComm()):
        assert tmp_path.exists()
