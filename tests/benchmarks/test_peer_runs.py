"""A sort is run once, kept until something changes, and may fail."""

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

# a sorter that knows the truth, and counts how often it is asked
ORACLE = """
import numpy as np
from pathlib import Path
from order import read_order, write_result
order = read_order()
truth = np.load(order.recording.removesuffix(".dat") + ".ground_truth.npz")
with Path(__file__).with_name("asked").open("a") as asked:
    asked.write(f"{order.n_jobs} {order.n_channels} {order.options}\\n")
write_result(order, truth["spike_times"], truth["spike_units"])
"""
PROGRAMS = {
    "oracle": ORACLE,
    "broken": "raise SystemExit('no such | sorter')",
    "silent": "",
    "slow": "import time\ntime.sleep(60)",
}


@pytest.fixture
def peer_runs(require, monkeypatch, tmp_path):
    require("psutil", extra="test")
    require("spikeinterface", extra="demo")
    module = require("peer_runs")
    sorters = require("sorters")
    programs = tmp_path / "programs"
    programs.mkdir()
    order = (module.PROGRAMS / "order.py").read_text()
    (programs / "order.py").write_text(order)
    for name, code in PROGRAMS.items():
        (programs / f"{name}.py").write_text(code)
    known = {name: sorters.Sorter(None, f"{name}.py") for name in PROGRAMS}
    known["homeless"] = sorters.Sorter("nowhere", "oracle.py")
    monkeypatch.setattr(module, "PROGRAMS", programs)
    monkeypatch.setattr(module, "SORTERS", known)
    monkeypatch.setattr(module, "REQUIREMENTS", {"nowhere": [["--no-index", "absent"]]})
    monkeypatch.setattr(module, "_warm_up", lambda: None)
    return module


@pytest.fixture
def known(require):
    settings = {
        "layout": "tetrode",
        "n_channels": 4,
        "n_units": 2,
        "duration_s": 3.0,
        "sampling_rate": 10_000.0,
        "rate_range_hz": (10.0, 20.0),
        "seed": 1,
    }
    return require("known_sets").KnownSet("small", settings)


@pytest.fixture
def recording(require, known, tmp_path):
    return require("known_sets").make(known, tmp_path / "small-1")


@pytest.fixture
def runs(peer_runs, tmp_path):
    return peer_runs.Runs(tmp_path / "environments", n_ranks=1, timeout_s=60.0)


def test_a_sorter_that_knows_the_truth_scores_best(runs, known, recording):
    found = runs.outcome("oracle", known, recording)
    assert found.failure == ""
    assert found.score.accuracy == [1.0, 1.0]
    assert found.n_samples == 3 * 10_000 * 4
    assert found.cpu_s > 0
    assert found.wall_s > 0


def test_a_sort_is_kept_until_something_changes(
    runs, peer_runs, known, recording, tmp_path
):
    asked = tmp_path / "programs" / "asked"
    first = runs.outcome("oracle", known, recording)
    assert runs.outcome("oracle", known, recording) == first
    assert asked.read_text() == "1 4 {}\n"
    runs.outcome("oracle", known.with_seed(2), recording)
    assert len(asked.read_text().splitlines()) == 2
    other = peer_runs.Sorter(None, "oracle.py", lambda known: {"option": 1})
    peer_runs.SORTERS["oracle"] = other
    runs.outcome("oracle", known, recording)
    assert asked.read_text().splitlines()[-1] == "1 4 {'option': 1}"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "status 1, no such | sorter"),
        ("silent", "status 0, which said nothing"),
        ("homeless", "no environment for nowhere"),
    ],
)
def test_a_failure_is_a_row_and_is_not_kept(
    runs, known, recording, name, says, require
):
    found = runs.outcome(name, known, recording)
    assert found.failure.startswith(says)
    assert not (recording.path.parent / f"{name}.json").exists()
    table = require("peer_tables").table("heading", [found])
    assert f"| {name} | failed: {says.replace('|', chr(92) + '|')}" in table


def test_a_sort_that_takes_too_long_is_ended(peer_runs, known, recording, tmp_path):
    runs = peer_runs.Runs(tmp_path, n_ranks=1, timeout_s=1.5)
    found = runs.outcome("slow", known, recording)
    assert found.failure == "not done after 1.5 s"


def test_a_recording_is_made_once(require, known, recording):
    before = recording.path.stat().st_mtime_ns
    again = require("known_sets").make(known, recording.path.parent)
    assert again.path.stat().st_mtime_ns == before
    assert again.truth.spike_times.tolist() == recording.truth.spike_times.tolist()
    other = require("known_sets").make(known.with_seed(2), recording.path.parent)
    assert other.truth.spike_times.tolist() != recording.truth.spike_times.tolist()


def test_every_set_can_be_made(require):
    from circus_io.synthetic import SyntheticRecording

    for name, known in require("known_sets").SETS.items():
        recording = SyntheticRecording(**known.settings)
        assert recording.spec.n_units == known.settings["n_units"], name
        assert known.drifts == (recording.spec.drift_um > 0)


def test_a_table_pools_the_recordings_of_a_sorter(require):
    tables, scoring = require("peer_tables"), require("scoring")
    outcomes = [
        tables.Outcome("a", scoring.Score([1.0], [9.0]), 1.0, 2.0, 100.0, 6_000_000),
        tables.Outcome("b", failure="no"),
        tables.Outcome("a", scoring.Score([0.5], [4.0]), 1.0, 4.0, 50.0, 6_000_000),
        tables.Outcome("b", scoring.Score([1.0], [4.0])),
    ]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in tables.table("heading", outcomes).splitlines()
        if line.startswith("| ")
    ]
    header, _, a, b = rows
    row = dict(zip(header, a, strict=True))
    assert (row["accuracy"], row[">= 0.8"]) == ("0.750", "1/2")
    assert (row["SNR < 5"], row["8-12"], row["5-8"]) == ("0.500", "1.000", "-")
    assert (row["CPU s"], row["wall s"], row["peak MB"]) == ("6.0", "2.0", "100")
    assert row["Msamples / CPU s"] == "2.00"
    assert b[:2] == ["b", "failed: 1 of 2 failed: no"]
