"""``circus sample``: designs on the simulated device, and what is refused."""

import json

import numpy as np
import pytest

from stim.sampling.store import SampleStore

DESIGN = """
[design]
kind = "sawtooth"
rate_hz = 1000
batch_s = 0.2
n_batches = 6
seed = 7

[limits]
low = [-1.2, -0.6]
high = [0.6, 0.3]
max_slew_per_s = 200

[run]
ramp_s = 0.05
reference_every = 3

[device]
n_readouts = 2
noise_na = 0.5
"""
DEVICE = """
from stim.sampling import SimulatedDevice


def open_device(table, limits):
    return SimulatedDevice(limits, fails_at_sample=table.get("fails_at"))


def open_nothing(table, limits):
    return 3
"""


@pytest.fixture
def design(folder):
    (folder / "design.toml").write_text(DESIGN)
    (folder / "my_lab.py").write_text(DEVICE)
    return folder / "design.toml"


def test_a_run_is_recorded_and_described(circus, folder, design):
    outcome = circus("sample", "design.toml", "--out", "run")
    assert outcome.status == 0, outcome.err
    assert "9 batches of 200 samples at 1000 Hz" in outcome.out
    assert "-1.2" in outcome.out
    assert "SNR (dB)" in outcome.out
    assert "recorded to run/samples.h5" in outcome.out
    with SampleStore(folder / "run") as store:
        assert store.is_complete
        inputs, outputs = store.read(0, store.n_samples)
    assert inputs.shape == outputs.shape == (1800, 2)
    assert np.ptp(inputs, axis=0) == pytest.approx([1.8, 0.9], rel=0.05)
    configs = json.loads((folder / "run" / "sampler_configs.json").read_text())
    assert configs["input_data"]["seed"] == 7


def test_a_run_that_failed_goes_on(circus, folder, design):
    text = DESIGN.replace("n_readouts = 2\nnoise_na = 0.5", "fails_at = 1000")
    design.write_text(text)
    command = (
        "sample",
        "design.toml",
        "--out",
        "run",
        "--device",
        "my_lab.py:open_device",
    )
    outcome = circus(*command)
    assert outcome.status == 3
    assert "fails, as it was told to" in outcome.error
    with SampleStore(folder / "run") as store:
        assert store.n_batches == 3
    design.write_text(text.replace("fails_at = 1000", ""))
    outcome = circus(*command)
    assert outcome.status == 3
    assert "there is a record in run" in outcome.error
    assert circus(*command, "--resume").status == 0
    with SampleStore(folder / "run") as store:
        assert store.is_complete


def test_a_check_drives_and_writes_nothing(circus, folder, design):
    outcome = circus("sample", "design.toml", "--out", "run", "--check")
    assert outcome.status == 0
    assert "sawtooth: 9 batches" in outcome.out
    assert not (folder / "run").exists()


def test_limits_may_stand_in_a_file_of_their_own(circus, folder, design):
    limits = "[limits]\nlow = [-0.1, -0.1]\nhigh = [0.1, 0.1]\nmax_slew_per_s = 50\n"
    (folder / "narrow.toml").write_text(limits)
    command = ("sample", "design.toml", "--out", "run", "--limits", "narrow.toml")
    assert circus(*command).status == 0
    with SampleStore(folder / "run") as store:
        assert np.abs(store.read(0, 1800)[0]).max() <= 0.1


def test_pictures_on_request(circus, folder, design, require):
    require("matplotlib", extra="plots")
    assert circus("sample", "design.toml", "--out", "run", "--plots", "4").status == 0
    names = sorted(path.name for path in (folder / "run").glob("*.png"))
    assert names == ["batch_00003.png", "batch_00007.png"]


@pytest.mark.parametrize(
    ("old", "new", "options", "status", "words"),
    [
        ("[limits]", "[limit]", (), 3, "has limit; expected the tables"),
        ("max_slew_per_s = 200", "", (), 3, "limits.max_slew_per_s is absent"),
        ("max_slew_per_s = 200", "slew = 3", (), 3, "limits.slew is not known"),
        ("ramp_s = 0.05", "ramp_s = 0.001", (), 3, "per second is more than 200 V"),
        ("ramp_s", "ramp", (), 3, "run.ramp is not known"),
        ('"sawtooth"', '"saw"', (), 3, "kind = saw: choose from sine"),
        ("noise_na", "noise", (), 3, "the table device: "),
        ("seed = 7", "amplitude = 5.0", (), 3, "beyond the limits"),
        ("seed = 7", "seed = ", (), 3, "is no TOML"),
        ("", "", ("--device", "scope"), 2, "choose from simulated, nidaqmx"),
        ("", "", ("--device", "none.py:f"), 2, "there is no file none.py"),
        ("", "", ("--device", "my_lab.py:open_nothing"), 3, "has not all of limits"),
        ("", "", ("--limits", "none.toml"), 2, "there is no file none.toml"),
        ("", "", ("--plots", "-1"), 2, "--plots -1"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_driven(
    circus, folder, design, old, new, options, status, words
):
    design.write_text(DESIGN.replace(old, new, 1))
    outcome = circus("sample", "design.toml", "--out", "run", *options)
    assert outcome.status == status
    assert words in outcome.error
    assert not (folder / "run").exists()


def test_without_limits_nothing_is_driven(circus, folder, design):
    start, _, rest = DESIGN.partition("[limits]")
    design.write_text(start + "[run]" + rest.partition("[run]")[2])
    outcome = circus("sample", "design.toml", "--out", "run")
    assert outcome.status == 3
    assert "there are no defaults" in outcome.error
