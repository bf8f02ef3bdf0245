"""Stimuli in recording time: clocks that are known, and what is said of them."""

import numpy as np
import pytest

from circus_io.errors import ParameterError
from circus_io.time_files import read_durations, read_triggers
from stim.stimulus_times import find_stimuli, write_time_files

RATE_HZ = 50_000  # of the device
SAMPLING_RATE = 20_000.0


def start(host_s=100.0, took_s=0.0, **fields):
    return {
        "command": "start",
        "host_s": host_s,
        "host_span_s": [host_s, host_s + took_s],
        "mode": "streaming",
        "rate_hz": RATE_HZ,
        "device_sample": 0,
    } | fields


def signal(device_sample, label=1, period=5000, onsets=(0,), length=20, **fields):
    return {
        "command": "signal",
        "host_s": 0.0,
        "device_sample": device_sample,
        "label": label,
        "channels": [0],
        "period_samples": period,
        "onset_samples": list(onsets),
        "length_samples": length,
    } | fields


def stop(device_sample):
    return {"command": "stop", "host_s": 200.0, "device_sample": device_sample}


def sync(device_sample, recording_sample):
    return {
        "command": "sync",
        "host_s": 0.0,
        "device_sample": device_sample,
        "recording_sample": recording_sample,
    }


def clock(host_s, recording_sample, uncertainty_s=0.0):
    return {
        "command": "clock",
        "host_s": host_s,
        "recording_sample": recording_sample,
        "uncertainty_s": uncertainty_s,
    }


