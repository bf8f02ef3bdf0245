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
    assert words["samples"] == "int16, 0 µV at 0"
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
    assert "int16, big-endian" in out
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


@pytest.mark.parametrize("name", ["part.npy", "part.h5", "part.bin"])
def test_a_converted_file_needs_no_parameters(circus, folder, name):
    assert circus("convert", "rec.dat", name, "--to", "2").status == 0
    out = circus("info", name).out
    facts = dict(line.split(None, 1) for line in out.splitlines()[1:9])
    assert (facts["rate"], facts["channels"]) == ("15000 Hz", "4")
    assert (facts["duration"], facts["gain"]) == ("2 s", "0.1 µV per count")
    (folder / f"{name}.conversion.json").write_text("{")
    outcome = circus("info", name)
    assert "sampling_rate (float)" in outcome.err or "a guess" in outcome.out


UNITS = """
import numpy as np
from circus_io import DataFile

class Pipette(DataFile):
    _params = {"data_dtype": "<i2", "dtype_offset": 0, "gain": 0.5}
    _metadata = {"units": "pA", "comment": "", "a_long_name_of_a_note": "7"}

    def _read_from_header(self):
        self._shape = (100, 2)
        return {"nb_channels": 2, "sampling_rate": 1000}

    def _read_frames(self, t_start, t_stop, nodes):
        n_nodes = 2 if nodes is None else len(nodes)
        return np.ones((t_stop - t_start, n_nodes), "i2")
"""


def test_values_have_the_unit_that_the_file_says(circus, folder):
    (folder / "wrapper.py").write_text(UNITS)
    (folder / "cell.abf").touch()
    given = ("--set", "file_format=./wrapper.py:Pipette")
    out = circus("info", "cell.abf", *given).out
    assert "0.5 pA per count" in out
    assert "lowest (pA)" in out
    assert "µV per" not in out
    assert "comment" not in out  # it is empty
    assert "a_long_name_of_a_note 7\n" in out
