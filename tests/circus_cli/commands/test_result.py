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


def test_result_takes_parameters(circus, folder, require):
    require("matplotlib", extra="plots")
    (folder / "rec.params").rename(folder / "mine.params")
    given = ("--params", "mine.params", "--set", "data.suffix=-b")
    assert circus("rec.dat", "-c", "1", "--quiet", *given).status == 0
    outcome = circus("rec.dat", "-r", *given)
    assert outcome.status == 0, outcome.err
    assert "rec-b.sorting.hdf5" in outcome.out
    assert outcome.err == ""
    page = (folder / "rec" / "report.html").read_text(encoding="utf-8")
    assert "Traces and spikes" in page
    assert circus("rec.dat", "-r", "--params", "none.params").status == 3
    assert circus("rec.dat", "-r", *given, "--set", "data.nothing=c").status == 3


@pytest.mark.parametrize("path", ["rec.dat", "rec"])
def test_report_without_traces_says_why(circus, sorted_folder, require, path):
    require("matplotlib", extra="plots")
    (sorted_folder / "rec.params").unlink()
    outcome = circus(path, "-r")
    assert outcome.status == 0
    (line,) = outcome.err.splitlines()
    assert line.startswith("the report shows no traces: ")
    assert ("no parameter file rec.params" if path == "rec.dat" else "name it") in line
    page = (sorted_folder / "rec" / "report.html").read_text(encoding="utf-8")
    assert "Traces and spikes" not in page


@pytest.mark.parametrize(("path", "status"), [(".", 3), ("/", 2)])
def test_folder_without_a_result(circus, folder, path, status):
    outcome = circus(path, "-r")
    assert outcome.status == status
    assert "result" in outcome.error
