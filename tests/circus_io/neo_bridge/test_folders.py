"""Formats whose recording is a folder."""

import pickle

import numpy as np
import pytest

from circus_io import CircusError, FormatError, get_format, open_recording
from circus_io.testing import DataFileContract
from sorting.fingerprint import change_stamp
from tests.writers.neo_folders import (
    RATE_HZ,
    write_continuous,
    write_ncs,
    write_open_ephys_binary,
    write_spikeglx,
    write_tdt,
)

X = np.random.default_rng(1).integers(-3000, 3000, (2048, 5)).astype("<i2")


class FolderContract(DataFileContract):
    """A folder is a recording; it has no suffix that could be wrong."""

    def path(self, folder, stem="rec_0"):
        return folder / stem

    def test_another_extension_is_refused_in_any_case(self, tmp_path, raw):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        other = path.rename(path.with_name("OTHER.x"))
        assert self.wrapper(other, params).shape == raw.shape
        (tmp_path / "a.txt").touch()
        with pytest.raises(FormatError, match=self.wrapper.extension[0]):
            self.wrapper(tmp_path / "a.txt", params)


# ---------------------------------------------------------------------------- SpikeGLX


class TestSpikeGLX(FolderContract):
    wrapper = get_format("spikeglx")
    gain = 0.6 / 512 / 500 * 1e6  # the range over 512 steps, amplified 500 times

    def write_file(self, path, raw):
        write_spikeglx(path, raw)
        return {}

    def samples_file(self, path):
        return path / "run_g0_t0.imec0.ap.bin"

    holds_no_frames = False


def test_a_spikeglx_file_is_its_stream_and_its_segment(tmp_path):
    first = write_spikeglx(tmp_path, X[:300])
    later = write_spikeglx(tmp_path, X[300:], "run_g0_t1.imec0.ap", first_sample=700)
    for path, expected in ((first, X[:300]), (later.with_suffix(".meta"), X[300:])):
        recording = open_recording(path)
        assert recording.description == "spikeglx"
        assert recording.channel_labels == ("AP0", "AP1", "AP2", "AP3", "AP4")
        np.testing.assert_allclose(recording[:], expected * TestSpikeGLX.gain, 1e-6)


def test_the_contacts_of_neuropixels_are_those_of_the_maker(tmp_path):
    """In 1.0, rows of two contacts are 20 µm apart and staggered by 16 µm."""
    recording = open_recording(write_spikeglx(tmp_path, X))
    places = recording.channel_positions
    assert places[:, 1].tolist() == [0, 0, 20, 20, 40]
    assert (places[:4, 0] - places[2, 0]).tolist() == [16, 48, 0, 32]


def test_triggers_are_segments_at_their_time(tmp_path):
    write_spikeglx(tmp_path, X[:300], first_sample=100)
    write_spikeglx(tmp_path, X[300:], "run_g0_t1.imec0.ap", first_sample=800)
    recording = open_recording(tmp_path)
    assert recording.stream_mode == "single-file"
    starts = [(source.t_start, source.duration) for source in recording.streams]
    assert starts == [(0, 300), (700, len(X) - 300)]
    second = open_recording(tmp_path, segment=1)
    assert np.array_equal(second[:], recording[700 : 700 + len(X) - 300])


def test_a_stream_is_chosen_by_name_or_number(tmp_path):
    write_spikeglx(tmp_path, X)
    sync = open_recording(tmp_path, stream="imec0.ap-SYNC")
    np.testing.assert_allclose(sync[:][:, 0] / sync.gain, np.arange(len(X)), 1e-6)
    assert np.array_equal(open_recording(tmp_path, stream="1")[:], sync[:])
    with pytest.raises(FormatError, match=r"no stream lfp.*imec0\.ap \(5 channels\)"):
        open_recording(tmp_path, stream="lfp")


# ------------------------------------------------------------------ Open Ephys, binary


class TestOpenEphysBinary(FolderContract):
    wrapper = get_format("openephys_binary")
    gain = 0.195

    def write_file(self, path, raw):
        write_open_ephys_binary(path, raw)
        return {}

    def samples_file(self, path):
        (found,) = path.rglob("continuous.dat")
        return found

    holds_no_frames = False


