"""Which steps run, which are not repeated, and what they leave for other programs."""

import json
import shutil

import h5py
import numpy as np
import pytest
from phylib.io.model import load_model

import circus_io
import sorting
from circus_cli.main import main
from circus_io.errors import StepError
from circus_io.params import build_params
from sorting import pipeline
from sorting.pipeline import STEPS

FILTERED = ("--set", "circus.filtered_file=True")


@pytest.fixture
def again(undisturbed, tmp_path):
    """``again("--set", ...)`` sorts in a copy of the finished folder.

    It returns the steps that were repeated.
    """
    folder = tmp_path / "out"
    shutil.copytree(undisturbed.folder, folder)

    def again(*arguments, path=undisturbed.path):
        command = ["sort", path, "--output-dir", folder, "-c", 1, "--quiet"]
        assert main([*map(str, command), *FILTERED, *arguments]) == 0
        return repeated(folder)

    return again


def repeated(folder):
    log = json.loads((folder / "rec.log.json").read_text())
    return [step for step, facts in log["steps"].items() if not facts["resumed"]]


def test_only_the_export_is_made_again(again, undisturbed, tmp_path, digest):
    assert again() == ["converting"]
    name = "rec.sorting.hdf5"
    assert digest(tmp_path / "out" / name) == digest(undisturbed.folder / name)


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ("merging.cc_overlap=0.9", "merging"),
        ("fitting.refractory=0.6", "fitting"),
        ("detection.weird_thresh=200", "detection"),
        ("detection.spike_thresh=7", "whitening"),
        ("filtering.cut_off=500, auto", "filtering"),
    ],
)
def test_a_change_repeats_what_depends_on_it(again, change, first):
    steps = list(STEPS)
    assert again("--set", change) == steps[steps.index(first) :]


def test_a_broken_file_of_a_step_is_made_again(again, tmp_path, undisturbed, digest):
    path = tmp_path / "out" / "steps" / "templates.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert again() == ["templates", "converting"]
    name = "rec.sorting.hdf5"
    assert digest(tmp_path / "out" / name) == digest(undisturbed.folder / name)


def test_peaks_that_were_lost_are_found_again(again, tmp_path):
    next((tmp_path / "out" / "steps").glob("detection-peaks/channel-*.npz")).unlink()
    assert again()[0] == "detection"


def test_a_result_that_was_removed_is_there_before_the_export(
    again, tmp_path, undisturbed, digest
):
    name = "rec.sorting.hdf5"
    (tmp_path / "out" / name).unlink()
    assert again("-m", "converting") == ["converting"]
    assert digest(tmp_path / "out" / name) == digest(undisturbed.folder / name)


def test_another_recording_of_the_same_name_is_sorted_anew(
    tetrode, tmp_path, sort_here
):
    path = tmp_path / "rec.dat"
    raw = tetrode.read_bytes()[: 8 * 300_000]

    def sort_bytes(data, name):
        path.write_bytes(data)
        fields = {"data_dtype": "int16", "sampling_rate": 20_000, "nb_channels": 4}
        with circus_io.open_recording(path, "raw_binary", gain=0.2, **fields) as source:
            result = sort_here(source, probe, name=name)
        return repeated(tmp_path / name), result

    probe = circus_io.probe.read_probe(tetrode.with_suffix(".prb"))
    sort_bytes(raw, "out")
    backwards = np.frombuffer(raw, "<i2").reshape(-1, 4)[::-1].tobytes()
    steps, result = sort_bytes(backwards, "out")
    assert steps == list(STEPS)
    _, fresh = sort_bytes(backwards, "fresh")
    np.testing.assert_array_equal(result.spike_times, fresh.spike_times)
    np.testing.assert_array_equal(result.spike_units, fresh.spike_units)


