"""What stands beside the samples, as the libraries of the formats read it."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

import circus_io
from circus_io import ArrayRecording, Events, FormatError, JoinedRecording
from circus_io.conversion import Target, convert, selection
from circus_io.conversion import target as target_module

RATE_HZ = 20_000
LABELS = ("El_21", "El_31", "El_µ")
POSITIONS_UM = np.array([[0.0, 200.0], [200.0, 200.0], [400.0, 0.0]])
EVENTS = {
    "trigger/0": Events(
        np.array([0.01, 0.05, 0.3]), ("a", "b", "c"), np.array([1, 2, 1])
    ),
    "spikes": Events(np.array([0.02]), waveforms=np.ones((1, 5), "f4")),
    "none": Events(np.array([])),
}


class Told(ArrayRecording):
    """A recording whose file says a lot."""

    _channel_labels = LABELS
    _channel_positions = POSITIONS_UM
    _metadata = {"date": "2014-07-09T10:17:35", "comment": "µ"}  # noqa: RUF012

    def read_events(self):
        return EVENTS


@pytest.fixture
def told():
    counts = np.random.default_rng(8).integers(0, 4000, (4000, 3), "u2")
    return Told(counts, RATE_HZ, gain=0.5, dtype_offset=2048)


@pytest.fixture
def spans(told):
    """The same in two spans: from frame 0 on, and from frame 9000 on."""
    first = Told(told.samples[:1500], RATE_HZ, 0, gain=0.5, dtype_offset=2048)
    second = Told(told.samples[1500:], RATE_HZ, 9000, gain=0.5, dtype_offset=2048)
    return JoinedRecording([first, second])


def microvolts(recording):
    return (recording.samples.astype("f8") - 2048) * 0.5


# ------------------------------------------------------------------------------- HDF5


def test_hdf5_describes_itself(told, tmp_path):
    convert(told, tmp_path / "a.h5", channels=[2, 0])
    with h5py.File(tmp_path / "a.h5") as file:
        data = file["data"]
        assert (data.attrs["sampling_rate"], data.attrs["t_start"]) == (RATE_HZ, 0)
        assert data.id.get_offset() is not None  # in one piece: any program may map it
        gains = file["channels/gain"][:]
        traces = (data[:].astype("f8") - data.attrs["dtype_offset"]) * gains
        assert np.array_equal(traces, microvolts(told)[:, [2, 0]])
        labels = file["channels/labels"].asstr()[:].tolist()
        assert labels == [LABELS[2], LABELS[0]]
        positions = file["channels/positions_um"][:]
        assert np.array_equal(positions, POSITIONS_UM[[2, 0]])
        assert json.loads(file["metadata"].asstr()[()])["comment"] == "µ"


def test_hdf5_holds_events(told, tmp_path):
    convert(told, tmp_path / "a.h5", t_start=400, t_stop=4000)
    with h5py.File(tmp_path / "a.h5") as file:
        events = file["events"]
        # those before the part are left out; 0.3 s is after its end
        assert events["trigger_0/times_s"][:].tolist() == [0.05]
        assert events["trigger_0/labels"].asstr()[:].tolist() == ["b"]
        assert events["trigger_0/values"][:].tolist() == [2]
        assert events["spikes/waveforms"].shape == (1, 5)
    convert(told, tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["events/trigger_0/times_s"][:].tolist() == [0.01, 0.05, 0.3]


def test_hdf5_keeps_the_start_of_each_span(spans, tmp_path):
    convert(spans, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        starts = [file[f"data/{i}"].attrs["t_start"] for i in range(2)]
    assert starts == [0, 9000]


def test_what_is_converted_reads_as_it_was(spans, tmp_path):
    report = convert(spans, tmp_path / "a.h5", t_start=1000, t_stop=11_000)
    with circus_io.open_recording(report.path, **report.reading) as recording:
        bounds = [(part.t_start, part.t_stop) for part in recording.streams]
        assert bounds == [(1000, 1500), (9000, 11_000)]
        assert recording.channel_labels == LABELS
        assert np.array_equal(recording.channel_positions, POSITIONS_UM)
        assert recording.metadata["comment"] == "µ"
        times_s = recording.read_events()["trigger_0"].times_s
        assert times_s.tolist() == [0.05, 0.05, 0.3, 0.3]  # of both recordings


def test_hdf5_with_thousands_of_channels_and_much_metadata(tmp_path):
    """An attribute ends at 64 kB; datasets do not."""
    many = ArrayRecording(np.zeros((3, 5000), "i2"), RATE_HZ, gain=np.arange(1, 5001))
    many._metadata = {"xml": "x" * 100_000}
    many._channel_positions = np.zeros((5000, 2))
    convert(many, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["channels/gain"][4999] == 5000
        assert len(json.loads(file["metadata"][()])["xml"]) == 100_000


def test_the_same_conversion_gives_the_same_file(told, tmp_path):
    for name in ("a.h5", "b.h5"):
        convert(told, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


# -------------------------------------------------------------------------------- NWB


@pytest.fixture
def pynwb(require):
    return require("pynwb", extra="nwb")


def test_nwb_is_what_pynwb_reads(told, tmp_path, pynwb):
    convert(told, tmp_path / "a.nwb")
    assert not pynwb.validate(path=str(tmp_path / "a.nwb"))
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as io:
        session = io.read()
        series = session.acquisition["ElectricalSeries"]
        volts = series.data[:] * series.conversion + series.offset
        assert np.allclose(volts, 1e-6 * microvolts(told), rtol=1e-12, atol=1e-15)
        assert (series.rate, series.starting_time) == (RATE_HZ, 0)
        electrodes = series.electrodes.to_dataframe()
        assert electrodes["channel_name"].tolist() == list(LABELS)
        places = electrodes[["rel_x", "rel_y"]].to_numpy()
        assert np.array_equal(places, POSITIONS_UM)
        date = datetime(2014, 7, 9, 10, 17, 35, tzinfo=UTC)
        assert session.session_start_time == date
        assert json.loads(session.notes)["comment"] == "µ"


def test_nwb_keeps_a_gain_per_channel(tmp_path, pynwb):
    counts = np.arange(-30, 30, dtype="i2").reshape(20, 3)
    gains = np.array([0.1, 0.25, 3.0])
    convert(ArrayRecording(counts, RATE_HZ, gain=gains), tmp_path / "a.nwb")
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as io:
        series = io.read().acquisition["ElectricalSeries"]
        volts = series.data[:] * series.conversion * series.channel_conversion[:]
        assert np.allclose(volts, 1e-6 * counts * gains, rtol=1e-12)
        assert io.read().session_start_time.year == 1970  # nobody said


def test_nwb_has_one_offset(tmp_path, pynwb):
    counts = np.arange(60, dtype="u2").reshape(20, 3) + 32_750
    recording = ArrayRecording(counts, RATE_HZ, gain=[1, 2, 3])
    with pytest.raises(FormatError, match="choose a signed type"):
        convert(recording, tmp_path / "a.nwb")
    convert(recording, tmp_path / "a.nwb", dtype="int16")
    with h5py.File(tmp_path / "a.nwb") as file:
        data = file["acquisition/ElectricalSeries/data"][:]
    assert np.array_equal(data, counts.astype(int) - 32_768)


def test_nwb_stamps_each_frame_where_there_are_gaps(spans, told, tmp_path, pynwb):
    convert(spans, tmp_path / "a.nwb")
    assert not pynwb.validate(path=str(tmp_path / "a.nwb"))
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as io:
        series = io.read().acquisition["ElectricalSeries"]
        assert np.array_equal(series.data[:], told.samples)
        frames = np.concatenate([np.arange(1500), np.arange(9000, 11_500)])
        assert np.array_equal(series.timestamps[:], frames / RATE_HZ)
        assert series.rate is None


def test_nwb_holds_events(told, tmp_path, pynwb):
    convert(told, tmp_path / "a.nwb")
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as io:
        session = io.read()
        table = session.get_time_intervals("trigger_0").to_dataframe()
        assert table["start_time"].tolist() == [0.01, 0.05, 0.3]
        assert table["label"].tolist() == ["a", "b", "c"]
        assert set(session.intervals) == {"trigger_0", "spikes"}


# ------------------------------------------------------------------------------- Zarr


@pytest.fixture
def zarr(require):
    return require("zarr", extra="zarr")


def test_zarr_is_what_zarr_reads(told, tmp_path, zarr):
    convert(told, tmp_path / "a.zarr", channels=[2, 0])
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    assert root.attrs["sampling_frequency"] == RATE_HZ
    assert np.array_equal(root["traces_seg0"][:], told.samples[:, [2, 0]])
    properties = root["properties"]
    traces = root["traces_seg0"][:] * properties["gain_to_uV"][:]
    traces += properties["offset_to_uV"][:]
    assert np.allclose(traces, microvolts(told)[:, [2, 0]], rtol=1e-12)
    assert properties["channel_name"][:].tolist() == [LABELS[2], LABELS[0]]


def test_zarr_is_what_spikeinterface_reads(spans, told, tmp_path, require, zarr):
    si = require("spikeinterface", extra="demo")
    convert(spans, tmp_path / "a.zarr")
    recording = si.read_zarr(tmp_path / "a.zarr")
    assert recording.sampling_frequency == RATE_HZ
    assert recording.get_num_segments() == 2
    assert recording.get_start_time(segment_index=1) == 9000 / RATE_HZ
    assert np.array_equal(recording.get_traces(segment_index=1), told.samples[1500:])
    scaled = recording.get_traces(segment_index=0, return_in_uV=True)
    assert np.allclose(scaled, microvolts(told)[:1500])
    assert np.array_equal(recording.get_property("location"), POSITIONS_UM)
    assert recording.get_property("channel_name").tolist() == list(LABELS)


# --------------------------------------------------------------------------- MCS HDF5


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(selection, "BLOCK_SAMPLES", 600)


def test_mcs_hdf5_is_what_the_vendor_reads(told, tmp_path, mcs_vendor, small_blocks):
    conversion = convert(told, tmp_path / "a.h5", "mcs_hdf5", channels=[1, 0])
    assert (conversion.data_dtype, conversion.gain) == ("int32", 0.5)
    (stream,) = mcs_vendor(tmp_path / "a.h5")[0].analog_streams.values()
    for row, channel in enumerate((1, 0)):
        volts, unit = stream.get_channel(row)
        assert str(unit) == "volt"
        np.testing.assert_allclose(volts * 1e6, microvolts(told)[:, channel], 1e-12)
        assert stream.channel_infos[row].label == LABELS[channel]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["Data"].attrs["Date"].startswith(b"2014-07-09 10:17:35")


def test_mcs_hdf5_is_what_spikeinterface_reads(told, tmp_path, require):
    extractors = require("spikeinterface.extractors", extra="demo")
    convert(told, tmp_path / "a.h5", "mcs_hdf5", dtype="int32", gain=0.25)
    recording = extractors.read_mcsh5(tmp_path / "a.h5", stream_id=0)
    assert recording.sampling_frequency == RATE_HZ
    traces = recording.get_traces(return_in_uV=True)
    assert np.allclose(traces, microvolts(told), rtol=1e-6)


def test_mcs_hdf5_has_a_row_of_time_stamps_for_each_span(
    spans, told, tmp_path, small_blocks
):
    convert(spans, tmp_path / "a.h5", "mcs_hdf5")
    with h5py.File(tmp_path / "a.h5") as file:
        stream = file["Data/Recording_0/AnalogStream/Stream_0"]
        stamps = stream["ChannelDataTimeStamps"][:].tolist()
        assert stamps == [[0, 0, 1499], [450_000, 1500, 3999]]  # µs, 50 a frame
        counts = stream["ChannelData"][:].T
        assert np.array_equal(counts, told.samples.astype(int) - 2048)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampling_rate": 30_000}, "whole number of µs"),
        ({"dtype": "int16"}, "mcs_hdf5 does not hold samples of int16"),
    ],
)
def test_mcs_hdf5_refuses_what_it_does_not_hold(change, words, tmp_path):
    options = {"sampling_rate": RATE_HZ, **change}
    recording = ArrayRecording(np.zeros((9, 2), "i4"), options.pop("sampling_rate"))
    with pytest.raises(FormatError, match=words):
        convert(recording, tmp_path / "a.h5", "mcs_hdf5", **options)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------- absent and others


@pytest.mark.parametrize(("library", "suffix"), [("pynwb", "nwb"), ("zarr", "zarr")])
def test_an_absent_library_names_its_extra(library, suffix, tmp_path):
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "import numpy as np\n"
        "from circus_io import ArrayRecording, MissingDependencyError\n"
        "from circus_io.conversion import convert\n"
        "try:\n"
        f"    convert(ArrayRecording(np.zeros((9, 2)), 1), 'a.{suffix}')\n"
        "except MissingDependencyError as error:\n"
        "    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert f"pip install 'circus-toolkit[{suffix}]'" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


MINE = '''
import numpy as np
from contextlib import contextmanager
from circus_io.conversion import Target

class TextTarget(Target):
    """Numbers as text, one frame per line; only int32."""
    description = "text"
    extension = (".txt",)
    dtypes = ("int32",)

    def create(self, path, content):
        rows = np.zeros((content.n_frames, content.n_channels), int)
        np.savetxt(path, rows, "%d")

    @contextmanager
    def open_rooms(self, path, content, mode):
        rows = np.loadtxt(path, "i4", ndmin=2)
        yield [rows]
        if mode == "r+":
            np.savetxt(path, rows, "%d")
'''


def test_a_format_of_ones_own_takes_a_line(told, tmp_path, monkeypatch):
    (tmp_path / "text_target.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    line = {"text": "text_target:TextTarget"}
    monkeypatch.setattr(target_module, "TARGETS", {**target_module.TARGETS, **line})
    conversion = convert(told, tmp_path / "a.txt")
    assert conversion.data_dtype == "int32"
    assert conversion.gain == 0.5
    array = np.loadtxt(tmp_path / "a.txt")
    assert np.array_equal(array, told.samples.astype(int) - 2048)
    with pytest.raises(FormatError, match="text does not hold samples of int16"):
        convert(told, tmp_path / "b.txt", dtype="int16")
    assert issubclass(sys.modules["text_target"].TextTarget, Target)
