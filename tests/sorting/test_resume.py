"""A rank killed in the middle of any step: a new run goes on and ends the same."""

import json
import os
from pathlib import Path

import pytest

from circus_cli.main import main
from sorting.pipeline import STEPS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

KILLED = Path(__file__).parent / "scripts" / "killed.py"
FILTERED = ("--set", "circus.filtered_file=True")

# (where, rank that is killed, ranks of the new run, first step that is not whole then)
DEATHS = [
    ("filtering", 1, 1, "filtering"),
    ("whitening", 1, 1, "whitening"),
    ("detection", 0, 3, "detection"),
    ("clustering", 1, 1, "clustering"),
    ("templates", 1, 1, "templates"),
    ("fitting", 1, 1, "fitting"),
    ("merging", 0, 1, "merging"),
    ("converting", 0, 1, "converting"),
    ("file of whitening", 0, 1, "whitening"),
    ("file of peaks", 0, 1, "detection"),
    ("file of fitting", 0, 1, "fitting"),
    ("result", 0, 1, "converting"),
]


def files_below(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def resumed(folder):
    """Name the steps that the last run did not repeat."""
    log = json.loads((folder / "rec.log.json").read_text())
    return tuple(step for step, facts in log["steps"].items() if facts["resumed"])


@pytest.mark.parametrize(("place", "rank", "n_ranks", "first"), DEATHS)
def test_killed_run_is_resumed(
    tetrode, undisturbed, tmp_path, mpi_run, digest, place, rank, n_ranks, first
):
    before = digest(tetrode), tetrode.stat().st_mtime_ns
    folder = tmp_path / "out"
    command = ["sort", tetrode, "--output-dir", folder, *FILTERED]

    died = mpi_run(2, KILLED, place, rank, *command, timeout=60)
    assert died.returncode != 0
    assert not (folder / "rec.log.json").exists()  # the last thing that a run writes

    if n_ranks == 1:
        assert main([*map(str, command), "-c", "1", "--quiet"]) == 0
    else:
        done = mpi_run(n_ranks, "-m", "circus_cli", *command)
        assert done.returncode == 0, done.stderr
    assert resumed(folder) == tuple(STEPS)[: list(STEPS).index(first)]
    for name in ("rec.sorting.hdf5", "filtered.dat", "rec.GUI/export.json"):
        assert digest(folder / name) == digest(undisturbed.folder / name), name
    assert files_below(folder) == files_below(undisturbed.folder)
    assert (digest(tetrode), tetrode.stat().st_mtime_ns) == before


def test_peaks_of_a_killed_run_do_not_serve_another(
    tetrode, undisturbed, tmp_path, mpi_run, digest
):
    """Peaks above another threshold lie in the folder, but no manifest vouches."""
    folder = tmp_path / "out"
    command = ["sort", tetrode, "--output-dir", folder, *FILTERED]
    quiet = ["-c", "1", "--quiet"]
    assert (
        main([*map(str, command), "-m", "filtering,whitening,detection", *quiet]) == 0
    )
    other = ["--set", "detection.spike_thresh=12"]
    died = mpi_run(1, KILLED, "file of detection", 0, *command, *other, timeout=60)
    assert died.returncode != 0
    assert main([*map(str, command), *quiet]) == 0
    name = "rec.sorting.hdf5"
    assert digest(folder / name) == digest(undisturbed.folder / name)
