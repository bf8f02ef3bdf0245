"""Spikes, triggers and digital states of MC_Rack files, written by `struct`."""

import struct

import numpy as np
import pytest

from circus_io import open_recording
from tests.writers.mcd import (
    START_NS,
    Channel,
    Chunk,
    Recording,
    Stream,
    sampled,
    spike,
    write,
)

MS = 1_000_000  # nanoseconds
RATE = 20000.0
VOLTS = 0.000125 / 1100

ELECTRODES = Stream(
    "elec0001", "analog", "E", (Channel(0, "14", 3),), RATE, units_per_count=VOLTS
)
TRIGGER = Stream("trig0001", "trigger", "Trigger 1", (Channel(0, "A1", 60),), RATE)
PORT = Stream(
    "digi0001",
    "digital",
    "Digital Data",
    (Channel(0, "D1", 63), Channel(1, "D2", 64)),
    RATE,
    unit=" ",
    units_per_count=0.0,
    sample_bytes=1,
)


def spiking(version):
    channels = (Channel(12, "14", 3), Channel(40, "87", 5))
    return Stream(
        "spks0001", "spikes", "Spikes 1", channels, RATE, version, units_per_count=VOLTS
    )


def traces(n_frames, start_ns=START_NS, tag="elec0001"):
    return sampled(tag, bytes(2 * n_frames), 1, RATE, start_ns)


def write_file(path, streams, chunks, start_ns=START_NS):
    """Write a second of electrodes, and other chunks between."""
    chunks = [*traces(20000, start_ns), *chunks]
    chunks.sort(key=lambda chunk: chunk.start_ns)
    write(path, Recording((ELECTRODES, *streams)), chunks)
    return path


@pytest.mark.parametrize("version", [5, 6, 7])
def test_spikes_have_time_channel_unit_and_cutout(tmp_path, version):
    rng = np.random.default_rng(version)
    times_ms = np.sort(rng.integers(0, 900, 50))
    counts = rng.integers(0, 2**16, (50, 32)).astype("<u2")
    numbers = rng.choice([12, 40, 41], 50)
    units, n_before = rng.integers(0, 4, 50), rng.integers(0, 32, 50)
    records = [
        spike(
            START_NS + int(time) * MS,
            int(number),
            samples.tobytes(),
            version,
            unit=int(unit),
            before=int(before),
            hardware_id=3,
        )
        for time, number, samples, unit, before in zip(
            times_ms, numbers, counts, units, n_before, strict=True
        )
    ]
    records[3:5] = records[4:2:-1]  # within a chunk in no order
    chunks = [
        Chunk("spks0001", START_NS, START_NS + 900 * MS, b"".join(records[:30])),
        Chunk("spks0001", START_NS, START_NS + 900 * MS, b""),
        Chunk("spks0001", START_NS, START_NS + 900 * MS, b"".join(records[30:])),
    ]
    path = write_file(tmp_path / "a.mcd", [spiking(version)], chunks)
    spikes = open_recording(path).read_events()["spks0001"]
    assert np.array_equal(spikes.times_s, times_ms / 1000)
    order = np.argsort(
        [int.from_bytes(r[:8], "little") for r in records], kind="stable"
    )
    assert [struct.unpack_from("<H", records[i], 8)[0] for i in order] == [
        {"14": 12, "87": 40, "41": 41}[label] for label in spikes.labels
    ]
    back = np.arange(50)
    back[3:5] = back[4:2:-1]
    assert np.array_equal(spikes.values, units[back][order])
    assert np.array_equal(spikes.n_before, n_before[back][order])
    expected = (counts[back][order].astype(float) - 32768) * VOLTS * 1e6
    assert np.array_equal(spikes.waveforms, expected.astype(np.float32))


