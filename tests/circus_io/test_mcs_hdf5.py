"""HDF5 of Multi Channel Systems, read: against h5py, arithmetic and McsPyDataTools."""

import logging
import pickle

import h5py
import numpy as np
import pytest

from circus_io import FormatError, StreamError, open_recording
from circus_io.files.mcs_hdf5 import MCSHDF5File
from circus_io.testing import DataFileContract
from tests.writers.mcs_hdf5 import FIELDS, add_stream

SAMPLE = "mcs_h5/2014-07-09T10-17-35W8_Standard_all_500Hz.h5"
X = np.random.default_rng(1).integers(-(2**23), 2**23, (500, 4)).astype(np.int32)


@pytest.fixture
def make(tmp_path):
    """``make(raw, number, recording, name, **fields)``: add a stream to a file."""

    def make(raw=X, number=0, recording=0, name="rec_0.h5", **fields):
        with h5py.File(tmp_path / name, "a") as file:
            file.attrs["McsHdf5ProtocolType"] = np.bytes_("RawData")
            file.attrs["McsHdf5ProtocolVersion"] = 3
            group = file.require_group(f"Data/Recording_{recording}")
            add_stream(group, number, raw, **fields)
        return tmp_path / name

    return make


class TestMCSHDF5(DataFileContract):
    wrapper = MCSHDF5File
    dtype = "int32"
    gain = 381.47
    dtype_offset = 0

    def write_file(self, path, raw):
        with h5py.File(path, "w") as file:
            file.attrs["McsHdf5ProtocolType"] = "RawData"
            recording = file.create_group("Data/Recording_0")
            add_stream(recording, 0, raw, ADZero=self.dtype_offset)
        return {}


class TestMCSHDF5WithZero(TestMCSHDF5):
    dtype_offset = -70_001


# --------------------------------------------------------------------- values in µV


def test_each_channel_has_its_own_scale(make):
    factors, exponents = np.array([59605, -381470, 7, 381470]), [-12, -9, -3, -10]
    zeros, units = np.array([0, -5, 2**31 - 1, 9]), ["V", "mV", "uV", "V"]
    path = make(ConversionFactor=factors, Exponent=exponents, ADZero=zeros, Unit=units)
    recording = open_recording(path)
    microvolts = [1e6, 1e3, 1, 1e6]
    scale = factors * 10.0 ** np.array(exponents) * microvolts
    expected = (X.astype(np.float64) - zeros) * scale
    np.testing.assert_allclose(recording[:], expected, rtol=2e-7)
    np.testing.assert_allclose(
        recording[100:207, [3, 1, 3]], expected[100:207][:, [3, 1, 3]], rtol=2e-7
    )
    assert recording.dtype_offset == 0
    assert recording.gain.tolist() == [0.059605, -0.38147, 0.007, 38.147]


def test_a_step_of_ten_digits_is_rounded_once(make):
    path = make(ConversionFactor=5960464477, Exponent=-17)
    assert open_recording(path).gain == 0.05960464477


def test_labels_rate_and_what_the_file_says(make):
    path = make(Tick=40)
    with h5py.File(path, "r+") as file:
        file["Data"].attrs["MeaName"] = np.bytes_("60MEA200/30iR     \r\n")
        file["Data"].attrs["Comment"] = np.bytes_("slice 3")
        file["Data"].attrs["DateInTicks"] = np.int64(635404978551720981)
    recording = open_recording(path)
    assert recording.sampling_rate == 25000
    assert recording.channel_labels == ("E00", "E01", "E02", "E03")
    assert recording.metadata["date"] == "2014-07-09T10:17:35.172098"
    assert recording.metadata["mea_name"] == "60MEA200/30iR"
    assert recording.metadata["comment"] == "slice 3"
    assert recording.metadata["stream_label"] == "Electrode (0)"


