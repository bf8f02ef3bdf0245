"""A device with a keeper: down after everything, a kill of the program included."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from circus_io.errors import DeviceError
from stim.sampling.device import Wave
from stim.sampling.devices.kept import KeptDevice
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.limits import DriveLimits

LIMITS = DriveLimits((-1.0, -1.0), (1.0, 1.0), 50.0)
RISE = np.linspace([0, 0], [0.5, -0.5], 50)
WAVE = Wave(np.concatenate([RISE, RISE[::-1]]), 1000.0)


def test_it_is_the_device():
    device = SimulatedDevice(LIMITS, 2)
    with KeptDevice(SimulatedDevice, LIMITS, 2) as kept:
        assert (kept.n_electrodes, kept.n_readouts) == (2, 2)
        assert kept.facts == device.facts
        assert kept.limits() == LIMITS
        np.testing.assert_array_equal(kept.run(WAVE).values, device.run(WAVE).values)
        with pytest.raises(ValueError, match="beyond the limits"):
            kept.run(Wave(np.full((10, 2), 3.0), 1000.0))
        kept.safe_state()
    kept.close()
    kept.safe_state()
    with pytest.raises(DeviceError, match="has ended, outputs down"):
        kept.run(WAVE)


def test_what_the_opener_raises_is_raised():
    with pytest.raises(TypeError, match="limits"):
        KeptDevice(SimulatedDevice)


SCRIPT = """
import json, pathlib, sys
from stim.sampling.characterisation import Characterisation
from stim.sampling.designs import make_design
from stim.sampling.devices.kept import KeptDevice
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.limits import DriveLimits

class Telling(SimulatedDevice):
    def safe_state(self):
        was = self.output.tolist()
        super().safe_state()
        n_down = len(self.trace[-1]) if self.trace else 0
        told = {"was": was, "is": self.output.tolist(), "down": n_down}
        with open(sys.argv[2] if len(sys.argv) > 2 else TELL, "a") as file:
            file.write(json.dumps(told) + "\\n")

def opened(limits, tell):
    global TELL
    TELL = tell
    return Telling(limits, 1, has_real_pace=True, keeps_trace=True)

if __name__ == "__main__":
    limits = DriveLimits((-1.0,) * 2, (1.0,) * 2, 50.0)
    design = make_design(dict(kind="sine", rate_hz=1000, batch_s=0.3, n_batches=100,
        n_electrodes=2, factor=0.002))
    with KeptDevice(opened, limits, sys.argv[2]) as device:
        run = Characterisation(device=device, design=design, limits=limits, ramp_s=0.05)
        run.record(sys.argv[1], on_batch=lambda p: print(p.n_done, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_program_that_is_killed_leaves_the_device_at_rest(tmp_path, number):
    (tmp_path / "program.py").write_text(SCRIPT)
    told = tmp_path / "told.json"
    process = subprocess.Popen(
        [sys.executable, tmp_path / "program.py", tmp_path / "run", told],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "1\n"
    time.sleep(0.2)  # in the middle of the second batch
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    until = time.monotonic() + 30
    while not (told.exists() and told.read_text().endswith("\n")):
        assert time.monotonic() < until
        time.sleep(0.02)
    first = json.loads(told.read_text().splitlines()[0])
    largest = np.abs(first["was"]).max()
    assert largest > 0.01
    assert first["is"] == [0, 0]
    # at 50 V/s and 1000 Hz, 0.05 V in a sample
    assert first["down"] == max(1, int(np.ceil(largest / 50 * 1000)))
