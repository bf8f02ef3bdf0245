"""Real files: what the vendor's library says of them, and what they say themselves."""

import json
import struct

import numpy as np
import pytest

import circus_io

CONTINUOUS, TRIGGERED = "Example10kHz", "NeuroshareExample"
START_NS = {
    CONTINUOUS: 12_810_648_427_821_875_000,
    TRIGGERED: 12_891_429_736_231_334_200,
}


def read_vendor(samples, name):
    """Return the entities of the vendor's library: tag, column, label, values, ..."""
    with np.load(samples / "mcd" / f"{name}_expected.npz") as expected:
        for entity in json.loads(str(expected["meta"])):
            tag, hardware_id, column, label = entity["label"].split()
            place = tag, int(column), int(hardware_id), label
            yield place, entity, expected[f"entity_{entity['entity']}"]


def find_items(data, tag):
    """Return the contents of the items with a tag, header list left out."""
    (length,) = struct.unpack_from("<q", data, 24)
    at, found = 32 + length, []
    while at < len(data):
        name, length = struct.unpack_from("<8sq", data, at)
        if name.decode().strip() == tag:
            found.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    assert at == len(data)
    return found


@pytest.mark.parametrize(("name", "n_entities"), [(CONTINUOUS, 4), (TRIGGERED, 7)])
def test_values_are_the_vendors_to_the_last_bit(samples, name, n_entities):
    path = samples / "mcd" / f"{name}.mcd"
    checked = 0
    for (tag, column, hardware_id, label), entity, values in read_vendor(samples, name):
        with circus_io.open_recording(path, stream=tag) as recording:
            assert recording.channel_labels[column] == label
            assert recording.metadata["hardware_ids"][column] == hardware_id
            assert recording.sampling_rate == entity["rate"]
            raw = [
                part._read_frames(0, part.duration, None) for part in recording.streams
            ]
            microvolts = [chunk.traces for chunk in recording.chunks(1234)]
            counts = np.concatenate(raw)[: len(values), column]
            traces = np.concatenate(microvolts)[: len(values), column]
            step = recording.metadata["units_per_count"]
            if entity["units"] == "V":
                volts = (counts.astype(np.float64) - recording.dtype_offset) * step
                assert np.array_equal(volts, values)
                assert np.array_equal(traces, (values * 1e6).astype(np.float32))
            else:  # the digital port, as it is
                assert np.array_equal(counts, values)
                assert np.array_equal(traces, values)
            lengths = [part.duration for part in recording.streams]
            # the vendor's library leaves out the last sample of the triggered file
            lengths[-1] -= name == TRIGGERED
            assert lengths == entity["contiguous"]
        checked += 1
    assert checked == n_entities


def test_sweeps_are_where_the_index_of_the_file_says(samples):
    path = samples / "mcd" / f"{TRIGGERED}.mcd"
    (sweeps,) = find_items(path.read_bytes(), "IDXSWEEP")
    sweeps = [struct.unpack_from("<QQ", sweeps, at) for at in range(0, 144, 16)]
    with circus_io.open_recording(path) as recording:
        assert recording.stream_mode == "single-file"
        assert recording.nb_streams == len(sweeps) == 9
        for part, (start_ns, stop_ns) in zip(recording.streams, sweeps, strict=True):
            assert part.t_start * 40_000 == start_ns - START_NS[TRIGGERED]
            # for the index, and for the vendor's library, the last sample is none
            left_out = part is recording.streams[-1]
            assert (part.t_stop - left_out) * 40_000 == stop_ns - START_NS[TRIGGERED]
        explicit = circus_io.open_recording(path, stream_mode="single-file")
        assert [part.t_start for part in explicit.streams] == [
            part.t_start for part in recording.streams
        ]


def test_each_sweep_starts_100_ms_before_its_trigger(samples):
    recording = circus_io.open_recording(samples / "mcd" / f"{TRIGGERED}.mcd")
    assert recording.metadata["trigger_window_ms"] == (-100, 200)
    triggers = recording.read_events()["trig0001"]
    starts = [part.t_start / 25000 for part in recording.streams]
    assert np.allclose(triggers.times_s, np.array(starts) + 0.1, atol=1e-9)
    # the trigger looked at an electrode: its value is the count that was there
    column = recording.channel_labels.index("12")
    for time_s, value in zip(triggers.times_s, triggers.values, strict=True):
        microvolts = recording[round(time_s * 25000), column]
        assert microvolts == np.float32((value - 32768) * recording.gain)
    recording.close()