def test_older_files_lack_fields(make, tmp_path):
    path = make()
    with h5py.File(path, "r+") as file:
        stream = file["Data/Recording_0/AnalogStream/Stream_0"]
        info = stream["InfoChannel"][:]
        kept = [name for name in info.dtype.names if name not in ("Label", "ADZero")]
        del stream["InfoChannel"], stream["ChannelDataTimeStamps"]
        stream["InfoChannel"] = info[kept]
    recording = open_recording(path)
    assert recording.channel_labels == ("10", "11", "12", "13")
    np.testing.assert_allclose(recording[:], X * 381.47, rtol=2e-7)


# ------------------------------------------------------------------- gaps are streams

GAPS = [(0, 0, 99), (5000, 100, 299), (50_000, 300, 499)]


def test_gaps_are_borders_of_streams(make):
    # 50 µs a frame: 100 frames, then 200 at once, then 200 from frame 1000 on
    recording = open_recording(make(spans=GAPS))
    assert recording.stream_mode == "single-file"
    assert [(part.t_start, len(part)) for part in recording.streams] == [
        (0, 300),
        (1000, 200),
    ]
    chunks = list(recording.chunks(128, (-20, 20)))
    cores = [(chunk.t_start, chunk.t_stop) for chunk in chunks]
    assert cores == [(0, 128), (128, 256), (256, 300), (1000, 1128), (1128, 1200)]
    np.testing.assert_allclose(
        np.concatenate([chunk.core for chunk in chunks]), X * 381.47, rtol=2e-7
    )
    np.testing.assert_allclose(recording[1000:1010], X[300:310] * 381.47, rtol=2e-7)
    with pytest.raises(IndexError, match="not recorded"):
        recording[290:1001]
    copy = pickle.loads(pickle.dumps(recording))
    assert np.array_equal(copy[1000:], recording[1000:])
    copy.close()
    recording.close()


def test_asking_for_the_streams_of_a_file_gives_the_same(make):
    path = make(spans=GAPS)
    asked = open_recording(path, stream_mode="single-file")
    assert asked.streams[1].t_start == 1000
    assert len(asked.streams) == 2


def test_a_clock_that_drifts_has_no_gap(make):
    # the time stamps are 1 and then 20 µs late: less than half of a frame
    spans = [(0, 0, 99), (5001, 100, 299), (15_020, 300, 499)]
    recording = open_recording(make(spans=spans))
    assert not recording.is_stream
    assert recording.shape == (500, 4)


def test_a_recording_starts_when_its_clock_says(make):
    recording = open_recording(make(spans=[(100_000, 0, 499)]))
    assert (recording.t_start, recording.t_stop) == (2000, 2500)


def test_columns_that_no_time_stamp_names_are_not_read(make):
    recording = open_recording(make(spans=[(0, 100, 199), (9999_950, 300, 299)]))
    np.testing.assert_allclose(recording[:], X[100:200] * 381.47, rtol=2e-7)


def test_thousands_of_sweeps_open_one_file(make):
    spans = [(1000 * i, i, i) for i in range(500)]
    with open_recording(make(spans=spans)) as recording:
        assert recording.nb_streams == 500
        assert {id(part._shared) for part in recording.streams} == {
            id(recording._shared)
        }
        assert recording[20 * 499].tolist() == pytest.approx(X[499] * 381.47)


def test_files_with_gaps_follow_one_another(make, caplog):
    make(spans=GAPS)
    path = make(name="rec_1.h5", raw=X[:300], spans=[(0, 0, 99), (50_000, 100, 299)])
    recording = open_recording(path.with_name("rec_0.h5"), stream_mode="multi-files")
    starts = [part.t_start for part in recording.streams]
    assert starts == [0, 1000, 1200, 2200]
    assert recording.get_file_names() == [
        str(path.with_name(f"rec_{i}.h5")) for i in (0, 0, 1, 1)
    ]
    np.testing.assert_allclose(recording[2200:], X[100:300] * 381.47, rtol=2e-7)
    recording.close()


def test_time_stamps_that_go_back_follow_with_a_warning(make, caplog):
    path = make(spans=[(0, 0, 299), (0, 300, 499)])
    with caplog.at_level(logging.WARNING):
        recording = open_recording(path)
    assert [part.t_start for part in recording.streams] == [0, 300]


