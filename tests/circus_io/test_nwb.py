"""NWB: files written by pynwb, which also reads what we write."""

import datetime
import importlib

import h5py
import numpy as np
import pytest

from circus_io import (
    FormatError,
    MissingParameterError,
    NotWritableError,
    open_recording,
)
from circus_io.files.nwb import NWBFile
from circus_io.files.nwb.timing import BLOCK
from circus_io.testing import DataFileContract

X = np.random.default_rng(6).integers(-999, 999, (400, 4)).astype(np.int16)
START = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)


@pytest.fixture
def make(tmp_path, require):
    """``make(raw, name=..., **fields)``: a file with a series; fields of pynwb's."""
    require("pynwb", extra="nwb")
    return lambda *args, **fields: write_nwb(tmp_path, *args, **fields)


def write_nwb(folder, *series, file="rec_0.nwb", columns=True, **fields):
    """Write each series, ``{name: ..., data: ...}``, or one with `fields`."""
    pynwb = importlib.import_module("pynwb")
    nwb = pynwb.NWBFile(
        session_description="slice 3", identifier="xyz", session_start_time=START
    )
    device = nwb.create_device(name="array")
    group = nwb.create_electrode_group(
        name="shank", description="", location="ctx", device=device
    )
    times = {} if "timestamps" in fields else {"rate": 30000.0}
    series = series or ({"data": X, **times, **fields},)
    n_channels = max(np.shape(one["data"])[1] for one in series)
    if columns:
        nwb.add_electrode_column(name="channel_name", description="")
    # a table that holds more than the recording, in another order
    for i in range(n_channels + 2):
        extra = {"channel_name": f"ch{i}", "rel_x": 10.0 * i, "rel_y": -1.0 * i}
        nwb.add_electrode(group=group, location="ctx", **(extra if columns else {}))
    for one in series:
        one = {"name": "raw", **one}
        add = nwb.add_acquisition
        if one.pop("processed", False):
            module = nwb.processing.get("ecephys") or nwb.create_processing_module(
                name="ecephys", description="filtered"
            )
            add = module.add
        rows = list(range(np.shape(one["data"])[1], 0, -1))
        region = nwb.create_electrode_table_region(region=rows, description="")
        add(pynwb.ecephys.ElectricalSeries(electrodes=region, **one))
    with pynwb.NWBHDF5IO(folder / file, "w") as io:
        io.write(nwb, cache_spec=False)
    return folder / file


class TestNWB(DataFileContract):
    wrapper = NWBFile
    gain = 0.195

    @pytest.fixture(autouse=True)
    def needs_pynwb(self, require):
        require("pynwb", extra="nwb")

    def write_file(self, path, raw):
        conversion = self.gain / 1e6
        fields = {"data": raw, "rate": 20000.0, "conversion": conversion}
        write_nwb(path.parent, fields, file=path.name)
        return {}


class TestNWBWithOffset(TestNWB):
    """An offset in V that is a whole number of counts."""

    dtype = "uint16"
    dtype_offset = 2048
    gain = 0.25

    def write_file(self, path, raw):
        fields = {"data": raw, "rate": 20000.0, "offset": -2048 * 0.25e-6}
        fields["conversion"] = 0.25e-6
        write_nwb(path.parent, fields, file=path.name)
        return {}

    def test_it_knows_its_shape_and_mandatory_parameters(self, recording):
        assert recording.dtype_offset == pytest.approx(2048)


class TestPlainDataset(DataFileContract):
    """A dataset that is no series, as parameter files of SpyKING CIRCUS name it."""

    wrapper = NWBFile
    gain = 0.5

    def write_file(self, path, raw):
        with h5py.File(path, "w") as file:
            file["acquisition/timeseries/data"] = raw
        rate_and_key = {"sampling_rate": 20000, "h5_key": "acquisition/timeseries/data"}
        return {**rate_and_key, "gain": 0.5}

    def test_missing_parameters_are_all_named(self, tmp_path, raw):
        path = tmp_path / "a.nwb"
        key = self.write_file(path, raw)["h5_key"]
        with pytest.raises(MissingParameterError, match="give sampling_rate"):
            open_recording(path, "nwb", h5_key=key)


