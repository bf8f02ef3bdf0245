import subprocess
import sys

import numpy as np

HEAVY = (
    "mpi4py matplotlib numba scipy h5py pydantic typer rich pytest importlib.metadata"
)

CODE = """
import sys, time
start = time.perf_counter()
import numpy
between = time.perf_counter()
import circus_io
{more}
print(time.perf_counter() - between)
print(*[name for name in {heavy!r}.split() if name in sys.modules])
"""


def run(more="", heavy=HEAVY):
    code = CODE.format(more=more, heavy=heavy)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    seconds, loaded = done.stdout.split("\n")[:2]
    return float(seconds), loaded.split()


def test_importing_loads_nothing_heavy_and_is_quick():
    seconds, loaded = run()
    assert [name for name in loaded if name != "importlib.metadata"] == []
    assert seconds < 1


def test_reading_a_file_on_one_rank_starts_no_mpi(tmp_path):
    np.zeros((10, 2), np.int16).tofile(tmp_path / "a.dat")
    more = (
        f"r = circus_io.open_recording({str(tmp_path / 'a.dat')!r}, 'raw_binary', "
        "data_dtype='int16', sampling_rate=1, nb_channels=2)\n"
        "assert r[:].shape == (10, 2) and r.comm.size == 1"
    )
    _, loaded = run(more, "mpi4py h5py scipy numba matplotlib")
    assert loaded == []
