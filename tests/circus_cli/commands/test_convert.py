"""``circus convert``; ranks and kills are in tests/mpi/test_conversion.py."""

import hashlib
import json

import h5py
import numpy as np
import pytest

from circus_cli.commands.convert import Request
from circus_cli.source import Source


def raw(folder):
    return np.fromfile(folder / "rec.dat", "<i2").reshape(-1, 4)


def data_lines(out):
    """Return the [data] section that is shown, as a mapping."""
    lines = out.partition("[data]\n")[2].splitlines()
    return dict(line.split(" = ") for line in lines)


def test_the_parameter_file_beside_it_is_read(circus, folder):
    outcome = circus("convert", "rec.dat", "rec.npy")
    assert outcome.status == 0, outcome.err
    assert np.array_equal(np.load("rec.npy"), raw(folder))
    shown = data_lines(outcome.out)
    assert shown["sampling_rate"] == "15000.0"
    assert shown["gain"] == "0.1"
    digest = hashlib.sha256(raw(folder).tobytes()).hexdigest()
    assert f"sha256   {digest} (of the samples)" in outcome.out
    assert (
        json.loads((folder / "rec.npy.conversion.json").read_text())["n_clipped"] == 0
    )


@pytest.mark.parametrize("suffix", ["npy", "bin", "h5"])
def test_what_is_shown_opens_it_again(circus, folder, suffix):
    out = circus("convert", "rec.dat", f"new.{suffix}", "--gain", "0.3").out
    (folder / "new.params").write_text(
        "[data]\n" + out.partition("[data]\n")[2] + "mapping = tetrode.prb\n"
    )
    outcome = circus("convert", f"new.{suffix}", "again.npy", "--dtype", "float32")
    assert outcome.status == 0, outcome.err
    counts = np.rint(raw(folder) * 0.1 / 0.3)
    assert np.allclose(np.load("again.npy"), 0.3 * counts, rtol=1e-6, atol=0)


def test_a_part_of_it(circus, folder):
    part = ("--channels", "3,0-1", "--from", "0.5", "--to", "1.5")
    outcome = circus("convert", "rec.dat", "part.npy", *part)
    assert np.array_equal(np.load("part.npy"), raw(folder)[7500:22_500, [3, 0, 1]])
    assert "15,000 frames × 3 channels, 1.000 s" in outcome.out


def test_settings_without_a_parameter_file(circus, folder):
    (folder / "rec.params").unlink()
    settings = ["file_format=raw_binary", "nb_channels=2", "data.data_dtype=uint16"]
    settings.append("sampling_rate=1000")
    given = [word for text in settings for word in ("--set", text)]
    assert circus("convert", "rec.dat", "a.npy", *given).status == 0
    assert np.array_equal(np.load("a.npy"), raw(folder).view("u2").reshape(-1, 2))


def test_settings_come_before_the_parameter_file(circus, folder):
    outcome = circus("convert", "rec.dat", "a.npy", "--set", "gain=0.7")
    assert data_lines(outcome.out)["gain"] == "0.7"


def test_another_parameter_file_and_the_file_itself(circus, folder):
    text = (folder / "rec.params").read_text().replace("gain = 0.1", "gain = 0.9")
    (folder / "other.params").write_text(text + "file_name = rec.dat\n")
    outcome = circus("convert", "rec.dat", "a.npy", "--params", "other.params")
    assert data_lines(outcome.out)["gain"] == "0.9"
    outcome = circus("convert", "other.params", "b.npy")
    assert data_lines(outcome.out)["gain"] == "0.9"
    assert np.array_equal(np.load("b.npy"), raw(folder))