# ------------------------------------------------------------ which stream is read


def test_all_recordings_are_streams_or_one_is_chosen(make):
    make(X[:100])
    make(X[:50] + 1, recording=2, ADZero=1, spans=[(10_000, 0, 49)])
    path = make(X[:60], recording=10, ConversionFactor=59605, spans=[(20_000, 0, 59)])
    recording = open_recording(path)
    assert [(part.t_start, len(part)) for part in recording.streams] == [
        (0, 100),
        (200, 50),
        (400, 60),
    ]
    np.testing.assert_allclose(recording[200:250], X[:50] * 381.47, rtol=2e-7)
    np.testing.assert_allclose(recording[400:], X[:60] * 59.605, rtol=2e-7)
    one = open_recording(path, recording_number=2)
    assert not one.is_stream
    assert len(one) == 50
    assert one.metadata["recording_number"] == 2
    with pytest.raises(FormatError, match="the file has 0, 2, 10"):
        open_recording(path, recording_number=1)


def test_recordings_that_do_not_fit_together_need_a_choice(make):
    make(X)
    path = make(X[:, :3], recording=1, spans=[(10**7, 0, 499)])
    with pytest.raises(StreamError, match="nb_channels"):
        open_recording(path)
    assert open_recording(path, recording_number="1").shape == (500, 3)


RAW = "a9d1ab04-2cf8-489c-a861-595e662fba4e"


def test_the_electrodes_as_sampled_are_read_by_default(make):
    make(X[:, :1] + 1, 0, subtype="Digital", Unit="NoUnit", ConversionFactor=0)
    make(X[:, :2], 1, subtype="Auxiliary")
    make(X + 2, 2, source=RAW)
    path = make(X + 3, 10, source="00000000-0000-0000-0000-000000000000")
    assert open_recording(path).metadata["stream"] == "Stream_10"
    assert open_recording(path, stream="Electrode (2)").metadata["stream"] == "Stream_2"
    assert open_recording(path, stream=1).shape == (500, 2)
    assert open_recording(path, stream="Stream_1").shape == (500, 2)
    with pytest.raises(FormatError, match=r"no voltage.*hdf5"):
        open_recording(path, stream=0)
    with pytest.raises(FormatError, match=r"0 \(Digital \(0\), Digital, no voltage\)"):
        open_recording(path, stream="absent")


def test_a_file_without_voltages_says_what_it_has(make):
    path = make(subtype="Digital", Unit="NoUnit", ConversionFactor=0)
    with pytest.raises(FormatError, match=r"it has 0 \(Digital \(0\), Digital, no vol"):
        open_recording(path)


def test_its_suffix_is_shared_and_its_signature_is_not(make, tmp_path):
    assert isinstance(open_recording(make()), MCSHDF5File)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = X
    assert MCSHDF5File.recognises(tmp_path / "other.h5") is False
    other = open_recording(tmp_path / "other.h5", h5_key="data", sampling_rate=1000)
    assert other.description == "hdf5"
    (tmp_path / "no.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    assert MCSHDF5File.recognises(tmp_path / "no.h5") is False
    assert MCSHDF5File.recognises(tmp_path / "absent.h5") is False


# ------------------------------------------------------------------ what is damaged


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"spans": [(0, 0, 500)]}, "does not fit .*ChannelData, which has 500 columns"),
        ({"spans": [(0, 0, 2**63 - 1)]}, "does not fit"),
        ({"spans": [(0, -1, 99)]}, "does not fit"),
        ({"spans": [(-50, 0, 99)]}, "time stamp ≥ 0"),
        ({"spans": [(0, 0, 99), (9999, 50, 150)]}, "in order"),
        ({"Tick": 0}, "above 0"),
        ({"Tick": -50}, "above 0"),
        ({"Tick": [50, 50, 50, 100]}, r"every \[50, 100\] µs"),
        ({"ConversionFactor": 0}, "no voltage"),
        ({"Exponent": 2**31 - 1}, "no voltage"),
        ({"Unit": ["V", "g", "V", "V"]}, "no voltage"),
    ],
)
def test_a_header_that_cannot_be_is_named(make, fields, words):
    with pytest.raises(FormatError, match=words):
        open_recording(make(**fields))


