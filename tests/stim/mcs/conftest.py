"""Simulated devices on a bus: fixtures of the suites that run in a process each."""

import os

import pytest

from stim.mcs import simulated_bus
from stim.mcs.simulated import SimulatedStg
from tests.stim.mcs.rates import CAPACITY, RATE_HZ


@pytest.fixture
def make_bus(tmp_path):
    def make_bus(*devices):
        return simulated_bus(
            devices or [SimulatedStg("16mA", 2, "one")],
            generation=int(os.environ["MCS_GENERATION"]),
            lock_folder=tmp_path,
        )

    return make_bus


@pytest.fixture
def bus(make_bus):
    return make_bus()


@pytest.fixture
def device(bus):
    return bus.devices[0]


@pytest.fixture
def download(bus):
    port = bus.open_download()
    yield port
    port.disconnect()


@pytest.fixture
def stream(bus):
    """Open a stream of two channels, a trigger each, ready to be started."""
    opened = []

    def stream(ring=2500, is_continuous=True, **callbacks):
        port = bus.open_streaming(ring, **callbacks)
        opened.append(port)
        port.set_mode("current")
        port.set_continuous(is_continuous)
        port.set_output_rate(RATE_HZ)
        port.set_capacity([CAPACITY] * 2)
        port.setup_trigger([1, 2], [1, 2], [0, 0], [0, 0], [50, 50])
        return port

    yield stream
    for port in opened:
        port.disconnect()
