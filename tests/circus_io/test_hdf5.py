import json

import h5py
import numpy as np
import pytest

from circus_io import FormatError, open_recording
from circus_io.files.hdf5 import HDF5File
from circus_io.testing import DataFileContract

X = np.random.default_rng(3).integers(-999, 999, (500, 6)).astype(np.int16)


class TestHDF5(DataFileContract):
    wrapper = HDF5File
    dtype = "int16"
    options = {}  # noqa: RUF012

    def write_file(self, path, raw):
        with h5py.File(path, "w") as file:
            file.create_dataset("some/where", data=raw, **self.options)
        return {
            "h5_key": "some/where",
            "sampling_rate": 20000,
            "gain": self.gain,
            "time_axis": 0,
        }


class TestChannelsFirst(TestHDF5):
    dtype = "uint16"
    dtype_offset = 32768
    gain = 0.5

    def write_file(self, path, raw):
        return {**super().write_file(path, raw.T), "time_axis": 1}


class TestCompressedFloats(TestHDF5):
    dtype = ">f8"
    gain = 1e-3
    options = {"chunks": True, "compression": "gzip"}  # noqa: RUF012
    holds_no_frames = False  # h5py refuses to guess chunks for them


def make(tmp_path, **datasets):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name.replace("__", "/")] = data
    return path


def open_h5(path, key, **params):
    return open_recording(path, h5_key=key, sampling_rate=1000, **params)


@pytest.mark.parametrize("stored", [X, X.T], ids=["frames first", "channels first"])
@pytest.mark.parametrize("nodes", [[2, 0, 3, 1], [5, 5, 1], [4], None])
def test_either_axis_order_and_any_channels(tmp_path, stored, nodes):
    recording = open_h5(make(tmp_path, data=stored), "/data")
    wanted = X if nodes is None else X[:, nodes]
    assert np.array_equal(
        recording.get_chunk(1, 200, (-3, 5), nodes).traces, wanted[197:405]
    )


def test_a_grid_is_taken_row_by_row(tmp_path):
    path = make(tmp_path, data=X.reshape(500, 2, 3))
    assert np.array_equal(open_h5(path, "data")[7:90, [5, 0]], X[7:90, [5, 0]])


def test_the_datasets_of_a_group_are_streams(tmp_path):
    path = make(
        tmp_path,
        recordings__2__data=X[300:],
        recordings__10__data=X[:100],
        recordings__2__times=np.arange(9.0),
        other=X,
    )
    recording = open_h5(path, "recordings", stream_mode="single-file")
    assert [source.params["h5_key"] for source in recording.streams] == [
        "recordings/2/data",
        "recordings/10/data",
    ]
    assert np.array_equal(recording[:], np.concatenate([X[300:], X[:100]]))
    assert recording.get_file_names() == []


def test_a_pattern_picks_datasets_level_by_level(tmp_path):
    path = make(
        tmp_path, r__0__raw=X, r__0__lfp=X[:50], r__1__raw=X[:20], r__1__deep__raw=X[:7]
    )
    recording = open_h5(path, "r/*/raw", stream_mode="single-file")
    assert [len(source) for source in recording.streams] == [500, 20]


def test_a_group_with_one_dataset_needs_no_stream_mode(tmp_path):
    assert np.array_equal(open_h5(make(tmp_path, g__data=X), "g")[:], X)


def test_several_datasets_need_a_choice(tmp_path):
    path = make(tmp_path, g__a=X, g__b=X)
    with pytest.raises(FormatError, match=r"2 datasets of a.h5: g/a, g/b"):
        open_h5(path, "g")


def test_an_absent_dataset_names_those_there(tmp_path):
    with pytest.raises(FormatError, match=r"no dataset sig; it has raw"):
        open_h5(make(tmp_path, raw=X), "sig")


def test_text_is_not_samples(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["notes"] = ["a", "b"]
    with pytest.raises(FormatError, match="not samples"):
        open_h5(tmp_path / "a.h5", "notes")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"not HDF5 at all")
    with pytest.raises(FormatError, match=r"cannot open a\.h5 as HDF5"):
        open_h5(tmp_path / "a.h5", "data")