def test_labels_places_and_session_are_those_of_the_file(make):
    recording = open_recording(make(rate=24414.0625))
    assert recording.description == "nwb"
    assert recording.sampling_rate == 24414.0625
    assert recording.channel_labels == ("ch4", "ch3", "ch2", "ch1")
    assert recording.channel_positions.tolist() == [
        [40, -4],
        [30, -3],
        [20, -2],
        [10, -1],
    ]
    assert recording.metadata["date"].startswith("2026-02-03T04:05:06")
    assert recording.metadata["comment"] == "slice 3"
    assert recording.metadata["series"] == "acquisition/raw"


def test_electrodes_without_names_have_their_numbers(make):
    recording = open_recording(make(columns=False))
    assert recording.channel_labels == ("4", "3", "2", "1")
    assert recording.channel_positions is None


def test_values_are_those_of_pynwb(make, require):
    pynwb = require("pynwb", extra="nwb")
    each = np.array([1.0, 2.0, -0.5, 3.0])
    path = make(
        conversion=1.95e-7, offset=3e-4, channel_conversion=each, starting_time=0.5
    )
    with pynwb.NWBHDF5IO(path, "r") as io:
        series = io.read().acquisition["raw"]
        volts = series.data[:] * series.conversion * series.channel_conversion[:]
        volts += series.offset
    recording = open_recording(path)
    np.testing.assert_allclose(recording[:], volts * 1e6, rtol=1e-6)
    np.testing.assert_allclose(
        recording[15100:15200, [2, 0]], volts[100:200, [2, 0]] * 1e6, rtol=1e-6
    )
    assert recording.t_start == 15000
    with pytest.raises(NotWritableError, match="different zeros"):
        recording.open("r+")


def test_pynwb_reads_what_we_write(make, require):
    pynwb = require("pynwb", extra="nwb")
    path = make(conversion=0.5e-6)
    with open_recording(path).open("r+") as recording:
        recording.set_data(7, np.full((5, 4), 21.0))
    with pynwb.NWBHDF5IO(path, "r") as io:
        stored = io.read().acquisition["raw"].data[:]
    expected = X.copy()
    expected[7:12] = 42
    assert np.array_equal(stored, expected)


def test_one_series_is_chosen(make):
    raw = {"name": "raw", "data": X, "rate": 30000.0, "conversion": 1e-6}
    lfp = {"name": "lfp", "data": X[:, :2], "rate": 1000.0, "conversion": 1e-6}
    filtered = {**raw, "name": "filtered", "data": X[:50], "processed": True}
    path = make(raw, filtered)
    assert open_recording(path).shape == (400, 4)
    assert open_recording(path, h5_key="filtered").shape == (50, 4)
    path = make(raw, lfp, filtered, file="b.nwb")
    with pytest.raises(
        FormatError, match=r"several .*acquisition/lfp, acquisition/raw"
    ):
        open_recording(path)
    for key in ("lfp", "acquisition/lfp", "/acquisition/lfp/data"):
        assert open_recording(path, h5_key=key).shape == (400, 2)
    with pytest.raises(FormatError, match=r"no electrical series mua; it has acq.*lfp"):
        open_recording(path, h5_key="mua")
    path = make(filtered, file="c.nwb")
    assert open_recording(path).metadata["series"] == "processing/ecephys/filtered"


def test_a_file_without_series_says_so(make):
    path = make()
    with h5py.File(path, "r+") as file:
        del file["acquisition/raw"]
    with pytest.raises(FormatError, match="no electrical series auto; it has none"):
        open_recording(path)


# --------------------------------------------------------------------- time stamps