def test_open_ephys_events_are_on_the_clock_of_the_recording(tmp_path):
    path = write_open_ephys_binary(
        tmp_path / "rec", X, 5000, [(5100, 1), (5300, -1), (6000, 1), (6050, -1)]
    )
    for given in (tmp_path / "rec", path):
        recording = open_recording(given)
        assert recording.description == "openephys_binary"
        (events,) = recording.read_events().values()
        np.testing.assert_allclose(events.times_s * RATE_HZ, [100, 1000])
        np.testing.assert_allclose(events.values * RATE_HZ, [200, 50])


# ---------------------------------------------------------- Open Ephys, file by channel


class TestOpenEphys(FolderContract):
    wrapper = get_format("openephys")
    gain = 0.195
    block_frames = 1024
    holds_no_frames = False

    def write_file(self, path, raw):
        path.mkdir(exist_ok=True)
        for channel, samples in enumerate(raw.T):
            write_continuous(path / f"100_CH{channel + 1}.continuous", samples)
        return {}

    def samples_file(self, path):
        return path / "100_CH1.continuous"


def test_electrodes_go_before_other_inputs_and_volts_become_microvolts(tmp_path):
    TestOpenEphys().write_file(tmp_path, X)
    write_continuous(tmp_path / "100_ADC1.continuous", X[:, 0], bit_volts=1.5e-4)
    recording = open_recording(tmp_path / "100_CH3.continuous")
    assert recording.channel_labels == ("CH1", "CH2", "CH3", "CH4", "CH5")
    inputs = open_recording(tmp_path, stream="ADC")
    np.testing.assert_allclose(inputs[:][:, 0], X[:, 0] * 150.0, 1e-6)


def test_gaps_of_open_ephys_are_borders_of_streams(tmp_path):
    long = np.tile(X, (3, 1))  # 6 records
    for channel, samples in enumerate(long.T):
        path = tmp_path / f"100_CH{channel + 1}.continuous"
        write_continuous(path, samples, 5000, gaps=[(2, 700), (5, 10**6)])
    with open_recording(tmp_path) as recording:
        spans = [(part.t_start, part.t_stop) for part in recording.streams]
        assert spans == [(0, 2048), (2748, 5820), (1_005_820, 1_006_844)]
        assert recording.duration == 6144
        for part, first in zip(recording.streams, (0, 2048, 5120), strict=True):
            expected = long[first : first + len(part)] * 0.195
            np.testing.assert_allclose(part.read_chunk(0, 9999), expected, 1e-6)
        middle = recording[3000:5000, [4, 0]]
        np.testing.assert_allclose(middle, long[2300:4300, [4, 0]] * 0.195, 1e-6)
        copy = pickle.loads(pickle.dumps(recording))
    assert np.array_equal(copy[3000:5000, [4, 0]], middle)
    copy.close()
    (alone,) = open_recording(tmp_path, segment=1).streams
    np.testing.assert_allclose(alone[:], long[2048:5120] * 0.195, 1e-6)


def test_a_record_that_one_channel_lacks_is_a_gap_of_all(tmp_path):
    long = np.tile(X, (3, 1))
    write_continuous(tmp_path / "100_CH1.continuous", long[:, 0])
    kept = np.delete(long[:, 1], slice(2048, 3072))
    write_continuous(tmp_path / "100_CH2.continuous", kept, gaps=[(2, 1024)])
    recording = open_recording(tmp_path)
    spans = [(part.t_start, part.t_stop) for part in recording.streams]
    assert spans == [(0, 2048), (3072, 6144)]
    np.testing.assert_allclose(recording[3072:], long[3072:, :2] * 0.195, 1e-6)


def test_the_xml_of_old_parameter_files_names_the_folder(tmp_path):
    TestOpenEphys().write_file(tmp_path, X)
    (tmp_path / "Continuous_Data.openephys").write_text("<EXPERIMENT number='1'/>")
    recording = open_recording(tmp_path / "Continuous_Data.openephys")
    np.testing.assert_allclose(recording[:], X * 0.195, 1e-6)


# --------------------------------------------------------------------------- Neuralynx


