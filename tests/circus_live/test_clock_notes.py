"""The clock of a stream in an event log: from a stimulus to its frame."""

import time

import numpy as np
import pytest

from circus_io.errors import FormatError
from circus_live import Block, Flow, Message, Service, SourceInfo
from circus_live.clock_notes import ClockNotes
from circus_live.sources.synthetic import SyntheticSource
from stim.event_log import EventLog, read_events
from stim.stimulus_times import find_stimuli

RATE_HZ = 20_000.0


class Probe(Service):
    """Writes when the first frame was, by the block that was least late."""

    def __init__(self, log):
        self.path = log

    def open(self, info):
        self.begin_s = np.inf

    def process(self, block):
        begin_s = block.host_time_ns * 1e-9 - block.t_stop / RATE_HZ
        self.begin_s = min(self.begin_s, begin_s)

    def finish(self):
        with EventLog(self.path) as log:
            log.write("probe", begin_s=self.begin_s)


def log_stimulus(log, host_s):
    log.write("start", host_s=host_s, mode="streaming", device_sample=0)
    log.write(
        "signal",
        device_sample=0,
        label=1,
        period_samples=50_000,
        onset_samples=[0],
        length_samples=10,
    )
    log.write("stop", device_sample=1)


def test_frames_are_found_by_the_time_of_the_machine(tmp_path):
    source = SyntheticSource(n_channels=4, sampling_rate=RATE_HZ, duration_s=4.0)
    flow = Flow(source)
    flow.add(ClockNotes(tmp_path / "log.jsonl"))
    flow.add(Probe(tmp_path / "log.jsonl"), after="source")
    with EventLog(tmp_path / "log.jsonl") as log:
        log.write("open", rate_hz=50_000)
        flow.start()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            clocks = [e for e in read_events(log.path) if e["command"] == "clock"]
            if len(clocks) >= 2:
                break
            time.sleep(0.02)
        now_s = time.monotonic()
        log_stimulus(log, now_s)
        flow.wait()
    events = read_events(tmp_path / "log.jsonl")
    times = find_stimuli(events, RATE_HZ)
    (probe,) = [event for event in events if event["command"] == "probe"]
    begin_s = probe["begin_s"]
    expected = (now_s - begin_s) * RATE_HZ
    assert abs(times.frames[0] - expected) / RATE_HZ <= times.uncertainty_s + 0.002
    assert "host" in times.source


def test_a_first_block_that_was_late_is_not_believed(tmp_path):
    """As on a busy machine: alone, it says nothing of its own delay."""
    notes, begin_ns = ClockNotes(tmp_path / "log.jsonl"), 7_000_000_000
    notes.open(SourceInfo("late", RATE_HZ, n_channels=1, dtype="i2", block_frames=20))
    for number in range(4000):
        late_us = 6000 if number == 0 else number * 7 % 100
        seen_ns = begin_ns + (number + 1) * 1_000_000 + late_us * 1000
        notes.process(Block(number * 20, np.zeros((20, 1), "i2"), seen_ns))
    notes.close()
    with EventLog(tmp_path / "log.jsonl") as log:
        log.write("open", rate_hz=50_000)
        log_stimulus(log, begin_ns * 1e-9 + 1.25)
    times = find_stimuli(read_events(tmp_path / "log.jsonl"), RATE_HZ)
    error_s = abs(times.frames[0] / RATE_HZ - 1.25)
    assert error_s <= times.uncertainty_s < 0.01


def test_messages_have_no_frames(tmp_path):
    notes = ClockNotes(tmp_path / "log.jsonl")
    with pytest.raises(FormatError, match="after the source"):
        notes.process(Message(0, "value", 0, origin="loop"))
