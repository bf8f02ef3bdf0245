"""Ranks that read one file together, in every native format.

The files are those of the tests of each format, a `DataFileContract`, and are written
without the wrapper; what they hold is known from numpy.
"""

import importlib.util
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from circus_io.registry import BUILT_IN, get_format
from circus_io.testing import DataFileContract

TESTS = Path(__file__).resolve().parents[1] / "circus_io"
BRIDGES = ("neo", "spikeinterface")  # other libraries parse their files
NATIVE = [
    name
    for name, (class_path, _) in sorted(BUILT_IN.items())
    if not any(bridge in class_path for bridge in BRIDGES)
]


def contracts():
    """Return the first contract class of each format, from the tests of the formats."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        if "DataFileContract" not in path.read_text("utf-8"):
            continue
        spec = importlib.util.spec_from_file_location(f"reading_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            is_contract = issubclass(kind, DataFileContract)
            if is_contract and hasattr(kind, "wrapper"):
                found.setdefault(kind.wrapper, kind)
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write a file of each format, and what it holds as .npy; describe them in JSON."""
    folder = tmp_path_factory.mktemp("files")
    by_wrapper = contracts()
    rows = []
    for name in NATIVE:
        contract = by_wrapper[get_format(name)]()
        raw = contract.make_raw()
        (folder / name).mkdir()
        path = contract.path(folder / name)
        params = contract.write_file(path, raw)
        np.save(folder / f"{name}.npy", contract.expect(raw))
        rows.append([name, str(path), dict(params)])
    (folder / "files.json").write_text(json.dumps(rows))
    return folder / "files.json"


def test_every_native_format_has_a_contract():
    wrappers = {get_format(name) for name in NATIVE}
    assert wrappers <= set(contracts())
    assert {"hdf5", "numpy", "raw_binary"} <= set(NATIVE)


READ = """
import json, sys
from pathlib import Path
import numpy as np
from circus_io import get_format
from circus_io.parallel import get_comm

comm, table = get_comm(), Path(sys.argv[1])
assert comm.size == int(sys.argv[2])
for name, path, params in json.loads(table.read_text()):
    expected = np.load(table.with_name(f"{name}.npy"))
    own = get_format(name)(path, params)
    # the header is read once: rank 0 hands it on
    given = comm.bcast(own if comm.rank == 0 else None)
    right = 0
    for recording in (own, given):
        comm.Barrier()  # all at once
        for index in range(comm.rank, len(recording.chunk_grid(97)), comm.size):
            chunk = recording.get_chunk(index, 97, (-10, 10), [3, 0])
            before, after = chunk.padding
            wanted = expected[chunk.t_start + before : chunk.t_stop + after, [3, 0]]
            right += np.allclose(chunk.traces, wanted, rtol=2e-7, atol=0)
        # and the same frames by every rank
        right += np.allclose(recording[5:900], expected[5:900], rtol=2e-7, atol=0)
        recording.close()
    total = comm.reduce(right)
    if comm.rank == 0:
        print(name, total, len(own.chunk_grid(97)), flush=True)
"""


@pytest.mark.parametrize("n_ranks", [1, 2, 3])
def test_ranks_read_one_file_together(files, mpi_run, n_ranks):
    done = mpi_run(n_ranks, "-c", READ, files, n_ranks)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == NATIVE
    for name, right, n_chunks in lines:
        assert int(n_chunks) > 9, name
        assert int(right) == 2 * (int(n_chunks) + n_ranks), name
