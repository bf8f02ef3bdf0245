"""MC_Rack files, written by `struct` in tests/writers/mcd.py and read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import circus_io
from circus_io import FormatError, open_recording
from circus_io.conversion import convert
from circus_io.files.mcd import MCDFile
from circus_io.files.mcd.samples import Scale
from circus_io.testing import DataFileContract
from tests.writers.mcd import (
    START_NS,
    Channel,
    Chunk,
    Recording,
    Stream,
    sampled,
    write,
)
from tests.writers.mcd_electrodes import (
    PLACE,
    electrodes,
    make_counts,
    microvolts,
    write_electrodes,
)


class TestMCD(DataFileContract):
    """The last frame is a chunk of its own, and no index hides where the file ends."""

    wrapper = MCDFile
    dtype = "uint16"
    dtype_offset = 32768
    gain = 0.000125 / 1100 * 1e6

    def write_file(self, path, raw):
        lengths = (130, 7, 1, 256, 3, len(raw) - 398)
        write_electrodes(path, raw, closed=False, chunk_frames=lengths)
        return {}


class TestOneOfManyStreams(DataFileContract):
    """12 bits, a gain that is no simple fraction, older headers, other rates."""

    wrapper = MCDFile
    dtype = "uint16"
    dtype_offset = 2048
    gain = 1.2345678901

    def write_file(self, path, raw):
        n_channels = raw.shape[1]
        # columns are in another order than their headers
        order = np.random.default_rng(1).permutation(n_channels).tolist()
        chosen = Stream(
            "elec0002",
            "analog",
            "Electrode Raw Data 2",
            tuple(Channel(i, f"E{i}", i) for i in order),
            rate_hz=5000.0,
            zero=2048,
            bits=12,
            units_per_count=self.gain / 1e6,
        )
        filtered = replace(electrodes(2), tag="filt0001", kind="filter")
        analog = replace(electrodes(1), tag="anlg0001")
        streams = (filtered, chosen, analog)
        noise = make_counts(800, 2).tobytes()
        others = sampled("filt0001", noise, 2, 20000.0, chunk_frames=(200,) * 4)
        others += sampled("anlg0001", noise[:80], 1, 20000.0)
        mine = sampled(
            chosen.tag,
            raw.tobytes(),
            n_channels,
            5000.0,
            chunk_frames=(500, 500, *[1] * len(raw)),
        )
        chunks = [one for pair in zip(others, mine, strict=False) for one in pair]
        chunks += mine[min(len(others), len(mine)) :]
        write(path, Recording(streams, version=11), chunks, closed=False)
        return {"stream": "Electrode Raw Data 2"}


# ------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("volts_per_count", "exact_in_float32"),
    [
        (0.000125, True),  # no amplifier
        (0.000125 / 1200, True),  # MEA1060
        (0.000125 / 1100, True),  # USB-ME
        (5.9604644775390625e-08, True),  # a range of the MEA2100
        (1.0416e-07, False),  # rounded by somebody
        (1.23456789012345e-07, False),
        (-0.000125 / 1200, True),  # inverted
    ],
)
@pytest.mark.parametrize("zero", [0, 2048, 32768])
def test_each_count_is_rounded_once(tmp_path, volts_per_count, exact_in_float32, zero):
    counts = np.arange(2**16, dtype=np.uint16).reshape(-1, 2)
    path = tmp_path / "a.mcd"
    write_electrodes(path, counts, units_per_count=volts_per_count, zero=zero)
    with open_recording(path) as recording:
        expected = microvolts(counts, volts_per_count, zero)
        assert np.array_equal(recording[:], expected)
        assert np.array_equal(recording[:, [1]], expected[:, [1]])
        assert bool(recording._scale.steps) == exact_in_float32


def test_samples_as_stored(tmp_path):
    counts = make_counts(5000, 3)
    write_electrodes(tmp_path / "a.mcd", counts)
    with MCDFile(tmp_path / "a.mcd") as recording:
        raw = recording._read_frames(100, 4321, np.array([2, 0]))
        assert raw.dtype == np.uint16
        assert np.array_equal(raw, counts[100:4321, [2, 0]])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_chunks_with_any_pauses(tmp_path_factory, data):
    """Chunks of any length, between those of other streams, pauses between some."""
    path = tmp_path_factory.getbasetemp() / "property.mcd"
    n_channels = data.draw(st.integers(1, 6), "channels")
    lengths = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=12))
    pauses = data.draw(
        st.lists(st.sampled_from([0, 0, 1, 7, 20000]), min_size=12, max_size=12)
    )
    counts = make_counts(sum(lengths), n_channels, seed=len(lengths))
    stream, period_ns = electrodes(n_channels), 50_000
    chunks, starts, frame, done = [], [], 0, 0
    for length, pause in zip(lengths, pauses, strict=False):
        frame += pause if done else 0
        starts.append(frame)
        content = counts[done : done + length].tobytes()
        times = (START_NS + at * period_ns for at in (frame, frame + length))
        chunks += [Chunk("spks0001", START_NS, START_NS, bytes(done % 5))]
        chunks.append(Chunk(stream.tag, *times, content))
        frame, done = frame + length, done + length
    write(path, Recording((stream,)), chunks, data.draw(st.booleans(), "closed"))

    on_the_clock = np.concatenate(
        [start + np.arange(n) for start, n in zip(starts, lengths, strict=True)]
    )
    expected = microvolts(counts)
    with open_recording(path) as recording:
        assert recording.duration == sum(lengths)
        assert recording.nb_streams == 1 + np.count_nonzero(np.diff(on_the_clock) > 1)
        nodes = data.draw(st.lists(st.integers(0, n_channels - 1), max_size=8), "nodes")
        size = data.draw(st.integers(1, 100), "chunk size")
        found = list(recording.chunks(size, nodes=nodes))
        assert np.array_equal(
            np.concatenate([chunk.traces for chunk in found]), expected[:, nodes]
        )
        frames = [np.arange(chunk.t_start, chunk.t_stop) for chunk in found]
        assert np.array_equal(np.concatenate(frames), on_the_clock)


# ----------------------------------------------------------------------------- streams


def many_streams():
    """Return a file with streams of all kinds, and its chunks."""
    rate = {"rate_hz": 20000.0}
    port = {"unit": " ", "units_per_count": 0.0, "sample_bytes": 1, **rate}
    inputs = (Channel(0, "A1", 60), Channel(1, "A2", 61))
    streams = (
        Stream("spks0001", "spikes", "Spikes 1", (Channel(7, "14", 3),), version=6),
        Stream("digi0001", "digital", "Digital Data", (Channel(0, "D1", 63),), **port),
        Stream("anlg0001", "analog", "Analog Raw Data", inputs, **rate),
        Stream("filt0001", "filter", "High pass", (Channel(0, "14", 63),), **rate),
        Stream("filt0002", "filter", "Low pass", (Channel(0, "14", 63),), rate_hz=500),
        Stream("chtl0001", "chat", "Reference", (Channel(0, "14", 63),), **rate),
        electrodes(3),
    )
    counts = {
        stream.tag: make_counts(
            round(stream.rate_hz * 0.3), len(stream.channels), seed=i
        )
        for i, stream in enumerate(streams[1:])
    }
    chunks = []
    for stream in streams[1:]:
        n_channels = len(stream.channels)
        samples = counts[stream.tag].tobytes()
        chunks += sampled(stream.tag, samples, n_channels, stream.rate_hz)
    chunks.sort(key=lambda chunk: chunk.start_ns)
    return Recording(streams, comment="Tür auf: 20 °C"), chunks, counts


@pytest.fixture
def many(tmp_path):
    recording, chunks, counts = many_streams()
    write(tmp_path / "many.mcd", recording, chunks)
    return tmp_path / "many.mcd", counts


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        ("", "elec0001"),
        ("elec0001", "elec0001"),
        ("ELEC", "elec0001"),
        ("Electrode raw data 1", "elec0001"),
        ("digital", "digi0001"),
        ("anlg", "anlg0001"),
        ("high pass", "filt0001"),
        ("filt0002", "filt0002"),
        ("chat", "chtl0001"),
    ],
)
def test_a_stream_is_chosen_by_tag_kind_or_name(many, wanted, tag):
    path, counts = many
    with open_recording(path, stream=wanted) as recording:
        assert recording.metadata["stream"] == tag
        raw = recording._read_frames(0, recording.duration, None)
        assert np.array_equal(raw, counts[tag])
        assert recording.sampling_rate == (500 if tag == "filt0002" else 20000)


def test_digital_streams_are_read_as_numbers(many):
    path, counts = many
    with open_recording(path, stream="digi0001") as recording:
        assert np.array_equal(recording[:], counts["digi0001"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("filter", r"means several of many.mcd; choose from filt0001 .*filt0002"),
        ("analog", "several"),
        ("spks0001", r"no continuous stream spks0001; choose from digi0001 \(digital"),
        ("wave", r"elec0001 \(analog, 'Electrode Raw Data 1', 3 channels, 20000 Hz\)"),
    ],
)
def test_a_stream_that_is_not_clear_is_refused(many, wanted, message):
    with pytest.raises(FormatError, match=message):
        open_recording(many[0], stream=wanted)


def test_without_electrodes_what_was_recorded_in_their_place_is_read(tmp_path):
    recording, chunks, _ = many_streams()
    for tags, expected in (
        (("anlg0001", "chtl0001", "filt0002"), "filt0002"),
        (("anlg0001", "chtl0001"), "chtl0001"),
        (("digi0001", "anlg0001"), "digi0001"),
    ):
        streams = tuple(s for s in recording.streams if s.tag in tags)
        write(tmp_path / "a.mcd", Recording(streams), chunks)
        assert open_recording(tmp_path / "a.mcd").metadata["stream"] == expected


def test_of_two_streams_of_electrodes_the_second_is_not_forgotten(tmp_path, caplog):
    streams = electrodes(2), replace(electrodes(2), tag="elec0002")
    write(tmp_path / "a.mcd", Recording(streams), [])
    assert open_recording(tmp_path / "a.mcd").metadata["stream"] == "elec0001"
    assert "stream = elec0002" in caplog.text


def test_a_file_of_events_alone_has_no_traces(tmp_path):
    spikes = Stream("spks0001", "spikes", "Spikes 1", (Channel(0, "14", 3),))
    write(tmp_path / "a.mcd", Recording((spikes,)), [])
    with pytest.raises(FormatError, match=r"no continuous stream, only spks0001"):
        open_recording(tmp_path / "a.mcd")


def test_labels_places_and_what_else_the_header_says(many):
    recording = open_recording(many[0])
    assert recording.channel_labels == ("14", "24", "34")
    assert recording.channel_positions.tolist() == [[0, 600], [200, 600], [400, 600]]
    said = recording.metadata
    assert said["comment"] == "Tür auf: 20 °C"
    assert said["date"] == "2006-12-15T09:27:07.821875"
    assert said["recorded_as"] == "C:\\Example.mcd"
    assert said["software"] == "MC_Rack 3.4.81.0"
    assert said["hardware_ids"] == (63, 62, 61)
    assert said["amplifier_gains"] == (1100, 1100, 1100)
    assert said["amplifier_bands_hz"] == ((0, 5000),) * 3
    assert said["converter_bits"] == 16
    assert "trigger_window_ms" not in said
    assert open_recording(many[0], stream="anlg").channel_positions is None


def test_columns_are_in_the_order_of_their_numbers(tmp_path):
    channels = (Channel(2, "C", 9), Channel(0, "A", 8), Channel(1, "B", 7))
    stream = Stream("elec0001", "analog", "E", channels)
    write(tmp_path / "a.mcd", Recording((stream,)), [])
    recording = open_recording(tmp_path / "a.mcd")
    assert recording.channel_labels == ("A", "B", "C")
    assert recording.metadata["hardware_ids"] == (8, 7, 9)


def test_electrodes_that_are_all_at_one_place_have_none(tmp_path):
    channels = tuple(Channel(i, str(i), i, 1000, PLACE) for i in range(3))
    stream = Stream("elec0001", "analog", "E", channels)
    write(tmp_path / "a.mcd", Recording((stream,)), [])
    assert open_recording(tmp_path / "a.mcd").channel_positions is None


# -------------------------------------------------------------------- gaps, many files


def write_sweeps(path, starts, n_frames, n_channels=2, seed=0):
    """Write sweeps that start at frames of 20 kHz; return their counts."""
    stream, parts, chunks = electrodes(n_channels), [], []
    for i, start in enumerate(starts):
        parts.append(make_counts(n_frames, n_channels, seed=seed + i))
        chunks += sampled(
            stream.tag,
            parts[-1].tobytes(),
            n_channels,
            20000.0,
            START_NS + start * 50_000,
        )
    write(path, Recording((stream,), window=(1, -50.0, 150.0)), chunks)
    return parts


def test_sweeps_are_streams_at_their_times(tmp_path):
    starts = [0, 25_027, 60_000]
    parts = write_sweeps(tmp_path / "a.mcd", starts, 4000)
    for mode in (None, "single-file"):
        with open_recording(tmp_path / "a.mcd", stream_mode=mode) as recording:
            assert [part.t_start for part in recording.streams] == starts
            assert recording.shape == (12_000, 2)
            assert recording.t_stop == 64_000
            assert recording.metadata["trigger_window_ms"] == (-50, 150)
            for start, part in zip(starts, parts, strict=True):
                traces = recording[start + 17 : start + 3000]
                assert np.array_equal(traces, microvolts(part[17:3000]))
            with pytest.raises(circus_io.ChunkError):
                recording[3999:25_028]


def test_a_file_without_gaps_is_one_stream(tmp_path):
    parts = write_sweeps(tmp_path / "a.mcd", [0], 500)
    assert not open_recording(tmp_path / "a.mcd").is_stream
    with open_recording(tmp_path / "a.mcd", stream_mode="single-file") as recording:
        assert recording.nb_streams == 1
        assert np.array_equal(recording[:], microvolts(parts[0]))


def test_sweeps_of_a_numbered_run(tmp_path):
    first = write_sweeps(tmp_path / "rec_0.mcd", [0, 9000], 1000)
    second = write_sweeps(tmp_path / "rec_1.mcd", [0, 3000], 1000, seed=9)
    with open_recording(tmp_path / "rec_0.mcd", stream_mode="multi-files") as recording:
        assert [part.t_start for part in recording.streams] == [0, 9000, 10_000, 13_000]
        traces = np.concatenate([chunk.traces for chunk in recording.chunks(300)])
        assert np.array_equal(traces, microvolts(np.concatenate(first + second)))


def test_a_pause_of_less_than_half_a_frame_is_none(tmp_path):
    counts = make_counts(200, 1)
    for late_ns, n_streams in ((24_000, 1), (-24_000, 1), (26_000, 2)):
        chunks = sampled("elec0001", counts[:100].tobytes(), 1, 20000.0)
        chunks += sampled(
            "elec0001",
            counts[100:].tobytes(),
            1,
            20000.0,
            START_NS + 100 * 50_000 + late_ns,
        )
        write(tmp_path / "a.mcd", Recording((electrodes(1),)), chunks)
        assert open_recording(tmp_path / "a.mcd").nb_streams == n_streams


def test_a_clock_that_was_set_back_loses_no_samples(tmp_path, caplog):
    parts = write_sweeps(tmp_path / "a.mcd", [0, -50_000], 1000)
    with open_recording(tmp_path / "a.mcd") as recording:
        assert [part.t_start for part in recording.streams] == [0, 1000]
        assert np.array_equal(recording[:], microvolts(np.concatenate(parts)))
    assert "without a gap" in caplog.text


def test_ranks_read_one_file(tmp_path, mpi_run):
    """Each of three ranks opens the file and reads every third chunk."""
    parts = write_sweeps(tmp_path / "a.mcd", [0, 5000, 9000], 2000)
    code = (
        "import sys, numpy as np\n"
        "from circus_io import open_recording\n"
        "from circus_io.parallel import comm\n"
        "with open_recording(sys.argv[1]) as recording:\n"
        "    n = len(recording.chunk_grid(150))\n"
        "    mine = range(comm.rank, n, comm.size)\n"
        "    mine = [recording.get_chunk(index, 150) for index in mine]\n"
        "all_ = [chunk for part in comm.allgather(mine) for chunk in part]\n"
        "all_.sort(key=lambda chunk: chunk.index)\n"
        "if comm.rank == 0:\n"
        "    np.save(sys.argv[2], np.concatenate([chunk.traces for chunk in all_]))\n"
    )
    done = mpi_run(3, "-c", code, tmp_path / "a.mcd", tmp_path / "read.npy")
    assert done.returncode == 0, done.stderr
    expected = microvolts(np.concatenate(parts))
    assert np.array_equal(np.load(tmp_path / "read.npy"), expected)


def test_a_conversion_keeps_the_counts(tmp_path):
    counts = make_counts(500, 3)
    write_electrodes(tmp_path / "a.mcd", counts, chunk_frames=(130, 7, 363))
    convert(open_recording(tmp_path / "a.mcd"), tmp_path / "a.npy")
    converted = np.load(tmp_path / "a.npy")
    assert converted.dtype == np.uint16
    assert np.array_equal(converted, counts)


@pytest.mark.parametrize(
    "gain",
    [125.0, 1 / 8, 0.1, 5 / 48, -1 / 3, 0.1136, 1.23456789, 1e-14, 1e-40, 1e-320, 9e14],
)
@pytest.mark.parametrize("zero", [0, 2048, 32768])
def test_each_count_is_rounded_once_whatever_the_gain(gain, zero):
    counts = np.arange(2**16, dtype="<u2")
    expected = ((counts.astype(np.float64) - zero) * gain).astype(np.float32)
    assert np.array_equal(Scale.of(zero, gain).traces(counts), expected)
