"""The contract of devices, on the simulator in Python, and on a real one by a flag."""

import os
from typing import ClassVar

import pytest

from stim.simulated import SimulatedBus, SimulatedDevice, VirtualClock
from stim.stg import open_bus
from stim.stg.clock import WallClock
from tests.stim.stg.device_contract import DeviceContract


class Simulated(DeviceContract):
    n_channels = 8

    @pytest.fixture
    def clock(self):
        return VirtualClock()

    @pytest.fixture
    def bus(self, clock):
        return SimulatedBus([SimulatedDevice(clock=clock, n_channels=self.n_channels)])

    def changes(self, bus, channel):
        return bus.devices[0].trace.changes(channel)


class TestOnAVirtualClock(Simulated):
    pass


class TestWithTwoChannels(Simulated):
    n_channels = 2


class TestOnAHostThatIsLate(Simulated):
    @pytest.fixture
    def clock(self):
        # up to 20 ms, where the device has 50
        return VirtualClock([0.0001, 0.0003, 0.02, 0, 0.0071])


class TestOnTheWallClock(Simulated):
    # half a second in the device: whoever shares this computer may take as long
    rings: ClassVar = {"capacity_in_s": 1.0, "buffer_in_s": 0.05}
    heard_ms = 800

    @pytest.fixture
    def clock(self):
        return WallClock()


if os.environ.get("CIRCUS_STG") == "real":

    class TestARealDevice(DeviceContract):
        """The stimulator that is plugged in; nothing may be connected to it."""

        @pytest.fixture
        def bus(self):
            return open_bus("stg4000")
