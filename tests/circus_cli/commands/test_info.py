import json

import numpy as np
import pytest


def raw(folder):
    return np.fromfile(folder / "rec.dat", "<i2").reshape(-1, 4)


def test_facts_ranges_and_verdicts(circus, folder):
    outcome = circus("info", "rec.dat")
    assert outcome.status == 0, outcome.err
    words = {
        line.split()[0]: line.split(None, 1)[1]
        for line in outcome.out.split("\n")
        if len(line.split()) > 1
    }
    assert words["rate"] == "15000 Hz"
    assert words["duration"] == "6 s"
    assert words["gain"] == "0.1 µV per count"
    rows = [line.split() for line in outcome.out.splitlines()]
    for channel in range(4):
        low, high = (0.1 * f(raw(folder)[:, channel]) for f in (np.min, np.max))
        assert [str(channel), str(channel), f"{low:.2f}", f"{high:.2f}"] in rows
    assert "plausible   int16 from byte 0 on" in outcome.out
    assert "plausible   4 channels" in outcome.out
    assert "doubtful" not in outcome.out


def test_json_has_all_of_it(circus, folder):
    outcome = circus("info", "rec.dat", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    assert summary["n_frames"] == 90_000
    assert summary["channels"][2]["highest_uv"] == pytest.approx(
        0.1 * raw(folder)[:, 2].max()
    )
    verdicts = {row["about"]: row["verdict"] for row in summary["findings"]}
    assert verdicts["channels"] == "plausible"


def test_a_wrong_parameter_file_is_doubted(circus, folder):
    text = (folder / "rec.params").read_text()
    (folder / "rec.params").write_text(text.replace("= int16", "= >i2"))
    out = circus("info", "rec.dat").out
    assert "doubtful    the samples make more sense as int16 from byte 0 on" in out
    assert "try data_dtype = int16" in out
    outcome = circus(
        "info", "rec.dat", "--set", "data_dtype=int16", "--set", "nb_channels=5"
    )
    assert "the samples repeat every 4, not every 5; try nb_channels = 4" in outcome.out


def test_an_unknown_file_is_guessed(circus, folder):
    (folder / "rec.params").unlink()
    outcome = circus("info", "rec.dat")
    assert outcome.status == 0
    assert "a guess: as a flat binary file" in outcome.out
    assert "data_dtype = int16\nnb_channels = 4\nsampling_rate = ..." in outcome.out
    # and with what is known of the format
    outcome = circus("info", "rec.dat", "--set", "file_format=raw_binary", "--json")
    assert json.loads(outcome.out)["guess"] == {"data_dtype": "int16", "nb_channels": 4}
    # the guess, with the rate that nobody can guess, opens it
    guessed = ("file_format=raw_binary", "data_dtype=int16", "nb_channels=4")
    given = [w for text in (*guessed, "sampling_rate=1") for w in ("--set", text)]
    assert circus("info", "rec.dat", *given).status == 0


def test_what_is_no_recording_is_an_error(circus, folder):
    (folder / "notes.dat").write_text("day 1: all well\n" * 100)
    outcome = circus("info", "notes.dat")
    assert outcome.status == 3
    assert "the format of notes.dat is not clear" in outcome.error
    assert circus("info", "absent.dat").status == 3


def test_a_file_of_a_known_format_is_not_guessed(circus, folder):
    np.save("a.npy", raw(folder))
    outcome = circus("info", "a.npy")
    assert outcome.status == 3
    assert "numpy files need sampling_rate" in outcome.error


def test_dead_channels_are_named(circus, folder):
    counts = raw(folder).copy()
    counts[:, 2] = 5
    np.save("dead.npy", counts)
    outcome = circus("info", "dead.npy", "--set", "sampling_rate=15000")
    assert "dead        2\n" in outcome.out
    assert [line for line in outcome.out.splitlines() if line.split()[-1:] == ["dead"]]


def test_a_part_is_read_unless_all_is_asked_for(circus, folder):
    counts = np.zeros((300_000, 64), "i2")
    counts[:, 1:] = np.random.default_rng(0).integers(-9, 9, (300_000, 63))
    np.save("long.npy", counts)
    settings = ("--set", "sampling_rate=15000", "--set", "time_axis=0")
    outcome = circus("info", "long.npy", *settings)
    assert "of the frames; --all reads the rest" in outcome.out
    assert outcome.err == ""
    outcome = circus("info", "long.npy", *settings, "--all")
    assert "--all" not in outcome.out
    assert "reading: 74 of 74" in outcome.err


def test_many_channels_are_not_all_shown(circus, folder):
    np.save("wide.npy", np.random.default_rng(0).integers(-9, 9, (400, 100), "i2"))
    settings = ("--set", "sampling_rate=15000", "--set", "time_axis=0")
    outcome = circus("info", "wide.npy", *settings)
    assert "36 more channels; --json shows all" in outcome.err
    summary = json.loads(circus("info", "wide.npy", *settings, "--json").out)
    assert len(summary["channels"]) == 100


def test_the_classic_flag_still_describes_formats(circus, folder):
    assert "file_format = raw_binary" in circus("raw_binary", "-i").out
