"""What stops a device when its program ends, dies, or says nothing any more.

The device lives in a process of its own here and writes what leaves it into a file, so
the program that uses it may be killed.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from stim.simulated.trace import read_trace

CHECKOUT = Path(__file__).resolve().parents[3]
CAPACITY_S, BUFFER_S = 0.4, 0.1
# what a busy machine adds to any time that is measured on its wall clock
BUSY_S = 0.25

STREAM = f"""
stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 0.6])
stg.start_streaming(capacity_in_s={CAPACITY_S}, buffer_in_s={BUFFER_S})
"""
DOWNLOAD = """
stg.download(0, [1, -1, 0], [0.2, 0.2, 9.6], repeats={repeats})
stg.start_stimulation([0])
"""
WAIT = """
print("running", flush=True)
time.sleep(60)
"""


class Box:
    """A simulated device in its own process."""

    def __init__(self, folder):
        self.path = folder / "output.trace"
        command = [sys.executable, "-m", "stim.simulated.server"]
        self.process = subprocess.Popen(
            [*command, "--channels", "2", "--trace", str(self.path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        self.place = self.process.stdout.readline().split()[-1]

    def run(self, code, **settings):
        """Start a program that uses the device; wait until it says so."""
        given = "".join(f", {name}={value!r}" for name, value in settings.items())
        limits = "SafetyLimits(2_000_000, 400, 400, unit='nA', allow_endless=True)"
        start = (
            f"import time; from stim import STG4000, SafetyLimits\nlimits = {limits}\n"
        )
        stg = f"stg = STG4000(limits=limits, bus='simulated@{self.place}'{given})\n"
        program = subprocess.Popen(
            [sys.executable, "-c", start + stg + code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        assert program.stdout.readline() == "running\n", program.communicate()[1]
        return program

    def changes(self):
        trace = read_trace(self.path)
        trace = trace[trace["output"] == 0]
        return trace["time_ns"] / 1e9, trace["level"]

    def last_heard_s(self):
        """Return when the output was 0 for good, and that it is."""
        times, levels = self.changes()
        assert levels[-1] == 0
        return times[-1]


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path)
    yield box
    box.process.kill()
    box.process.communicate()


def kill(program):
    killed_s = time.monotonic()
    program.kill()
    program.communicate()
    return killed_s


def wait_for_output(box, n=20):
    end = time.monotonic() + 10
    while box.changes()[0].size < n and time.monotonic() < end:
        time.sleep(0.05)
    assert box.changes()[0].size >= n


def test_kill_while_it_streams(box):
    """The output is 0 when what was in the rings has been put out, and stays so."""
    program = box.run(STREAM + WAIT)
    wait_for_output(box)
    killed_s = kill(program)
    time.sleep(BUFFER_S + CAPACITY_S + BUSY_S)
    last_s = box.last_heard_s()
    assert last_s > killed_s - BUSY_S  # it was heard until then
    assert last_s - killed_s <= BUFFER_S + CAPACITY_S / 2 + BUSY_S
    n_changes = box.changes()[0].size
    time.sleep(0.5)
    assert box.changes()[0].size == n_changes


def test_kill_during_a_download_that_ends(box):
    program = box.run(DOWNLOAD.format(repeats=100) + WAIT)
    kill(program)
    time.sleep(1.0 + BUSY_S)
    _, levels = box.changes()
    assert np.count_nonzero(levels > 0) == 100
    assert levels[-1] == 0


def test_kill_during_a_download_for_ever_goes_on_without_a_guard(box):
    """As the real device does: nobody is there to stop it."""
    program = box.run(DOWNLOAD.format(repeats=0) + WAIT, guarded=False)
    killed_s = kill(program)
    time.sleep(1.0)
    times, _ = box.changes()
    assert times[-1] > killed_s + 0.9
    assert np.diff(times).max() < 0.02


def test_kill_during_a_download_for_ever_is_stopped_by_the_guard(box):
    program = box.run(DOWNLOAD.format(repeats=0) + WAIT)
    wait_for_output(box)
    killed_s = kill(program)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        time.sleep(0.3)
        if time.monotonic() - box.changes()[0][-1] > 0.2:
            break
    last_s = box.last_heard_s()
    assert killed_s - BUSY_S < last_s < killed_s + 5


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, STREAM), (signal.SIGINT, DOWNLOAD.format(repeats=0))],
)
def test_a_signal_stops_it_at_once_and_has_its_effect(box, number, code):
    program = box.run(code + WAIT, guarded=False)
    wait_for_output(box)
    sent_s = time.monotonic()
    program.send_signal(number)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == (-number if number == signal.SIGTERM else -2), errors
    assert box.last_heard_s() - sent_s < 0.02 + BUSY_S


def test_a_handler_that_was_there_is_called_after_the_stop(box):
    code = (
        "import signal, sys\n"
        "stg.close()\n"
        "def handler(*_):\n"
        "    sys.stdout.write(f'{stg.state}\\n'); sys.stdout.flush(); sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, handler)\n"
        f"stg = STG4000(limits=limits, bus='simulated@{box.place}')\n"
    )
    program = box.run(code + STREAM + WAIT)
    program.terminate()
    out, errors = program.communicate(timeout=20)
    assert (out, program.returncode) == ("idle\n", 7), errors


@pytest.mark.parametrize(
    "end",
    ["", "raise ZeroDivisionError", "import sys; sys.exit(3)"],
    ids=["end", "exception", "exit"],
)
def test_the_end_of_the_program_stops_it(box, end):
    code = DOWNLOAD.format(repeats=0) + 'print("running", flush=True)\n' + end
    program = box.run(code, guarded=False)
    program.communicate(timeout=20)
    assert program.returncode == {"": 0, "r": 1, "i": 3}[end[:1]]
    box.last_heard_s()


def test_a_fork_that_ends_stops_nothing(box):
    code = (
        STREAM
        + "import os\nchild = os.fork()\n"
        + "if child == 0: raise SystemExit\n"
        + "os.waitpid(child, 0)\n"
    )
    program = box.run(code + WAIT)
    ended_s = time.monotonic()
    time.sleep(0.5)
    assert box.changes()[0][-1] > ended_s
    kill(program)


def test_no_beat_stops_it(box):
    code = (
        STREAM + 'print("running", flush=True)\ntime.sleep(2)\n'
        "try: stg.set_signal(0)\n"
        "except Exception as error: print(type(error).__name__, stg.state)\n"
    )
    program = box.run(code, heartbeat_s=0.4)
    running_s = time.monotonic()
    out, errors = program.communicate(timeout=20)
    assert out == "DeviceTimeoutError fault\n", errors
    assert box.last_heard_s() - running_s < 0.4 * 1.25 + BUSY_S


def test_the_device_is_free_again_after_a_kill(box):
    kill(box.run(STREAM + WAIT))
    again = box.run(STREAM + 'print("running", flush=True)\nstg.stop_streaming()\n')
    again.communicate(timeout=20)
    assert again.returncode == 0


def test_another_program_is_told_that_it_is_taken(box):
    program = box.run(STREAM + WAIT)
    code = f"from stim import STG4000\nSTG4000(limits=(), bus='simulated@{box.place}')"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT
    )
    assert "DeviceBusyError" in other.stderr
    kill(program)


def test_nobody_listens(monkeypatch):
    from circus_io.errors import DeviceNotFoundError
    from stim.stg import open_bus

    with pytest.raises(DeviceNotFoundError, match=r"stim\.simulated\.server"):
        open_bus("simulated@127.0.0.1:9")
    assert os.environ.get("CIRCUS_STIM_BUS") is None
