import json
import mmap
import re
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import sorting.results
from circus_io.errors import NotWritableError, ResultError
from sorting.result_layout import CHANNELS, OPTIONAL, RESULT, STREAMS, UNITS
from sorting.results import (
    Result,
    StreamTable,
    load_result,
    log_path,
    read_origin,
    result_path,
    write_log,
    write_result,
)


def test_spike_train_is_that_unit_in_time_order(make_result):
    result = make_result()
    for unit in range(3):
        expected = [
            t
            for t, u in zip(result.spike_times, result.spike_units, strict=True)
            if u == unit
        ]
        assert result.spike_train(unit).tolist() == expected
        assert result.spike_train(unit).dtype == np.int64


def test_units_go_by_their_ids(make_result):
    result = make_result(unit_ids=[7, 2, 90])
    np.testing.assert_array_equal(
        result.spike_train(2), result.spike_times[result.spike_units == 1]
    )
    with pytest.raises(ResultError, match="no unit 3; the units are: 7, 2, 90"):
        result.spike_train(3)


def test_template_and_dense_templates_agree(make_result):
    result = make_result(n_units=5, n_channels=4)
    dense = result.dense_templates()
    assert dense.shape == (5, 31, 4)
    for row in range(5):
        waveform, channels = result.template(row)
        expected = np.zeros((31, 4), np.float32)
        expected[:, channels] = waveform
        np.testing.assert_array_equal(dense[row], expected)
        assert dense[row].min() == -100
        assert np.unravel_index(dense[row].argmin(), (31, 4)) == (10, row % 4)


def test_unit_table_has_a_row_per_unit(make_result):
    result = make_result(unit_ids=[4, 5, 6])
    table = result.unit_table()
    assert table["unit_id"].tolist() == [4, 5, 6]
    assert table["n_spikes"].sum() == 300
    np.testing.assert_allclose(table["snr"], 10)
    assert table.dtype.names[0] == "unit_id"


def test_repr_and_len(make_result):
    result = make_result()
    assert len(result) == 3
    assert repr(result) == (
        "<Result: 3 units, 300 spikes, 4 channels, 3.0 s at 20000 Hz>"
    )


def test_arrays_are_read_only(make_result):
    with pytest.raises(ValueError, match="read-only"):
        make_result().spike_times[0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amplitudes": np.ones(3)}, "must agree in N"),
        ({"spike_times": np.arange(300)[::-1]}, r"sorted by \(time, unit\)"),
        ({"spike_units": np.full(300, 3)}, r"spike_units must lie in \[0, 3\)"),
        ({"template_ptr": [0, 2, 4]}, "must hold 4 numbers"),
        ({"template_ptr": [0, 4, 2, 6]}, "must rise from 0 to 6"),
        ({"unit_ids": [1, 1, 2]}, "distinct"),
        ({"whitening_matrix": np.eye(3)}, "must agree in C"),
        ({"whitening_matrix": np.ones(4)}, r"must have the shape \(C × C\)"),
    ],
)
def test_inconsistent_results_are_refused(make_result, changes, message):
    with pytest.raises(ResultError, match=message):
        make_result(**changes)


def test_ties_in_time_are_ordered_by_unit(make_result):
    times, units = np.full(300, 5), np.sort(np.arange(300) % 3)
    make_result(spike_times=times, spike_units=units)
    with pytest.raises(ResultError, match="sorted by"):
        make_result(spike_times=times, spike_units=units[::-1])


def test_times_past_2_to_the_32_survive(make_result, tmp_path):
    late = 2**40
    streams = StreamTable(["late.dat"], [late], [60_000])
    result = make_result(streams=streams)
    loaded = load_result(write_result(tmp_path / "late.sorting.hdf5", result))
    assert loaded.spike_times.min() >= late
    np.testing.assert_array_equal(loaded.spike_times, result.spike_times)


@pytest.mark.parametrize("n_units", [0, 1, 40])
def test_round_trip(make_result, same_result, tmp_path, n_units):
    result = make_result(
        n_units=n_units,
        n_channels=12,
        groups=["shank µ"] * 12,
        parameters={"data": {"file": "Zürich.dat", "ranks": None}},
    )
    loaded = load_result(write_result(tmp_path / "rec.sorting.hdf5", result))
    same_result(result, loaded)
    assert loaded.objectives is None


