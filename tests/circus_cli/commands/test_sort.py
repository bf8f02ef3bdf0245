import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest


def test_sort_on_one_rank_finds_both_neurons(circus, folder):
    outcome = circus("rec.dat", "-c", "1")
    assert outcome.status == 0, outcome.err
    with h5py.File(folder / "rec" / "rec.sorting.hdf5") as file:
        n_spikes = file["spikes/time"].size
    assert f"2 units, {n_spikes:,} spikes in 6.0 s of 4 channels" in outcome.out
    for line in ("result  rec/rec.sorting.hdf5", "phy     rec/rec.GUI/params.py"):
        assert line.replace("/", os.sep) in outcome.out
    assert (folder / "rec" / "rec.GUI" / "params.py").is_file()


def test_table_shows_time_and_cpu_of_every_step(circus, folder):
    from circus_cli.steps import STEPS

    out = circus("rec.dat", "-c", "1").out
    log = json.loads((folder / "rec" / "rec.log.json").read_text())
    assert [line.split()[0] for line in out.splitlines() if "done" in line] == [*STEPS]
    assert f"{log['steps']['fitting']['wall_s']:.2f}" in out
    assert f"{log['steps']['fitting']['cpu_s']:.2f}" in out


def test_progress_without_terminal_is_plain_lines(circus, folder):
    err = circus("rec.dat", "-c", "1").err
    assert "\x1b" not in err
    assert "\r" not in err
    assert "fitting: 3 of 3, " in err  # chunks


def test_second_run_takes_up_what_is_there(circus, folder):
    circus("rec.dat", "-c", "1", "-m", "filtering,whitening,clustering")
    out = circus("rec.dat", "-c", "1").out
    resumed = [line.split()[0] for line in out.splitlines() if "from before" in line]
    assert resumed == [
        "filtering",
        "whitening",
        "detection",
        "motion",
        "clustering",
        "templates",
    ]


def test_steps_that_reach_no_result_say_so(circus, folder):
    outcome = circus("rec.dat", "-c", "1", "-m", "filtering,whitening")
    assert outcome.status == 0
    assert "merging writes the result" in outcome.out
    assert not (folder / "rec" / "rec.sorting.hdf5").exists()


def test_quiet_says_nothing(circus, folder):
    outcome = circus("rec.dat", "-c", "1", "--quiet")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_overrides_and_seed_reach_the_result(circus, folder):
    options = ("--set", "detection.spike_thresh=8", "--seed", "5")
    outcome = circus("rec.dat", "-c", "1", *options, "--output-dir", "b/trial")
    assert outcome.status == 0, outcome.err
    with h5py.File(folder / "b" / "trial" / "rec.sorting.hdf5") as file:
        parameters = json.loads(file["parameters"][()])
    assert parameters["detection"]["spike_thresh"] == 8
    assert parameters["circus"]["seed"] == 5
    assert not (folder / "rec").exists()


def test_parameter_file_of_another_name(circus, folder):
    (folder / "rec.params").rename(folder / "mine.params")
    assert circus("rec.dat", "-c", "1", "--params", "mine.params").status == 0


def test_parameter_file_that_names_its_recording(circus, folder):
    text = (folder / "rec.params").read_text()
    (folder / "all.params").write_text(text + "file_name = rec.dat\n")
    assert circus("all.params", "-c", "1").status == 0
    assert (folder / "rec" / "rec.sorting.hdf5").is_file()


IN_A_FOLDER = """
from pathlib import Path
import numpy as np
from circus_io import DataFile

class InAFolder(DataFile):
    def _read_from_header(self):
        with Path("headers.txt").open("a") as file:
            file.write("read ")
        self.samples = Path(self.file_name) / "samples.dat"
        self._shape = (self.samples.stat().st_size // 8, 4)
        return {"nb_channels": 4, "sampling_rate": 15000, "data_dtype": "<i2",
                "dtype_offset": 0, "gain": 0.1}

    def _own_files(self):
        return [str(self.samples)]

    def _read_frames(self, t_start, t_stop, nodes):
        frames = np.memmap(self.samples, "<i2", "r").reshape(-1, 4)[t_start:t_stop]
        return frames if nodes is None else frames[:, nodes]
"""


def test_recording_that_is_a_folder_stays_as_it_is(circus, folder):
    (folder / "night").mkdir()
    os.link(folder / "rec.dat", folder / "night" / "samples.dat")
    (folder / "wrapper.py").write_text(IN_A_FOLDER)
    text = (folder / "rec.params").read_text()
    text = text.replace("= raw_binary", "= ./wrapper.py:InAFolder")
    (folder / "night.params").write_text(text)
    outcome = circus("night", "-c", "1")
    assert outcome.status == 0, outcome.err
    assert [path.name for path in (folder / "night").iterdir()] == ["samples.dat"]
    assert (folder / "night.sorting" / "night.sorting.hdf5").is_file()
    assert (folder / "headers.txt").read_text() == "read "  # once
    assert "2 units" in circus("night", "-r").out


