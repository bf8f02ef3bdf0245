"""The writer of MCS HDF5: what it writes is read by programs of others."""

import datetime
import signal
import subprocess
import sys
import uuid

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io import ChunkError, FormatError, NotWritableError, open_recording
from circus_io.files.mcs_hdf5 import MCSHDF5Writer, recover
from circus_io.files.mcs_hdf5.skeleton import make_datasets

GAIN = np.array([0.059605, -0.38147, 125.0, 1 / 3, 5.9604644775390625e-08 * 1e6])
LABELS = ["A1", "B2", "47", "Ref", "E60"]
STREAM = "Data/Recording_0/AnalogStream/Stream_0"


def counts(n_frames, n_channels=5, seed=0):
    """Return random counts over all of int32."""
    size = (n_frames, n_channels)
    return np.random.default_rng(seed).integers(-(2**31), 2**31, size, np.int32)


def write(path, raw, sizes=(700,), sampling_rate=20000, **options):
    """Write `raw` in blocks of the given sizes, over and over."""
    options = {"gain": GAIN, "channel_labels": LABELS, **options}
    with MCSHDF5Writer(path, sampling_rate, **options) as writer:
        first = block = 0
        while first < len(raw):
            size = sizes[block % len(sizes)]
            writer.append(raw[first : first + size])
            first, block = first + size, block + 1
    return path


def test_the_reader_of_the_vendor_reads_what_was_written(tmp_path, mcs_vendor):
    raw = counts(5000) >> 8  # theirs subtracts the zero in int32
    date = datetime.datetime(2026, 2, 3, 4, 5, 6, 789_000)
    zeros = np.array([0, -7, 9, 2**23 - 1, -(2**23)])
    details = {"comment": "slice 3", "mea_name": "60MEA200/30iR"}
    path = write(tmp_path / "a.h5", raw, dtype_offset=zeros, date=date, details=details)
    recording = mcs_vendor(path)[0]
    assert int(recording.duration) == 5000 * 50
    (stream,) = recording.analog_streams.values()
    assert stream.data_subtype == "Electrode"
    assert isinstance(stream.stream_guid, uuid.UUID)
    for channel, info in stream.channel_infos.items():
        assert info.label == LABELS[channel]
        assert info.sampling_frequency.magnitude == pytest.approx(20000)
        volts, unit = stream.get_channel(channel)
        expected = (raw[:, channel].astype(float) - zeros[channel]) * GAIN[channel]
        np.testing.assert_allclose(volts * 1e6, expected, rtol=1e-14)
        assert str(unit) == "volt"
        times_us, _ = stream.get_channel_sample_timestamps(channel)
        assert np.array_equal(times_us, np.arange(5000) * 50)


@pytest.mark.skipif(sys.platform == "win32", reason="open files keep their names there")
def test_a_file_that_is_seen_can_be_read(tmp_path, monkeypatch):
    """Nobody finds it half made: a reader would take it for another format."""
    path, seen = tmp_path / "a.h5", []

    def make(*arguments):
        seen.append(path.exists())
        return make_datasets(*arguments)

    monkeypatch.setattr("circus_io.files.mcs_hdf5.writer.make_datasets", make)
    with MCSHDF5Writer(path, 20000, LABELS, GAIN):
        assert open_recording(path).shape == (0, 5)
    assert seen == [False]
    assert list(tmp_path.iterdir()) == [path]


def test_the_vendor_reads_names_and_dates(tmp_path, require):
    vendor = require("McsPy.McsData", extra="test")
    date = datetime.datetime(2026, 2, 3, 4, 5, 6, 789_000)
    details = {"comment": "20 µM", "mea_name": "60MEA", "mea_serial_number": "12"}
    path = write(tmp_path / "a.h5", counts(9), date=date, details=details)
    file = vendor.RawData(str(path))
    assert file.date == date
    assert (file.comment, file.mea_name, file.mea_sn) == ("20 uM", "60MEA", "12")
    assert file.program_name == "circus-toolkit"
    assert file.mcs_hdf5_protocol_type_version == 3


def test_spikeinterface_reads_what_was_written(tmp_path, require):
    extractors = require("spikeinterface.extractors", extra="demo")
    raw = counts(5000)
    path = write(tmp_path / "a.h5", raw, gain=0.059605)
    recording = extractors.read_mcsh5(path)
    assert recording.sampling_frequency == pytest.approx(20000)
    assert np.array_equal(recording.get_traces(), raw)
    assert recording.get_channel_gains() == pytest.approx([0.059605] * 5)
    assert recording.get_channel_offsets().tolist() == [0] * 5
    assert recording.get_property("electrode_labels").tolist() == LABELS


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("sizes", [(1, 3), (100,), (2047, 1, 2), (4096,), (9999,)])
def test_blocks_of_any_size_are_the_whole(tmp_path, sizes, compress):
    raw = counts(5000)
    path = write(tmp_path / "a.h5", raw, sizes, compress=compress)
    with h5py.File(path) as file:
        assert np.array_equal(file[STREAM]["ChannelData"][:].T, raw)
        assert file[STREAM]["ChannelDataTimeStamps"][:].tolist() == [[0, 0, 4999]]
    with open_recording(path) as recording:
        expected = raw.astype(np.float64) * GAIN
        np.testing.assert_allclose(recording[:], expected, rtol=2e-7)
        assert recording.channel_labels == tuple(LABELS)
        assert np.array_equal(recording.gain, GAIN)


