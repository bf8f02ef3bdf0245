"""What a wrapper of somebody else may do wrong, and how it is said."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from circus_io import (
    CircusError,
    DataFile,
    FormatError,
    NotWritableError,
    RecordingNotFoundError,
    get_format,
    open_recording,
)
from circus_io.files.raw_binary import RawBinaryFile
from circus_io.params import read_params
from circus_io.probe import read_probe
from circus_io.time_files import read_intervals

FIELDS = {"data_dtype": "int16", "sampling_rate": 1000, "nb_channels": 4}


@pytest.fixture
def path(tmp_path):
    np.arange(400, dtype="<i2").tofile(tmp_path / "rec.dat")
    return tmp_path / "rec.dat"


def wrapper(**members):
    return type("Broken", (RawBinaryFile,), members)


def leave(self, *arguments, **keywords):
    sys.exit(7)


@pytest.mark.parametrize(
    "hook", ["_read_from_header", "_open", "_read_frames", "read_chunk"]
)
def test_a_hook_that_exits_is_an_error_with_its_name(path, hook):
    with pytest.raises(FormatError, match=rf"Broken\.{hook} called sys\.exit\(7\)"):
        open_recording(path, wrapper(**{hook: leave}), **FIELDS)[:]


def test_streams_that_exit_are_an_error(path):
    with pytest.raises(FormatError, match=r"Broken\.set_streams called sys\.exit\(7\)"):
        open_recording(
            path, wrapper(set_streams=leave), stream_mode="multi-files", **FIELDS
        )


def test_a_module_that_exits_is_an_error(tmp_path):
    (tmp_path / "mine.py").write_text("import sys\nsys.exit('no licence')\n")
    with pytest.raises(FormatError, match=r"mine.py:File.*sys\.exit\('no licence'\)"):
        get_format("mine.py:File", tmp_path)


@pytest.mark.parametrize(
    "cut",
    [
        lambda frames: frames[:, 0],
        lambda frames: frames[:-1],
        lambda frames: frames[:, :-1],
        lambda frames: frames.T,
        lambda frames: frames[np.newaxis],
    ],
)
@pytest.mark.parametrize("hook", ["_read_frames", "read_chunk"])
@pytest.mark.parametrize("nodes", [None, [2, 0]])
def test_an_array_of_another_shape_is_refused(path, cut, hook, nodes):
    def broken(self, *arguments):
        return cut(getattr(RawBinaryFile, hook)(self, *arguments))

    recording = open_recording(path, wrapper(**{hook: broken}), **FIELDS)
    n_nodes = 4 if nodes is None else 2
    words = rf"Broken\.{hook} returned shape .* where \(10, {n_nodes}\)"
    with pytest.raises(FormatError, match=words):
        recording.read_chunk(0, 10, (0, 0), nodes)
    with pytest.raises(FormatError, match=words):
        recording.get_chunk(0, 10, nodes=nodes)
    with pytest.raises(FormatError, match=words):
        recording.get_snippet(0, 10, nodes)


@contextmanager
def writer_of(path):
    """Hold a file open for writing in another process, until the block ends."""
    code = (
        "import sys, h5py\n"
        "with h5py.File(sys.argv[1], 'r+', locking=True):\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"open\n"
        yield


def test_an_hdf5_file_that_is_being_written_is_said_to_be_locked(tmp_path):
    path = tmp_path / "rec.h5"
    with h5py.File(path, "w") as file:
        file["traces"] = np.zeros((10, 4), dtype="i2")
    with writer_of(path), pytest.raises(FormatError, match=r"rec\.h5 .*close it there"):
        open_recording(path, h5_key="traces", sampling_rate=1000)


@pytest.mark.parametrize("name", ["rec.npy", "rec.h5"])
def test_a_folder_in_place_of_a_file_is_named(tmp_path, name):
    (tmp_path / name).mkdir()
    options = {"h5_key": "traces"} if name == "rec.h5" else {}
    with pytest.raises(FormatError, match=rf"{name}.*[Ii]s a directory"):
        open_recording(tmp_path / name, sampling_rate=1000, **options)


@pytest.mark.parametrize(
    ("mode", "error"), [("r", FormatError), ("r+", NotWritableError)]
)
def test_a_file_that_may_not_be_opened_is_named(path, mode, error):
    def refuse(self, mode="r"):
        raise PermissionError(13, "Permission denied")

    recording = open_recording(path, wrapper(_open=refuse), **FIELDS)
    with pytest.raises(error, match=r"rec\.dat: Permission denied; "):
        recording.open(mode)


def test_a_file_that_vanished_is_named(path):
    recording = open_recording(path, "raw_binary", **FIELDS)
    path.unlink()
    with pytest.raises(RecordingNotFoundError, match=r"no file .*rec\.dat"):
        recording[:]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize(
    "read",
    [
        read_params,
        read_probe,
        lambda path: read_intervals(path, "ms", 20000),
        lambda path: open_recording(path, "raw_binary", **FIELDS)[:],
    ],
)
def test_a_file_that_may_not_be_read_is_named(nobody, read):
    with tempfile.TemporaryDirectory() as folder:  # nobody may look into tmp_path
        Path(folder).chmod(0o755)
        path = Path(folder) / "rec.dat"
        path.write_bytes(bytes(800))
        path.chmod(0)
        words = r"rec\.dat: Permission denied; check who"
        with nobody(), pytest.raises(CircusError, match=words):
            read(path)


@pytest.mark.parametrize("gain", ["x", "[1, x]", "1 +", "[[1], [2, 3]]"])
def test_a_gain_that_is_no_number_is_said_in_words(path, gain):
    with pytest.raises(FormatError, match="expected a number, not 0, or one per"):
        open_recording(path, "raw_binary", gain=gain, **FIELDS)


def test_a_text_is_one_extension_and_one_stream_mode(tmp_path):
    class LabFile(DataFile):
        extension = ".lab"
        is_streamable = "wells"

    class AnyFile(DataFile):
        extension = ""

    assert LabFile.extension == (".lab",)
    assert LabFile.is_streamable == ("wells",)
    assert AnyFile.extension == ()
    (tmp_path / "rec.b").write_bytes(b"")
    with pytest.raises(FormatError, match=r"end in \.lab;"):
        LabFile(tmp_path / "rec.b")


@pytest.mark.parametrize("hook", ["_write_frames", "write_chunk", "_close"])
def test_a_hook_that_exits_while_writing_is_an_error(path, hook):
    recording = open_recording(path, wrapper(**{hook: leave}), **FIELDS)
    recording.open("r+")

    def write_and_close():
        recording.write_chunk(0, np.zeros((2, 4), np.float32))
        recording.close()

    with pytest.raises(FormatError, match=rf"Broken\.{hook} called sys\.exit\(7\)"):
        write_and_close()
