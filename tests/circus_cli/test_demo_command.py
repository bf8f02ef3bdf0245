import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import circus_io
from circus_cli.comparison import compare_with_truth
from circus_cli.main import main
from circus_io.synthetic import read_ground_truth
from sorting import load_result

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "first-sort.md"


def run_circus(*arguments, cwd):
    """Run the command as a user does, with the console script of this Python."""
    return subprocess.run(
        [sys.executable, "-m", "circus_cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.fixture(scope="module")
def quick_demo(tmp_path_factory):
    """Run the quick demo once; gives its folder and the finished process."""
    cwd = tmp_path_factory.mktemp("demo")
    done = run_circus("demo", "--quick", "-c", 1, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return cwd / "circus-demo", done


def agreeing(truth, found, delta):
    """Count true spikes with a found one at most ``delta`` frames away, one to one."""
    n_agreeing, k = 0, 0
    for frame in truth:
        while k < len(found) and found[k] < frame - delta:
            k += 1
        if k < len(found) and found[k] <= frame + delta:
            n_agreeing, k = n_agreeing + 1, k + 1
    return n_agreeing


def test_demo_finds_the_large_units(quick_demo):
    """Scored here by hand, best sorted unit for each true one."""
    folder, _ = quick_demo
    truth = read_ground_truth(folder / "demo.ground_truth.npz")
    result = load_result(folder / "demo.dat")
    assert np.sum(truth.snr > 8) >= 3
    for unit in np.flatnonzero(truth.snr > 8):
        train = truth.spike_train(unit)
        accuracies = []
        for found in map(result.spike_train, result.unit_ids):
            common = agreeing(train, found, 8)  # 0.4 ms at 20 kHz
            accuracies.append(common / (len(train) + len(found) - common))
        assert max(accuracies) >= 0.8, f"unit {unit} of SNR {truth.snr[unit]:.1f}"


def test_demo_prints_the_table_that_the_comparison_gives(quick_demo):
    folder, done = quick_demo
    truth = read_ground_truth(folder / "demo.ground_truth.npz")
    table = compare_with_truth(
        truth.spike_times,
        truth.spike_units,
        load_result(folder / "demo.dat"),
        truth.snr,
    )
    rows = re.findall(r"^ *(\d+) +([\d.]+) +(\d+) +([\d.]+) +[\d.]+ +[\d.]+ +\S+ *$",
                      done.stdout, re.MULTILINE)  # fmt: skip
    expected = [
        (str(row["unit"]), f"{row['snr']:.2f}", str(row["n_spikes"]),
         f"{row['accuracy']:.2f}")
        for row in table[np.argsort(-table["snr"])]
    ]  # fmt: skip
    assert rows == expected
    large = table["snr"] > 8
    found = large & (table["accuracy"] >= 0.8)
    assert f"{found.sum()} of {large.sum()} units" in done.stdout


def test_demo_says_where_everything_lies(quick_demo):
    folder, done = quick_demo
    for name in ("report.html", "demo/demo.sorting.hdf5", "demo/demo.GUI/params.py"):
        assert str(Path("circus-demo") / name) in done.stdout
        assert (folder / name).is_file()
    assert "circus rec.dat" in done.stdout
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5
    assert "Against the truth" in page


def test_demo_has_the_promised_recording(quick_demo):
    folder, _ = quick_demo
    with circus_io.open_recording(
        folder / "demo.dat",
        file_format="raw_binary",
        data_dtype="int16",
        sampling_rate=20_000.0,
        nb_channels=16,
    ) as recording:
        assert recording.shape == (20 * 20_000, 16)
    truth = read_ground_truth(folder / "demo.ground_truth.npz")
    spread = [
        np.std(truth.spike_amplitudes[truth.spike_units == unit]) for unit in range(6)
    ]
    assert min(spread) > 0.09
    assert truth.spike_fractions.std() > 0.2


def test_demo_again_takes_its_own_folder(quick_demo):
    folder, _ = quick_demo
    before = (folder / "demo" / "demo.sorting.hdf5").read_bytes()
    done = run_circus("demo", "--quick", "-c", 1, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert (folder / "demo" / "demo.sorting.hdf5").read_bytes() == before


@pytest.mark.parametrize("name", ["notes.txt", "demo.dat", "demolition.dat"])
def test_demo_leaves_foreign_files_alone(tmp_path, capsys, name):
    own = tmp_path / name
    own.write_text("mine")
    assert main(["demo", str(tmp_path), "--quick"]) == 2
    assert name in capsys.readouterr().err
    assert own.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [own]


def test_demo_needs_a_folder(tmp_path, capsys):
    path = tmp_path / "file"
    path.write_text("mine")
    assert main(["demo", str(path), "--quick"]) == 2
    assert "is a file" in capsys.readouterr().err


def test_demo_without_spikeinterface_does_not_start(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "spikeinterface.comparison", None)
    assert main(["demo", str(tmp_path / "demo"), "--quick"]) == 3
    assert "circus-toolkit[demo]" in capsys.readouterr().err
    assert not list((tmp_path / "demo").iterdir())


def fenced_blocks(path):
    """Return (language, text) of the fenced blocks of a page."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", path.read_text("utf-8"), re.S | re.M)


def test_the_tutorial_does_what_it_says(tmp_path, require):
    require("mpi4py", extra="mpi")
    folder = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    blocks = fenced_blocks(TUTORIAL)
    assert [language for language, _ in blocks].count("bash") >= 8
    output = ""
    for language, text in blocks:
        if language == "text":
            for line in filter(None, text.splitlines()):
                assert line in output, f"the page promises: {line}"
        elif language in ("bash", "python"):
            program = (
                ["bash", "-e", "-c"] if language == "bash" else [sys.executable, "-c"]
            )
            done = subprocess.run(
                [*program, text],
                cwd=tmp_path,
                env=os.environ | {"PATH": folder},
                capture_output=True,
                text=True,
                timeout=200,
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            output = done.stdout
    assert "spikes, the first at" in output
    assert (tmp_path / "mine" / "rec" / "report.html").is_file()
    strict, default = (
        load_result(tmp_path / "mine" / name) for name in ("strict", "rec.dat")
    )
    assert strict.parameters["detection"]["spike_thresh"] == 8
    # the page's probe is that of the demo
    demo = load_result(tmp_path / "circus-demo" / "demo.dat")
    np.testing.assert_array_equal(default.channels.x, demo.channels.x)
    np.testing.assert_array_equal(default.channels.y, demo.channels.y)
    np.testing.assert_array_equal(default.spike_times, demo.spike_times)


def test_the_tutorial_links_to_pages_that_exist():
    links = re.findall(r"\]\(([^)#]+)\)", TUTORIAL.read_text("utf-8"))
    for link in links:
        assert link.startswith("https://") or (TUTORIAL.parent / link).is_file(), link