class TestNeuralynx(FolderContract):
    wrapper = get_format("neuralynx")
    gain = -0.1
    holds_no_frames = False

    def write_file(self, path, raw):
        path.mkdir(exist_ok=True)
        for channel, samples in enumerate(raw.T):
            write_ncs(path / f"CSC{channel + 1}.ncs", samples, channel=channel)
        return {}

    def samples_file(self, path):
        return path / "CSC1.ncs"


def test_a_file_stands_for_the_channels_of_its_name(tmp_path):
    for channel in range(12):
        write_ncs(
            tmp_path / f"CSC{channel + 1}.ncs", X[:, 0] + channel, channel=channel
        )
    write_ncs(tmp_path / "CSC1_0001.ncs", X[:600, 0], channel=0)
    write_ncs(tmp_path / "eye.ncs", X[:, 1], channel=50)
    whole = open_recording(tmp_path / "CSC1.ncs")
    assert whole.channel_labels == tuple(f"CSC{i + 1}" for i in range(12))
    np.testing.assert_allclose(whole[:, 10], (X[:, 0] + 10) * -0.1, 1e-6)
    assert open_recording(tmp_path / "CSC1_0001.ncs").shape == (600, 1)
    some = open_recording(tmp_path / "eye.ncs", ncs_pattern="CSC1.")
    assert some.channel_labels == ("CSC1",)
    assert open_recording(tmp_path / "eye.ncs").channel_labels == ("eye",)


def test_a_folder_is_as_new_as_the_files_that_are_read(tmp_path):
    for channel in range(2):
        write_ncs(tmp_path / f"CSC{channel}.ncs", X[:, 0], channel=channel)
    recording = open_recording(tmp_path)
    names = [str(tmp_path / f"CSC{channel}.ncs") for channel in range(2)]
    assert recording.source_files == tuple(names)
    stamp = change_stamp(recording)
    (tmp_path / "result.hdf5").touch()  # changes the folder, and nothing else
    assert change_stamp(open_recording(tmp_path)) == stamp
    write_ncs(tmp_path / "CSC1.ncs", X[:1000, 0], channel=1)
    assert change_stamp(recording) != stamp


def test_gaps_are_borders_or_bridged_and_jitter_is_none(tmp_path):
    gaps = [(1, 1), (2, -1), (3, 5000)]  # µs before a record of 256 ms
    write_ncs(tmp_path / "CSC1.ncs", X[:, 0], gaps=gaps)
    twice = open_recording([tmp_path, tmp_path], "neuralynx")
    spans = [(part.t_start, part.duration) for part in twice.streams]
    assert spans == [(0, 1536), (1546, 512), (2058, 1536), (3604, 512)]
    parts = open_recording(tmp_path).streams
    assert [(part.t_start, part.duration) for part in parts] == [(0, 1536), (1546, 512)]
    np.testing.assert_allclose(parts[1][1546:][:, 0], X[1536:, 0] * -0.1, 1e-6)
    bridged = open_recording(tmp_path, gap_tolerance_ms=6)
    np.testing.assert_allclose(bridged[:, 0], X[:, 0] * -0.1, 1e-6)
    with pytest.raises(FormatError, match="gap_tolerance_ms = -1: expected"):
        open_recording(tmp_path, gap_tolerance_ms=-1)


# ------------------------------------------------- folders and lists of SpyKING CIRCUS


@pytest.fixture
def nights(tmp_path):
    """Three folders of an experiment, of 512, 1024 and 1536 frames, and others."""
    for number, stop in ((1, 512), (2, 1024), (10, 1536)):
        folder = tmp_path / f"night {number}"
        folder.mkdir()
        for channel in range(2):
            path = folder / f"CSC{channel}.ncs"
            write_ncs(path, X[:stop, channel] + number, channel=channel)
    (tmp_path / "notes").mkdir()
    (tmp_path / "night 3.txt").touch()
    return tmp_path


NIGHTS = np.concatenate([X[:s, :2] + n for n, s in ((1, 512), (2, 1024), (10, 1536))])


