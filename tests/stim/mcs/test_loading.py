"""Finding, checking and building assemblies; nothing here starts a runtime."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from circus_io.errors import DeviceError, MissingDependencyError
from stim.mcs import runtime, vendor, vendor_bus
from stim.mcs.simulator import build as building

# ----------------------------------------------------------------- the vendor's library


@pytest.fixture
def windows(monkeypatch):
    """Be on Windows, as far as the checks before loading know."""
    monkeypatch.setattr(vendor.sys, "platform", "win32")
    loaded = []
    monkeypatch.setattr(vendor, "load_assembly", lambda *given: loaded.append(given))
    monkeypatch.setattr(vendor, "McsBus", lambda name, assembly, reach: reach)
    for variable in (vendor.PATH_VARIABLE, vendor.HASH_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    return loaded


@pytest.fixture
def libraries(require):
    """Give real libraries of Windows, which clr_loader brings: of 64 and of 32 bits."""
    folder = Path(require("clr_loader", extra="stg").__file__).parent / "ffi" / "dlls"
    folder = folder.resolve()
    return folder / "amd64" / "ClrLoader.dll", folder / "x86" / "ClrLoader.dll"


@pytest.mark.skipif(sys.platform == "win32", reason="it runs there")
def test_elsewhere_than_on_windows_nothing_is_even_loaded():
    code = (
        "import sys\n"
        "from circus_io.errors import DeviceError\n"
        "from stim.mcs import vendor_bus\n"
        "try: vendor_bus('McsUsbNet.dll')\n"
        "except DeviceError as error: print(error)\n"
        "assert not {'clr', 'clr_loader', 'pythonnet'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "runs on Windows only" in done.stdout
    assert "'simulated' or 'mcs-simulated'" in done.stdout


def test_the_path_is_given_or_in_the_environment(windows, libraries, monkeypatch):
    with pytest.raises(DeviceError, match="set CIRCUS_MCSUSBNET"):
        vendor_bus()
    reach = f"stg4000@{libraries[0]}"  # from another process, too
    assert vendor_bus(libraries[0]) == reach
    monkeypatch.setenv("CIRCUS_MCSUSBNET", str(libraries[0]))
    assert vendor_bus() == reach
    monkeypatch.chdir(libraries[0].parent)
    assert vendor_bus(libraries[0].name) == reach
    assert [path.resolve() for path, _ in windows] == [libraries[0]] * 3
    assert {runtime for _, runtime in windows} == {"netfx"}


def test_an_absent_library_is_named(windows, tmp_path):
    with pytest.raises(DeviceError, match=r"nowhere\.dll: there is no such file"):
        vendor_bus(tmp_path / "nowhere.dll")


def test_a_library_of_other_bits_is_refused(windows, libraries, monkeypatch):
    with pytest.raises(DeviceError, match=r"32 bits, and this Python has 64.*x64"):
        vendor_bus(libraries[1])
    monkeypatch.setattr(vendor.sys, "maxsize", 2**31 - 1)
    with pytest.raises(DeviceError, match=r"64 bits, and this Python has 32.*x86"):
        vendor_bus(libraries[0])
    assert vendor_bus(libraries[1]) == f"stg4000@{libraries[1]}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ",
        b"<html>" * 20,
        b"MZ" + bytes(58) + b"\xff\xff\0\0",
        b"MZ" + bytes(99),
    ],
)
def test_what_is_no_library_is_refused(windows, tmp_path, content):
    path = tmp_path / "McsUsbNet.dll"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match="not a library of Windows"):
        vendor_bus(path)


def test_a_library_can_be_held_against_its_hash(windows, libraries, monkeypatch):
    digest = hashlib.sha256(libraries[0].read_bytes()).hexdigest()
    assert vendor_bus(libraries[0], digest.upper()) == f"stg4000@{libraries[0]}"
    with pytest.raises(DeviceError, match=f"SHA-256 is {digest}"):
        vendor_bus(libraries[0], "0" * 64)
    monkeypatch.setenv("CIRCUS_MCSUSBNET_SHA256", "1" * 64)
    with pytest.raises(DeviceError, match="not 1111"):
        vendor_bus(libraries[0])


# -------------------------------------------------------------------------- the runtime


def test_without_pythonnet_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pythonnet", None)
    with pytest.raises(MissingDependencyError, match=r"circus-toolkit\[stg\]"):
        runtime.start_runtime()


def test_without_a_runtime_the_packages_are_named(monkeypatch):
    monkeypatch.delenv("CIRCUS_DOTNET", raising=False)
    monkeypatch.setattr(runtime, "available_runtimes", list)
    monkeypatch.setattr(runtime, "_loaded", None)
    with pytest.raises(MissingDependencyError, match="apt-get install mono-devel"):
        runtime.start_runtime()


# ---------------------------------------------------------------------------- the build


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_it_is_built_once_for_each_generation(cache, require):
    require("mcs", package="mono-mcs")
    paths = [building.build(generation) for generation in (3, 5)]
    assert len(set(paths)) == 2
    for path in paths:
        assert path.name == "McsUsbNet.dll"
        assert cache in path.parents
        assert path.read_bytes()[:2] == b"MZ"
        assert sorted(p.name for p in path.parent.iterdir()) == [
            path.name,
            "build.lock",
        ]
    made = [path.stat().st_mtime_ns for path in paths]
    assert [building.build(generation) for generation in (3, 5)] == paths
    assert [path.stat().st_mtime_ns for path in paths] == made


def test_changed_sources_are_built_anew(cache, require, tmp_path, monkeypatch):
    require("mcs", package="mono-mcs")
    before = building.build(5)
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "A.cs").write_text("public class A { }")
    monkeypatch.setattr(building, "SOURCES", sources)
    assert building.build(5) != before
    (sources / "A.cs").write_text("public class A { int }")
    with pytest.raises(DeviceError, match=r"A\.cs\(1"):
        building.build(5)
    assert len(list(cache.rglob("McsUsbNet.dll"))) == 2


def test_a_missing_compiler_is_named_with_its_packages(cache, monkeypatch):
    monkeypatch.setattr(building.shutil, "which", lambda _: None)
    with pytest.raises(MissingDependencyError, match="apt-get install mono-mcs"):
        building.build(5)
    with pytest.raises(DeviceError, match="generation 4"):
        building.build(4)


def test_the_command_prints_where_it_is(cache, require):
    require("mcs", package="mono-mcs")
    command = [sys.executable, "-m", "stim.mcs.simulator.build", "--generation", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == building.build(3)
