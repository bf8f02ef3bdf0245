import json

import numpy as np
import pytest

pytest.importorskip("spikeinterface", reason="needs circus-toolkit[spikeinterface]")

from spikeinterface.comparison import compare_sorter_to_ground_truth
from spikeinterface.core import generate_ground_truth_recording
from spikeinterface.sorters import (
    get_default_sorter_params,
    installed_sorters,
    read_sorter_folder,
    run_sorter,
)

import sorting.spikeinterface as ours
from sorting import load_result

# files that SpikeInterface itself leaves to the garbage collector, and its remarks
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:The extractor is not serializable"),
]


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    recording, units = generate_ground_truth_recording(
        durations=[20.0], num_channels=12, num_units=4, sampling_frequency=2e4, seed=1
    )
    folder = tmp_path_factory.mktemp("truth") / "rec"
    return recording.save(folder=folder, progress_bar=False), units


@pytest.fixture(scope="module")
def sorted_once(truth, tmp_path_factory):
    ours.register()
    folder = tmp_path_factory.mktemp("sorted") / "one"
    return folder, run_sorter("circus_toolkit", truth[0], folder=folder)


def test_registering_twice_is_registering_once():
    assert ours.register() == ours.register() == "circus_toolkit"
    assert installed_sorters().count("circus_toolkit") == 1
    assert get_default_sorter_params("circus_toolkit")["n_ranks"] == 1


def test_it_finds_the_units_of_their_simulation(truth, sorted_once):
    _, found = sorted_once
    compared = compare_sorter_to_ground_truth(truth[1], found, exhaustive_gt=True)
    assert compared.get_performance()["accuracy"].min() > 0.9


def test_the_folder_holds_their_log_and_our_result(sorted_once):
    folder, found = sorted_once
    log = json.loads((folder / "spikeinterface_log.json").read_text())
    assert (log["sorter_name"], log["error"]) == ("circus_toolkit", False)
    (path,) = (folder / "sorter_output").glob("*.sorting.hdf5")
    result = load_result(path)
    again = read_sorter_folder(folder)
    for unit in result.unit_ids:
        train = again.get_unit_spike_train(unit)
        assert np.array_equal(train, result.spike_train(unit))
    assert np.array_equal(again.get_property("circus_snr"), result.units.snr)
    assert len(found.get_unit_ids()) == len(result)


def test_ranks_find_the_same(truth, sorted_once, tmp_path, require):
    require("mpi4py", extra="mpi")
    found = run_sorter("circus_toolkit", truth[0], folder=tmp_path / "two", n_ranks=2)
    for unit in sorted_once[1].get_unit_ids():
        one = sorted_once[1].get_unit_spike_train(unit)
        assert np.array_equal(found.get_unit_spike_train(unit), one)


def test_any_key_of_a_parameter_file_may_be_given(truth, tmp_path):
    ours.register()
    few = run_sorter(
        "circus_toolkit",
        truth[0],
        folder=tmp_path / "few",
        spike_thresh=40,
        parameters={"whitening.spatial": False},
    )
    assert len(few.get_unit_ids()) < 4
    text = (tmp_path / "few" / "sorter_output" / "recording.params").read_text()
    assert "spike_thresh = 40" in text
    assert "[whitening]\nspatial = False" in text
    with pytest.raises(ValueError, match="no_such_key"):
        run_sorter(
            "circus_toolkit",
            truth[0],
            folder=tmp_path / "none",
            parameters={"detection.no_such_key": 1},
        )


def test_a_recording_without_a_probe_is_refused(tmp_path):
    from spikeinterface.core import NumpyRecording

    ours.register()
    bare = NumpyRecording([np.zeros((100, 3), "f4")], 2e4)
    with pytest.raises(RuntimeError, match="locations are required"):
        run_sorter("circus_toolkit", bare, folder=tmp_path / "x")
