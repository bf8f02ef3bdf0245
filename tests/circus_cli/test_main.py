import re
import subprocess
import sys
from importlib.metadata import version

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