def test_the_cutout_of_a_spike_is_the_trace_around_it(samples):
    with circus_io.open_recording(samples / "mcd" / f"{TRIGGERED}.mcd") as recording:
        spikes = recording.read_events()["spks0001"]
        assert len(spikes) == 95
        assert set(spikes.labels) == {"23"}
        assert set(spikes.values.tolist()) == {0}
        assert set(spikes.n_before.tolist()) == {25}
        column = recording.channel_labels.index("23")
        for time_s, waveform in zip(spikes.times_s, spikes.waveforms, strict=True):
            frame = round(time_s * recording.sampling_rate)
            assert np.array_equal(recording[frame - 25 : frame + 50, column], waveform)


def test_spikes_of_the_older_version(samples):
    recording = circus_io.open_recording(samples / "mcd" / f"{CONTINUOUS}.mcd")
    spikes = recording.read_events()["spks0001"]
    assert spikes.waveforms.shape == (158, 110)
    assert set(spikes.labels) == {"68", "78"}
    for label in ("68", "78"):
        mine = [i for i, other in enumerate(spikes.labels) if other == label]
        # a signal that repeats every 88 ms on all channels; its spikes look alike
        assert np.allclose(np.diff(spikes.times_s[mine]), 0.088, atol=2e-4)
        cutouts = spikes.waveforms[mine]
        assert np.ptp(cutouts, axis=0).max() < 0.1 * np.ptp(cutouts)
    # ten samples before the time: there the electrodes had the same phase; a frame
    # more or less makes 19 mV
    trace = recording[:, 0]
    frames = np.round(spikes.times_s[1:-1] * 10000).astype(int)
    around = np.array([trace[frame - 10 : frame + 100] for frame in frames])
    assert np.abs(around - spikes.waveforms[1:-1]).mean() < 2000
    recording.close()


def test_states_of_the_digital_port(samples):
    name = TRIGGERED
    recording = circus_io.open_recording(samples / "mcd" / f"{name}.mcd")
    states = recording.read_events()["digi0001"]
    ((_, entity, values),) = [
        found for found in read_vendor(samples, name) if found[0][0] == "digi0001"
    ]
    starts = np.cumsum([0, *entity["contiguous"]])
    told = np.zeros(len(values))
    for time_s, value in zip(states.times_s, states.values, strict=True):
        frame = round(time_s * 25000)
        (sweep,) = [
            i
            for i, part in enumerate(recording.streams)
            if part.t_start <= frame < part.t_stop
        ]
        told[starts[sweep] + frame - recording.streams[sweep].t_start :] = value
    assert np.array_equal(told, values)
    assert set(states.labels) == {"D1"}


def test_what_the_files_say_of_themselves(samples):
    recording = circus_io.open_recording(samples / "mcd" / f"{TRIGGERED}.mcd")
    said = recording.metadata
    assert said["date"] == "2009-07-07T08:42:16.231334"
    assert said["software"] == "MC_Rack 3.7.14.0"
    assert said["header_version"] == 10
    assert said["recorded_as"].endswith("NeuroshareExample0007.mcd")
    assert said["amplifier_gains"] == (1200, 1200)
    assert len(said["streams"]) == 8
    # electrodes 100 µm apart: the label is column and row, counted from 1
    for label, position in zip(
        recording.channel_labels, recording.channel_positions, strict=True
    ):
        assert position.tolist() == [100 * (int(digit) - 1) for digit in label]
    recording = circus_io.open_recording(samples / "mcd" / f"{CONTINUOUS}.mcd")
    assert recording.metadata["date"] == "2006-12-15T09:27:07.821875"
    assert recording.metadata["software"] == "MC_Rack 3.4.81.0"
    assert recording.channel_positions is None


@pytest.mark.parametrize("name", [CONTINUOUS, TRIGGERED])
def test_cut_off_anywhere_it_is_read_up_to_the_last_whole_chunk(
    samples, tmp_path, caplog, name
):
    data = (samples / "mcd" / f"{name}.mcd").read_bytes()
    (length,) = struct.unpack_from("<q", data, 24)
    whole = circus_io.open_recording(samples / "mcd" / f"{name}.mcd")
    whole = np.concatenate([chunk.traces for chunk in whole.chunks(9999)])
    rng = np.random.default_rng(5)
    for size in rng.integers(32 + length + 24, len(data) - 600, 40):
        cut = tmp_path / f"{size}.mcd"
        cut.write_bytes(data[:size])
        caplog.clear()
        with circus_io.open_recording(cut) as recording:
            assert "last whole chunk" in caplog.text
            traces = [chunk.traces for chunk in recording.chunks(9999)]
        n_frames = len(recording)
        # 2 channels; a part of the file that grows with it
        assert abs(n_frames - len(whole) * size / len(data)) < 0.3 * len(whole)
        if n_frames:
            assert np.array_equal(np.concatenate(traces), whole[:n_frames])