def test_parameters_of_another_file_of_the_same_stem_are_not_used(circus, folder):
    """rec.params is about rec.dat: as raw binary, rec.npy would be misread."""
    np.save("rec.npy", raw(folder)[:100])
    outcome = circus("convert", "rec.npy", "b.npy", "--set", "sampling_rate=15000")
    assert outcome.status == 0, outcome.err
    assert "rec.params is not used: it is about raw_binary, rec.npy is numpy" in (
        outcome.err
    )
    assert np.array_equal(np.load("b.npy"), raw(folder)[:100])


def test_several_files_become_one(circus, folder):
    for number in range(2):
        raw(folder)[number * 1000 : (number + 1) * 1000].tofile(f"rec_{number}.dat")
    (folder / "rec.params").rename("rec_0.params")
    outcome = circus("convert", "rec_*.dat", "all.h5")
    assert outcome.status == 0, outcome.err
    with h5py.File("all.h5") as file:
        assert np.array_equal(file["data"][:], raw(folder)[:2000])


def test_clipped_samples_are_told(circus, folder):
    outcome = circus("convert", "rec.dat", "a.npy", "--dtype", "int8", "--gain", "0.1")
    expected = raw(folder)
    n_clipped = np.count_nonzero((expected < -128) | (expected > 127))
    assert n_clipped > 0
    assert f"clipped  {n_clipped}" in outcome.out
    outcome = circus("convert", "rec.dat", "b.npy", "--dtype", "int8", "--gain", "auto")
    assert "clipped  0" in outcome.out


def test_quiet_says_nothing(circus, folder):
    outcome = circus("convert", "rec.dat", "a.npy", "--quiet")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_progress_is_told(circus, folder):
    lines = circus("convert", "rec.dat", "a.npy").err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["writing", "checking"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["rec.dat"], 2, "OUT"),
        (["absent.dat", "a.npy"], 3, "there is no recording at absent.dat"),
        (["tetrode.prb", "a.npy"], 2, "is a probe file"),
        (["rec.dat", "rec.dat", "--overwrite"], 3, "never written to"),
        (["rec.dat", "a.npy", "--channels", "4"], 3, "the recording has 4"),
        (["rec.dat", "a.npy", "--from", "7"], 2, "goes from 0 to 6 s"),
        (["rec.dat", "a.npy", "--from", "nan"], 2, "goes from 0 to 6 s"),
        (["rec.dat", "a.npy", "--dtype", "word"], 3, "no sample type"),
        (["rec.dat", "a.npy", "--gain", "big"], 3, "gain = 'big'"),
        (["rec.dat", "a.npy", "--format", "edf"], 3, "edf is not written"),
        (["rec.dat", "a.npy", "--set", "gain"], 2, "expected key=value of [data]"),
        (
            ["rec.dat", "a.npy", "--set", "filtering.cut_off=3"],
            2,
            "key=value of [data]",
        ),
        (["rec.dat", "a.npy", "--set", "gian=3"], 3, "gian"),
        (["rec.dat", "none/a.npy"], 3, "there is no folder"),
        (["rec.dat", "tetrode.prb", "--format", "raw_binary"], 3, "exists"),
    ],
)
def test_wrong_requests_are_one_line(circus, folder, arguments, status, words):
    outcome = circus("convert", *arguments)
    assert outcome.status == status
    assert words in outcome.error
    assert sorted(path.name for path in folder.iterdir()) == [
        "rec.dat",
        "rec.params",
        "tetrode.prb",
    ]


def test_ranks_are_asked_for_the_same():
    request = Request(
        Source("in 1.dat", "p.params", ("gain=2", "nb_channels=3")),
        "out.npy",
        {"format": "numpy", "channels": None, "from": 1.5, "gain": "auto"},
        overwrite=True,
        quiet=True,
    )
    assert request.arguments(3) == [
        "convert",
        "--format=numpy",
        "--from=1.5",
        "--gain=auto",
        "--cpu=3",
        "--overwrite",
        "--quiet",
        "--no-summary",
        "--set=gain=2",
        "--set=nb_channels=3",
        "--params=p.params",
        "--",
        "in 1.dat",
        "out.npy",
    ]
