"""ARF: files written by the arf library of the format's author."""

import importlib
import logging

import h5py
import numpy as np
import pytest

from circus_io import FormatError, StreamError, open_recording
from circus_io.files.arf import ARFFile
from circus_io.testing import DataFileContract

X = np.random.default_rng(7).integers(-999, 999, (300, 4)).astype(np.int16)


@pytest.fixture
def arf(require):
    return require("arf", extra="test")


@pytest.fixture
def make(arf, tmp_path):
    """``make(raw, entry, timestamp, name, **fields)``: add an entry to a file."""

    def make(raw=X, entry="rec_0", timestamp=(1_700_000_000, 0), **fields):
        path = tmp_path / fields.pop("name", "rec_0.arf")
        with arf.open_file(path, "a") as file:
            add_entry(file, raw, entry, timestamp, **fields)
        return path

    return make


def library():
    """Return arf, where no fixture is at hand."""
    return importlib.import_module("arf")


def add_entry(file, raw, entry="rec_0", timestamp=(1, 0), head="ch_", **fields):
    arf = library()
    given = {"units": "", "sampling_rate": 20000, **fields}
    given.setdefault("datatype", arf.DataTypes.EXTRAC_RAW)
    group = arf.create_entry(file, entry, timestamp)
    for i in reversed(range(raw.shape[1])):  # 10 is not before 2 in the file either
        arf.create_dataset(group, f"{head}{i}", raw[:, i], chunks=None, **given)
    return group


class TestARF(DataFileContract):
    wrapper = ARFFile
    gain = 0.5

    @pytest.fixture(autouse=True)
    def needs_arf(self, arf):
        """Skip without the library."""

    def write_file(self, path, raw):
        with library().open_file(path, "w") as file:
            add_entry(file, raw)
        return {"gain": 0.5}

    def test_missing_parameters_are_all_named(self, tmp_path, raw):
        self.write_file(tmp_path / "a.arf", raw)
        assert open_recording(tmp_path / "a.arf").gain == 1


class TestARFWithUnits(TestARF):
    dtype = "float32"
    gain = 1000.0

    def write_file(self, path, raw):
        with library().open_file(path, "w") as file:
            add_entry(file, raw, units="mV", head="pcm")
        return {}

    def test_missing_parameters_are_all_named(self, tmp_path, raw):
        self.write_file(tmp_path / "a.arf", raw)
        assert open_recording(tmp_path / "a.arf").gain.tolist() == [1000.0] * 5

    # the units of the file go before what the user says
    test_a_gain_per_channel_goes_with_its_channel = None


class TestARFInOneDataset(TestARF):
    """Several channels in one dataset, as older files have them."""

    def write_file(self, path, raw):
        with library().open_file(path, "w") as file:
            entry = library().create_entry(file, "e", 0)
            library().create_dataset(
                entry, "probe", raw, chunks=None, sampling_rate=1000
            )
        return {"gain": 0.5}


def test_entries_are_streams_in_the_order_of_time(make):
    make(X[:100], "rec_10", (1_700_000_000, 500_000))
    make(X[:50], "rec_9", (1_700_000_001, 0))
    path = make(X, "rec_11", (1_700_000_000, 0), offset=20)
    recording = open_recording(path)
    assert [(part.t_start, len(part)) for part in recording.streams] == [
        (0, 300),
        (9980, 100),
        (19980, 50),
    ]
    assert recording.metadata["entry"] == "rec_11"
    assert recording.metadata["date"].startswith("2023-11-14T22:13:20.001")
    assert np.array_equal(recording[9980:10080, [3, 0]], X[:100, [3, 0]])
    with recording.open("r+"):
        recording.set_data(9990, np.zeros((5, 4)))
    with h5py.File(path) as file:
        assert not file["rec_10/ch_3"][10:15].any()
        assert np.array_equal(file["rec_10/ch_3"][15:], X[15:100, 3])
    one = open_recording(path, h5_key="/rec_9")
    assert (len(one), one.t_start, one.is_stream) == (50, 0, False)
    with pytest.raises(FormatError, match="entries rec_9, rec_10, rec_11"):
        open_recording(path, h5_key="rec_0")