@settings(max_examples=50, deadline=None)
@given(
    blocks=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=30),
    sampling_rate=st.sampled_from([8, 20, 500]),
)
def test_gaps_are_rows_of_the_time_stamps(tmp_path_factory, blocks, sampling_rate):
    """Blocks (gap before, frames) at rates whose HDF5 chunks have 2, 5 and 125."""
    path = tmp_path_factory.mktemp("gaps") / "a.h5"
    frames, columns = [], []
    with MCSHDF5Writer(path, sampling_rate, ["a"], gain=1) as writer:
        for gap, length in blocks:
            first = writer.t_stop + gap
            block = np.arange(first, first + length)
            writer.append(block[:, None], t_start=first if length else None)
            frames += block.tolist()
    with h5py.File(path) as file:
        data = file[STREAM]["ChannelData"][0]
        for time_us, first, last in file[STREAM]["ChannelDataTimeStamps"]:
            t_start = time_us * sampling_rate // 10**6
            expected = np.arange(t_start, t_start + last - first + 1)
            assert np.array_equal(data[first : last + 1], expected)
            columns += range(first, last + 1)
    assert columns == list(range(len(frames)))
    assert data.tolist() == frames


def test_the_vendor_sees_the_gaps(tmp_path, mcs_vendor):
    path = tmp_path / "a.h5"
    with MCSHDF5Writer(path, 20000, LABELS, gain=1) as writer:
        writer.append(counts(3000))
        writer.append(counts(100), t_start=5000)
        assert (writer.n_frames, writer.t_stop) == (3100, 5100)
    stream = mcs_vendor(path)[0].analog_streams[0]
    times_us, _ = stream.get_channel_sample_timestamps(0)
    frames = [*range(3000), *range(5000, 5100)]
    assert np.array_equal(times_us, np.array(frames) * 50)
    recording = open_recording(path)
    assert [part.t_start for part in recording.streams] == [0, 5000]


def test_an_empty_recording_is_a_file(tmp_path, mcs_vendor):
    path = write(tmp_path / "a.h5", counts(0))
    assert open_recording(path).shape == (0, 5)
    assert len(mcs_vendor(path)[0].analog_streams) == 1


def test_it_is_read_while_it_grows(tmp_path):
    path, raw = tmp_path / "a.h5", counts(4500)
    with MCSHDF5Writer(path, 20000, LABELS, gain=1) as writer:
        writer.append(raw)
        with open_recording(path) as recording:  # whole HDF5 chunks
            assert recording.shape == (4096, 5)
            assert np.array_equal(recording[:], raw[:4096].astype(np.float32))
        writer.flush()
        with open_recording(path) as recording:
            assert len(recording) == 4500
        writer.append(raw)
    assert len(open_recording(path)) == 9000


def test_an_error_of_the_caller_keeps_what_was_recorded(tmp_path):
    path = tmp_path / "a.h5"

    def record():
        with MCSHDF5Writer(path, 20000, LABELS, gain=1) as writer:
            writer.append(counts(100))
            writer.append(counts(100, n_channels=4))

    with pytest.raises(ChunkError):
        record()
    assert len(open_recording(path)) == 100


# ------------------------------------------------------------------- killed in between

ENDLESS = """
import itertools, sys
import numpy as np
from circus_io.files.mcs_hdf5 import MCSHDF5Writer

writer = MCSHDF5Writer(sys.argv[1], 20000, "ABC", gain=0.5, compress=sys.argv[2] == "1")
for block in itertools.count():
    first = writer.t_stop + 1000 * (block % 5 == 4)            # now and then a gap
    frames = np.arange(first, first + 1777)[:, None]
    writer.append(frames * [1, -1, 2], t_start=first)
    print(writer.n_frames, flush=True)
"""


