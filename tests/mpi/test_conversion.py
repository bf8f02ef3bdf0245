"""``circus convert -c N``: one file on any number of ranks, whole or not at all."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.rank_processes import ranks_of

CIRCUS = [sys.executable, "-m", "circus_cli"]
N_FRAMES, N_CHANNELS = 400_001, 8  # four blocks
SETTINGS = """[data]
file_format = raw_binary
data_dtype = int16
sampling_rate = 20000
nb_channels = 8
gain = 0.2
"""
SUFFIXES = ("dat", "npy", "h5", "nwb", "zarr")


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(1)
    return rng.integers(-2000, 2000, (N_FRAMES, N_CHANNELS), "i2")


@pytest.fixture
def folder(require, counts, tmp_path, monkeypatch):
    """Work in a folder with a recording, which is as before at the end."""
    require("mpi4py", extra="mpi")
    folder = tmp_path / "a folder"
    folder.mkdir()
    counts.tofile(folder / "rec.raw")
    (folder / "rec.params").write_text(SETTINGS)
    monkeypatch.chdir(folder)
    yield folder
    assert (folder / "rec.raw").read_bytes() == counts.tobytes()


def circus(*arguments):
    return subprocess.run(
        [*CIRCUS, *map(str, arguments)], capture_output=True, text=True, timeout=200
    )


def read(path):
    """Return the samples of a file, by numpy, h5py or zarr."""
    if path.suffix == ".zarr":
        import zarr

        return zarr.open_group(str(path), mode="r")["traces_seg0"][:]
    if path.suffix in (".h5", ".nwb"):
        with h5py.File(path) as file:
            name = (
                "acquisition/ElectricalSeries/data" if path.suffix == ".nwb" else "data"
            )
            return file[name][:]
    if path.suffix == ".npy":
        return np.load(path)
    return np.fromfile(path, "<i2").reshape(-1, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_number_of_ranks_writes_the_same(folder, counts, require, suffix):
    extras = {"nwb": "pynwb", "zarr": "zarr"}
    if suffix in extras:
        require(extras[suffix], extra=suffix)
    expected = counts[2000:390_000, [6, 0, 1]]
    files = set()
    for n_ranks in (1, 3):
        path = Path(f"on{n_ranks}.{suffix}")
        part = ("--channels", "6,0-1", "--from", 0.1, "--to", 19.5)
        done = circus("convert", "rec.raw", path, *part, "-c", n_ranks)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("sha256") == 1  # only one rank speaks
        assert np.array_equal(read(path), expected)
        report = json.loads(Path(f"{path}.conversion.json").read_text())
        assert report["sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()
        if path.is_file():
            files.add(path.read_bytes())
    if suffix in ("dat", "npy", "h5"):  # NWB has ids by chance and the time of writing
        assert len(files) == 1
    assert not list(folder.glob("*.partial"))


def test_ranks_write_the_layout_that_is_appended_to(folder, counts):
    for n_ranks in (1, 3):
        path = Path(f"on{n_ranks}.h5")
        done = circus("convert", "rec.raw", path, "--format=mcs_hdf5", "-c", n_ranks)
        assert done.returncode == 0, done.stderr
        with h5py.File(path) as file:
            data = file["Data/Recording_0/AnalogStream/Stream_0/ChannelData"][:]
        assert np.array_equal(data.T, counts)


def test_auto_gain_is_that_of_all_ranks(folder, counts):
    """The extremes lie in the blocks of different ranks."""
    counts = counts.astype("f4")
    counts[10, 3], counts[-10, 5] = 5000, -9000
    counts.tofile("float.raw")
    settings = ("--params", "rec.params", "--set", "data_dtype=float32")
    for n_ranks in (1, 3):
        path = Path(f"on{n_ranks}.npy")
        done = circus(
            "convert", "float.raw", path, *settings, "--dtype", "int16", "-c", n_ranks
        )
        assert done.returncode == 0, done.stderr
        array = np.load(path)
        # µV of the file: 0.2 of each count
        assert array[10, 3] == np.rint(5000 / 9000 * 32768)
        assert array[-10, 5] == -32768
        assert "clipped  0" in done.stdout
    assert np.array_equal(np.load("on1.npy"), np.load("on3.npy"))


def test_ranks_started_from_outside(folder, counts, mpi_run):
    done = mpi_run(2, "-m", "circus_cli", "convert", "rec.raw", "out.h5")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(read(Path("out.h5")), counts)
    done = mpi_run(2, "-m", "circus_cli", "convert", "rec.raw", "b.h5", "-c", "3")
    assert done.returncode == 2
    assert "3 ranks were asked for, but mpiexec started 2" in done.stderr


def test_wrong_input_is_one_line(folder):
    for arguments, status, words in (
        (("absent.raw", "out.npy"), 3, "no recording at absent.raw"),
        (("rec.raw", "rec.raw", "--overwrite"), 3, "never written to"),
        (("rec.raw", "out.npy", "--from", "21"), 2, "second 21 is outside"),
    ):
        done = circus("convert", *arguments, "-c", 2)
        assert done.returncode == status, done.stderr
        (line,) = [x for x in done.stderr.splitlines() if x.startswith("error")]
        assert words in line
    assert sorted(path.name for path in folder.iterdir()) == ["rec.params", "rec.raw"]


# ---------------------------------------------------------------------------- killed


SLOW_FROM = 150_000  # frames
SLOW = f"""
import time
from pathlib import Path
from circus_io.files.raw_binary import RawBinaryFile

