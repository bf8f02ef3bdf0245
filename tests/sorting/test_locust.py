"""A real tetrode in the antennal lobe of a locust: 28.8 s, no truth known."""

import subprocess
import sys

import numpy as np
import pytest
from phylib.io.model import load_model

import sorting

PROBE = """
total_nb_channels = 4
radius = 100
channel_groups = {1: {
    'channels': [0, 1, 2, 3],
    'graph': [],
    'geometry': {0: [0, 50], 1: [50, 0], 2: [0, -50], 3: [-50, 0]},
}}
"""
PARAMETERS = """
[data]
file_format   = raw_binary
data_dtype    = int16
sampling_rate = 15000
nb_channels   = 4
mapping       = tetrode.prb

[detection]
N_t           = 4
"""


@pytest.fixture
def folder(samples, tmp_path):
    recording = samples / "locust" / "locust_trial_01.raw"
    if not recording.is_file():
        pytest.skip(f"no {recording}")
    (tmp_path / "locust.raw").symlink_to(recording)
    (tmp_path / "tetrode.prb").write_text(PROBE)
    (tmp_path / "locust.params").write_text(PARAMETERS)
    return tmp_path


def test_one_and_two_ranks_sort_it_to_the_same_bytes(folder, require):
    require("mpi4py", extra="mpi")
    circus = [sys.executable, "-m", "circus_cli"]
    files = set()
    for n_ranks in (1, 2):
        output = folder / f"on-{n_ranks}"
        command = [folder / "locust.raw", "-c", str(n_ranks), "--output-dir", output]
        done = subprocess.run([*circus, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        files.add((output / "locust.sorting.hdf5").read_bytes())
    assert len(files) == 1
    result = sorting.load_result(output)
    assert len(result) >= 3
    assert (result.units.label == "good").sum() >= 2
    # neurons: hardly a spike within 1.5 ms of another
    assert np.median(result.units.isi_violations) < 0.02
    model = load_model(output / "locust.GUI" / "params.py")
    np.testing.assert_array_equal(model.spike_samples, result.spike_times)
    assert model.traces.shape == (431_548, 4)
    model.close()
