"""``circus stim``: what would leave, whether it may, and what left a device."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from stim import Waveform, write_dat
from stim.event_log import read_events

LIMITS = """
unit = "nA"
max_amplitude = 200000
max_phase_us = 400
min_period_us = 20000
max_phase_charge_fc = 40000000
"""
BIPHASIC = Waveform.of([(100_000, 200), (-100_000, 200), (0, 49_600)], "nA")
LATER = Waveform.of([(0, 1000), (150_000, 100), (-50_000, 300), (0, 98_600)], "nA")
TOO_MUCH = Waveform.of([(300_000, 200), (-300_000, 200), (0, 49_600)], "nA")


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("CIRCUS_STIM_BUS", "CIRCUS_STIM_LIMITS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "limits.toml").write_text(LIMITS)
    write_dat("pulse.dat", [BIPHASIC, None, LATER])
    write_dat("bad.dat", [TOO_MUCH])
    return tmp_path


def words_of(outcome):
    return [line.split() for line in outcome.out.splitlines() if line.strip()]


def test_devices_are_listed(circus, here):
    outcome = circus("stim", "list", "--bus", "simulated")
    assert (outcome.status, outcome.err) == (0, "")
    assert ["STG4008", "40008", "circus-toolkit"] in words_of(outcome)
    (entry,) = json.loads(circus("stim", "list", "--bus", "simulated", "--json").out)
    assert entry["serial_number"] == "40008"


def test_without_a_device_the_simulators_are_named(circus, here):
    outcome = circus("stim", "list")
    if sys.platform == "win32":
        return
    assert outcome.status == 3
    assert "CIRCUS_STIM_BUS" in outcome.error


def test_a_device_says_what_it_is(circus, here, monkeypatch):
    outcome = circus("stim", "info", "--bus", "simulated")
    assert outcome.status == 0
    assert "limits          none" in outcome.out
    # 16 mA in 8000 steps
    assert ["1", "16000", "2", "8000", "1"] in words_of(outcome)
    monkeypatch.setenv("CIRCUS_STIM_LIMITS", "limits.toml")
    told = json.loads(circus("stim", "info", "--bus", "simulated", "--json").out)
    assert told["limits_file"] == "limits.toml"
    assert told["current_resolution_na"] == [2000] * 8


def test_what_is_allowed_is_said(circus, here):
    outcome = circus(
        "stim", "check", "pulse.dat", "--variant", "1.6mA", "--limits", "limits.toml"
    )
    assert (outcome.status, outcome.err) == (0, "")
    # 100 µA × 200 µs are 20 nC, 150 µA × 100 µs are 15; both wait for 100 ms
    assert ["1", "100", "100", "20", "nothing", "allowed"] in words_of(outcome)
    assert ["3", "150", "100", "15", "nothing", "allowed"] in words_of(outcome)


def test_every_problem_is_said_and_the_status_tells(circus, here):
    outcome = circus(
        "stim", "check", "bad.dat", "--variant", "1.6mA", "--limits", "limits.toml"
    )
    assert outcome.status == 3
    assert "refused" in outcome.out
    assert "300000 nA, in steps of 200 nA, is beyond the limit" in outcome.err
    assert "a phase of 60 nC is beyond the limit of 40 nC" in outcome.err
    assert outcome.errors == ["error: nothing of bad.dat is sent: 2 problems, above"]


def test_a_range_of_the_device_is_a_limit_too(circus, here):
    outcome = circus(
        "stim", "check", "bad.dat", "--variant", "160uA", "--limits", "limits.toml"
    )
    assert outcome.status == 3
    assert "channel 1: " in outcome.err
    assert "160" in outcome.err


def test_no_limits_no_stimulation(circus, here):
    for command in ("check", "simulate", "run"):
        outcome = circus("stim", command, "pulse.dat")
        assert outcome.status == 2
        assert "no limits, no stimulation" in outcome.error
        outcome = circus("stim", command, "absent.dat")
        assert outcome.status == 3
        assert "there is no stimulus at absent.dat" in outcome.error


def test_the_user_chooses_what_is_asked(circus, here):
    outcome = circus(
        *("stim", "check", "pulse.dat", "--limits", "limits.toml"),
        *("--variant", "16mA", "--bus", "simulated"),
    )
    assert outcome.status == 2
    assert "one of the two" in outcome.error
    options = ("--limits", "limits.toml", "--bus", "simulated")
    outcome = circus(
        *("stim", "run", "pulse.dat", *options, "--seconds", "1", "--repeats", "3")
    )
    assert outcome.status == 2


def test_the_output_of_a_simulated_device_is_the_file(circus, here):
    outcome = circus(
        *("stim", "simulate", "pulse.dat", "--limits", "limits.toml"),
        *("--repeats", "3", "--out", "out.npz"),
    )
    assert outcome.status == 0
    with np.load(here / "out.npz") as out:
        times_us = out["times_ns_2"] / 1000
        levels = out["levels_nA_2"]
    np.testing.assert_array_equal(levels, [150_000, -50_000, 0] * 3)
    once = np.array([1000, 1100, 1400])
    np.testing.assert_allclose(
        times_us - times_us[0],
        np.concatenate([once + n * 100_000 for n in range(3)]) - 1000,
    )


def test_streaming_repeats_until_the_end(circus, here):
    outcome = circus(
        *("stim", "simulate", "pulse.dat", "--limits", "limits.toml"),
        *("--seconds", "0.5", "--out", "out.npz"),
    )
    assert outcome.status == 0
    assert "0 underruns" in outcome.out
    with np.load(here / "out.npz") as out:
        times_us, levels = out["times_ns_0"] / 1000, out["levels_nA_0"]
    begins = times_us[levels == 100_000]
    assert len(begins) in (5, 6)
    np.testing.assert_allclose(np.diff(begins), 100_000)


def test_a_run_is_noted_and_can_be_put_beside_a_recording(circus, here):
    options = ("--limits", "limits.toml", "--bus", "simulated", "--log", "run.jsonl")
    outcome = circus("stim", "run", "pulse.dat", *options, "--repeats", "2")
    assert outcome.status == 0
    commands = [event["command"] for event in read_events("run.jsonl")]
    assert commands[:2] == ["log", "open"]
    assert commands.count("signal") == 2
    assert commands[-1] == "close"
    sync = {"command": "sync", "device_sample": 0, "recording_sample": 500}
    lines = (here / "run.jsonl").read_text().splitlines()
    lines.insert(commands.index("start") + 1, json.dumps(sync | {"host_s": 0}))
    (here / "synced.jsonl").write_text("\n".join(lines) + "\n")
    assert circus("stim", "events", "synced.jsonl", "--rate", "10000").status == 0
    rows = np.loadtxt("synced.triggers.txt", dtype=int)
    # 100 ms are 1000 frames; the second channel begins 1 ms later
    np.testing.assert_array_equal(rows[:, 1], [500, 510, 1500, 1510])


def test_what_is_beyond_the_limits_is_not_sent(circus, here):
    options = ("--limits", "limits.toml", "--bus", "simulated", "--log", "run.jsonl")
    outcome = circus("stim", "run", "bad.dat", *options)
    assert outcome.status == 3
    commands = {event["command"] for event in read_events("run.jsonl")}
    assert not commands & {"signal", "start"}


def test_an_interrupt_stops_the_stimulation(here):
    program = "from circus_cli.main import run; run()"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", program, "stim", "run", "pulse.dat"),
            *("--limits", "limits.toml", "--bus", "simulated"),
            *("--log", "run.jsonl", "--seconds", "60"),
        ],
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        is_there = (here / "run.jsonl").exists()
        if is_there and "start" in {e["command"] for e in read_events("run.jsonl")}:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    commands = [event["command"] for event in read_events("run.jsonl")]
    assert "stop" in commands[commands.index("start") :]


@pytest.mark.parametrize("name", ["pulse.dat", "bad.dat"])
def test_a_picture_shows_what_would_leave(circus, here, name, require):
    require("matplotlib", extra="plots")
    circus(
        *("stim", "check", name, "--variant", "16mA", "--limits", "limits.toml"),
        *("--picture", "pulse.png"),
    )
    assert (here / "pulse.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_is_no_stimulus(circus, here):
    (here / "other.dat").write_text("something else\n")
    outcome = circus(
        "stim", "check", "other.dat", "--variant", "16mA", "--limits", "limits.toml"
    )
    assert outcome.status == 3
    assert "other.dat, line 1" in outcome.error


def test_lateness_is_measured_and_kept(circus, here):
    outcome = circus("stim", "preflight", "--seconds", "0.3", "--out", "late.npz")
    assert outcome.status == 0
    assert "smallest safe buffers" in outcome.out
    with np.load(here / "late.npz", allow_pickle=False) as kept:
        assert kept["lateness_us"].size > 100
    figures = json.loads(circus("stim", "preflight", "--seconds", "0.2", "--json").out)
    assert figures["max_s"] >= figures["p99_s"] >= figures["p50_s"] >= 0
    assert figures["buffer_in_s"] > figures["max_s"]