def test_a_signal_repeats_until_the_next_one_and_the_stop():
    times = find_stimuli(
        [
            start(),
            sync(0, 1000),
            signal(0, label=1, period=5000, onsets=(0, 2500)),
            signal(10_000, label=2, period=5000, onsets=(500,), length=45),
            signal(20_000, label=3, onsets=()),
            signal(30_000, label=2, period=5000, onsets=(500,), length=45),
            stop(33_000),
        ],
        SAMPLING_RATE,
    )
    # 50 samples of the device are 20 frames
    device = np.array([0, 2500, 5000, 7500, 10_500, 15_500, 30_500])
    np.testing.assert_array_equal(times.frames, 1000 + device * 2 // 5)
    np.testing.assert_array_equal(times.labels, [1, 1, 1, 1, 2, 2, 2])
    assert times.lengths == {1: 8, 2: 18}  # 20 and 45 samples of 20 µs in 50 µs


def test_recorded_sync_outs_measure_the_other_quartz():
    drift, origin = 40e-6, 12_345.6
    true = lambda sample: origin + sample * 0.4 * (1 + drift)  # noqa: E731
    edges = np.arange(0, 50_000_000, 5_000_000)
    events = [start(), *(sync(int(s), round(true(s))) for s in edges)]
    events += [signal(0, period=777_777), stop(50_000_000)]
    times = find_stimuli(events, SAMPLING_RATE)
    onsets = np.arange(0, 50_000_000, 777_777)
    away = np.abs(times.frames - true(onsets))
    assert len(away) == len(onsets)
    assert away.max() / SAMPLING_RATE <= times.uncertainty_s
    assert times.uncertainty_s < 2.5 / SAMPLING_RATE
    assert "sync" in times.source


@pytest.mark.parametrize("drift", [-60e-6, 0, 80e-6])
def test_one_sync_out_is_good_for_as_long_as_quartzes_agree(drift):
    events = [start(), sync(0, 500), signal(0, period=500_000), stop(50_000_000)]
    times = find_stimuli(events, SAMPLING_RATE)
    true = 500 + np.arange(100) * 500_000 * 0.4 * (1 + drift)
    assert np.abs(times.frames - true).max() / SAMPLING_RATE <= times.uncertainty_s
    assert times.uncertainty_s == pytest.approx(100e-6 * 990, rel=0.01)


def test_the_clock_of_the_host_ties_a_start_to_the_frames():
    # frame 0 came at 90 s, the start was sent between 100 and 100.004 s
    ticks = [clock(90 + s, round(s * SAMPLING_RATE), 0.0005) for s in range(30)]
    events = [*ticks, start(100.0, 0.004), signal(0, period=50_000), stop(400_000)]
    times = find_stimuli(events, SAMPLING_RATE)
    expected = (10.002 + np.arange(8)) * SAMPLING_RATE
    np.testing.assert_allclose(times.frames, expected, atol=1)
    # half of the start, what the clock says of itself, and little more
    assert 0.0025 <= times.uncertainty_s < 0.0035
    assert "host" in times.source


def test_a_start_plays_what_was_downloaded_as_many_times_as_it_was_told():
    stored = signal(None, label=4, period=1000, onsets=(100,), repeats=3)
    del stored["device_sample"]
    other = stored | {"label": 5, "channels": [1], "onset_samples": [300]}
    begun = start(mode="download")
    events = [stored, other, begun, sync(0, 0), stop(100_000), begun, sync(0, 80_000)]
    times = find_stimuli([*events, stop(1_500)], SAMPLING_RATE)
    of = lambda label: times.frames[times.labels == label].tolist()  # noqa: E731
    assert of(4) == [40, 440, 840, 80_040, 80_440]
    assert of(5) == [120, 520, 920, 80_120, 80_520]


def test_only_the_last_recording_of_a_log_counts():
    begin = {"command": "recording", "host_s": 0.0}
    events = [
        {"command": "open", "host_s": 0.0, "rate_hz": RATE_HZ},
        begin,
        *(start(), sync(0, 7), signal(0, period=5000), stop(10_000)),
        begin,
        *(start(), sync(0, 300), signal(0, label=2, period=5000), stop(10_000)),
    ]
    times = find_stimuli(events, SAMPLING_RATE)
    assert times.frames.tolist() == [300, 2300]
    assert times.labels.tolist() == [2, 2]


def test_what_still_runs_when_a_recording_begins_counts_from_there():
    begin = {"command": "recording", "host_s": 0.0}
    events = [start(), signal(0, period=5000), begin, sync(10_000, 0), stop(20_000)]
    times = find_stimuli(events, SAMPLING_RATE)
    assert times.frames.tolist() == [0, 2000]
    assert times.n_before == 2


def test_a_download_of_before_is_played_in_a_later_recording():
    begin = {"command": "recording", "host_s": 0.0}
    stored = signal(None, label=4, period=1000, onsets=(100,), repeats=2)
    begun = start(mode="download")
    events = [stored, begin, begun, stop(2000), begin, begun, sync(0, 0), stop(2000)]
    assert find_stimuli(events, SAMPLING_RATE).frames.tolist() == [40, 440]


def test_clocks_that_are_still_being_learned_are_left_out():
    late = [clock(90.0 + 0.02, 0, 0.02), clock(91.0 + 0.01, 20_000, 0.01)]
    ticks = [clock(90 + s, round(s * SAMPLING_RATE), 1e-4) for s in range(2, 30)]
    events = [*late, *ticks, start(100.0), signal(0, period=50_000), stop(100_000)]
    times = find_stimuli(events, SAMPLING_RATE)
    np.testing.assert_allclose(times.frames, [200_000, 220_000], atol=1)
    assert times.uncertainty_s < 4e-4


def test_stimuli_before_the_recording_are_counted():
    events = [start(), sync(10_000, 0), signal(0, period=2500), stop(20_000)]
    times = find_stimuli(events, SAMPLING_RATE)
    assert times.n_before == 4
    assert times.frames.tolist() == [0, 1000, 2000, 3000]


def test_no_stimulus_is_an_answer():
    times = find_stimuli([start(), signal(0, onsets=()), stop(10)], SAMPLING_RATE)
    assert len(times.frames) == 0
    assert times.lengths == {}


def test_a_log_without_a_recording_says_what_to_do():
    with pytest.raises(ParameterError, match="Record a sync-out"):
        find_stimuli([start(), signal(0), stop(10_000)], SAMPLING_RATE)


def test_the_sorter_reads_the_files(tmp_path):
    events = [start(), sync(0, 1000), signal(0, label=7, length=30), stop(20_000)]
    times = find_stimuli(events, SAMPLING_RATE)
    triggers, windows = tmp_path / "triggers.txt", tmp_path / "windows.txt"
    write_time_files(times, triggers, windows, sampling_rate=SAMPLING_RATE)
    read = read_triggers(triggers, "timestep", SAMPLING_RATE)
    assert read == [(7, 1000), (7, 3000), (7, 5000), (7, 7000)]
    # 30 samples of 20 µs are 12 frames of 50 µs; 1 ms more are 20
    assert read_durations(windows, "timestep", SAMPLING_RATE) == {7: 32}
    assert "to within 0.0" in triggers.read_text()
