"""The server double as a program, with a client beside it."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from circus_live import open_source

FREE = ["--port", "0", "--data-port", "0", "--test-port", "0"]


@pytest.fixture
def start():
    """``start(arguments...)``: the program, and the address that it prints."""
    programs = []

    def start(*arguments, cwd=None):
        command = [sys.executable, "-m", "circus_cli", "meame-server", *FREE]
        program = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
        )
        programs.append(program)
        return program, program.stdout.readline().strip()

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def take(url, n_frames, **settings):
    query = "".join(f"&{name}={value}" for name, value in settings.items())
    source, parts = open_source(f"{url}{query}"), []
    for block in source:
        parts.append(block.traces)
        if block.t_stop >= n_frames:
            source.stop()
    return np.concatenate(parts)[:n_frames]


def test_a_recording_is_replayed_until_an_interrupt(start, tmp_path):
    counts = np.random.default_rng(0).integers(-900, 900, (300, 4), np.int16)
    counts.tofile(tmp_path / "rec.dat")
    (tmp_path / "rec.params").write_text(
        "[data]\nfile_format = raw_binary\ndata_dtype = int16\nnb_channels = 4\n"
        "sampling_rate = 10000\ngain = 0.059605\n"
    )
    program, url = start(
        "rec.dat", "--fast", "--fault", "zero_last_sample=no", cwd=tmp_path
    )
    found = take(url, 600, strict="no")
    assert np.array_equal(found[:, :4], np.tile(counts, (2, 1)))
    assert not found[:, 4:].any()
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=30)
    assert program.returncode == 0
    assert "interrupt it to end it" in errors


def test_it_sends_neurons_and_ends_by_itself(start):
    program, url = start("--for", "3", "--channels", "8")
    found = take(url, 2000, channel_map="sinri")
    assert found.shape == (2000, 8)
    assert (found.std(axis=0) * 0.059605 > 4).all()  # µV: there is noise, at least
    assert program.wait(timeout=60) == 0
    assert "1 clients; 10000 Hz, segments of 100 frames" in program.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--signal", "music"], 2, "choose from synthetic, ramp, sawtooth"),
        (["--fault", "noise"], 2, "expected NAME=VALUE"),
        (["--fault", "help=1"], 3, "choose from zero_last_sample, reconfigurable"),
        (["absent.dat"], 3, "absent.dat"),
    ],
)
def test_what_makes_no_sense_is_said(circus, arguments, status, words):
    outcome = circus("meame-server", *FREE, *arguments)
    assert outcome.status == status
    assert words in outcome.err


def test_a_port_that_is_taken_is_said(circus, start):
    _, url = start("--signal", "ramp")
    port = url.partition("?")[0].rpartition(":")[2]
    ports = ["--data-port", "0", "--test-port", "0"]
    outcome = circus("meame-server", "--port", port, *ports, "--signal", "ramp")
    assert outcome.status == 3
    assert "in use" in outcome.err