def test_objectives_are_kept_if_there_are_any(make_result, tmp_path):
    objectives = np.linspace(1, 2, 300, dtype=np.float32)
    result = make_result(objectives=objectives)
    loaded = load_result(write_result(tmp_path / "rec.sorting.hdf5", result))
    np.testing.assert_array_equal(loaded.objectives, objectives)


def test_motion_is_kept_if_there_is_any(make_result, tmp_path):
    result = make_result(
        motion_times=[500, 1500, 2500],
        motion_depths_um=[100.0, 300.0],
        motion_um=[[1, 2], [-3, 0.5], [2, -2.5]],
        motion_axis=1,
    )
    loaded = load_result(write_result(tmp_path / "rec.sorting.hdf5", result))
    assert loaded.motion_times.tolist() == [500, 1500, 2500]
    assert loaded.motion_depths_um.tolist() == [100, 300]
    assert loaded.motion_um.tolist() == [[1, 2], [-3, 0.5], [2, -2.5]]
    assert loaded.motion_axis == 1
    still = load_result(write_result(tmp_path / "still.sorting.hdf5", make_result()))
    assert still.motion_um is None
    with pytest.raises(ResultError, match="must agree in W"):
        make_result(motion_depths_um=[1.0], motion_um=np.zeros((3, 2)))


def test_the_file_describes_itself(make_result, tmp_path):
    result = make_result(n_units=40, n_channels=64)
    path = write_result(tmp_path / "rec.sorting.hdf5", result)
    found = {}
    with h5py.File(path) as file:
        assert file.attrs["format"] == "circus-toolkit sorting"
        assert file.attrs["version"] == 1

        def note(name: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = dict(item.attrs)

        file.visititems(note)
        np.testing.assert_array_equal(file["spikes/time"], result.spike_times)
        assert json.loads(file["parameters"][()]) == result.parameters
        assert file["spikes/time"].dtype == np.int64
    declared = {
        stored.path
        for layout in (RESULT, CHANNELS, UNITS, STREAMS)
        for stored in layout.values()
    }
    absent = {RESULT[name].path for name in OPTIONAL}
    assert set(found) == declared - absent
    assert all(set(attrs) == {"units", "description"} for attrs in found.values())
    assert found["templates/waveform"]["units"] == "uV"


def test_the_reference_page_lists_every_dataset():
    page = Path(__file__).parents[2] / "docs" / "reference" / "results-hdf5.md"
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| `[a-z_/]+` \|", line)
    ]
    found = {row[0]: (row[1], row[3]) for row in rows if len(row) == 5}
    assert found == {
        stored.path: (stored.shape or "scalar", stored.units or "–")
        for layout in (RESULT, CHANNELS, UNITS, STREAMS)
        for stored in layout.values()
    }


def test_equal_results_give_equal_bytes(make_result, tmp_path):
    first = write_result(tmp_path / "a.sorting.hdf5", make_result(n_units=40))
    time.sleep(1.1)  # HDF5 time stamps count seconds
    second = write_result(tmp_path / "b.sorting.hdf5", make_result(n_units=40))
    assert first.read_bytes() == second.read_bytes()


def test_writing_that_fails_leaves_the_old_file(make_result, tmp_path, monkeypatch):
    path = write_result(tmp_path / "rec.sorting.hdf5", make_result())
    before = path.read_bytes()
    result = replace(make_result(seed=1), provenance={"not JSON": object()})
    with pytest.raises(TypeError):
        write_result(path, result)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_run_times_go_beside_the_result(make_result, tmp_path):
    path = write_result(tmp_path / "rec.sorting.hdf5", make_result())
    before = path.read_bytes()
    assert write_log(path, {"seconds": {"fitting": 1.5}}) == log_path(path)
    assert json.loads((tmp_path / "rec.log.json").read_text()) == {
        "seconds": {"fitting": 1.5}
    }
    assert path.read_bytes() == before


