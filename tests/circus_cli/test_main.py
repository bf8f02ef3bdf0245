import builtins
import errno
import io
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from circus_cli.main import COMMANDS


def test_version(circus):
    outcome = circus("--version")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"circus-toolkit {version('circus-toolkit')}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(circus, arguments):
    outcome = circus(*arguments)
    assert outcome.status == 0
    assert all(f"  {name} " in outcome.out for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_of_every_command_has_examples(circus, command):
    outcome = circus(command, "--help")
    assert outcome.status == 0
    assert re.search(r"Examples:\n +circus ", outcome.out)


def test_misspelt_command_names_the_nearest(circus):
    outcome = circus("fromats")
    assert outcome.status == 2
    assert "fromats is neither a file nor a command; did you mean circus formats?" in (
        outcome.error
    )


def test_recording_without_suffix_is_no_command(circus, folder):
    (folder / "rec").write_bytes(b"")
    assert "no parameter" not in circus("recc").error
    assert "has no parameter file" in circus("rec", "--params", "no.params").error


def test_recording_that_does_not_exist(circus, folder):
    outcome = circus("absent.dat")
    assert (outcome.status, outcome.error) == (
        3,
        "error: there is no recording at absent.dat",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rec.dat", "--cqu", "2"], "--cqu"),
        (["rec.dat", "-c", "two"], "-c"),
        (["rec.dat", "-c", "0"], "-c"),
        (["rec.dat", "second.dat"], "second.dat"),
        (["rec.dat", "second.dat"], "circus 'rec_*.dat'"),
        (["rec.dat", "second.dat"], "with -b"),
        (
            ["rec.dat", "-c"],
            "Option '-c' requires an argument; see: circus sort --help",
        ),
        (["params", "--init"], "see: circus params --help"),
        (["."], ". is a folder; name the recording in it"),
        (["/"], "/ is a folder; name the recording in it"),
        ([".."], ".. is a folder; name the recording in it"),
        (["sort"], "which recording?"),
        (["params"], "--explain KEY"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(circus, folder, arguments, words):
    outcome = circus(*arguments)
    assert outcome.status == 2
    assert words in outcome.error
    assert outcome.out == ""


def test_traceback_only_with_debug(circus, folder):
    assert "Traceback" not in circus("absent.dat").err
    outcome = circus("absent.dat", "--debug")
    assert "Traceback" in outcome.err
    assert outcome.errors == ["error: there is no recording at absent.dat"]


def test_console_script_exits_with_the_status(folder):
    command = [sys.executable, "-m", "circus_cli", "absent.dat"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: there is no recording at absent.dat\n"


def test_help_loads_neither_kernels_nor_plots(folder):
    code = (
        "import sys; from circus_cli.main import main; main(['--help']); "
        "print([m for m in ('numba', 'matplotlib', 'mpi4py', 'scipy') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("\n[]\n"), done.stderr


WRAPPER = """
import sys
from circus_io.files.raw_binary import RawBinaryFile

class Leaves(RawBinaryFile):
    description = "leaves"

    def {hook}(self, *arguments, **keywords):
        sys.exit({code})
"""


@pytest.mark.parametrize("code", [0, 1, "'no licence'"])
@pytest.mark.parametrize(
    ("hook", "status"),
    [("_read_from_header", 3), ("_read_frames", 3), ("__init__", 3), ("chunk_grid", 4)],
)
def test_wrapper_that_ends_the_program_is_an_error(circus, folder, hook, status, code):
    (folder / "leaves.py").write_text(WRAPPER.format(hook=hook, code=code))
    text = (folder / "rec.params").read_text()
    (folder / "rec.params").write_text(text.replace("raw_binary", "leaves.py:Leaves"))
    outcome = circus("rec.dat", "-c", "1")
    assert outcome.status == status
    (error,) = outcome.errors
    assert f"sys.exit({code})" in error
    assert "a wrapper raises an error instead" in error
    assert circus("rec.dat", "-p").status == 3


def test_interrupt_is_a_line_and_status_130(circus, folder, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("sorting.sort", interrupted)
    outcome = circus("rec.dat", "-c", "1")
    assert outcome.status == 130
    assert outcome.err == "interrupted; start it again to go on where it was\n"


@pytest.mark.parametrize("path", ["rec.dat", "rec.params", "tetrode.prb"])
def test_file_that_the_system_does_not_open(circus, folder, monkeypatch, path):
    """Root may read everything, so the system's answer is given here."""
    opener = io.open

    def refuse(file, *arguments, **keywords):
        if str(file).endswith(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opener(file, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", refuse)  # what pathlib calls
        patch.setattr(builtins, "open", refuse)
        patch.setattr("numpy.memmap", refuse)
        outcome = circus("rec.dat", "-c", "1")
    assert outcome.status == 3
    assert path in outcome.error
    assert "ermission denied; " in outcome.error


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_results_that_the_system_does_not_write(circus, folder, monkeypatch, number):
    def refuse(*arguments, **keywords):
        raise OSError(number, os.strerror(number), "rec/steps/whitening.npz")

    monkeypatch.setattr("sorting.store.Store.save", refuse)
    outcome = circus("rec.dat", "-c", "1")
    assert outcome.status == 3
    (error,) = outcome.errors
    assert f"rec/steps/whitening.npz: {os.strerror(number).lower()}; " in error


def test_file_in_the_place_of_the_steps(circus, folder):
    (folder / "rec").mkdir()
    (folder / "rec" / "steps").touch()
    outcome = circus("rec.dat", "-c", "1")
    assert outcome.status == 3
    assert str(Path("rec/steps")) in outcome.error
    assert "a file is in its place" in outcome.error


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("arguments", [["rec.dat", "-c", "1"], ["formats"]])
def test_reader_that_leaves_stops_nothing(folder, arguments):
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "circus_cli", *arguments]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert (done.returncode, "rror" in done.stderr) == (0, False), done.stderr
