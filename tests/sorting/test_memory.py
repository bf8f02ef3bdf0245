import platform
import subprocess
import sys
from pathlib import Path

import pytest

FREE = """
from pathlib import Path
import numpy as np
from sorting.memory import give_back

def private_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024

before = private_mb()
blocks = [np.ones(1000) for _ in range(12_500)]  # 100 MB in blocks of the heap
last = blocks[-1]
del blocks
kept = private_mb() - before
give_back()
print(kept, private_mb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_what_was_freed_below_a_block_in_use_goes_back_to_the_system():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only the GNU C library keeps it")
    done = subprocess.run(
        [sys.executable, "-c", FREE], capture_output=True, text=True, check=True
    )
    kept, left = map(float, done.stdout.split())
    assert kept > 50
    assert left < kept / 5
