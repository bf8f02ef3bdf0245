"""The contract of devices on the C# simulator: run by `test_ports.py` in a process.

Its environment says on which runtime: CIRCUS_DOTNET and MCS_GENERATION.
"""

import os
from typing import ClassVar

import numpy as np
import pytest

from stim.mcs import simulated_bus
from tests.stim.stg.device_contract import DeviceContract

GENERATION = int(os.environ["MCS_GENERATION"])


class TestOnTheSimulatorInCSharp(DeviceContract):
    # half a second in the device: whoever shares this computer may take as long
    rings: ClassVar = {"capacity_in_s": 1.0, "buffer_in_s": 0.05}
    heard_ms = 800
    late_s = 0.4  # of the 0.55 that would still come out of the rings

    @pytest.fixture
    def bus(self, tmp_path):
        return simulated_bus(generation=GENERATION, lock_folder=tmp_path)

    def changes(self, bus, channel):
        return bus.devices[0].trace(channel)

    def test_a_start_while_it_runs_starts_again(self, stg, bus):
        """However long a busy computer sleeps: three pulses before it, or all five."""
        stg.download(0, [1, -1, 0], [0.2, 0.2, 40], repeats=5)
        stg.start_stimulation([0])
        stg.sleep(100)
        stg.start_stimulation([0])
        assert stg.trigger_states()[0] == "running"
        assert stg.wait(2.0)
        assert 7 <= np.count_nonzero(self.changes(bus, 0)[1] > 0) <= 10