def stamps(*runs, rate=20000.0, noise=0.0):
    """Return times (s) of runs of (first frame, number)."""
    frames = np.concatenate([np.arange(n) + first for first, n in runs])
    jitter = np.random.default_rng(0).uniform(-noise, noise, len(frames))
    return (frames + jitter) / rate


def test_even_time_stamps_give_the_rate(make):
    recording = open_recording(make(timestamps=stamps((20_000, 400), noise=0.1)))
    assert recording.sampling_rate == pytest.approx(20000, rel=1e-3)
    assert not recording.is_stream
    exact = open_recording(make(timestamps=stamps((20_000, 400)), file="b.nwb"))
    assert (exact.sampling_rate, exact.t_start) == (20000.0, 20_000)


def test_gaps_in_time_stamps_are_borders_of_streams(make):
    times = stamps((100, 150), (1000, 50), (5000, 200), noise=0.1)
    recording = open_recording(make(timestamps=times, conversion=1e-6))
    assert [len(part) for part in recording.streams] == [150, 50, 200]
    starts = [part.t_start for part in recording.streams]
    np.testing.assert_allclose(starts, [100, 1000, 5000], rtol=1e-3)
    second = starts[1]
    assert np.array_equal(recording[second : second + 50], X[150:200])


def test_a_long_file_is_searched_for_gaps_block_by_block(tmp_path):
    """By h5py: several blocks of time stamps, and a clock that drifts."""
    rate, n_frames = 20000.0, 2 * BLOCK + 12345
    runs = [(0, 1000), (1500, BLOCK), (BLOCK + 9000, n_frames - BLOCK - 1000)]
    times = stamps(*runs, rate=rate) * (1 + 1e-5)
    times += 1e-3 * np.linspace(0, 1, n_frames) ** 2
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.0"
        series = file.create_group("acquisition/raw")
        series.attrs["neurodata_type"] = "ElectricalSeries"
        series.create_dataset("data", (n_frames, 1), "i2", chunks=(8192, 1))
        series["timestamps"] = times
    recording = open_recording(tmp_path / "a.nwb")
    assert recording.sampling_rate == pytest.approx(rate, rel=5e-5)
    assert [len(part) for part in recording.streams] == [n for _, n in runs]
    starts = [part.t_start for part in recording.streams]
    np.testing.assert_allclose(starts, [first for first, _ in runs], atol=100)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (np.zeros(400), "do not increase"),
        (np.arange(400)[::-1] / 1000, "do not increase"),
        (np.full(400, np.nan), "do not increase"),
        (np.arange(-5, 395) / 1000, "0 s or later"),
        (np.r_[np.arange(399) / 1000, np.nan], "do not increase"),
    ],
)
def test_times_that_cannot_be_are_named(make, times, words):
    with pytest.raises(FormatError, match=words):
        open_recording(make(timestamps=times))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["data"].attrs.update(conversion=0.0), "conversion of 0"),
        (lambda s: s["data"].attrs.update(conversion=np.nan), "conversion of 0"),
        (lambda s: s["data"].attrs.update(unit="degrees"), "no voltage"),
        (lambda s: s["starting_time"].attrs.update(rate=0.0), "rate in Hz"),
        (lambda s: s["starting_time"].attrs.update(rate="x"), "number is expected"),
        (lambda s: s.create_dataset("channel_conversion", data=[1.0]), "4 channels"),
        (lambda s: s["electrodes"].write_direct(np.full(4, 99)), "cannot read"),
        (lambda s: s["electrodes"].write_direct(np.full(4, -1)), "does not fit"),
        (lambda s: s.pop("data"), "cannot read"),
    ],
)
def test_a_series_that_cannot_be_is_named(make, change, words):
    path = make()
    with h5py.File(path, "r+") as file:
        change(file["acquisition/raw"])
    with pytest.raises(FormatError, match=words):
        open_recording(path)