class Slow(RawBinaryFile):
    def _read_frames(self, t_start, t_stop, nodes):
        end_s = time.monotonic() + 60
        slow = t_start >= {SLOW_FROM} or Path("from the start").exists()
        while slow and not Path("go").exists() and time.monotonic() < end_s:
            time.sleep(0.01)
        return super()._read_frames(t_start, t_stop, nodes)
"""


@pytest.fixture
def slow_job(folder):
    """Start conversions that wait for a file ``go``; kill what is left of them."""
    (folder / "slow.py").write_text(SLOW)
    (folder / "from the start").touch()
    started = []

    def start(n_ranks, path="out.npy"):
        settings = ("--set", "file_format=./slow.py:Slow")
        process = subprocess.Popen(
            [*CIRCUS, "convert", "rec.raw", path, *settings, "-c", str(n_ranks)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        deadline_s = time.monotonic() + 60
        while not (folder / f"{path}.partial" / path).exists():
            assert time.monotonic() < deadline_s
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def left(folder):
    known = {"rec.raw", "rec.params", "slow.py", "go", "from the start"}
    return sorted(path.name for path in folder.iterdir() if path.name not in known)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_what_is_killed_leaves_no_file_and_the_next_one_cleans_up(
    folder, counts, slow_job
):
    process = slow_job(1)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    assert left(folder) == ["out.npy.partial"]
    assert circus("convert", "rec.raw", "out.npy").returncode == 0
    assert left(folder) == ["out.npy", "out.npy.conversion.json"]
    assert np.array_equal(np.load("out.npy"), counts)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("path", ["out.npy", "out.h5"])
def test_a_rank_that_is_killed_ends_the_job_and_leaves_nothing(folder, slow_job, path):
    process = slow_job(2, path)
    ranks_of(process)[-1].send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) != 0
    assert left(folder) == []


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_other_ranks_go_on_with_what_some_have_written(folder, counts, slow_job, end):
    Path("from the start").unlink()
    process = slow_job(2, "out.h5")
    noted = folder / "out.h5.partial" / ".blocks-0"
    deadline_s = time.monotonic() + 60
    while not noted.exists() or noted.read_text().count("\n") < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    (process if end == signal.SIGINT else ranks_of(process)[-1]).send_signal(end)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    if end == signal.SIGINT:
        said = "interrupted; out.h5 was not written; the same command goes on with it"
        assert err.splitlines()[-1] == said
    assert left(folder) == ["out.h5.partial"]
    done = circus("convert", "rec.raw", "out.h5", "-c", 3)
    assert done.returncode == 0, done.stderr
    assert "2 of 4 blocks are written" in done.stderr
    assert circus("convert", "rec.raw", "whole.h5").returncode == 0
    assert Path("out.h5").read_bytes() == Path("whole.h5").read_bytes()
    assert np.array_equal(read(Path("out.h5")), counts)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("n_ranks", [1, 2])
def test_an_interrupt_is_one_line_and_leaves_nothing(folder, slow_job, n_ranks):
    process = slow_job(n_ranks)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    lines = [line for line in err.splitlines() if " of " not in line]
    assert lines == ["interrupted; out.npy was not written"]
    assert left(folder) == []


def test_an_old_file_stays_until_the_new_one_is_complete(folder, counts, slow_job):
    Path("out.npy").write_bytes(b"old")
    assert circus("convert", "rec.raw", "out.npy").returncode == 3
    slow = ("--set", "file_format=./slow.py:Slow")
    process = subprocess.Popen(
        [*CIRCUS, "convert", "rec.raw", "out.npy", "--overwrite", "--quiet", *slow]
    )
    while process.poll() is None:
        size = Path("out.npy").stat().st_size
        assert size in (3, 128 + counts.nbytes)
        if Path("out.npy.partial/out.npy").exists():
            Path("go").touch()
        time.sleep(0.02)
    assert process.returncode == 0
    assert np.array_equal(np.load("out.npy"), counts)


def test_a_second_conversion_to_the_same_file_waits_its_turn(folder, slow_job):
    process = slow_job(1)
    done = circus("convert", "rec.raw", "out.npy")
    assert done.returncode == 3
    assert "another conversion writes out.npy" in done.stderr
    Path("go").touch()
    assert process.wait(timeout=60) == 0
