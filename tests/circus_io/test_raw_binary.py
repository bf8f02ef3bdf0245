import logging

import numpy as np
import pytest

from circus_io import FormatError, NotWritableError, open_recording
from circus_io.files.raw_binary import RawBinaryFile
from circus_io.testing import DataFileContract


class TestRawBinary(DataFileContract):
    wrapper = RawBinaryFile
    dtype = "int16"

    def write_file(self, path, raw):
        path.write_bytes(raw.tobytes())
        return {
            "data_dtype": raw.dtype.str,
            "sampling_rate": 20000,
            "nb_channels": raw.shape[1],
            "gain": self.gain,
        }


class TestUnsignedWithGain(TestRawBinary):
    dtype = "uint16"
    gain = 0.195
    dtype_offset = 32768


class TestBytes(TestRawBinary):
    dtype = "uint8"
    gain = 2.0
    dtype_offset = 128


class TestBigEndian(TestRawBinary):
    dtype = ">i4"
    gain = 0.25


class TestFloat32(TestRawBinary):
    dtype = "float32"


class TestFloat64BehindHeader(TestRawBinary):
    dtype = "float64"
    gain = 0.5

    def write_file(self, path, raw):
        params = super().write_file(path, raw)
        path.write_bytes(b"x" * 77 + path.read_bytes())
        return {**params, "data_offset": 77}


def open_int16(path, nb_channels, **params):
    return open_recording(
        path,
        "raw_binary",
        data_dtype="int16",
        sampling_rate=1000,
        nb_channels=nb_channels,
        **params,
    )


def test_one_map_serves_all_reads(tmp_path):
    np.arange(4000, dtype=np.int16).tofile(tmp_path / "a.dat")
    with open_int16(tmp_path / "a.dat", 4) as recording:
        mapped = recording.data
        list(recording.chunks(100))
        assert recording.data is mapped
        assert isinstance(mapped, np.memmap)


def test_float32_with_gain_1_is_the_mapped_file_itself(tmp_path):
    samples = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    samples.tofile(tmp_path / "a.dat")
    recording = open_recording(
        tmp_path / "a.dat",
        "raw_binary",
        data_dtype="float32",
        sampling_rate=1000,
        nb_channels=4,
    )
    with recording.open("r+"):
        traces = recording[10:20]
        assert np.shares_memory(traces, recording.data)
        with pytest.raises(ValueError, match="read-only"):
            traces[0] = 0


def test_left_over_bytes_and_fitting_channel_counts_are_named(tmp_path, caplog):
    np.zeros(7 * 11, dtype=np.int16).tofile(tmp_path / "a.dat")
    with caplog.at_level(logging.WARNING):
        recording = open_int16(tmp_path / "a.dat", 4)
    assert recording.shape == (19, 4)
    assert "2 bytes over" in caplog.text
    assert "nb_channels = 1, 7, 11, 77 would leave nothing over" in caplog.text


def test_an_odd_byte_fits_no_number_of_channels(tmp_path, caplog):
    (tmp_path / "a.dat").write_bytes(bytes(81))
    with caplog.at_level(logging.WARNING):
        assert open_int16(tmp_path / "a.dat", 4).shape == (10, 4)
    assert "no number of channels" in caplog.text


def test_a_header_longer_than_the_file_is_refused(tmp_path):
    (tmp_path / "a.dat").write_bytes(bytes(80))
    with pytest.raises(FormatError, match="data_offset = 100"):
        open_int16(tmp_path / "a.dat", 4, data_offset=100)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nb_channels", 0),
        ("nb_channels", "four"),
        ("sampling_rate", -1),
        ("data_dtype", "int17"),
        ("data_dtype", "bool"),
        ("data_offset", -1),
        ("gain", 0),
        ("dtype_offset", "middle"),
    ],
)
def test_impossible_parameters_are_named(tmp_path, name, value):
    (tmp_path / "a.dat").write_bytes(bytes(80))
    params = {"data_dtype": "int16", "sampling_rate": 1e3, "nb_channels": 4}
    with pytest.raises(FormatError, match=f"{name} = .*{value}"):
        open_recording(tmp_path / "a.dat", "raw_binary", **{**params, name: value})


def test_allocate_makes_a_file_to_write(tmp_path):
    path = tmp_path / "new.dat"
    params = {"data_dtype": "int16", "sampling_rate": 1000, "nb_channels": 3}
    new = RawBinaryFile(path, params, is_empty=True)
    assert new.shape == (0, 3)
    assert not path.exists()
    new.allocate((50, 3), data_dtype="uint16")
    with new.open("r+"):
        new.set_data(10, np.full((2, 3), 7.0))
    stored = np.fromfile(path, np.uint16).reshape(50, 3)
    assert np.array_equal(stored[10:12], np.full((2, 3), 32768 + 7))
    assert stored.sum() == stored[10:12].sum()
    old = RawBinaryFile(path, new.get_description())
    with pytest.raises(NotWritableError, match="has content"):
        old.allocate((1, 3))
