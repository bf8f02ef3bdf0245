"""A small configuration and a small device."""

import copy

import numpy as np
import pytest

from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.limits import DriveLimits

RANGES = [[-1.2, 0.6], [-1.2, 0.6], [-0.7, 0.3]]
CONFIGS = {
    "save_directory": "to be replaced",
    "data_name": "device",
    "driver": {
        "instrument_type": "simulated",
        "amplification": [28.5, 39.5],
        "inverted_output": False,
        "instruments_setup": {
            "activation_voltage_ranges": RANGES,
            "activation_sampling_frequency": 100,
        },
    },
    "input_data": {
        "input_distribution": "sine",
        "activation_electrode_no": 3,
        "readout_electrode_no": 2,
        "input_frequency": [2, 3, 5, 7, 13, 17, 19],
        "phase": [0.1, -0.5, 2.0],
        "random_phase_shift_each": 4,
        "factor": 0.002,
        "ramp_time": 0.29,
        "batch_time": 0.57,
        "number_batches": 12,
        "seed": 11,
    },
}


@pytest.fixture
def configs(tmp_path):
    made = copy.deepcopy(CONFIGS)
    made["save_directory"] = str(tmp_path / "runs")
    return made


@pytest.fixture
def limits():
    low, high = np.array(RANGES).T
    return DriveLimits(tuple(low), tuple(high), 10.0)


@pytest.fixture
def device(limits):
    return SimulatedDevice(limits, 2, keeps_trace=True, amplification=[28.5, 39.5])
