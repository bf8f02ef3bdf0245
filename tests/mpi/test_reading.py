"""Ranks that read one file together, in every format that tests can write.

The files are those of the tests of the formats, each a `DataFileContract`: written
without the wrapper, and known from numpy. A pytest of their own makes and keeps them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from circus_io.registry import BUILT_IN

TESTS = Path(__file__).resolve().parents[1]
BRIDGES = ("neo", "spikeinterface")  # other libraries parse their files
NATIVE = {
    name
    for name, (class_path, _) in BUILT_IN.items()
    if not any(bridge in class_path for bridge in BRIDGES)
}
# one test that every contract has, and that opens the file with all it needs
TEST = "test_its_description_makes_a_twin"

KEEP_FILES = """
import json, os
from pathlib import Path
import numpy as np
import pytest
from circus_io.errors import CircusError
from circus_io.registry import BUILT_IN, get_format

def names():
    for name in sorted(BUILT_IN):
        try:
            yield get_format(name), name
        except CircusError:  # a library is not here
            continue

NAMES = dict(reversed(list(names())))

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    recording, expected = item.funcargs["recording"], item.funcargs["expected"]
    name = NAMES.get(type(recording))
    if name:
        folder = Path(os.environ["KEEP_FILES"])
        number = len(list(folder.glob("*.npy")))
        np.save(folder / f"{number}.npy", expected)
        params = {
            key: value.tolist() if hasattr(value, "tolist") else value
            for key, value in recording.get_description().items()
        }
        row = [name, recording.file_name, params]
        (folder / f"{number}.json").write_text(json.dumps(row))
    return result
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Run one test of each contract, and keep its file; give the folder of notes."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "keep_files.py").write_text(KEEP_FILES)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    kept = tmp_path_factory.mktemp("kept") / "files"
    options = ["-q", "-k", TEST, "-p", "keep_files", "-p", "no:cacheprovider"]
    options += ["-o", "tmp_path_retention_policy=all", f"--basetemp={kept}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, TESTS / "circus_io"],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": path, "KEEP_FILES": str(folder)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


READ = """
import json, sys
from pathlib import Path
import numpy as np
from circus_io import get_format
from circus_io.parallel import get_comm

comm, folder = get_comm(), Path(sys.argv[1])
assert comm.size == int(sys.argv[2])

def is_right(traces, expected):
    return np.allclose(traces, expected, rtol=2e-7, atol=0)

for notes in sorted(folder.glob("*.json")):
    name, path, params = json.loads(notes.read_text())
    expected = np.load(notes.with_suffix(".npy"))
    own = get_format(name)(path, params)
    # the header is read once: rank 0 hands it on
    given = comm.bcast(own if comm.rank == 0 else None)
    n_right = n_reads = 0
    for recording in (own, given):
        comm.Barrier()  # all at once
        for index in range(comm.rank, len(recording.chunk_grid(97)), comm.size):
            chunk = recording.get_chunk(index, 97, (-10, 10), [3, 0])
            before, after = chunk.padding
            wanted = expected[chunk.t_start + before : chunk.t_stop + after, [3, 0]]
            n_right += is_right(chunk.traces, wanted)
            n_reads += 1
        # and the same frames by every rank
        n_right += is_right(recording[5:900], expected[5:900])
        n_reads += 1
        recording.close()
    n_right, n_reads = comm.reduce(n_right), comm.reduce(n_reads)
    if comm.rank == 0:
        print(name, n_right, n_reads, len(expected), flush=True)
"""


@pytest.mark.parametrize("n_ranks", [1, 2, 3])
def test_ranks_read_one_file_together(files, mpi_run, n_ranks):
    done = mpi_run(n_ranks, "-c", READ, files, n_ranks)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {name for name, *_ in lines} >= NATIVE
    for name, n_right, n_reads, n_frames in lines:
        n_chunks = -(-int(n_frames) // 97)
        assert n_chunks > 9
        assert int(n_reads) == 2 * (n_chunks + n_ranks), name
        assert n_right == n_reads, name
