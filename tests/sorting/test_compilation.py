import os
import subprocess
import sys

COMPILE = (
    "import numpy as np; "
    "from sorting.bank import make_bank; "
    "from sorting.kernels.matching import find_spikes; "
    "basis = np.eye(2, 8, dtype='f4'); "
    "bank = make_bank(np.ones((1, 1, 2), 'f4'), basis, bounds=(0.5, 2), "
    "amplitude_sd=0.1, min_norm=5.0); "
    "find_spikes(np.zeros((1, 99), 'f4'), bank, 3, 9); "
)
ANSWER = "from sorting.compilation import is_compiled; print(is_compiled())"


def answer(folder, code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_kernels_are_compiled_once_for_all_processes(tmp_path):
    assert answer(tmp_path, ANSWER) == "False"
    answer(tmp_path, COMPILE)
    assert answer(tmp_path, ANSWER) == "True"