def split(folder, pattern="part_{}.dat", n_parts=3):
    """Cut the recording into files of the same length; number 10 comes last."""
    parts = np.split(np.fromfile(folder / "rec.dat", "<i2"), n_parts)
    for number, part in zip((1, 2, 10), parts, strict=True):
        part.tofile(folder / pattern.format(number))
    text = (folder / "rec.params").read_text()
    (folder / pattern.format(1)).with_suffix(".params").write_text(text)


def streams_of(path):
    with h5py.File(path) as file:
        assert file["streams/n_frames"][()].tolist() == [30_000] * 3
        names = [Path(name).name for name in file["streams/name"].asstr()]
        return names, file["spikes/time"].size


@pytest.mark.parametrize("n_ranks", [1, 2])
def test_pattern_is_one_recording(circus, folder, require, n_ranks):
    require("mpi4py", extra="mpi")
    split(folder)
    outcome = circus("part_*.dat", "-c", n_ranks)
    assert outcome.status == 0, outcome.err
    names, n_spikes = streams_of(folder / "part_1" / "part_1.sorting.hdf5")
    assert names == ["part_1.dat", "part_2.dat", "part_10.dat"]
    assert f"{n_spikes:,} spikes in 6.0 s" in outcome.out


def test_parameter_file_that_names_a_pattern(circus, folder):
    split(folder)
    text = (folder / "rec.params").read_text()
    (folder / "all.params").write_text(f"{text}file_name = part_*.dat\n")
    assert circus("all.params", "-c", "1", "--quiet").status == 0
    names, _ = streams_of(folder / "part_1" / "part_1.sorting.hdf5")
    assert names == ["part_1.dat", "part_2.dat", "part_10.dat"]


def test_pattern_that_finds_nothing(circus, folder):
    outcome = circus("absent_*.dat")
    assert outcome.status == 3
    assert "no file matches absent_*.dat" in outcome.error


PROBE_JSON = '{"specification": "probeinterface", "version": "0.2", "probes": []}'


@pytest.mark.parametrize("path", ["tetrode.prb", "rec.PRB", "map.json", "mapping.txt"])
def test_probe_is_no_recording(circus, folder, path):
    """Each is text that the raw format could read as samples."""
    text = (folder / "rec.params").read_text()
    if path == "mapping.txt":
        text = text.replace("tetrode.prb", path)
    (folder / path).write_text(PROBE_JSON if path == "map.json" else "4 channels")
    (folder / path).with_suffix(".params").write_text(text)
    outcome = circus(path, "-c", "1")
    assert outcome.status == 2
    assert f"{path} is a probe file, not a recording" in outcome.error
    assert not (folder / path).with_suffix("").exists()


def test_wrapper_beside_the_parameters(circus, folder):
    (folder / "mine.py").write_text(
        "from circus_io.files.raw_binary import RawBinaryFile\n"
        "class Mine(RawBinaryFile):\n"
        "    description = 'mine'\n"
    )
    (folder / "elsewhere").mkdir()
    os.chdir(folder / "elsewhere")
    text = (folder / "rec.params").read_text()
    (folder / "rec.params").write_text(text.replace("raw_binary", "./mine.py:Mine"))
    outcome = circus(folder / "rec.dat", "-c", "1")
    assert outcome.status == 0, outcome.err


# wrong input: status 3, one line per problem, nothing is written


def change(folder, old, new):
    path = folder / "rec.params"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def check_refused(circus, folder, *arguments):
    before = sorted(folder.rglob("*"))
    outcome = circus("rec.dat", "-c", "1", *arguments)
    assert outcome.status == 3
    assert outcome.out == ""
    assert outcome.err.splitlines() == outcome.errors
    assert sorted(folder.rglob("*")) == before
    return outcome.errors


def test_no_parameter_file(circus, folder):
    (folder / "rec.params").unlink()
    (error,) = check_refused(circus, folder)
    assert "circus params --init rec.params" in error
    (error,) = check_refused(circus, folder, "--params", "none.params")
    assert "circus params --init none.params" in error


def test_every_problem_of_the_parameters(circus, folder):
    change(folder, "gain = 0.1", "gian = 0.1\n[detection]\nN_t = wide\n[foo]\nx = 1")
    errors = check_refused(circus, folder)
    assert ["gian" in errors[0], "N_t" in errors[1], "[foo]" in errors[2]] == [True] * 3
    assert all(line.startswith("error: rec.params: line ") for line in errors[:3])
    assert "mapping is required" in errors[3]  # it stands in [foo] now
    assert len(errors) == 4


def test_everything_required_that_is_missing(circus, folder):
    change(folder, "mapping = tetrode.prb", "")
    change(folder, "nb_channels = 4", "")
    mapping, channels = check_refused(circus, folder)
    assert "[data] mapping is required" in mapping
    assert "[data] nb_channels is required" in channels


