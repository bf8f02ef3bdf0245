"""Environments are made once, are apart from this one, and whole or not there."""

import subprocess
import zipfile
from pathlib import Path

import pytest


@pytest.fixture
def environments(require):
    return require("environments")


@pytest.fixture
def wheel(tmp_path):
    """Write a package that no index has."""
    path = tmp_path / "sorter_of_nobody-1.0-py3-none-any.whl"
    info = "sorter_of_nobody-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sorter_of_nobody.py", "ANSWER = 42\n")
        archive.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: sorter-of-nobody\nVersion: 1.0\n",
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_an_environment_is_made_once_and_is_apart(environments, wheel, tmp_path):
    requirements = [["--no-index", str(wheel)]]
    python = environments.build("peer", requirements, tmp_path / "all")
    code = "import sorter_of_nobody, importlib.util as u; "
    code += "print(sorter_of_nobody.ANSWER, u.find_spec('numpy'))"
    printed = subprocess.run(
        [python, "-Ic", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == ["42", "None"]

    (python.parent.parent / "kept").touch()
    assert environments.build("peer", requirements, tmp_path / "all") == python
    assert (python.parent.parent / "kept").exists()


def test_a_failed_environment_says_so_and_is_made_again(environments, tmp_path):
    requirements = [["--no-index", "sorter-of-nobody==2.0"]]
    for _ in range(2):
        with pytest.raises(environments.EnvironmentBuildError) as failure:
            environments.build("peer", requirements, tmp_path)
        assert "peer" in str(failure.value)
        assert "sorter-of-nobody==2.0" in str(failure.value)


def test_other_versions_have_another_folder(environments, monkeypatch, tmp_path):
    def make_folder(name, *command):
        if "venv" in command:
            command[-1].mkdir()

    monkeypatch.setattr(environments, "_run", make_folder)
    first, again, other = (
        environments.build("peer", [[what]], tmp_path)
        for what in ("a==1", "a==1", "a==2")
    )
    assert first == again != other


def test_the_cache_is_that_of_the_user(environments, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert environments.cache_folder() == tmp_path / "circus-toolkit"


def test_every_sorter_has_its_environment_and_its_program(environments, require):
    sorters = require("sorters").SORTERS
    programs = Path(environments.__file__).parent / "peer_programs"
    named = {s.environment for s in sorters.values()} - {None}
    assert named == set(environments.REQUIREMENTS)
    for sorter in sorters.values():
        assert (programs / sorter.program).is_file()
