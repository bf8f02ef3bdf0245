"""Several ranks write one file through write_chunk; numpy says what must be in it."""

from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

N_FRAMES, N_CHANNELS, CHUNK = 1000, 3, 64

SCRIPT = """
import sys
import numpy as np
from circus_io import get_format
from circus_io.parallel import comm

path, file_format, n_ranks, make = sys.argv[1:]
assert comm.size == int(n_ranks)
wrapper = get_format(file_format)
assert wrapper.parallel_write
params = {"sampling_rate": 1000, "nb_channels": 3, "data_dtype": "int16", "gain": 0.5}
recording = wrapper(path, params, is_empty=make == "True")
if make == "True":
    recording.allocate((1000, 3))
    assert recording.shape == (1000, 3)
with recording.open("r+"):
    for index in range(comm.rank, len(recording.chunk_grid(64)), comm.size):
        t_start, t_stop = recording.chunk_grid(64).bounds(index)
        frames = np.arange(t_start, t_stop)[:, None] * [1, -1, 2]
        recording.write_chunk(t_start, 0.5 * frames)
comm.Barrier()
assert np.array_equal(recording[:, 1], -0.5 * np.arange(1000))
"""

EXPECTED = (np.arange(N_FRAMES)[:, None] * [1, -1, 2]).astype("<i2")


@pytest.fixture
def write(mpi_run, tmp_path):
    script = tmp_path / "write.py"
    script.write_text(SCRIPT)

    def write(n_ranks, path, file_format, make=False):
        done = mpi_run(n_ranks, script, path, file_format, n_ranks, make)
        assert done.returncode == 0, done.stderr

    return write


@pytest.mark.parametrize("n_ranks", [1, 2, 3])
def test_raw_binary_made_and_written(write, tmp_path, n_ranks):
    path = tmp_path / "a.dat"
    write(n_ranks, path, "raw_binary", make=True)
    assert path.read_bytes() == EXPECTED.tobytes()


@pytest.mark.parametrize("n_ranks", [2])
def test_numpy_array_written(write, tmp_path, n_ranks):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((N_FRAMES, N_CHANNELS), "<i2"))
    write(n_ranks, path, "numpy")
    assert np.array_equal(np.load(path), EXPECTED)


@pytest.mark.parametrize("n_ranks", [1, 3])
def test_a_wrapper_from_a_file_written(write, tmp_path, n_ranks):
    path = tmp_path / "a.lab"
    header = (
        "LAB 1\nchannels: 3\nrate: 1000\nmicrovolt_per_count: 0.5\nfirst_frame: 0\n"
    )
    path.write_bytes((header + "END\n").encode() + bytes(EXPECTED.nbytes))
    write(n_ranks, path, f"{EXAMPLES / 'custom_wrapper.py'}:LabFile")
    assert path.read_bytes() == (header + "END\n").encode() + EXPECTED.tobytes()
