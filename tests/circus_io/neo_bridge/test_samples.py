"""Files that recorders wrote: as neo reads them whole, or as somebody else does."""

import json

import h5py
import numpy as np
import pytest
import scipy.io

from circus_io import FormatError, open_recording
from circus_io.testing import N_FRAMES

neo = pytest.importorskip("neo.rawio", reason="needs circus-toolkit[neo]")


def whole(reader, stream=0):
    """Return what neo itself says: all samples in its units, and its channels."""
    reader.parse_header()
    raw = reader.get_analogsignal_chunk(0, 0, stream_index=stream)
    streams, channels = (reader.header[f"signal_{n}"] for n in ("streams", "channels"))
    channels = channels[channels["stream_id"] == streams["id"][stream]]
    for file in getattr(reader, "_nsx_fids", {}).values():
        file.close()
    return raw * channels["gain"] + channels["offset"], channels


SAMPLES = [
    ("intan/sampledata.rhd", "intan", "IntanRawIO", (31104, 32), 20000),
    ("blackrock/testData.ns2", "blackrock", "BlackrockRawIO", (10002, 33), 1000),
    ("axon/File_axon_1.abf", "axon", "AxonRawIO", (1912832, 1), 10000),
    ("biocam/biocam_hw3.0_fw1.6.brw", "biocam", "BiocamRawIO", (19754, 36), None),
]


@pytest.mark.parametrize(("path", "name", "reader", "shape", "rate"), SAMPLES)
def test_it_equals_what_neo_reads_whole(samples, path, name, reader, shape, rate):
    path = samples / path
    expected, channels = whole(getattr(neo, reader)(filename=str(path)))
    factor = np.where(channels["units"] == "mV", 1e3, 1.0)
    recording = open_recording(path)
    assert recording.description == name
    assert recording.shape == shape
    assert recording.sampling_rate == (rate or channels["sampling_rate"][0])
    assert recording.channel_labels == tuple(channels["name"])
    with recording:
        chunks = [chunk.core for chunk in recording.chunks(N_FRAMES * 97, (-10, 10))]
        traces = np.concatenate(chunks)
        np.testing.assert_allclose(traces, expected * factor, rtol=1e-6, atol=1e-6)
        some = [shape[1] - 1, 0]
        assert np.array_equal(recording[100:200, some], traces[100:200][:, some])


def test_biocam_is_the_formula_of_its_maker(samples):
    path = samples / "biocam" / "biocam_hw3.0_fw1.6.brw"
    with h5py.File(path, "r") as file:
        value = {name: item[0] for name, item in file["3BRecInfo/3BRecVars"].items()}
        counts = np.array(file["3BData/Raw"], np.float64)
    step = (value["MaxVolt"] - value["MinVolt"]) / 2.0 ** int(value["BitDepth"])
    expected = value["SignalInversion"] * (counts * step + value["MinVolt"])
    with open_recording(path) as recording:
        np.testing.assert_allclose(recording[:].ravel(), expected.ravel(), 1e-6, 1e-3)


def test_edf_is_what_pyedflib_says(samples, require):
    pyedflib = require("pyedflib", extra="neo")
    path = samples / "edf" / "test_generator.edf"
    with pyedflib.EdfReader(str(path)) as file:  # opens a file once at a time
        labels = tuple(file.getSignalLabels())
        expected = np.array([file.readSignal(i) for i in range(len(labels))]).T
        times_s, _, texts = file.readAnnotations()
    with open_recording(path) as recording:
        assert recording.channel_labels == labels
        np.testing.assert_allclose(recording[:], expected, 1e-6, 1e-4)
        events = recording.read_events()["Event"]
        assert (list(events.times_s), list(events.labels)) == (
            list(times_s),
            list(texts),
        )


def test_neuralynx_is_what_the_vendor_exported(samples):
    """The .mat was made by the vendor's tool: samples in counts, times of records."""
    path = samples / "neuralynx" / "LAHC1_3_gaps.ncs"
    made = scipy.io.loadmat(path.with_suffix(".mat"))
    n_valid = made["NumberOfValidSamples"].ravel()
    counts = [c[:n] for c, n in zip(made["Samples"].T, n_valid, strict=True)]
    recording = open_recording(path, stream_mode="single-file")
    assert recording.shape == (sum(map(len, counts)), 1)
    step = -0.000000305175781250000006 * 1e6  # ADBitVolts, InputInverted
    read = np.concatenate([s[s.t_start : s.t_stop] for s in recording.streams])
    np.testing.assert_allclose(read[:, 0], np.concatenate(counts) * step, 1e-6)
    times_us = made["Timestamps"].ravel()
    gaps = np.flatnonzero(n_valid[:-1] < 512) + 1  # a record that is not full ends one
    starts = np.round((times_us[[0, *gaps]] - times_us[0]) / 1e6 * 2000)
    assert [source.t_start for source in recording.streams] == starts.tolist()


def test_jitter_of_a_microsecond_is_no_gap(samples):
    recording = open_recording(samples / "neuralynx" / "LAHC1.ncs")
    assert recording.channel_labels == ("LAHC1", "LAHC2")
    assert recording.shape == (11691, 2)


def test_open_ephys_binary_is_the_flat_file(samples, tmp_path):
    """Its structure.oebin is not among the samples; the one here says what it would."""
    source = samples / "openephys_binary" / "data_stream_16ch_hippocampus"
    home = tmp_path / "experiment1" / "recording1"
    held = home / "continuous" / "File_Reader-100.stream"
    held.mkdir(parents=True)
    (held / "continuous.dat").symlink_to(source / "continuous.dat")
    (held / "timestamps.npy").symlink_to(source / "timestamps.npy")
    channels = [
        {"channel_name": f"CH{i}", "bit_volts": 0.05, "units": "uV"} for i in range(16)
    ]
    stream = {
        "folder_name": f"{held.name}/",
        "sample_rate": 40000,
        "channels": channels,
    }
    text = json.dumps({"continuous": [stream], "events": []})
    (home / "structure.oebin").write_text(text)
    counts = np.fromfile(source / "continuous.dat", "<i2").reshape(-1, 16)
    with open_recording(tmp_path) as recording:
        assert recording.shape == (66438, 16)
        assert np.array_equal(recording[:], (counts * 0.05).astype(np.float32))


def test_blackrock_events_are_those_of_neo(samples):
    reader = neo.BlackrockRawIO(filename=str(samples / "blackrock" / "testData.ns2"))
    reader.parse_header()
    stamps, _, labels = reader.get_event_timestamps(0, 0, 0)
    start_s = reader.get_signal_t_start(0, 0, 0)
    found = open_recording(samples / "blackrock" / "testData.ns2").read_events()
    events = found["digital_input_port"]
    assert len(events) == 10002
    np.testing.assert_allclose(events.times_s, np.sort(stamps / 30000) - start_s)
    assert set(events.labels) == set(map(str, labels))
    assert len(found["ch1#0"]) == 107


def test_a_filter_that_is_not_there_is_explained(samples):
    path = samples / "maxwell" / "data.raw.h5"
    with pytest.raises(FormatError, match=r"rec_name.*rec0000.*rec0001"):
        open_recording(path)
    recording = open_recording(path, rec_name="rec0000", well="0003")
    assert recording.shape == (10000, 16)
    with recording, pytest.raises(FormatError, match="HDF5_PLUGIN_PATH"):
        recording[:10]
