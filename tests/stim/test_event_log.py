"""Event logs: written, cut short, damaged."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from circus_io.errors import FormatError
from stim.event_log import EventLog, read_events


def test_events_come_back_as_they_were_written(tmp_path):
    with EventLog(tmp_path / "log.jsonl", clock=lambda: 12.5) as log:
        log.write("start", device_sample=np.int64(0), mode="streaming", rate_hz=50_000)
        log.write("sync", host_s=13.0, device_sample=100, recording_sample=41)
        log.write("signal", onset_samples=np.array([3, 9]), channels=(0, 2))
    head, *events = read_events(tmp_path / "log.jsonl")
    assert head["command"] == "log"
    assert events == [
        {
            "command": "start",
            "host_s": 12.5,
            "device_sample": 0,
            "mode": "streaming",
            "rate_hz": 50_000,
        },
        {
            "command": "sync",
            "host_s": 13.0,
            "device_sample": 100,
            "recording_sample": 41,
        },
        {
            "command": "signal",
            "host_s": 12.5,
            "onset_samples": [3, 9],
            "channels": [0, 2],
        },
    ]


def test_each_line_is_json_for_anyone(tmp_path):
    with EventLog(tmp_path / "log.jsonl") as log:
        log.write("fault", error=ValueError("unplugged\nsuddenly"))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["command"] for line in lines] == ["log", "fault"]


def test_a_log_is_continued(tmp_path):
    for command in ("start", "stop"):
        with EventLog(tmp_path / "log.jsonl") as log:
            log.write(command)
    commands = [event["command"] for event in read_events(tmp_path / "log.jsonl")]
    assert commands == ["log", "start", "log", "stop"]


def test_nothing_is_written_after_the_end(tmp_path):
    log = EventLog(tmp_path / "log.jsonl")
    log.close()
    log.close()
    log.write("stop")
    assert len(read_events(tmp_path / "log.jsonl")) == 1


def test_threads_do_not_write_into_each_others_lines(tmp_path):
    with EventLog(tmp_path / "log.jsonl") as log:
        threads = [
            threading.Thread(
                target=lambda name=name: [log.write(name, n=n) for n in range(300)]
            )
            for name in ("a", "b", "c")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read_events(tmp_path / "log.jsonl")
    for name in ("a", "b", "c"):
        told = [event["n"] for event in events if event["command"] == name]
        assert told == list(range(300))


def test_what_was_written_before_a_kill_is_there(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from stim.event_log import EventLog\n"
        "log = EventLog(sys.argv[1])\n"
        "for n in range(100):\n"
        "    log.write('pulse', n=n)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "log.jsonl"])
    assert [e["n"] for e in read_events(tmp_path / "log.jsonl")[1:]] == list(range(100))


def test_a_torn_last_line_is_left_out(tmp_path):
    with EventLog(tmp_path / "log.jsonl") as log:
        log.write("start")
        log.write("stop")
    whole = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(whole[:-5])
    assert [e["command"] for e in read_events(tmp_path / "log.jsonl")] == [
        "log",
        "start",
    ]


@pytest.mark.parametrize(
    "damage", ["no json", "[1, 2]", '{"command": "stop"}', "[" * 100_000, ""]
)
def test_a_damaged_line_is_named(tmp_path, damage):
    EventLog(tmp_path / "log.jsonl").close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(damage + "\n")
    with pytest.raises(FormatError, match="line 2"):
        read_events(tmp_path / "log.jsonl")


def test_another_file_is_no_log(tmp_path):
    (tmp_path / "other").write_text('{"command": "a", "host_s": 1}\n')
    with pytest.raises(FormatError, match="circus-stim-events/1"):
        read_events(tmp_path / "other")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(FormatError, match="no event log"):
        read_events(tmp_path / "empty")
    with pytest.raises(FormatError, match="there is no"):
        read_events(tmp_path / "absent")
