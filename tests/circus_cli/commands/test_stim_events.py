"""``circus stim events``: from a log to what a sort takes artefacts out by."""

import pytest

from circus_io.time_files import read_durations, read_triggers
from stim.event_log import EventLog


@pytest.fixture
def log(folder):
    with EventLog(folder / "run.jsonl") as log:
        log.write("start", mode="streaming", rate_hz=50_000, device_sample=0)
        log.write("sync", device_sample=0, recording_sample=2000)
        log.write(
            "signal",
            device_sample=0,
            label=1,
            channels=[0],
            period_samples=50_000,
            onset_samples=[0],
            length_samples=10,
        )
        log.write("stop", device_sample=120_000)
    return folder / "run.jsonl"


def test_files_for_the_sorter_appear_and_are_named(circus, folder, log):
    outcome = circus("stim", "events", "run.jsonl", "--rate", "10000", "--padding", "2")
    assert (outcome.status, outcome.err) == (0, "")
    assert "3 stimuli of 1 kinds, from 1 recorded sync-outs" in outcome.out
    assert "trig_file      = run.triggers.txt" in outcome.out
    triggers = read_triggers(folder / "run.triggers.txt", "timestep", 1e4)
    assert triggers == [(1, 2000), (1, 12_000), (1, 22_000)]
    # 10 samples of 20 µs are 2 frames, and 2 ms are 20
    assert read_durations(folder / "run.windows.txt", "timestep", 1e4) == {1: 22}


def test_the_rate_may_come_from_the_recording(circus, folder, log):
    outcome = circus("stim", "events", "run.jsonl", "--recording", "rec.dat")
    assert outcome.status == 0
    # a second of the device is 15 000 frames
    triggers = read_triggers(folder / "run.triggers.txt", "timestep", 15e3)
    assert triggers == [(1, 2000), (1, 17_000), (1, 32_000)]


@pytest.mark.parametrize("options", [[], ["--rate", "1", "--recording", "rec.dat"]])
def test_the_rate_is_given_once(circus, log, options):
    outcome = circus("stim", "events", "run.jsonl", *options)
    assert outcome.status == 2
    assert "one of the two" in outcome.error


def test_a_log_that_is_none(circus, folder):
    outcome = circus("stim", "events", "absent.jsonl", "--rate", "10000")
    assert outcome.status == 3
    assert "there is no event log at absent.jsonl" in outcome.error


def test_the_group_lists_its_commands(circus):
    outcome = circus("stim", "--help")
    assert outcome.status == 0
    assert "  events " in outcome.out
