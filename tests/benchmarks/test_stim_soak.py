"""The soak of stimulators runs, and compares what it says that it compares."""

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stim_soak", *arguments],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_some_seconds_are_replayed():
    text = run("replay", "--minutes", "0.05")
    assert "underruns, zeros, frames by the replay: 0, 0, 150000" in text
    assert "samples compared: 1200000, all as they were set" in text


def test_the_lateness_of_this_computer_is_said():
    text = run("preflight", "--seconds", "0.5")
    assert re.search(r"smallest safe buffers: buffer_in_s=0\.\d+", text)