def test_load_by_file_folder_or_recording(make_result, same_result, tmp_path):
    recording = tmp_path / "rec.dat"
    recording.touch()
    path = result_path(recording)
    assert path == tmp_path / "rec" / "rec.sorting.hdf5"
    path.parent.mkdir()
    result = make_result()
    write_result(path, result)
    for given in (path, str(path.parent), recording):
        same_result(load_result(given), result)


def test_a_folder_with_two_results_is_ambiguous(make_result, tmp_path):
    for name in ("a", "b"):
        write_result(tmp_path / f"{name}.sorting.hdf5", make_result())
    with pytest.raises(ResultError, match=r"several results.*a.sorting.hdf5, b.sort"):
        load_result(tmp_path)


def test_nothing_sorted_yet(tmp_path):
    with pytest.raises(ResultError, match=r"no result at .*circus sort RECORDING"):
        load_result(tmp_path / "rec.dat")


def test_foreign_files_are_refused(tmp_path):
    classic = tmp_path / "rec.result.hdf5"
    with h5py.File(classic, "w") as file:
        file["spiketimes/temp_0"] = np.arange(3)
    with pytest.raises(ResultError, match=r"not written by this toolkit.*spiketimes"):
        load_result(classic)
    text = tmp_path / "rec.sorting.hdf5"
    text.write_text("no HDF5")
    with pytest.raises(ResultError, match="not an HDF5 file"):
        load_result(text)


def test_incomplete_and_newer_files_are_refused(make_result, tmp_path):
    path = write_result(tmp_path / "rec.sorting.hdf5", make_result())
    with h5py.File(path, "a") as file:
        del file["spikes/time"], file["units/snr"]
    with pytest.raises(ResultError, match=r"incomplete, it lacks: spikes/time$"):
        load_result(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
    with pytest.raises(ResultError, match=r"version 2.*newer circus-toolkit"):
        load_result(path)


def test_gaps_between_streams_are_not_counted():
    streams = StreamTable(["a", "b", "c"], [100, 1000, 1000], [50, 0, 10])
    assert streams.stream_of([100, 149, 1000, 1009]).tolist() == [0, 0, 2, 2]
    assert streams.to_recorded([100, 149, 1000, 1009]).tolist() == [0, 49, 50, 59]
    for outside in (99, 150, 1010):
        with pytest.raises(ResultError, match=f"frame {outside} lies in none"):
            streams.to_recorded([outside])
    with pytest.raises(ResultError, match="none of the 0 streams"):
        StreamTable([], [], []).to_recorded([0])
    assert len(StreamTable([], [], []).to_recorded([])) == 0


def test_public_names_exist():
    assert all(hasattr(sorting.results, name) for name in sorting.results.__all__)
    assert Result.__doc__


def is_mapped(values):
    while isinstance(values, np.ndarray):
        values = values.base
    return isinstance(values, mmap.mmap)


def test_a_mapped_result_is_the_same_and_leaves_its_spikes_in_the_file(
    make_result, tmp_path
):
    path = tmp_path / "rec.sorting.hdf5"
    write_result(path, make_result())
    mapped, loaded = load_result(path, mapped=True), load_result(path)
    for name in ("spike_times", "spike_units", "amplitudes"):
        values = getattr(mapped, name)
        assert is_mapped(values)
        assert not is_mapped(getattr(loaded, name))
        np.testing.assert_array_equal(values, getattr(loaded, name))
    path.unlink()
    assert loaded.spike_times[0] == mapped.spike_times[0]


def test_a_result_that_cannot_be_replaced_says_why(make_result, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "The requested file is in use")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(NotWritableError, match="in use; close the programs"):
        write_result(tmp_path / "rec.sorting.hdf5", make_result())


def test_the_origin_of_no_result_is_nothing(make_result, tmp_path):
    path = tmp_path / "rec.sorting.hdf5"
    assert read_origin(path) is None
    path.write_bytes(b"no HDF5")
    assert read_origin(path) is None
    result = make_result()
    write_result(path, result)
    assert read_origin(path) == [result.parameters, result.provenance]