def edit(path, **replaced):
    with h5py.File(path, "r+") as file:
        stream = file["Data/Recording_0/AnalogStream/Stream_0"]
        for name, value in replaced.items():
            del stream[name]
            if value is not None:
                stream[name] = value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ChannelData", None),
        ("ChannelData", np.zeros(9, "i4")),
        ("ChannelData", np.zeros((1, 500), "i4")),
        ("ChannelData", np.array([[b"a"] * 500] * 4)),
        ("InfoChannel", None),
        ("InfoChannel", np.zeros(4)),
        ("InfoChannel", np.zeros(0, FIELDS)),
        ("ChannelDataTimeStamps", np.zeros((3, 2), "i8")),
        ("ChannelDataTimeStamps", np.zeros((2, 3), "f4") * np.nan),
    ],
)
def test_a_dataset_of_another_kind_is_named(make, name, value):
    path = make()
    edit(path, **{name: value})
    with pytest.raises(FormatError):
        open_recording(path, "mcs_hdf5")


def test_rows_outside_of_the_data_are_named(make):
    path = make()
    with h5py.File(path, "r+") as file:
        table = file["Data/Recording_0/AnalogStream/Stream_0/InfoChannel"]
        info = table[:]
        info["RowIndex"][1] = 4
        table[:] = info
    with pytest.raises(FormatError, match=r"rows 0 to 4 of 4|rows 1 to 4 of 4"):
        open_recording(path)


@pytest.mark.parametrize(
    ("name", "shape", "chunks", "words"),
    [
        ("ChannelData", (4, 2**50), (4, 256), "far more than the file can hold"),
        ("ChannelData", (4, 2**24), (4, 2**24), "far more than the file can hold"),
        ("ChannelDataTimeStamps", (2**40, 3), (2**20, 3), r"expected \(n, 3\) int"),
        ("ChannelDataTimeStamps", (9, 3), (2**26, 3), "far more than the file can"),
    ],
)
def test_sizes_that_the_file_cannot_hold_are_not_read(make, name, shape, chunks, words):
    path = make()
    with h5py.File(path, "r+") as file:
        stream = file["Data/Recording_0/AnalogStream/Stream_0"]
        del stream[name]
        stream.create_dataset(name, shape, "i8", chunks=chunks, maxshape=(None, None))
    with pytest.raises(FormatError, match=words):
        open_recording(path)


