"""Formats inside of HDF5: written with h5py, nixio and MEArec."""

import json

import h5py
import numpy as np
import pytest

from circus_io import FormatError, get_format, open_recording
from circus_io.testing import DataFileContract
from tests.writers.neo_hdf5 import (
    maxwell_mapping,
    write_brw3,
    write_maxwell,
    write_mearec,
    write_nix,
)

X = np.random.default_rng(3).integers(100, 3000, (500, 4)).astype("<u2")


class HDF5Contract(DataFileContract):
    holds_no_frames = False

    def test_a_truncated_file_gives_its_whole_frames_or_an_error(self, tmp_path, raw):
        """HDF5 ends with what it needs to be opened at all."""
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(FormatError, match=r"cannot read|no NIX|HDF5"):
            self.wrapper(path, params)


# ------------------------------------------------------------------------------ BioCam


class TestBiocam(HDF5Contract):
    wrapper = get_format("biocam")
    dtype = "uint16"
    dtype_offset = 2048
    gain = 8250 / 4096

    def write_file(self, path, raw):
        write_brw3(path, raw)
        return {}


def test_an_inverted_signal_is_turned(tmp_path):
    write_brw3(tmp_path / "a.brw", X, inversion=-1)
    with open_recording(tmp_path / "a.brw", "brw") as recording:  # the classic name
        assert recording.description == "biocam"
        counts = X.astype(np.float64)
        expected = -(counts * 8250 / 4096 - 4125)
        np.testing.assert_allclose(recording[:], expected, 1e-6, 1e-3)


def test_brw_4(tmp_path):
    with h5py.File(tmp_path / "a.brw", "w") as file:
        convert = {
            "MaxAnalogValue": 4125.0,
            "MinAnalogValue": -4125.0,
            "MaxDigitalValue": 4096,
            "MinDigitalValue": 0,
            "ScaleFactor": 1.0,
        }
        settings = {"ValueConverter": convert, "TimeConverter": {"FrameRate": 2e4}}
        file["ExperimentSettings"] = [json.dumps(settings).encode()]
        file["TOC"] = np.array([[0, len(X)]])
        file["Well_A1/StoredChIdxs"] = np.arange(4)
        file["Well_A1/Raw"] = X.reshape(-1)
    with open_recording(tmp_path / "a.brw") as recording:
        expected = (X - 2048.0) * 8250 / 4096
        np.testing.assert_allclose(recording[:], expected, 1e-6)


# ----------------------------------------------------------------------------- MaxWell


class TestMaxwell(HDF5Contract):
    wrapper = get_format("maxwell")
    dtype = "uint16"
    gain = 6.294

    def write_file(self, path, raw):
        write_maxwell(path, raw)
        return {}


def test_wells_are_streams_by_their_classic_number_too(tmp_path):
    path = write_maxwell(tmp_path / "a.h5", X, wells=("well000", "well001"))
    with pytest.raises(
        FormatError, match=r"2 streams: well000 \(4 channels\), well001"
    ):
        open_recording(path)
    for given in ({"well": "0001"}, {"stream": "well001"}, {"stream": 1}):
        with open_recording(path, **given) as recording:
            assert recording.description == "maxwell"
            np.testing.assert_allclose(recording[:], (X + 1) * 6.294, 1e-6)
            assert recording.channel_labels[2] == "ch2 elec1002"
            places = [[0, 35], [17.5, 35], [35, 35], [52.5, 35]]
            assert recording.channel_positions.tolist() == places


def test_one_of_several_recordings_is_chosen(tmp_path):
    path = write_maxwell(tmp_path / "a.h5", X, recordings=("rec0000", "rec0001"))
    with pytest.raises(FormatError, match=r"rec_name.*rec0000"):
        open_recording(path)
    assert open_recording(path, rec_name="rec0001").shape == X.shape


def test_the_first_layout_is_read_by_its_mapping(tmp_path):
    """1028 rows are stored; only those that the mapping names were routed."""
    stored = np.arange(1028, dtype="<u2")[:, None] + np.arange(50, dtype="<u2")
    channels = [7, 300, -1, 12]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["version"] = [b"20160704"]
        file["settings/lsb"] = [6.294e-6]
        file["mapping"] = maxwell_mapping(channels)
        file["sig"] = stored
    with open_recording(tmp_path / "a.h5") as recording:
        expected = stored[[7, 300, 12]].T * 6.294
        np.testing.assert_allclose(recording[:], expected, 1e-6)
        np.testing.assert_allclose(
            recording[9:20, [1, 0]], expected[9:20, [1, 0]], 1e-6
        )


# --------------------------------------------------------------------------------- NIX


class TestNix(HDF5Contract):
    """neo's own layout of a block, written with nixio."""

    wrapper = get_format("nix")
    dtype = "float32"
    gain = 1000.0

    @pytest.fixture(autouse=True)
    def _needs_nixio(self, require):
        require("nixio", extra="neo")

    def write_file(self, path, raw):
        write_nix(path, raw)
        return {}


# ------------------------------------------------------------------------------ MEArec


class TestMEArec(HDF5Contract):
    """Written by MEArec, with quantised samples."""

    wrapper = get_format("mearec")
    gain = 0.25

    @pytest.fixture(autouse=True)
    def _needs_mearec(self, require):
        self.mearec = require("MEArec", extra="test")

    def write_file(self, path, raw):
        write_mearec(path, raw, self.gain)
        return {}

    def test_the_plane_of_the_probe_is_kept(self, recording):
        places = [[0, 0], [0, 20], [0, 40], [0, 60], [0, 80]]
        assert recording.channel_positions.tolist() == places
