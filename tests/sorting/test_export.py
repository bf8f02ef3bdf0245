import ast
import logging
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from phylib.io.model import load_model

import circus_io
from sorting.export import raw_files, write_phy
from sorting.results import StreamTable

FS = 20_000


@pytest.fixture
def open_raw(tmp_path):
    """``open_raw(traces, ...)``: the traces in ``rec.dat``, opened."""

    def open_raw(traces, name="rec.dat", header=b"", **params):
        path = tmp_path / name
        path.write_bytes(header + np.ascontiguousarray(traces).tobytes())
        return circus_io.open_recording(
            path,
            file_format="raw_binary",
            data_dtype=traces.dtype.str,
            sampling_rate=float(FS),
            nb_channels=traces.shape[1],
            data_offset=len(header),
            **params,
        )

    return open_raw


@pytest.fixture
def load(tmp_path):
    """``load(params_py)``: phylib's model of a folder, closed after the test."""
    models = []

    def load(path):
        models.append(load_model(path))
        return models[-1]

    yield load
    for model in models:
        model.close()


def random_traces(n_frames, n_channels, dtype="int16", seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2000, (n_frames, n_channels)).astype(dtype)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("n_units", [1, 2, 9])
def test_phylib_reads_the_numbers(make_result, load, tmp_path, sparse, n_units):
    result = make_result(n_units=n_units, n_channels=5)
    model = load(write_phy(tmp_path / "rec.GUI", result, sparse=sparse))
    np.testing.assert_array_equal(model.spike_samples, result.spike_times)
    np.testing.assert_allclose(model.spike_times, result.spike_times / FS)
    np.testing.assert_array_equal(model.spike_templates, result.spike_units)
    np.testing.assert_array_equal(model.spike_clusters, result.spike_units)
    np.testing.assert_allclose(model.amplitudes, result.amplitudes)
    assert model.sample_rate == FS
    dense = result.dense_templates()
    for unit in range(n_units):
        template = model.get_template(unit)
        assert template.best_channel == unit % 5
        assert template.channel_ids[0] == unit % 5
        expected = dense[unit][:, template.channel_ids]
        np.testing.assert_allclose(template.template, expected, atol=1e-4)
        left_out = np.setdiff1d(np.arange(5), template.channel_ids)
        assert not dense[unit][:, left_out].any()


def test_sparse_peak_channels(make_result, load, tmp_path):
    model = load(write_phy(tmp_path / "rec.GUI", make_result(n_units=9, n_channels=5)))
    assert model.templates_channels.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3]


def test_traces_and_waveforms_come_from_the_raw_file(
    make_result, load, open_raw, tmp_path
):
    """A file with a header, big-endian samples and permuted, partly unused columns."""
    traces = random_traces(60_000, 6, ">i2")
    columns = np.array([4, 0, 5, 2])
    result = make_result(columns=columns)
    with open_raw(traces, header=b"x" * 37) as recording:
        model = load(write_phy(tmp_path / "rec.GUI", result, recording))
    np.testing.assert_array_equal(model.channel_mapping, columns)
    np.testing.assert_array_equal(model.traces[100:200], traces[100:200][:, columns])
    assert model.traces.n_samples == 60_000
    spike = int(np.argmin(np.abs(result.spike_times - 30_000)))
    time = result.spike_times[spike]
    found = model.get_waveforms(np.array([spike]), np.arange(4))[0]
    expected = traces[time - 15 : time + 16][:, columns]
    np.testing.assert_array_equal(found, expected)


def test_streams_are_laid_end_to_end(make_result, load, open_raw, tmp_path):
    pieces = [random_traces(n, 4, seed=n) for n in (20_000, 30_000)]
    for number, traces in enumerate(pieces):
        open_raw(traces, name=f"rec_{number}.dat")
    streams = StreamTable(["rec_0.dat", "rec_1.dat"], [500, 90_000], [20_000, 30_000])
    result = make_result(streams=streams)
    recording = circus_io.open_recording(
        tmp_path / "rec_0.dat",
        file_format="raw_binary",
        stream_mode="multi-files",
        data_dtype="int16",
        sampling_rate=float(FS),
        nb_channels=4,
    )
    model = load(write_phy(tmp_path / "rec_0.GUI", result, recording))
    second = result.spike_times >= 90_000
    expected = np.where(
        second, result.spike_times - 90_000 + 20_000, result.spike_times - 500
    )
    np.testing.assert_array_equal(model.spike_samples, expected)
    np.testing.assert_array_equal(model.traces[0:50_000], np.concatenate(pieces))


def test_times_past_2_to_the_32(make_result, load, tmp_path):
    result = replace(
        make_result(n_spikes=2),
        streams=StreamTable(["a", "b"], [0, 2**33], [2**32, 60_000]),
        spike_times=[3, 2**33 + 7],
    )
    model = load(write_phy(tmp_path / "rec.GUI", result))
    assert model.spike_samples.tolist() == [3, 2**32 + 7]


@pytest.mark.parametrize("sparse", [True, False])
def test_dead_channels_are_left_out(make_result, load, tmp_path, sparse):
    good = np.array([True, False, True, True, False, True])
    columns = np.array([5, 4, 3, 2, 1, 0])
    result = make_result(n_units=4, n_channels=6, good=good, columns=columns)
    model = load(write_phy(tmp_path / "rec.GUI", result, sparse=sparse))
    assert model.channel_mapping.tolist() == [5, 3, 2, 0]
    assert model.channel_positions[:, 1].tolist() == [0, 40, 60, 100]
    dense = result.dense_templates()[:, :, good]
    for unit in range(4):
        template = model.get_template(unit)
        np.testing.assert_allclose(
            template.template, dense[unit][:, template.channel_ids], atol=1e-4
        )
        assert template.best_channel == unit


