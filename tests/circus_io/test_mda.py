"""MDA: files made with struct and by SpikeInterface, which also reads what we write."""

import logging
import struct

import numpy as np
import pytest

from circus_io import FormatError, open_recording
from circus_io.files.mda import MDAFile
from circus_io.testing import DataFileContract
from tests.writers.mda import header, write

X = np.random.default_rng(4).integers(-999, 999, (200, 6)).astype("<i2")


class TestMDA(DataFileContract):
    wrapper = MDAFile
    dtype = "int16"
    code = -4

    def write_file(self, path, raw):
        write(path, raw, code=self.code, n_bytes=raw.itemsize)
        return {"sampling_rate": 20000, "gain": self.gain}


class TestUnsigned(TestMDA):
    dtype = "uint16"
    code = -6
    dtype_offset = 32768
    gain = 0.5


class TestDoubles(TestMDA):
    dtype = "float64"
    code = -7


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("writemda8", "u1"),
        ("writemda32", "f4"),
        ("writemda16i", "i2"),
        ("writemda32i", "i4"),
        ("writemda16ui", "u2"),
        ("writemda64", "f8"),
        ("writemda32ui", "u4"),
    ],
)
def test_every_type_that_spikeinterface_writes_is_read(tmp_path, require, name, dtype):
    module = require("spikeinterface.extractors.mdaextractors", extra="demo")
    raw = np.abs(X).astype(dtype)
    path = tmp_path / "raw.mda"
    getattr(module, name)(raw.T, str(path))
    recording = open_recording(path, sampling_rate=1000, dtype_offset=0)
    assert np.dtype(recording.data_dtype) == np.dtype(dtype)
    assert np.array_equal(recording[:, [4, 1]], raw[:, [4, 1]].astype(np.float32))


# SpikeInterface leaves its file to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder_of_spikeinterface_is_read(tmp_path, require):
    core = require("spikeinterface.core", extra="demo")
    module = require("spikeinterface.extractors.mdaextractors", extra="demo")
    theirs = core.NumpyRecording([X], 20000)
    theirs.set_dummy_probe_from_locations(np.arange(12).reshape(6, 2))
    module.MdaRecordingExtractor.write_recording(
        theirs, tmp_path / "mda", dtype="int16", progress_bar=False
    )
    path = tmp_path / "mda" / "raw.mda"
    assert np.array_equal(open_recording(path, sampling_rate=20000)[:], X)


def test_spikeinterface_reads_what_we_write(tmp_path, require):
    module = require("spikeinterface.extractors.mdaextractors", extra="demo")
    path = write(tmp_path / "a.mda", np.zeros_like(X), long=True)
    with open_recording(path, sampling_rate=1000).open("r+") as recording:
        recording.set_data(0, X)
    assert np.array_equal(module.readmda(str(path)).T, X)


def test_dimensions_of_64_bits(tmp_path):
    path = write(tmp_path / "a.mda", X, long=True, dimensions=(6, 200, 1))
    assert np.array_equal(open_recording(path, sampling_rate=1000)[:], X)


def test_a_file_that_was_cut_off_is_read_up_to_its_last_frame(tmp_path, caplog):
    path = write(tmp_path / "a.mda", X, dimensions=(6, 2**31 - 1))
    with caplog.at_level(logging.WARNING):
        assert open_recording(path, sampling_rate=1000).shape == (200, 6)
    assert "200 are read" in caplog.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut off"),
        (header((6, 200))[:-1], "cut off"),
        (struct.pack("<3i", -4, 2, -(2**31)) + bytes(900), "cut off|array of"),
        (header((6, 200), code=-1, n_bytes=8), "real numbers"),
        (header((6, 200), code=-4, n_bytes=4), "type -4 of 4 bytes"),
        (header((6, 200), code=3), "real numbers"),
        (header((6,)), "channels × frames"),
        (header(()), "channels × frames"),
        (header((6, 10, 20)), "6 × 10 × 20"),
        (header((-6, 200)), "-6 × 200"),
        (header((6, -1), long=True), "6 × -1"),
        (header((0, 200)), "has 0 channels"),
        (header((2**31 - 1, 0)), "2147483647 channels; expected 1 to 1048576"),
        (header((6, 200)) + bytes(11), "first frame, of 6 channels"),
    ],
)
def test_a_header_that_cannot_be_is_named(tmp_path, content, words):
    (tmp_path / "a.mda").write_bytes(content)
    with pytest.raises(FormatError, match=words):
        open_recording(tmp_path / "a.mda", "mda", sampling_rate=1000)


def test_its_signature_is_type_and_size(tmp_path):
    assert MDAFile.recognises(write(tmp_path / "a.mda", X)) is True
    (tmp_path / "b.mda").write_bytes(b"something else")
    assert MDAFile.recognises(tmp_path / "b.mda") is False
    assert MDAFile.recognises(tmp_path / "absent.mda") is False
