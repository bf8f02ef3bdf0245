"""Signals in flat files with a header of text, and EDF as pyedflib writes it."""

import numpy as np
import pytest

from circus_io import get_format, open_recording
from circus_io.testing import DataFileContract
from tests.writers.neo_signals import (
    RATE_HZ,
    wcp_bytes,
    write_brainvision,
    write_edf,
    write_edr,
    write_elan,
    write_neuronexus,
    write_neuroscope,
)

X = np.random.default_rng(4).integers(-3000, 3000, (512, 5)).astype("<i2")


class WithNeighbour(DataFileContract):
    """The header has a file of its own, the samples another."""

    any_case = False
    holds_no_frames = False
    samples_suffix = ".dat"

    def samples_file(self, path):
        return path.with_suffix(self.samples_suffix)


# -------------------------------------------------------------------------------- EDF


class TestEDF(DataFileContract):
    wrapper = get_format("edf")
    gain = 0.1
    block_frames = 10
    holds_no_frames = False
    low, high = -32767, 32767

    @pytest.fixture(autouse=True)
    def _needs_pyedflib(self, require):
        self.pyedflib = require("pyedflib", extra="neo")

    def write_file(self, path, raw):
        write_edf(path, raw, self.low, self.high)
        return {}

    def test_values_are_those_of_pyedflib(self, tmp_path):
        """neo 0.14.6 counts one step of the digital range too many."""
        self.low, self.high = -2048, 2047
        path = tmp_path / "a.edf"
        self.write_file(path, np.clip(X[:500], self.low, self.high))
        with open_recording(path) as recording:
            traces = recording[:]
        with self.pyedflib.EdfReader(str(path)) as file:
            for channel in range(5):
                expected = file.readSignal(channel)
                np.testing.assert_allclose(traces[:, channel], expected, 1e-6, 1e-9)

    def test_annotations_are_events_and_epochs(self, tmp_path):
        path = tmp_path / "a.edf"
        self.write_file(path, X[:500])
        with open_recording(path) as recording:
            found = recording.read_events()
            assert recording.metadata["units"] == "uV"
        assert found["Event"].labels == ("start",)
        np.testing.assert_allclose(found["Event"].times_s, [0.5])
        assert found["Epoch"].labels == ("light",)
        np.testing.assert_allclose(found["Epoch"].times_s, [1.0])
        np.testing.assert_allclose(found["Epoch"].values, [0.25])


# ------------------------------------------------------------------------- BrainVision


class TestBrainVision(WithNeighbour):
    wrapper = get_format("brainvision")
    gain = 0.5
    samples_suffix = ".eeg"
    orientation = "MULTIPLEXED"

    def write_file(self, path, raw):
        write_brainvision(path, raw, self.orientation)
        return {}


class TestVectorizedBrainVision(TestBrainVision):
    orientation = "VECTORIZED"

    # nothing but the size says how long a channel is
    test_a_truncated_file_gives_its_whole_frames_or_an_error = None


def test_markers_count_frames(tmp_path):
    path = tmp_path / "a.vhdr"
    TestBrainVision().write_file(path, X)
    found = open_recording(path).read_events()["Stimulus"]
    assert found.labels == ("S  7",)
    assert found.times_s[0] * RATE_HZ in (200, 201)  # the file counts from 1


# --------------------------------------------------------------- NeuroScope, NeuroNexus


class TestNeuroScope(WithNeighbour):
    wrapper = get_format("neuroscope")
    gain = 20 / 2**16 / 1000 * 1e6  # ±10 V over 16 bits, amplified 1000 times

    def write_file(self, path, raw):
        write_neuroscope(path, raw)
        return {}


class TestNeuroNexus(WithNeighbour):
    """float32 in µV, which needs no conversion: the map itself is returned."""

    wrapper = get_format("neuronexus")
    dtype = "float32"

    def samples_file(self, path):
        stem = path.name.removesuffix(".xdat.json")
        return path.with_name(f"{stem}_data.xdat")

    def write_file(self, path, raw):
        write_neuronexus(path, raw)
        return {}


# ----------------------------------------------------------------- ELAN, WinEDR, WinWCP


class TestElan(WithNeighbour):
    """Big-endian samples, and a text of one value a line; two channels at the end."""

    wrapper = get_format("elan")
    dtype = ">i2"
    gain = 6000 / 60000

    def path(self, folder, stem="rec_0"):
        return folder / f"{stem}.eeg"

    def samples_file(self, path):
        return path

    def write_file(self, path, raw):
        write_elan(path, raw)
        return {}


class TestWinEDR(DataFileContract):
    wrapper = get_format("winedr")
    gain = 5.0 / (0.01 * 10 * 32768)
    holds_no_frames = False

    def write_file(self, path, raw):
        write_edr(path, raw)
        return {}


class TestWinWCP(DataFileContract):
    wrapper = get_format("winwcp")
    gain = 5.0 / 32767 / 0.5 * 1000
    block_frames = 256
    holds_no_frames = False

    def write_file(self, path, raw):
        path.write_bytes(wcp_bytes(raw))
        return {}


def test_records_are_segments(tmp_path):
    path = tmp_path / "a.wcp"
    path.write_bytes(wcp_bytes(X, n_records=2))
    with open_recording(path, segment="1") as recording:
        np.testing.assert_allclose(recording[:], X[256:] * TestWinWCP.gain, 1e-6)
    both = open_recording(path, stream_mode="single-file")
    np.testing.assert_allclose(both[:], X * TestWinWCP.gain, 1e-6)