def test_channels_are_in_the_order_of_their_numbers(make):
    raw = np.arange(24, dtype="i2").reshape(2, 12)
    recording = open_recording(make(raw))
    assert recording.channel_labels == tuple(f"ch_{i}" for i in range(12))
    assert np.array_equal(recording[:], raw)


def test_extracellular_channels_are_read_by_default(make, arf):
    path = make()
    with arf.open_file(path, "a") as file:
        entry = file["rec_0"]
        kinds = arf.DataTypes
        for name, kind in [("mic", kinds.ACOUSTIC), ("lfp", kinds.EXTRAC_LF)]:
            arf.create_dataset(
                entry, name, X[:, 0], units="V", datatype=kind, sampling_rate=44100
            )
        arf.create_dataset(entry, "spikes", [0.5, 0.1], units="s", datatype=1001)
    recording = open_recording(path)
    assert recording.shape == (300, 4)
    assert open_recording(path, channel_name="mic").sampling_rate == 44100
    assert open_recording(path, channel_name="ch_").shape == (300, 4)
    with pytest.raises(FormatError, match=r"sampling_rate: \[20000, 44100\]"):
        open_recording(path, channel_name="c")
    with pytest.raises(FormatError, match="no channels"):
        open_recording(path, channel_name="absent")


def test_events_are_on_the_clock_of_the_samples(make, arf):
    make(X[:10], "a", (1_700_000_000, 0))
    path = make(X[:10], "b", (1_700_000_002, 500_000))
    dtype = [("start", "i8"), ("code", "i4")]
    marks = np.array([(400, 1), (200, 2)], dtype)
    with arf.open_file(path, "a") as file:
        arf.create_dataset(file["b"], "licks", [0.25, 0.5], units="s", datatype=1002)
        arf.create_dataset(
            file["b"],
            "spikes",
            marks,
            units=["samples", ""],
            datatype=1001,
            sampling_rate=20000,
        )
    events = open_recording(path).read_events()
    assert set(events) == {"b/licks", "b/spikes"}
    np.testing.assert_allclose(events["b/licks"].times_s, [2.75, 3.0])
    np.testing.assert_allclose(events["b/spikes"].times_s, [2.51, 2.52])


def test_channels_of_unequal_length_are_read_as_far_as_all_go(make, arf, caplog):
    path = make()
    with arf.open_file(path, "a") as file:
        arf.create_dataset(
            file["rec_0"], "ch_4", X[:200, 0], datatype=23, sampling_rate=20000
        )
    with caplog.at_level(logging.WARNING):
        assert open_recording(path).shape == (200, 5)
    assert "200 to 300 frames" in caplog.text


def test_entries_that_do_not_fit_together_need_a_choice(make):
    make(X, "a")
    path = make(X[:, :2], "b", (1_700_000_009, 0))
    with pytest.raises(StreamError, match="nb_channels"):
        open_recording(path)
    assert open_recording(path, h5_key="b").shape == (300, 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.attrs.update(timestamp=[-5, 0]), "time stamp"),
        (lambda e: e.attrs.update(timestamp=[np.nan, 0]), "time stamp"),
        (lambda e: e.attrs.update(timestamp=[1, 2, 3]), "time stamp"),
        (lambda e: e.attrs.update(timestamp="now"), "time stamp"),
        (
            lambda e: e["ch_1"].attrs.update(sampling_rate=0.0),
            "different sampling_rate",
        ),
        (lambda e: e["ch_1"].attrs.update(offset=5), "different offset"),
        (lambda e: e["ch_1"].attrs.update(sampling_rate="x"), "number is expected"),
        (lambda e: [c.attrs.update(sampling_rate=-1) for c in e.values()], "above 0"),
        (lambda e: e.attrs.clear(), "the entries none"),
        (lambda e: e.clear(), "no channels"),
    ],
)
def test_an_entry_that_cannot_be_is_named(make, change, words):
    path = make()
    with h5py.File(path, "r+") as file:
        change(file["rec_0"])
    with pytest.raises(FormatError, match=words):
        open_recording(path)


def test_channels_of_different_types_are_named(make, arf):
    path = make()
    with arf.open_file(path, "a") as file:
        data = X[:, 0].astype("f4")
        arf.create_dataset(file["rec_0"], "x", data, datatype=23, sampling_rate=20000)
    with pytest.raises(FormatError, match="different types"):
        open_recording(path)