def test_the_cache_holds_a_row_of_chunks(tmp_path):
    path = tmp_path / "a.h5"
    samples = np.zeros((3000, 512), np.int16)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=samples, chunks=(2000, 64), compression="lzf")
    with open_h5(path, "data") as recording:
        _, _, n_bytes, _ = recording.h5_file.id.get_access_plist().get_cache()
    assert n_bytes == 2 * 2000 * 512 * 2


# --------------------------------------------------- what is said beside the samples


@pytest.fixture
def described(tmp_path):
    """Two spans of 0.2 s, 5 s apart, as `circus convert` lays them out."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, first, t_start in (("data/0", 0, 1000), ("data/1", 200, 6000)):
            file[name] = X[first : first + 200]
            attributes = {"t_start": t_start, "sampling_rate": 1000.0}
            file[name].attrs.update(attributes)
        file["channels/labels"] = ["A1", "B2", "C3", "D4", "E5", "F6"]
        file["channels/positions_um"] = np.arange(12.0).reshape(6, 2)
        file["metadata"] = json.dumps({"comment": "µ", "n": [1, 2]})
        file["events/spikes/times_s"] = [1.25, 6.5]
        file["events/spikes/labels"] = ["A1", "B2"]
        file["events/spikes/waveforms"] = np.ones((2, 5), "f4")
        file["events/spikes/n_before"] = [2, 2]
    return path


def test_spans_lie_where_they_say(described):
    recording = open_h5(described, "data", stream_mode="single-file")
    spans = [(part.t_start, part.t_stop) for part in recording.streams]
    assert spans == [(1000, 1200), (6000, 6200)]
    assert np.array_equal(recording[6000:6100, 3], X[200:300, 3])
    assert open_h5(described, "data/1").t_start == 6000


def test_channels_and_events_are_those_that_the_file_says(described):
    recording = open_h5(described, "data", stream_mode="single-file")
    assert recording.channel_labels == ("A1", "B2", "C3", "D4", "E5", "F6")
    assert recording.channel_positions[5].tolist() == [10, 11]
    assert recording.metadata == {"comment": "µ", "n": [1, 2]}
    spikes = recording.read_events()["spikes"]
    assert spikes.times_s.tolist() == [1.25, 6.5]
    assert (spikes.labels, spikes.values) == (("A1", "B2"), None)
    assert spikes.waveforms.shape == (2, 5)
    assert spikes.n_before.tolist() == [2, 2]


@pytest.mark.parametrize(
    "attributes",
    [
        {"t_start": 1000, "sampling_rate": 999.0},  # of another clock
        {"t_start": 2.5, "sampling_rate": 1000.0},  # seconds, of another program
        {"t_start": -1000, "sampling_rate": 1000.0},
        {"t_start": 1000},
        {"t_start": "soon", "sampling_rate": "fast"},
    ],
)
def test_attributes_that_mean_something_else_are_left_alone(tmp_path, attributes):
    path = make(tmp_path, data=X, channels__labels=np.arange(6), metadata=X)
    with h5py.File(path, "r+") as file:
        file["data"].attrs.update(attributes)
        file["events"] = [1, 2, 3]
    recording = open_h5(path, "data")
    assert recording.t_start == 0
    assert recording.channel_labels == ("0", "1", "2", "3", "4", "5")
    assert (dict(recording.metadata), recording.read_events()) == ({}, {})


def test_a_run_of_files_that_start_at_0_follows_in_turn(tmp_path, caplog):
    for number in range(2):
        with h5py.File(tmp_path / f"rec_{number}.h5", "w") as file:
            file["data"] = X[:200]
            file["data"].attrs.update({"t_start": 0, "sampling_rate": 1000.0})
            file["events/mark/times_s"] = [0.1]
    recording = open_h5(tmp_path / "rec_0.h5", "data", stream_mode="multi-files")
    assert [part.t_start for part in recording.streams] == [0, 200]
    times_s = recording.read_events()["mark"].times_s
    np.testing.assert_allclose(times_s, [0.1, 0.3])
    assert caplog.text == ""