@pytest.mark.parametrize("more", ["", "i", "iii"])
def test_triggers_have_time_and_value(tmp_path, more):
    times_ms, values = [12, 400, 401], [7, 65535, 0]
    chunks = [
        Chunk(
            "trig0001",
            START_NS + time // 100 * 100 * MS,
            START_NS + (time // 100 + 1) * 100 * MS,
            struct.pack(f"<QH{more}", START_NS + time * MS, value, *[1] * len(more)),
        )
        for time, value in zip(times_ms, values, strict=True)
    ]
    path = write_file(tmp_path / "a.mcd", [TRIGGER], chunks)
    triggers = open_recording(path).read_events()["trig0001"]
    assert triggers.times_s.tolist() == [0.012, 0.4, 0.401]
    assert triggers.values.tolist() == values
    assert triggers.labels == ()
    assert triggers.waveforms is None


def test_several_triggers_of_a_chunk_are_told_apart(tmp_path):
    """Seven of 10 bytes are as long as five of 14."""
    times = [START_NS + i * MS for i in range(7)]
    content = b"".join(struct.pack("<QH", time, 9) for time in times)
    chunk = Chunk("trig0001", START_NS, START_NS + 100 * MS, content)
    path = write_file(tmp_path / "a.mcd", [TRIGGER], [chunk])
    assert len(open_recording(path).read_events()["trig0001"]) == 7
    content = b"".join(struct.pack("<QHi", time, 9, 1) for time in times[:5])
    chunk = Chunk("trig0001", START_NS, START_NS + 100 * MS, content)
    path = write_file(tmp_path / "a.mcd", [TRIGGER], [chunk])
    assert len(open_recording(path).read_events()["trig0001"]) == 5


def test_digital_events_are_new_states(tmp_path):
    states = np.zeros((4000, 2), "<u2")
    states[1000:1010, 0] = 1
    states[1990:2500, 0] = 3  # over the border of a chunk
    states[0:3000, 1] = 8  # from the start on
    chunks = sampled("digi0001", states.tobytes(), 2, RATE)
    path = write_file(tmp_path / "a.mcd", [PORT], chunks)
    events = open_recording(path).read_events()["digi0001"]
    assert np.round(events.times_s * RATE).astype(int).tolist() == [
        *(0, 1000, 1010, 1990, 2500, 3000)
    ]
    assert events.values.tolist() == [8, 1, 0, 3, 0, 0]
    assert events.labels == ("D2", "D1", "D1", "D1", "D1", "D2")


def test_a_state_that_lasts_over_a_gap_is_one_event(tmp_path):
    states = np.full((100, 2), 5, "<u2")
    chunks = sampled("digi0001", states.tobytes(), 2, RATE)
    chunks += sampled("digi0001", states.tobytes(), 2, RATE, START_NS + 500 * MS)
    states[:] = 6
    chunks += sampled("digi0001", states.tobytes(), 2, RATE, START_NS + 900 * MS)
    path = write_file(tmp_path / "a.mcd", [PORT], chunks)
    events = open_recording(path).read_events()["digi0001"]
    assert events.times_s.tolist() == [0, 0, 0.9, 0.9]
    assert events.values.tolist() == [5, 5, 6, 6]


def one_trigger(time_ms, start_ns=START_NS):
    content = struct.pack("<QH", start_ns + time_ms * MS, 1)
    stop_ns = start_ns + (time_ms + 100) * MS
    return Chunk("trig0001", start_ns + time_ms * MS, stop_ns, content)


def test_the_clock_shows_0_at_the_first_frame_that_is_read(tmp_path):
    late = traces(1000, START_NS + 250 * MS, "filt0001")
    streams = [Stream("filt0001", "filter", "F", (Channel(0, "14", 3),), RATE), TRIGGER]
    path = write_file(tmp_path / "a.mcd", streams, [*late, one_trigger(300)])
    for stream, expected in (("elec", 0.3), ("filt", 0.05)):
        recording = open_recording(path, stream=stream)
        assert recording.read_events()["trig0001"].times_s == pytest.approx([expected])


def test_events_of_several_files_are_on_one_clock(tmp_path):
    for i, start_ns in enumerate((START_NS, START_NS - 10**15, START_NS + 10**15)):
        chunks = [one_trigger(100 * (i + 1), start_ns)]
        write_file(tmp_path / f"rec_{i}.mcd", [TRIGGER], chunks, start_ns)
    recording = open_recording(tmp_path / "rec_0.mcd", stream_mode="multi-files")
    triggers = recording.read_events()["trig0001"]
    assert triggers.times_s == pytest.approx([0.1, 1.2, 2.3], abs=1e-9)
    assert triggers.values.tolist() == [1, 1, 1]


def test_spikes_of_several_files_keep_their_cutouts(tmp_path):
    for i, n_samples in enumerate((20, 20, 30)):
        samples = np.full(n_samples, 32768 + i, "<u2").tobytes()
        record = spike(START_NS + MS, 12, samples, 6)
        chunk = Chunk("spks0001", START_NS, START_NS + 100 * MS, record)
        write_file(tmp_path / f"rec_{i}.mcd", [spiking(6)], [chunk])
    names = [tmp_path / f"rec_{i}.mcd" for i in range(3)]
    spikes = open_recording(names[:2]).read_events()["spks0001"]
    assert spikes.waveforms.shape == (2, 20)
    assert np.array_equal(np.unique(spikes.waveforms[1]), [np.float32(VOLTS * 1e6)])
    spikes = open_recording(names).read_events()["spks0001"]
    assert (len(spikes), spikes.waveforms) == (3, None)  # of two lengths
    assert spikes.labels == ("14",) * 3


@pytest.mark.parametrize("tag", ["spks0001", "trig0001"])
def test_events_of_an_unknown_layout_are_left_out(tmp_path, caplog, tag):
    good = [one_trigger(20)]
    strange = Chunk(tag, START_NS, START_NS + 100 * MS, b"\x07" * 123)
    path = write_file(tmp_path / "a.mcd", [spiking(9), TRIGGER], [*good, strange])
    events = open_recording(path).read_events()
    assert len(events["trig0001"]) == 1
    assert len(events["spks0001"]) == 0
    assert f"1 chunks of {tag}" in caplog.text


def test_a_file_without_events_has_none(tmp_path):
    path = write_file(tmp_path / "a.mcd", [], [])
    assert open_recording(path).read_events() == {}
    path = write_file(tmp_path / "a.mcd", [spiking(6), TRIGGER, PORT], [])
    events = open_recording(path).read_events()
    assert {tag: len(found) for tag, found in events.items()} == {
        "spks0001": 0,
        "trig0001": 0,
        "digi0001": 0,
    }