def test_shanks_with_one_origin_are_set_apart(make_result, load, tmp_path):
    result = make_result(n_channels=6, groups=["b", "b", "b", "a", "a", "a"])
    y = np.array([0.0, 20, 40, 0, 20, 40])
    object.__setattr__(result.channels, "y", y)
    model = load(write_phy(tmp_path / "rec.GUI", result))
    assert model.channel_shanks.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(model.channel_positions[:, 1], y)
    x = model.channel_positions[:, 0]
    assert len(set(x[:3])) == len(set(x[3:])) == 1
    assert x[3] > x[0]


def test_one_channel(make_result, load, tmp_path):
    result = make_result(n_units=2, n_channels=1)
    for sparse in (True, False):
        model = load(write_phy(tmp_path / "rec.GUI", result, sparse=sparse))
        for unit in range(2):
            np.testing.assert_allclose(
                model.get_template(unit).template,
                result.dense_templates()[unit],
                atol=1e-4,
            )


def test_no_units(make_result, tmp_path):
    """phylib refuses a sort without spikes; the folder is complete all the same."""
    folder = write_phy(tmp_path / "rec.GUI", make_result(n_units=0)).parent
    assert np.load(folder / "spike_times.npy").shape == (0,)
    assert np.load(folder / "templates.npy").shape == (0, 31, 1)
    assert np.load(folder / "similar_templates.npy").shape == (0, 0)
    assert (folder / "cluster_group.tsv").read_text() == "cluster_id\tgroup\n"


def test_metrics_and_labels(make_result, load, tmp_path):
    result = make_result(unit_ids=[10, 20, 30])
    model = load(write_phy(tmp_path / "rec.GUI", result))
    assert model.metadata["unit_id"] == {0: 10, 1: 20, 2: 30}
    assert model.metadata["snr"] == {0: 10, 1: 10, 2: 10}
    assert list(model.metadata["group"].values()) == result.units.label.tolist()
    model = load(write_phy(tmp_path / "plain.GUI", result, prelabel=False))
    assert "group" not in model.metadata


def test_params_are_literals_and_paths_relative(make_result, open_raw, tmp_path):
    recording = open_raw(random_traces(60_000, 4))
    path = write_phy(tmp_path / "rec" / "rec.GUI", make_result(), recording)
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(path.read_text()).body
    }
    assert values == {
        "dat_path": ["../../rec.dat"],
        "n_channels_dat": 4,
        "dtype": "int16",
        "offset": 0,
        "sample_rate": float(FS),
        "hp_filtered": False,
    }


def test_formats_that_phy_cannot_map_have_no_data_path(make_result, load, tmp_path):
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        file["data"] = random_traces(60_000, 4)
    recording = circus_io.open_recording(
        tmp_path / "rec.h5", file_format="hdf5", h5_key="data", sampling_rate=float(FS)
    )
    assert raw_files(recording) is None
    model = load(write_phy(tmp_path / "rec.GUI", make_result(), recording))
    assert model.traces is None


def test_an_untouched_export_is_replaced(make_result, load, tmp_path, caplog):
    folder = tmp_path / "rec.GUI"
    write_phy(folder, make_result(n_units=9))
    load(folder / "params.py").close()
    result = make_result(n_units=2)
    model = load(write_phy(folder, result))
    assert model.n_templates == 2
    assert [path.name for path in tmp_path.iterdir()] == ["rec.GUI"]
    assert "kept as" not in caplog.text


def edit_group(folder):
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tnoise\n")


def merge_clusters(folder):
    clusters = np.load(folder / "spike_clusters.npy")
    np.save(folder / "spike_clusters.npy", np.where(clusters == 1, 3, clusters))


def open_in_phy(folder):
    (folder / ".phy").mkdir()
    (folder / ".phy" / "state.json").write_text("{}")


def forget_manifest(folder):
    (folder / "export.json").unlink()


@pytest.mark.parametrize(
    "touch", [edit_group, merge_clusters, open_in_phy, forget_manifest]
)
def test_curation_is_never_deleted(make_result, tmp_path, caplog, touch):
    folder = tmp_path / "rec.GUI"
    write_phy(folder, make_result())
    touch(folder)
    shutil.copytree(folder, tmp_path / "expected")
    with caplog.at_level(logging.WARNING, logger="sorting"):
        write_phy(folder, make_result(n_units=2))
    assert "kept as" in caplog.text
    assert "rec.GUI.curated-1" in caplog.text
    for expected in (tmp_path / "expected").rglob("*"):
        kept = (
            tmp_path / "rec.GUI.curated-1" / expected.relative_to(tmp_path / "expected")
        )
        assert expected.is_dir() or kept.read_bytes() == expected.read_bytes()
    touch(folder)
    write_phy(folder, make_result())
    assert (tmp_path / "rec.GUI.curated-2").is_dir()
    assert len(np.load(folder / "templates.npy")) == 3


def test_an_export_that_fails_changes_nothing(make_result, tmp_path):
    folder = tmp_path / "rec.GUI"
    write_phy(folder, make_result())
    before = sorted(path.name for path in folder.iterdir())
    outside = make_result(spike_times=np.arange(300) + 10**6)
    with pytest.raises(ValueError, match="lies in none"):
        write_phy(folder, outside)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["rec.GUI"]
