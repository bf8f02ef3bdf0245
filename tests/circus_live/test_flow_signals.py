"""Flows that are interrupted or whose processes die: how they end, what is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from circus_io.errors import MemberDiedError
from circus_live import Flow
from circus_live.failure import Failure
from tests.waiting import wait_until

FOREVER = """
import sys
import time
import numpy as np
from circus_io import ArrayRecording
from circus_live import Flow, Service
from circus_live.sources.file import FileSource

class Log(Service):
    def open(self, info):
        self.n = 0
    def process(self, block):
        self.n += block.n_frames
    def finish(self):
        open("finished", "w").write(str(self.n))
    def close(self):
        open("closed", "a").write("x")

raw = np.zeros((1000, 4), "i2")
flow = Flow(FileSource(ArrayRecording(raw, 10000), 10, "real_time", 0),
            drain_timeout_s=5, start_method=sys.argv[1])
if __name__ == "__main__":
    flow.add(Log)
    flow.start()
    while flow.statistics().links[0].counts.delivered_blocks == 0:
        time.sleep(0.01)
    print(*flow.pids.values(), flush=True)
    if sys.argv[2] == "run":
        with flow.stopped_by_signals():
            flow.wait()
        print(flow.statistics().n_frames)
    else:
        flow.wait()
"""


def start_forever(folder, method, how, code=FOREVER):
    (folder / "forever.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "forever.py", method, how],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(0.1)
    return process, pids


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_everybody_drain_and_close(tmp_path, method, number):
    """As a terminal or a service manager does it: all processes get the signal."""
    process, pids = start_forever(tmp_path, method, "run")
    with process:
        for pid in [process.pid, *pids]:
            os.kill(pid, number)
        n_frames = int(process.stdout.read())
    assert process.returncode == 0
    assert int((tmp_path / "finished").read_text()) == n_frames > 0
    assert (tmp_path / "closed").read_text() == "x"
    assert all(is_gone(pid) for pid in pids)


def test_a_second_signal_kills(tmp_path):
    code = FOREVER.replace("self.n += block.n_frames", "time.sleep(1e4)")
    code = code.replace("drain_timeout_s=5", "drain_timeout_s=1e4")
    process, pids = start_forever(tmp_path, "fork", "run", code)
    with process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 1
    assert all(is_gone(pid) for pid in pids)
    assert not (tmp_path / "closed").exists()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_parent_that_is_killed_leaves_nothing_behind(tmp_path, method):
    process, pids = start_forever(tmp_path, method, "wait")
    with process:
        process.kill()
    wait_until(lambda: all(is_gone(pid) for pid in pids))
    assert int((tmp_path / "finished").read_text()) > 0
    assert (tmp_path / "closed").read_text() == "x"


def test_a_program_that_forgets_its_flow_ends(tmp_path):
    (tmp_path / "forever.py").write_text(
        FOREVER.replace("        flow.wait()\n", "        pass\n")
    )
    script = tmp_path / "forever.py"
    done = subprocess.run(
        [sys.executable, script, "fork", "forget"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert all(is_gone(int(pid)) for pid in done.stdout.split())


def test_nothing_is_left_in_shared_memory():
    folder = Path("/dev/shm")
    if not folder.is_dir():
        pytest.skip("shared memory is no folder here")
    before = {path.name for path in folder.iterdir()}
    flow = Flow("synthetic?n_channels=4&n_units=1&loop_s=0.1")
    flow.add(lambda block: None, name="victim")
    flow.start()
    wait_until(lambda: flow.statistics().n_frames > 0)
    during = {path.name for path in folder.iterdir()}
    os.kill(flow.pids["victim"], signal.SIGKILL)
    with pytest.raises(MemberDiedError):
        flow.wait()
    assert not [n for n in during - before if "circus_live" in n or n.startswith("psm")]


def test_an_error_that_only_its_process_knows_and_a_signal_without_a_name():
    failure = Failure("detector", "Odd: no", "Traceback", b"cnowhere\nOdd\n.")
    assert str(failure.as_error()) == "detector failed: Odd: no"
    flow = Flow("synthetic?n_channels=4&n_units=1&loop_s=0.1")
    flow.add(id, name="idle")
    with pytest.raises(MemberDiedError, match="killed by signal 36"), flow:
        os.kill(flow.pids["idle"], 36)