def test_probe_that_is_code(circus, folder):
    (folder / "tetrode.prb").write_text("__import__('os').mkdir('pwned')\n")
    (error,) = check_refused(circus, folder)
    assert "tetrode.prb" in error


def test_probe_of_another_recording(circus, folder):
    change(folder, "nb_channels = 4", "nb_channels = 8")
    assert "8 channels" in check_refused(circus, folder)[0]


def test_dead_channels_that_do_not_exist(circus, folder):
    override = "detection.dead_channels={1: [17]}"
    (error,) = check_refused(circus, folder, "--set", override)
    assert "17" in error


def test_unknown_format(circus, folder):
    change(folder, "raw_binary", "raw_binry")
    (error,) = check_refused(circus, folder)
    assert "did you mean raw_binary?" in error


def test_results_that_cannot_be_written(circus, folder):
    (error,) = check_refused(circus, folder, "--output-dir", "tetrode.prb/x")
    assert "--output-dir DIR" in error


def test_step_that_fails_has_status_4(circus, folder):
    outcome = circus("rec.dat", "-c", "1", "-m", "fitting")
    assert outcome.status == 4
    assert "fitting needs" in outcome.error


def test_bug_in_a_step_names_the_step_and_keeps_its_traceback_for_debug(
    circus, folder, monkeypatch
):
    def broken(context):
        context.progress(0, 1)
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(
        __import__("sorting.pipeline").pipeline.STEPS, "fitting", broken
    )
    outcome = circus("rec.dat", "-c", "1")
    assert outcome.status == 4
    assert outcome.errors == [
        "error: fitting failed: ZeroDivisionError: a bug; --debug shows where"
    ]
    assert "Traceback" not in outcome.err
    assert "in broken" in circus("rec.dat", "-c", "1", "--debug").err


# flags of the reference program: each works, or is refused with a sentence


@pytest.mark.parametrize("arguments", [["-i", "help"], ["-i"], ["help", "--info"]])
def test_info_lists_formats(circus, arguments):
    outcome = circus(*arguments)
    assert outcome.status == 0
    assert outcome.out == circus("formats").out


@pytest.mark.parametrize("arguments", [["-i", "raw_binary"], ["raw_binary", "--info"]])
def test_info_describes_a_format(circus, arguments):
    outcome = circus(*arguments)
    assert outcome.status == 0
    assert outcome.out == circus("formats", "raw_binary").out


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["-e", "-merged"], "--output-dir"),
        (["--extension", "x"], "--output-dir"),
        (["-o", "out.dat"], "--output-dir"),
        (["--output", "out.dat"], "--output-dir"),
        (["-t", "fitting"], "circus demo"),
        (["--type", "drifts"], "circus demo"),
    ],
)
def test_flags_without_a_meaning_are_refused(circus, folder, arguments, advice):
    outcome = circus("rec.dat", *arguments)
    assert outcome.status == 2
    assert f"{arguments[0]}" in outcome.error
    assert "does not exist" in outcome.error
    assert advice in outcome.error
    assert not (folder / "rec").exists()


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["-p", "-c", "2"], "-c does not go with -p"),
        (["-r", "-m", "fitting"], "-m does not go with -r"),
        (["-b", "--seed", "1", "-s", "2"], "--seed, -s do not go with -b"),
        (["-i", "--set", "a.b=c"], "--set does not go with -i"),
        (["-b", "-p"], "-p does not go with -b"),
        (["-s", "0"], "-s says where a preview starts; add -p"),
        (["--keep-going"], "--keep-going belongs to -b"),
        (["--set", "radius=3"], "expected section.key=value"),
        (["-m", ""], "-m names no step"),
        (["-m", "benchmarking"], "-m benchmarking does not exist here"),
    ],
)
def test_options_that_do_not_go_together(circus, folder, arguments, flags):
    outcome = circus("rec.dat", *arguments)
    assert outcome.status == 2
    assert flags in outcome.error


def test_hostfile_that_does_not_exist(circus, folder):
    outcome = circus("rec.dat", "-c", "2", "-H", "hosts")
    assert outcome.status == 2
    assert "no file of hosts at hosts" in outcome.error


def test_spikes_lie_where_they_were_put(circus, folder):
    """The neuron on channel 0 fires at the frames its generator drew."""
    assert circus("rec.dat", "-c", "1").status == 0
    rng = np.random.default_rng(7)
    rng.normal(0, 10, (90_000, 4))
    starts = np.cumsum(40 + rng.exponential(0.08 * 15_000, 200).astype(int))
    troughs = starts[starts + 45 < 90_000] + 15
    with h5py.File(folder / "rec" / "rec.sorting.hdf5") as file:
        times, units = file["spikes/time"][()], file["spikes/unit"][()]
    hits = [
        np.isin(troughs, times[units == unit][:, np.newaxis] + np.arange(-3, 4)).mean()
        for unit in np.unique(units)
    ]
    assert max(hits) > 0.9
