import numpy as np
import pytest


@pytest.fixture
def sorted_folder(circus, folder):
    assert circus("rec.dat", "-c", "1", "--quiet").status == 0
    return folder


@pytest.mark.parametrize("path", ["rec.dat", "rec", "rec/rec.sorting.hdf5"])
def test_result_is_shown_and_reported(circus, sorted_folder, require, path):
    require("matplotlib", extra="plots")
    from sorting import load_result

    outcome = circus(path, "-r")
    assert outcome.status == 0, outcome.err
    result = load_result(sorted_folder / "rec" / "rec.sorting.hdf5")
    assert f"{len(result)} units" in outcome.out
    counts = np.bincount(result.spike_units)
    rows = [line.split() for line in outcome.out.splitlines()]
    for unit, count in zip(result.unit_ids, counts, strict=True):
        assert any(row[:1] == [str(unit)] and row[2] == str(count) for row in rows)
    page = sorted_folder / "rec" / "report.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "report  " in outcome.out


def test_result_in_a_folder_of_its_own(circus, folder, require):
    require("matplotlib", extra="plots")
    circus("rec.dat", "-c", "1", "--quiet", "--output-dir", "trial")
    assert circus("rec.dat", "-r", "--output-dir", "trial").status == 0
    assert (folder / "trial" / "report.html").is_file()


def test_nothing_sorted_yet(circus, folder):
    outcome = circus("rec.dat", "-r")
    assert outcome.status == 3
    assert "no result at" in outcome.error
