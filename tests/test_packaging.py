"""What others install: the contents and the metadata of the wheel."""

import configparser
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("circus_io", "sorting", "stim", "circus_live", "circus_cli")
FILES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
FOLDERS = (*PACKAGES, "tests", "docs", "examples", "benchmarks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, require):
    """Build the wheel from a copy, so that the checkout gets no build folder."""
    # comes with setuptools from 70.1 on; before, building needs the package wheel
    require("setuptools.command.bdist_wheel", extra="test")
    source = tmp_path_factory.mktemp("source")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in FOLDERS:
        shutil.copytree(CHECKOUT / name, source / name, ignore=unwanted)
    for name in FILES:
        shutil.copy(CHECKOUT / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(target), str(source)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield path, archive


@pytest.fixture(scope="module")
def setup_cfg():
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return config


def read(wheel, suffix):
    _, archive = wheel
    (name,) = [name for name in archive.namelist() if name.endswith(suffix)]
    return archive.read(name).decode()


def test_it_holds_the_packages_and_nothing_else(wheel):
    _, archive = wheel
    files = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(CHECKOUT).as_posix()
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*.py")
    }
    # a simulator's sources, and the list of what the vendor's assembly has
    of_dotnet = {"simulator/csharp": "*.cs", "api": "*.txt"}
    expected |= {
        path.relative_to(CHECKOUT).as_posix()
        for folder, pattern in of_dotnet.items()
        for path in (CHECKOUT / "stim" / "mcs" / folder).glob(pattern)
    }
    assert files == expected
    assert len(files) > 80


def test_it_is_pure_python(wheel):
    path, _ = wheel
    assert path.name.startswith("circus_toolkit-")
    assert path.name.endswith("-py3-none-any.whl")


def test_metadata(wheel, setup_cfg):
    metadata = Parser().parsestr(read(wheel, ".dist-info/METADATA"))
    assert metadata["Name"] == "circus-toolkit"
    assert metadata["Version"] == setup_cfg["metadata"]["version"]
    # the name of the field changed with version 2.4 of the metadata
    licences = {metadata["License-Expression"], metadata["License"]}
    assert "BSD-3-Clause" in licences
    assert metadata["Requires-Python"].replace(" ", "") == ">=3.11"
    assert metadata.get_payload().strip().startswith("# circus-toolkit")


def test_the_licence_is_inside(wheel):
    text = read(wheel, "LICENSE")
    assert text == (CHECKOUT / "LICENSE").read_text("utf-8")
    assert "Redistribution and use in source and binary forms" in text


def test_the_command_is_circus(wheel):
    entries = configparser.ConfigParser()
    entries.read_string(read(wheel, "entry_points.txt"))
    assert dict(entries["console_scripts"]) == {"circus": "circus_cli.main:run"}


def test_one_core_needs_no_mpi(wheel):
    metadata = Parser().parsestr(read(wheel, ".dist-info/METADATA"))
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra" not in line]
    assert any(line.startswith("numpy") for line in needed)
    assert not any("mpi" in line for line in needed)
    assert {"mpi", "plots", "demo", "test", "dev"} <= set(
        metadata.get_all("Provides-Extra")
    )


def test_metadata_stand_in_one_place():
    """A [project] table beside the metadata of setup.cfg breaks the build."""
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    assert "project" not in settings
    assert settings["build-system"]["build-backend"] == "setuptools.build_meta"