def test_some_steps_only(tetrode, tmp_path):
    """Step by step, in five commands, gives what one command gives."""
    recording = circus_io.open_recording(
        tetrode,
        "raw_binary",
        data_dtype="int16",
        sampling_rate=20_000,
        nb_channels=4,
        gain=0.2,
    )
    probe = circus_io.probe.read_probe(tetrode.with_suffix(".prb"))
    settings = {"parameters": build_params({}), "probe": probe}
    whole = sorting.sort(recording, **settings, output_dir=tmp_path / "whole")
    folder = tmp_path / "out"

    def steps_run(*steps):
        result = sorting.sort(recording, **settings, output_dir=folder, steps=steps)
        return result, sorted(p.stem for p in (folder / "steps").glob("*.json"))

    assert steps_run("whitening", "filtering") == (None, ["filtering", "whitening"])
    _, done = steps_run("detection", "motion", "clustering", "templates")
    assert set(done) == {*list(STEPS)[:6]}
    assert not list(folder.glob("*.hdf5"))
    assert steps_run("fitting")[0] is None
    result, _ = steps_run("merging")
    np.testing.assert_array_equal(result.spike_times, whole.spike_times)
    np.testing.assert_array_equal(result.spike_units, whole.spike_units)
    assert not (folder / "rec.GUI").exists()
    steps_run("converting")
    assert (folder / "rec.GUI" / "params.py").is_file()


@pytest.mark.parametrize("step", ["whitening", "fitting", "converting"])
def test_a_step_needs_those_before_it(tetrode, tmp_path, capfd, step):
    folder = tmp_path / "out"
    command = ["sort", tetrode, "--output-dir", folder, "-c", 1, "-m", step]
    assert main([*map(str, command)]) == StepError.exit_status
    (error,) = capfd.readouterr().err.strip().splitlines()
    missing = list(STEPS)[: list(STEPS).index(step)]
    assert f"{step} needs {', '.join(missing)}" in error
    assert f"-m {','.join(missing)},{step}" in error


def test_only_what_is_missing_is_named(undisturbed, tmp_path, capfd):
    folder = tmp_path / "out"
    shutil.copytree(undisturbed.folder, folder)
    (folder / "steps" / "templates.json").unlink()
    command = ["sort", undisturbed.path, "--output-dir", folder, "-c", 1, *FILTERED]
    change = ["--set", "merging.cc_overlap=0.9", "-m", "merging"]
    assert main([*map(str, command), *change]) == StepError.exit_status
    assert "merging needs templates: " in capfd.readouterr().err


def test_an_older_result_is_not_taken_for_that_of_the_last_merging(
    again, undisturbed, tmp_path, monkeypatch
):
    """A run with other settings was killed between merging and the result."""
    monkeypatch.setattr(pipeline, "write_result", lambda *_: None)
    change = ("--set", "fitting.refractory=0.6")
    again(*change, "-m", "fitting,merging")
    assert stored_refractory(tmp_path / "out") != 0.6
    monkeypatch.undo()
    again(*change, "-m", "converting")
    assert stored_refractory(tmp_path / "out") == 0.6


def stored_refractory(folder):
    with h5py.File(folder / "rec.sorting.hdf5") as file:
        return json.loads(file["parameters"][()])["fitting"]["refractory"]


def test_a_result_that_is_there_is_not_written_again(again, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "write_result", None)
    assert again() == ["converting"]


# what is left for others -----------------------------------------------------------


def test_hdf5_file_can_be_read_without_the_toolkit(undisturbed):
    result = sorting.load_result(undisturbed.result_path)
    with h5py.File(undisturbed.result_path) as file:
        times, units = file["spikes/time"][:], file["spikes/unit"][:]
        n_units = len(file["units/id"])
        counts = file["units/n_spikes"][:]
        assert file["sampling_rate"][()] == 20_000
    assert times.dtype == np.int64
    assert np.all(np.diff(times) >= 0)
    assert n_units == len(result) > 1
    np.testing.assert_array_equal(np.bincount(units, minlength=n_units), counts)
    np.testing.assert_array_equal(result.spike_times, times)
    for unit in result.unit_ids:
        np.testing.assert_array_equal(result.spike_train(unit), times[units == unit])


def test_phylib_reads_the_same_spikes(undisturbed):
    result = sorting.load_result(undisturbed.folder)
    model = load_model(undisturbed.folder / "rec.GUI" / "params.py")
    np.testing.assert_array_equal(model.spike_samples, result.spike_times)
    np.testing.assert_array_equal(model.spike_clusters, result.spike_units)
    assert model.n_templates == len(result)
    raw = np.fromfile(undisturbed.path, "<i2").reshape(-1, 4)
    np.testing.assert_array_equal(model.traces[1000:1010], raw[1000:1010])
    model.close()