@pytest.mark.parametrize("compress", [0, 1])
@pytest.mark.parametrize("n_blocks", [2, 5, 60])
def test_a_killed_writer_leaves_what_it_wrote(tmp_path, mcs_vendor, n_blocks, compress):
    path = tmp_path / "a.h5"
    command = [sys.executable, "-c", ENDLESS, path, str(compress)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(n_blocks):
            n_frames = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    recording = open_recording(path)
    assert len(recording) >= n_frames - 2048
    for chunk in recording.chunks(5000):
        frames = np.arange(chunk.t_start, chunk.t_stop)[:, None]
        assert np.array_equal(chunk.core, frames * [0.5, -0.5, 1.0])
    recording.close()

    with pytest.raises(OSError, match="already open"):
        h5py.File(path)
    assert recover(path) is True
    assert recover(path) is False
    with h5py.File(path, "r+") as file:
        file.attrs["recovered"] = True
    stream = mcs_vendor(path)[0].analog_streams[0]
    times_us, _ = stream.get_channel_sample_timestamps(0)
    volts, _ = stream.get_channel_in_range(0, 0, len(times_us) - 1)
    assert len(volts) == len(recording)
    assert np.array_equal(np.rint(volts / 0.5e-6), times_us / 50)


def test_there_is_nothing_to_recover_in_a_finished_file(tmp_path):
    path = write(tmp_path / "a.h5", counts(10))
    before = path.read_bytes()
    assert recover(path) is False
    assert path.read_bytes() == before


def test_what_is_no_such_file_is_not_touched(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w"):  # superblock of version 0: it knows no such mark
        pass
    for content in (b"", b"\x89HDF\r\n\x1a\n", path.read_bytes(), b"x" * 99):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="superblock of version 3"):
            recover(path)
        assert path.read_bytes() == content


def test_a_damaged_superblock_is_not_touched(tmp_path):
    path = write(tmp_path / "a.h5", counts(10))
    content = bytearray(path.read_bytes())
    content[36] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="checksum"):
        recover(path)
    assert path.read_bytes() == content


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("sampling_rate", [30000, 24414.0625, 0, -5, 2e6, np.nan])
def test_a_rate_that_the_layout_cannot_hold_is_refused(tmp_path, sampling_rate):
    with pytest.raises(FormatError, match="whole number of µs"):
        write(tmp_path / "a.h5", counts(1), sampling_rate=sampling_rate)
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gain": 0}, "gain = 0"),
        ({"gain": np.nan}, "gain = nan"),
        ({"gain": [1, 2]}, "gain has 2 values for 5 channels"),
        ({"dtype_offset": 0.5}, "integer"),
        ({"dtype_offset": 2**31}, "int32"),
        ({"dtype_offset": [0] * 6}, "6 values"),
        ({"channel_labels": []}, "0 channels"),
    ],
)
def test_scales_that_the_layout_cannot_hold_are_refused(tmp_path, options, words):
    with pytest.raises(FormatError, match=words):
        write(tmp_path / "a.h5", counts(1), **options)


def test_blocks_that_do_not_fit_are_refused(tmp_path):
    with MCSHDF5Writer(tmp_path / "a.h5", 20000, LABELS, gain=1) as writer:
        writer.append(counts(10))
        for block in (counts(3, 4), np.zeros(5, int), np.zeros((2, 2, 5), int)):
            with pytest.raises(ChunkError, match="expected"):
                writer.append(block)
        with pytest.raises(FormatError, match="float64"):
            writer.append(np.zeros((3, 5)))
        with pytest.raises(FormatError, match="do not fit into int32"):
            writer.append(np.full((3, 5), 2**31, np.uint32))
        with pytest.raises(ChunkError, match="frame 9 is written already"):
            writer.append(counts(3), t_start=9)
        writer.append(np.full((3, 5), 2**31 - 1, np.uint32))
        assert writer.n_frames == 13
    with pytest.raises(NotWritableError, match="finished"):
        writer.append(counts(1))
    writer.finish()


def test_no_file_is_overwritten(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"precious")
    with pytest.raises(NotWritableError, match="there is a file"):
        write(path, counts(1))
    assert path.read_bytes() == b"precious"
    path.write_bytes(b"")  # as a temporary file is made
    assert len(open_recording(write(path, counts(3)))) == 3
    with pytest.raises(NotWritableError, match="cannot write"):
        write(tmp_path / "absent" / "a.h5", counts(1))


def test_a_disk_that_is_full_from_the_start_is_said():
    with pytest.raises(NotWritableError, match=r"(?s)cannot write .*No space left"):
        write("/dev/full", counts(5000))


LIMITED = """
import resource, sys
import numpy as np
from circus_io import NotWritableError
from circus_io.files.mcs_hdf5 import MCSHDF5Writer

resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    with MCSHDF5Writer(sys.argv[1], 20000, "ABCD", gain=1, compress=False) as writer:
        for first in range(0, 10**6, 1000):
            writer.append(np.arange(first, first + 1000)[:, None] * np.ones(4, int))
except NotWritableError as error:
    print(error)
"""


def test_what_was_written_before_the_disk_was_full_is_kept(tmp_path):
    """A limit of 1 MiB to any file fails as a full disk does."""
    path = tmp_path / "a.h5"
    command = [sys.executable, "-c", LIMITED, path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.startswith("cannot write a.h5"), done.stderr
    recording = open_recording(path)
    assert len(recording) > 2**20 // 16 - 3 * 2048
    assert np.array_equal(recording[:], np.arange(len(recording))[:, None] * np.ones(4))
    recording.close()
    assert recover(path) is True
    with h5py.File(path) as file:
        assert len(file[STREAM]["ChannelDataTimeStamps"]) == 1
