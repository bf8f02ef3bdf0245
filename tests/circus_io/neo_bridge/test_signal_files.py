"""Signals in flat files with a header of text, and EDF as pyedflib writes it."""

import json

import numpy as np
import pytest

from circus_io import get_format, open_recording
from circus_io.testing import DataFileContract

RATE_HZ = 20000

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
        header = {
            "dimension": "uV",
            "sample_frequency": 10,
            "physical_min": self.low / 10,
            "physical_max": self.high / 10,
            "digital_min": self.low,
            "digital_max": self.high,
            "transducer": "",
            "prefilter": "",
        }
        kind = self.pyedflib.FILETYPE_EDFPLUS
        with self.pyedflib.EdfWriter(str(path), raw.shape[1], kind) as file:
            names = [{**header, "label": f"EEG {i}"} for i in range(raw.shape[1])]
            file.setSignalHeaders(names)
            file.writeSamples(list(np.ascontiguousarray(raw.T.astype("<i4"))), True)
            file.writeAnnotation(0.5, -1, "start")
            file.writeAnnotation(1.0, 0.25, "light")
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
            assert recording.metadata["units"] == ("uV",) * 5
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
        channels = "\n".join(f"Ch{i + 1}=E{i},,0.5,µV" for i in range(raw.shape[1]))
        path.write_text(
            "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\n"
            f"Codepage=UTF-8\nDataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\n"
            f"DataFormat=BINARY\nDataOrientation={self.orientation}\n"
            f"NumberOfChannels={raw.shape[1]}\nSamplingInterval={1e6 / RATE_HZ}\n\n"
            f"[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\n{channels}\n",
            encoding="utf-8",
        )
        path.with_suffix(".vmrk").write_text(
            "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\n"
            f"DataFile={path.stem}.eeg\n\n[Marker Infos]\n"
            "Mk1=New Segment,,1,1,0,20200130101112000000\nMk2=Stimulus,S  7,201,1,0\n"
        )
        samples = raw if self.orientation == "MULTIPLEXED" else raw.T
        samples.astype("<i2").tofile(path.with_suffix(".eeg"))
        return {}


class TestVectorizedBrainVision(TestBrainVision):
    orientation = "VECTORIZED"

    def test_a_truncated_file_gives_its_whole_frames_or_an_error(self, tmp_path, raw):
        pytest.skip("nothing but the size says how long a channel is")


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
        group = "".join(f'<channel skip="0">{i}</channel>' for i in range(raw.shape[1]))
        path.write_text(
            "<?xml version='1.0'?>\n<parameters><acquisitionSystem><nBits>16</nBits>"
            f"<nChannels>{raw.shape[1]}</nChannels><samplingRate>{RATE_HZ}"
            "</samplingRate><voltageRange>20</voltageRange><amplification>1000"
            "</amplification><offset>0</offset></acquisitionSystem>"
            "<anatomicalDescription><channelGroups>"
            f"<group>{group}</group></channelGroups></anatomicalDescription></parameters>"
        )
        raw.astype("<i2").tofile(path.with_suffix(".dat"))
        return {}


class TestNeuroNexus(WithNeighbour):
    """float32 in µV, which needs no conversion: the map itself is returned."""

    wrapper = get_format("neuronexus")
    dtype = "float32"

    def samples_file(self, path):
        stem = path.name.removesuffix(".xdat.json")
        return path.with_name(f"{stem}_data.xdat")

    def write_file(self, path, raw):
        n_frames, n_channels = raw.shape
        columns = np.hstack([raw, np.ones((n_frames, 1))]).astype("<f4")
        columns.tofile(self.samples_file(path))
        stamps = self.samples_file(path).name.replace("_data", "_timestamp")
        np.arange(100, 100 + n_frames, dtype="<i8").tofile(path.with_name(stamps))
        mapped = {
            "chan_name": [f"pri_{i}" for i in range(n_channels)] + ["din_0"],
            "ntv_chan_name": [f"a{i}" for i in range(n_channels)] + ["d0"],
            "chan_type": ["ai0"] * n_channels + ["din"],
        }
        status = {
            "samp_freq": RATE_HZ,
            "shape": [n_frames, n_channels + 1],
            "timestamp_range": [100, 100 + n_frames],
            "t_range": [0.005, 0.005 + n_frames / RATE_HZ],
            "start_time": "2020-01-30T10:11:12.123456+01:00",
        }
        made = {"sapiens_base": {"biointerface_map": mapped}, "status": status}
        path.write_text(json.dumps(made))
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
        n_channels = raw.shape[1] + 2
        lines = ["V3", "sort of", "a test", "10:11:12", "30-01-2020", "-1", "", ""]
        lines += [f"{1 / RATE_HZ:.8f}", str(n_channels)]
        lines += [f"E{i}.1" for i in range(n_channels)] + ["EEG"] * n_channels
        lines += ["uV"] * n_channels
        for value in (-3000, 3000, -30000, 30000):
            lines += [str(value)] * n_channels
        lines += ["raw"] * n_channels
        path.with_name(f"{path.name}.ent").write_text("\n".join(lines) + "\n")
        path.with_name(f"{path.name}.pos").write_text("100 7 0\n")
        ends = np.zeros((len(raw), 2), raw.dtype)
        np.hstack([raw, ends]).astype(">i2").tofile(path)
        return {}


class TestWinEDR(DataFileContract):
    wrapper = get_format("winedr")
    gain = 5.0 / (0.01 * 10 * 32768)
    holds_no_frames = False

    def write_file(self, path, raw):
        n_channels = raw.shape[1]
        lines = [
            *("VER=6.4", f"NC={n_channels}", f"NP={raw.size}", "NBH=2048"),
            *("AD=5.0", "ADCMAX=32767", f"DT={1000 / RATE_HZ}", "TU=ms"),
        ]
        for channel in range(n_channels):
            lines += [f"YN{channel}=Ch.{channel}", f"YU{channel}=uV"]
            lines += [f"YCF{channel}=0.01", f"YAG{channel}=10", f"YZ{channel}=0"]
            lines += [f"YO{channel}={channel}"]
        header = ("\r\n".join(lines) + "\r\n").encode().ljust(2048, b" ")
        path.write_bytes(header + raw.astype("<i2").tobytes())
        return {}


def wcp_bytes(raw, n_records=1):
    """Give a .wcp: 1024 bytes of text; records of 1024 bytes of notes and samples."""
    n_frames, n_channels = raw.shape
    held = n_frames // n_records
    n_sectors = 2 * held * n_channels // 512
    lines = [
        *("VER=8", f"NC={n_channels}", f"NR={n_records}", "NBA=2", "AD=5.0"),
        *(f"NBD={n_sectors}", "NBH=2", "ADCMAX=32767", f"DT={1 / RATE_HZ}"),
    ]
    for channel in range(n_channels):
        lines += [f"YN{channel}=Im{channel}", f"YU{channel}=mV"]
        lines += [f"YG{channel}=0.5", f"YO{channel}={channel}"]
    content = ("\r\n".join(lines) + "\r\n").encode().ljust(1024, b" ")
    analysis = np.zeros((), "S8,S4,<f4,<f4,<f4,(8,)<f4")
    analysis["f4"], analysis["f5"] = 1 / RATE_HZ, 5.0
    for start in range(0, held * n_records, held):
        content += analysis.tobytes().ljust(1024, b"\0")
        content += raw[start : start + held].astype("<i2").tobytes()
    return content


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
