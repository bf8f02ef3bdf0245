"""A library that crashes on a file is told from a program that is broken."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from circus_cli import first_try

CIRCUS = [sys.executable, "-m", "circus_cli"]
CRASHING = """
import os, signal
from circus_io.files.hdf5 import HDF5File

class Crashing(HDF5File):
    def _read_from_header(self):
        return self._crash("header") or super()._read_from_header()

    def _read_frames(self, t_start, t_stop, nodes):
        return self._crash("samples") or super()._read_frames(t_start, t_stop, nodes)

    def _crash(self, where):
        if os.environ.get("CRASH_IN") == where:
            os.kill(os.getpid(), signal.SIGSEGV)
"""
TOLD = ("file_format=./crashing.py:Crashing", "h5_key=x", "sampling_rate=1000")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="copies its process")


@pytest.fixture
def counts(tmp_path, monkeypatch):
    """Work in a folder with an HDF5 file, and a wrapper for it that may crash."""
    counts = np.arange(4000, dtype="<i2").reshape(-1, 4)
    monkeypatch.chdir(tmp_path)
    with h5py.File("rec.h5", "w") as file:
        file["x"] = counts
    (tmp_path / "crashing.py").write_text(CRASHING)
    return counts


def circus(command, *arguments, crash_in=""):
    settings = [text for one in TOLD for text in ("--set", one)]
    return subprocess.run(
        [*CIRCUS, command, "rec.h5", *settings, *arguments],
        env={**os.environ, "CRASH_IN": crash_in},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("crash_in", ["header", "samples"])
@pytest.mark.parametrize("command", [("info",), ("convert", "out.npy")])
def test_a_crash_is_one_line(counts, tmp_path, command, crash_in):
    done = circus(*command, crash_in=crash_in)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: h5py crashes on ")
    assert "rec.h5 (SIGSEGV)" in line
    assert not (tmp_path / "out.npy").exists()


def test_a_parameter_file_is_no_way_around_it(counts, tmp_path):
    (tmp_path / "rec.params").write_text("[data]\n" + "\n".join(TOLD))
    done = circus("info", crash_in="header")
    assert done.returncode == 3
    assert "h5py crashes on" in done.stderr


def test_what_does_not_crash_is_opened(counts):
    assert circus("convert", "out.npy").returncode == 0
    assert np.array_equal(np.load("out.npy"), counts)


def test_errors_and_warnings_are_said_once(counts):
    done = circus("info", "--set", "h5_key=y")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "file_format", "library"),
    [
        ("rec.h5", None, "h5py"),
        ("rec.h5", "nwb", "h5py"),
        ("rec.edf", None, "pyedflib"),
        ("rec.dat", "edf", "pyedflib"),
        ("rec.edf", "raw_binary", ""),
        ("rec.mcd", None, ""),
        ("rec.abf", "axon", ""),
    ],
)
def test_only_what_is_compiled_is_tried(counts, tmp_path, name, file_format, library):
    (tmp_path / name).exists() or (tmp_path / name).write_bytes(
        b"0       " + bytes(600)
    )
    assert first_try._modules(tmp_path / name, file_format)[0] == library
