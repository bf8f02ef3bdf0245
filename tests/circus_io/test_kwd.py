"""Kwik data: files written by h5py, as Open Ephys and klusta lay them out."""

import logging

import h5py
import numpy as np
import pytest

from circus_io import FormatError, MissingParameterError, open_recording
from circus_io.files.kwd import KWDFile
from circus_io.testing import DataFileContract
from tests.writers.kwd import BIT_VOLTS, add_recording

X = np.random.default_rng(5).integers(-999, 999, (400, 4)).astype(np.int16)


@pytest.fixture
def make(tmp_path):
    """``make(raw, number, name, **attributes)``: add a recording to a file."""

    def make(raw=X, number=0, name="rec_0.raw.kwd", **options):
        with h5py.File(tmp_path / name, "a") as file:
            file.attrs["kwik_version"] = 2
            add_recording(file, number, raw, **options)
        return tmp_path / name

    return make


class TestKWD(DataFileContract):
    wrapper = KWDFile
    gain = 0.195

    def write_file(self, path, raw):
        with h5py.File(path, "w") as file:
            add_recording(file, 0, raw, bit_volts=[self.gain] * raw.shape[1])
        return {}

    def test_a_gain_per_channel_goes_with_its_channel(self, make):
        recording = open_recording(make())
        expected = (X * BIT_VOLTS.astype("f8")).astype(np.float32)
        np.testing.assert_allclose(recording[:], expected, rtol=2e-7)
        np.testing.assert_allclose(recording[:9, [2, 0]], expected[:9, [2, 0]])
        recording.close()


class TestKWDWithoutScale(TestKWD):
    """As klusta writes it: the user gives rate and scale."""

    gain = 0.5

    def write_file(self, path, raw):
        with h5py.File(path, "w") as file:
            group = add_recording(file, 0, raw, bit_volts=None)
            del group.attrs["sample_rate"]
        return {"sampling_rate": 20000, "gain": 0.5}

    test_a_gain_per_channel_goes_with_its_channel = (
        DataFileContract.test_a_gain_per_channel_goes_with_its_channel
    )

    def test_missing_parameters_are_all_named(self, tmp_path, raw):
        self.write_file(tmp_path / "a.kwd", raw)
        with pytest.raises(MissingParameterError, match="give sampling_rate"):
            open_recording(tmp_path / "a.kwd")


def test_newer_files_have_the_scale_in_a_dataset(make):
    path = make(bit_volts=None)
    with h5py.File(path, "r+") as file:
        file["recordings/0/application_data/channel_bit_volts"] = BIT_VOLTS
    assert np.array_equal(open_recording(path).gain, BIT_VOLTS.astype("f8"))


def test_start_times_count_frames_or_seconds(make):
    assert open_recording(make(name="a.kwd", start_time=np.int64(777))).t_start == 777
    assert open_recording(make(name="b.kwd", start_time=0.5)).t_start == 15000


def test_one_recording_is_read_and_the_others_are_mentioned(make, caplog):
    make(X, 0)
    make(X[:50], 2)
    path = make(X[:70], 10)
    with caplog.at_level(logging.WARNING):
        assert len(open_recording(path)) == 400
    assert "has 3 recordings" in caplog.text
    caplog.clear()
    assert len(open_recording(path, recording_number="10")) == 70
    assert not caplog.text
    with pytest.raises(FormatError, match="has 0, 2, 10"):
        open_recording(path, recording_number=1)


def test_all_recordings_are_streams(make):
    make(X, 0, start_time=np.int64(100))
    make(X[:50], 2, start_time=np.int64(1000), bit_volts=BIT_VOLTS * 2)
    path = make(X[:70], 10, start_time=np.int64(2000))
    recording = open_recording(path, stream_mode="single-file")
    assert [part.t_start for part in recording.streams] == [100, 1000, 2000]
    np.testing.assert_allclose(recording[1000:1050], X[:50] * (BIT_VOLTS * 2.0))
    np.testing.assert_allclose(recording[2060:], X[60:70] * BIT_VOLTS, rtol=2e-7)
    with recording.open("r+"):
        recording.set_data(1010, np.zeros((5, 4)))
    with h5py.File(path) as file:
        stored = file["recordings/2/data"][:]
    assert not stored[10:15].any()
    assert np.array_equal(stored[15:], X[15:50])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bit_volts": [0.2, 0.2]}, "2 channel_bit_volts for 4 channels"),
        ({"bit_volts": [0.2, 0, 0.2, 0.2]}, "gain"),
        ({"bit_volts": [np.nan] * 4}, "gain"),
        ({"sample_rate": 0.0}, "rate in Hz above 0"),
        ({"sample_rate": np.array(["fast"], "S")}, "number is expected"),
        ({"start_time": np.int64(-1)}, "0 or later"),
        ({"start_time": np.nan}, "0 or later"),
        ({"start_time": np.inf}, "0 or later"),
    ],
)
def test_attributes_that_cannot_be_are_named(make, options, words):
    with pytest.raises(FormatError, match=words):
        open_recording(make(**options))


def test_files_without_samples_are_named(make, tmp_path):
    path = make()
    with h5py.File(path, "r+") as file:
        del file["recordings/0/data"]
    with pytest.raises(FormatError, match="cannot read"):
        open_recording(path)
    with h5py.File(path, "r+") as file:
        file["recordings/0/data"] = np.zeros((3, 4, 5))
    with pytest.raises(FormatError, match="frames × channels"):
        open_recording(path)
    with h5py.File(path, "r+") as file:
        del file["recordings/0"]
    with pytest.raises(FormatError, match=r"rec_0\.raw\.kwd has none"):
        open_recording(path)