def test_a_file_of_nothing_else_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["McsHdf5ProtocolType"] = "RawData"
        file.create_group("Data")
    with pytest.raises(FormatError, match="no Data/Recording_0"):
        open_recording(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.create_group("Data/Recording_0/EventStream")
    with pytest.raises(FormatError, match="no analog stream"):
        open_recording(tmp_path / "a.h5")


# ------------------------------------------------------- a file of the vendor's program


@pytest.mark.parametrize("stream", [0, 1])
def test_the_sample_is_what_the_vendor_reads(samples, mcs_vendor, stream):
    path = samples / SAMPLE
    theirs = mcs_vendor(path)[0].analog_streams[stream]
    recording = open_recording(path, stream=stream)
    traces = recording[:]
    for node, number in enumerate(theirs.channel_infos):
        volts, unit = theirs.get_channel(number)
        assert str(unit) == "volt"
        assert np.array_equal(traces[:, node], (volts * 1e6).astype(np.float32))
        times_us, _ = theirs.get_channel_sample_timestamps(number)
        frames = np.arange(recording.t_start, recording.t_stop)
        assert np.array_equal(frames * 1e6 / recording.sampling_rate, times_us)
    labels = [info.label for info in theirs.channel_infos.values()]
    assert list(recording.channel_labels) == labels
    recording.close()


def test_the_sample_opens_as_its_electrodes(samples):
    recording = open_recording(samples / SAMPLE)
    assert recording.metadata["stream_label"].endswith("Electrode Raw Data")
    assert recording.metadata["date"].startswith("2014-07-09T10:17:35")
    assert recording.t_start == 50


def test_the_events_of_the_sample_are_what_the_vendor_reads(samples, mcs_vendor):
    path = samples / SAMPLE
    theirs = mcs_vendor(path)[0]
    events = open_recording(path).read_events()

    marks = events["Digital Events 1"]
    entity = theirs.event_streams[0].event_entity[0]
    assert np.array_equal(marks.times_s, entity.get_event_timestamps()[0] * 1e-6)
    assert np.array_equal(marks.values, entity.get_event_durations()[0] * 1e-6)

    spikes = events["Spike Detector (1) Spike Timestamps"]
    for entity in theirs.timestamp_streams[0].timestamp_entity.values():
        times, unit = entity.get_timestamps()
        assert unit.to("us").magnitude == pytest.approx(1)
        (label,) = entity.info.source_channel_labels.values()
        own = spikes.times_s[np.array(spikes.labels) == label]
        assert np.array_equal(own, times[0] * 1e-6)

    cutouts = events["Spike Detector (1) Spike Data"]
    labels = np.array(cutouts.labels)
    for entity in theirs.segment_streams[0].segment_entity.values():
        channel = entity.info.source_channel_of_segment[0]
        volts, _ = entity.get_segment_in_range(0)
        own = labels == channel.label
        assert np.array_equal(cutouts.times_s[own], entity.data_ts[0] * 1e-6)
        np.testing.assert_allclose(cutouts.waveforms[own], volts.T * 1e6, rtol=2e-7)


# ------------------------------------------------------------------------------ events


def add_cutouts(path, times_us, counts, before_us, tick_us=50):
    """Write cutouts of one channel, as files of the vendor have them."""
    with h5py.File(path, "a") as file:
        stream = file.create_group("Data/Recording_0/SegmentStream/Stream_0")
        stream.attrs["Label"] = np.bytes_("Cutouts")
        stream["SegmentData_4"] = np.asarray(counts, "i4").T
        stream["SegmentData_ts_4"] = np.array([times_us], "i8")
        fields = [
            ("SegmentID", "i4"),
            ("PreInterval", "i8"),
            ("SourceChannelIDs", "S9"),
        ]
        stream["InfoSegment"] = np.array([(4, before_us, b"10")], fields)
        source = np.zeros(1, FIELDS)
        for name, value in (
            *(("Label", "E00"), ("Unit", "V"), ("ChannelID", 10), ("Exponent", -9)),
            *(("ConversionFactor", 1000), ("Tick", tick_us)),
        ):
            source[name] = value
        stream["SourceInfoChannel"] = source


def test_a_cutout_says_how_much_of_it_is_ahead_of_its_time(make):
    path = make()
    add_cutouts(path, [400, 900], np.arange(60).reshape(2, 30), before_us=500)
    cutouts = open_recording(path).read_events()["Cutouts"]
    np.testing.assert_allclose(cutouts.times_s, [0.0004, 0.0009])
    assert cutouts.n_before.tolist() == [10, 10]
    assert cutouts.waveforms[1].tolist() == list(range(30, 60))


@pytest.mark.parametrize(("before_us", "tick_us"), [(-1, 50), (2000, 50), (50, 0)])
def test_a_cutout_that_cannot_be_is_named(make, before_us, tick_us):
    path = make()
    add_cutouts(path, [400], np.zeros((1, 30)), before_us, tick_us)
    with pytest.raises(FormatError, match="a cutout of 30 samples"):
        open_recording(path).read_events()


def test_events_of_several_files_are_on_one_clock(make):
    for number in range(2):
        path = make(X[:400], name=f"rec_{number}.h5")
        add_cutouts(path, [400], np.zeros((1, 30)), 500)
    recording = open_recording(path.with_name("rec_0.h5"), stream_mode="multi-files")
    cutouts = recording.read_events()["Cutouts"]
    np.testing.assert_allclose(cutouts.times_s, [0.0004, 0.0204])
