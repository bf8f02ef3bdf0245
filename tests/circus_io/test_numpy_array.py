import logging

import numpy as np
import pytest

from circus_io import FormatError, open_recording
from circus_io.files.numpy_array import NumpyFile
from circus_io.testing import DataFileContract

X = np.arange(60 * 6, dtype=np.int16).reshape(60, 6)


class TestNumpy(DataFileContract):
    wrapper = NumpyFile
    dtype = "int16"

    def write_file(self, path, raw):
        with path.open("wb") as file:
            np.save(file, raw)
        return {"sampling_rate": 20000, "gain": self.gain, "time_axis": 0}


class TestChannelsFirst(TestNumpy):
    dtype = "uint16"
    dtype_offset = 32768
    gain = 0.5

    def write_file(self, path, raw):
        params = super().write_file(path, raw.T)
        return {**params, "time_axis": 1}


class TestFortranOrder(TestNumpy):
    dtype = ">f4"

    def write_file(self, path, raw):
        return super().write_file(path, np.asfortranarray(raw))


def open_npy(tmp_path, array, **params):
    np.save(tmp_path / "a.npy", array)
    return open_recording(tmp_path / "a.npy", sampling_rate=1000, **params)


@pytest.mark.parametrize("stored", [X, X.T], ids=["frames first", "channels first"])
def test_the_longest_axis_is_time(tmp_path, stored):
    assert np.array_equal(open_npy(tmp_path, stored)[:], X)


def test_the_user_says_which_axis_is_time(tmp_path):
    assert np.array_equal(open_npy(tmp_path, X[:3], time_axis=0)[:], X[:3])
    assert np.array_equal(open_npy(tmp_path, X[:3].T, time_axis="1")[:], X[:3])


def test_a_grid_is_taken_row_by_row(tmp_path):
    grid = X.reshape(60, 2, 3)
    assert np.array_equal(open_npy(tmp_path, grid)[5:40, [4, 1]], X[5:40, [4, 1]])
    turned = np.ascontiguousarray(np.moveaxis(grid, 0, 2))
    assert np.array_equal(open_npy(tmp_path, turned)[:], X)


def test_a_grid_is_written(tmp_path):
    recording = open_npy(tmp_path, X.reshape(60, 2, 3))
    with recording.open("r+"):
        recording.set_data(3, -X[:2])
    stored = np.load(tmp_path / "a.npy")
    assert stored.shape == (60, 2, 3)
    assert np.array_equal(stored[3:5].reshape(2, 6), -X[:2])


def test_one_axis_is_one_channel(tmp_path):
    recording = open_npy(tmp_path, X[:, 2])
    assert recording.shape == (60, 1)
    assert np.array_equal(recording[:, 0], X[:, 2])


def test_a_cut_off_file_gives_its_whole_frames(tmp_path, caplog):
    np.save(tmp_path / "a.npy", X)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-25])
    with caplog.at_level(logging.WARNING):
        recording = open_recording(tmp_path / "a.npy", sampling_rate=1000)
    assert np.array_equal(recording[:], X[:57])
    assert "of the 60 frames that its header says, 57 are read" in caplog.text


def test_a_cut_off_file_with_channels_outermost_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ascontiguousarray(X.T))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-25])
    with pytest.raises(FormatError, match="25 bytes are missing"):
        open_recording(tmp_path / "a.npy", sampling_rate=1000)


def test_pickled_objects_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError, match="not samples"):
        open_recording(tmp_path / "a.npy", sampling_rate=1000)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"not numpy at all")
    with pytest.raises(FormatError, match=r"no \.npy file"):
        open_recording(tmp_path / "a.npy", sampling_rate=1000)


def test_a_header_that_overrules_the_user_says_so(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        recording = open_npy(tmp_path, X, nb_channels=4)
    assert recording.nb_channels == 6
    assert "nb_channels = 4 is not used, the header says 6" in caplog.text


@pytest.mark.parametrize(
    ("field", "damaged", "message"),
    [
        (b"(60, 6)", b"(-1, 6)", "has the shape"),
        (b"(60, 6), }", b"(60, 9**99), }", "no .npy file"),
        (b"(60, 6), }            ", b"(60, 999999999999999), }", "no frame"),
        (b"(60, 6)", b"((((((,", "no .npy file"),
        (b"{'descr'", b"{\0descr'", "no .npy file"),
        (b"NUMPY\x01\x00", b"NUMPY\x02\x00", "no .npy file"),
        (b"'<i2'", b"'<u9'", "no .npy file"),
    ],
)
def test_a_damaged_header_is_an_error(tmp_path, field, damaged, message):
    np.save(tmp_path / "a.npy", X)
    content = (tmp_path / "a.npy").read_bytes()
    assert field in content
    (tmp_path / "a.npy").write_bytes(content.replace(field, damaged, 1))
    with pytest.raises(FormatError, match=message):
        open_recording(tmp_path / "a.npy", sampling_rate=1000, time_axis=0)


def test_fewer_bytes_than_a_frame_are_none(tmp_path):
    np.save(tmp_path / "a.npy", X)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[: 128 + 11])
    with pytest.raises(FormatError, match="no frame of it is whole"):
        open_recording(tmp_path / "a.npy", sampling_rate=1000)