@pytest.mark.parametrize("given", ["night 2", "night 2/CSC0.ncs"])
def test_the_folders_beside_a_recording_are_its_streams(nights, given):
    path = nights / given
    recording = open_recording(path, "neuralynx", stream_mode="multi-folders")
    assert [len(part) for part in recording.streams] == [512, 1024, 1536]
    np.testing.assert_allclose(recording[:], NIGHTS * -0.1, 1e-5)
    copy = pickle.loads(pickle.dumps(recording))
    assert np.array_equal(copy[400:600], recording[400:600])


def test_the_folders_of_open_ephys_are_streams(tmp_path):
    for name, stop in (("a", 1024), ("b", 2048)):
        (tmp_path / name).mkdir()
        TestOpenEphys().write_file(tmp_path / name, X[:stop])
    recording = open_recording(tmp_path / "a", stream_mode="multi-folders")
    expected = np.concatenate([X[:1024], X])
    np.testing.assert_allclose(recording[:], expected * 0.195, 1e-6)


def test_a_list_of_files_has_a_stream_in_each_line(nights):
    listed = nights / "files.txt"
    last = nights / "night 10"
    listed.write_text("night 1/CSC?.ncs\n\n" + f"{last.name}/CSC*.ncs\n")
    (nights / "alone").mkdir()
    for channel in range(2):
        path = nights / "alone" / f"CSC{channel}.ncs"
        path.write_bytes((last / path.name).read_bytes())
    with listed.open("a") as file:
        file.write("alone/CSC1.ncs alone/CSC0.ncs\n")
    path = nights / "night 1" / "CSC0.ncs"
    options = {"stream_mode": "mapping-file", "mapping_file": str(listed)}
    recording = open_recording(path, "neuralynx", **options)
    expected = np.concatenate([X[:512, :2] + 1, *[X[:1536, :2] + 10] * 2])
    np.testing.assert_allclose(recording[:], expected * -0.1, 1e-5)
    line = open_recording(path, mapping_file=str(listed), idx_mapping=1)
    np.testing.assert_allclose(line[:], (X[:1536, :2] + 10) * -0.1, 1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no files"),
        ("a/CSC9.ncs b.ncs", r"there is no CSC9\.ncs"),
        ("night?2/CSC*.txt", "expected files of one folder"),
        (b"\xff\xfe", "cannot read mapping_file"),
    ],
)
def test_a_list_of_files_that_makes_no_sense_is_named(nights, text, words):
    listed = nights / "files.txt"
    listed.write_bytes(text if isinstance(text, bytes) else text.encode())
    path = nights / "night 1" / "CSC0.ncs"
    with pytest.raises(CircusError, match=words):
        open_recording(
            path, "neuralynx", stream_mode="mapping-file", mapping_file=str(listed)
        )


# --------------------------------------------------------------------------------- TDT


class TestTDT(FolderContract):
    wrapper = get_format("tdt")
    block_frames = 64
    holds_no_frames = False

    def write_file(self, path, raw):
        write_tdt(path, raw)
        return {}

    def samples_file(self, path):
        return path / "Block-1" / f"{path.name}_Block-1.tev"

    # the files of a block repeat the name of their tank
    test_another_extension_is_refused_in_any_case = None


def test_a_tank_a_block_and_a_file_of_it_open(tmp_path):
    path = write_tdt(tmp_path / "Tank", X, events_s=[0.01, 0.02])
    for given in (path, path.parent, path.parent.parent, path.with_suffix(".tsq")):
        recording = open_recording(given)
        assert recording.description == "tdt"
        assert np.array_equal(recording[:], X)
        assert recording.channel_labels[0] == "Wave 1"
        events = recording.read_events()["Tick"]
        np.testing.assert_allclose(events.times_s, [0.01, 0.02], atol=1e-6)
        assert events.labels == ("3", "3")


def test_the_blocks_of_a_tank_are_segments(tmp_path):
    write_tdt(tmp_path / "Tank", X, "Block-1")
    write_tdt(tmp_path / "Tank", X[:640], "Block-2", start_s=1e9 + 10)
    recording = open_recording(tmp_path / "Tank", stream_mode="single-file")
    starts = [(source.t_start, source.duration) for source in recording.streams]
    assert starts == [(0, 2048), (10 * RATE_HZ, 640)]
