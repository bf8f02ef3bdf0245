import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"

# Two interpreters of few words: one that has pip, and one that makes environments.
WITH_PIP = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/said"
"""
WITHOUT_PIP = """#!/bin/sh
exit 1
"""
MAKES_VENV = """#!/bin/sh
test "$1" = -m || exit 0
test "$2 $3" = "venv --clear" || exit 1
rm -rf "$4"
mkdir -p "$4/bin"
cp with_pip "$4/bin/python"
"""


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path, require):
    require("make", package="make")
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("setup.cfg", "pyproject.toml"):
        (tmp_path / name).touch()
    write_program(tmp_path / "with_pip", WITH_PIP)
    write_program(tmp_path / "makes_venv", MAKES_VENV)
    return tmp_path


def make(folder):
    command = ["make", "PYTHON=./makes_venv", ".venv/.installed-test"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("left", [None, WITHOUT_PIP])
def test_environment_is_made_anew_unless_it_has_pip(checkout, left):
    """A venv without ensurepip leaves a python without pip behind."""
    if left:
        write_program(checkout / ".venv" / "bin" / "python", left)
    done = make(checkout)
    assert done.returncode == 0, done.stderr
    said = (checkout / ".venv" / "bin" / "said").read_text()
    assert said.splitlines()[-1].endswith("-e .[test]")


def test_environment_that_works_is_kept(checkout):
    write_program(checkout / ".venv" / "bin" / "python", WITH_PIP)
    (checkout / ".venv" / "mine").touch()
    assert make(checkout).returncode == 0
    assert (checkout / ".venv" / "mine").exists()
