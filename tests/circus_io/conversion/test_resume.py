"""Conversions that are killed or interrupted, and go on."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from circus_io import open_recording
from circus_io.conversion import convert
from circus_io.conversion.journal import Journal
from circus_io.errors import FormatError
from circus_io.files.raw_binary import RawBinaryFile

RATE_HZ, N_CHANNELS = 20_000, 6
BLOCK_FRAMES = 100
EXTRAS = {".nwb": "pynwb", ".zarr": "zarr"}

KILLED = """
import os, signal, sys
from pathlib import Path
from circus_io import open_recording
from circus_io.conversion import convert, selection

selection.BLOCK_SAMPLES = 600

def kill_at(stage, done, total):
    if (stage, done) == (sys.argv[3], int(sys.argv[4])):
        os.kill(os.getpid(), signal.SIGKILL)

recording = open_recording(
    sys.argv[1], "raw_binary", data_dtype="int16", sampling_rate=20000, nb_channels=6
)
out = Path(sys.argv[2])
name = "mcs_hdf5" if out.name.endswith(".mcs.h5") else None
convert(recording, out, name, t_start=3, t_stop=5000, progress=kill_at)
"""

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
    pytest.mark.usefixtures("small_blocks"),
]


@pytest.fixture
def source(counts, tmp_path):
    """Give a file of the counts, of which frames 3 to 5000 are converted."""
    path = tmp_path / "in" / "rec.raw"
    path.parent.mkdir()
    counts.tofile(path)
    return path


class Counting(RawBinaryFile):
    """Notes how many frames are read."""

    n_read = 0

    def _read_frames(self, t_start, t_stop, nodes):
        type(self).n_read += t_stop - t_start
        return super()._read_frames(t_start, t_stop, nodes)


def open_counting(path, **options):
    Counting.n_read = 0
    given = {"data_dtype": "int16", "sampling_rate": RATE_HZ, "nb_channels": N_CHANNELS}
    return Counting(path, given | options)


def kill_in(source, out, stage="writing", block=30):
    """Convert in a process that kills itself before a block."""
    code = [sys.executable, "-c", KILLED, source, out, stage, block]
    done = subprocess.run(list(map(str, code)), check=False, timeout=100)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()


def stop_at(block, error):
    def progress(stage, done, total):
        if done == block:
            raise error

    return progress


def interrupt_in(source, out):
    """Convert as far as to block 30."""
    with pytest.raises(KeyboardInterrupt):
        finish(source, out, progress=stop_at(30, KeyboardInterrupt()))


def finish(source, out, **options):
    name = "mcs_hdf5" if out.name.endswith(".mcs.h5") else None
    recording = open_recording(
        source, "raw_binary", data_dtype="int16", sampling_rate=RATE_HZ, nb_channels=6
    )
    return convert(recording, out, name, t_start=3, t_stop=5000, **options)


def content_of(out):
    """Return the bytes of a file, or of those of a folder."""
    files = sorted(out.rglob("*")) if out.is_dir() else [out]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


@pytest.mark.parametrize("suffix", [".dat", ".npy", ".h5", ".nwb", ".zarr"])
def test_what_is_killed_goes_on(source, counts, tmp_path, suffix, require, written):
    if suffix in EXTRAS:
        require(EXTRAS[suffix], extra=suffix[1:])
    out, whole = tmp_path / f"out{suffix}", tmp_path / "whole" / f"out{suffix}"
    kill_in(source, out)
    seen = []
    done = finish(source, out, progress=lambda *call: seen.append(call))
    assert np.array_equal(np.concatenate(written(done)), counts[3:5000])
    assert done.sha256 == hashlib.sha256(counts[3:5000].tobytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in",
        out.name,
        f"{out.name}.conversion.json",
    ]
    whole.parent.mkdir()
    finish(source, whole)
    if suffix != ".nwb":  # it has ids by chance and the time of writing
        assert content_of(out) == content_of(whole)


def test_only_what_is_missing_is_read_again(source, tmp_path, caplog):
    out = tmp_path / "out.dat"
    interrupt_in(source, out)
    recording = open_counting(source)
    caplog.set_level("INFO")
    convert(recording, out, t_start=3, t_stop=5000)
    assert Counting.n_read == 4997 - 30 * BLOCK_FRAMES
    assert "30 of 50 blocks are written" in caplog.text


@pytest.mark.parametrize(("stage", "n_read"), [("checking", 0), ("writing", 4997)])
def test_it_may_be_killed_anywhere(source, tmp_path, stage, n_read):
    out = tmp_path / "out.dat"
    kill_in(source, out, stage, 0)
    convert(open_counting(source), out, t_start=3, t_stop=5000)
    assert Counting.n_read == n_read


def test_it_may_be_killed_again_and_again(source, counts, tmp_path):
    out = tmp_path / "out.h5"
    for block in (5, 20, 21, 45):
        kill_in(source, out, block=block)
    convert(open_counting(source), out, t_start=3, t_stop=5000)
    assert Counting.n_read == 4997 - 45 * BLOCK_FRAMES
    with h5py.File(out) as file:
        assert np.array_equal(file["data"][:], counts[3:5000])


def change_samples(source, out):
    content = bytearray(source.read_bytes())
    content[100] ^= 1
    source.write_bytes(content)


def change_time(source, out):
    os.utime(source, ns=(1, 1))


def change_key(source, out):
    (Path(f"{out}.partial") / ".conversion").write_text("of something else")


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (change_samples, {}),
        (change_time, {}),
        (change_key, {}),
        (None, {"channels": [0, 1, 2, 3, 5, 4]}),
        (None, {"t_stop": 4999}),
        (None, {"dtype": "float32"}),
        (None, {"gain": 2.0}),
    ],
)
def test_what_is_not_the_same_starts_anew(source, tmp_path, change, options):
    out, whole = tmp_path / "out.dat", tmp_path / "whole.dat"
    interrupt_in(source, out)
    if change:
        change(source, out)
    given = {"t_start": 3, "t_stop": 5000} | options
    convert(open_counting(source), out, **given)
    assert Counting.n_read == given["t_stop"] - 3
    convert(open_counting(source), whole, **given)
    assert out.read_bytes() == whole.read_bytes()


def test_blocks_that_did_not_reach_the_disk_are_written_again(source, counts, tmp_path):
    """As after a power cut: the journal is there, samples are not all."""
    out = tmp_path / "out.dat"
    interrupt_in(source, out)
    with Path(f"{out}.partial", out.name).open("r+b") as file:
        file.seek(7 * BLOCK_FRAMES * N_CHANNELS * 2 + 11)
        file.write(bytes(40))
    convert(open_counting(source), out, t_start=3, t_stop=5000)
    assert Counting.n_read == 4997 - 29 * BLOCK_FRAMES
    assert out.read_bytes() == counts[3:5000].tobytes()


@pytest.mark.parametrize("damage", [b"", b"31", b"31 5 0", b"\xff\xfe", b"x y z\n"])
def test_a_journal_that_was_cut_off(source, counts, tmp_path, damage):
    out = tmp_path / "out.dat"
    interrupt_in(source, out)
    (journal,) = Path(f"{out}.partial").glob(".blocks-*")
    with journal.open("ab") as file:
        file.write(damage)
    convert(open_counting(source), out, t_start=3, t_stop=5000)
    assert Counting.n_read <= 4997
    assert out.read_bytes() == counts[3:5000].tobytes()


def test_the_unfinished_file_is_gone(source, counts, tmp_path):
    out = tmp_path / "out.dat"
    interrupt_in(source, out)
    Path(f"{out}.partial", out.name).unlink()
    convert(open_counting(source), out, t_start=3, t_stop=5000)
    assert out.read_bytes() == counts[3:5000].tobytes()


def test_an_interrupt_leaves_what_goes_on(source, counts, tmp_path):
    out = tmp_path / "out.dat"
    with pytest.raises(KeyboardInterrupt):
        finish(source, out, progress=stop_at(20, KeyboardInterrupt()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.dat.partial"]
    assert len(Journal(tmp_path / "out.dat.partial").collect()) == 20
    convert(open_counting(source), out, t_start=3, t_stop=5000)
    assert Counting.n_read == 4997 - 20 * BLOCK_FRAMES
    assert out.read_bytes() == counts[3:5000].tobytes()


@pytest.mark.parametrize(
    ("block", "error"), [(0, KeyboardInterrupt()), (20, FormatError("damaged"))]
)
def test_what_nobody_goes_on_with_is_removed(source, tmp_path, block, error):
    with pytest.raises(type(error)):
        finish(source, tmp_path / "out.dat", progress=stop_at(block, error))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_layout_that_is_appended_to_starts_anew(source, counts, tmp_path):
    out = tmp_path / "out.mcs.h5"
    kill_in(source, out)
    done = finish(source, out, dtype="int32")
    with open_recording(out) as recording:
        assert np.array_equal(recording[:], counts[3:5000].astype(np.float32))
    assert done.n_frames == 4997
    assert not Path(f"{out}.partial").exists()


def test_samples_in_memory_may_be_others_the_next_time(recording, counts, tmp_path):
    out = tmp_path / "out.dat"
    with pytest.raises(KeyboardInterrupt):
        convert(recording, out, progress=stop_at(20, KeyboardInterrupt()))
    assert list(tmp_path.iterdir()) == []
