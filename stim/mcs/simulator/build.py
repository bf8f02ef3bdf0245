"""Build the simulator of the vendor's assembly from its C# sources.

    python -m stim.mcs.simulator.build [--generation 3|5]

One assembly for each generation of the vendor's API. They lie in the user's cache
folder, under a name that is a hash of the sources, and are built when they are first
needed.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from circus_io.errors import DeviceError, MissingDependencyError

__all__ = ["GENERATIONS", "build", "cache_folder"]

GENERATIONS = (3, 5)
NAME = "McsUsbNet.dll"  # as the vendor's: what refers to one finds the other
SOURCES = Path(__file__).parent / "csharp"
# a version of the language that the compiler of Windows knows as well
OPTIONS = (
    "-nologo",
    "-target:library",
    "-optimize+",
    "-langversion:5",
    "-warnaserror+",
)


def build(generation: int = 5) -> Path:
    """Build an assembly, if there is none yet of these sources, and return its path.

    Raises
    ------
    MissingDependencyError
        There is no compiler.
    DeviceError
        The generation is none, or the compiler fails.
    """
    if generation not in GENERATIONS:
        raise DeviceError(f"generation {generation}: there are {GENERATIONS}")
    folder = cache_folder() / f"mcs-simulator-{_fingerprint()}-{generation}"
    path = folder / NAME
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "build.lock"), TemporaryDirectory(dir=folder) as scratch:
        if not path.exists():
            made = Path(scratch) / NAME
            _compile(generation, made)
            made.replace(path)
    return path


def cache_folder() -> Path:
    """Return where built assemblies lie."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "circus-toolkit"


def _fingerprint() -> str:
    content = hashlib.sha256()
    for source in _sources():
        content.update(source.name.encode() + b"\0" + source.read_bytes())
    return content.hexdigest()[:12]


def _sources() -> list[Path]:
    return sorted(SOURCES.glob("*.cs"))


def _compile(generation: int, made: Path) -> None:
    options = [*OPTIONS, f"-define:GENERATION_{generation}", f"-out:{made}"]
    command = [_compiler(), *options, *map(str, _sources())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise DeviceError(f"{command[0]} failed: {done.stdout}{done.stderr}")


def _compiler() -> str:
    """Return the compiler: of Mono, or of the .NET Framework, which Windows has."""
    windows = os.environ.get("SYSTEMROOT", "") if sys.platform == "win32" else ""
    framework = Path(windows) / "Microsoft.NET/Framework64/v4.0.30319/csc.exe"
    found = shutil.which("mcs") or (str(framework) if framework.exists() else None)
    if found is None:
        raise MissingDependencyError(
            "building the simulated stimulator needs the C# compiler mcs: on Debian, "
            "apt-get install mono-mcs libmonosgen-2.0-1 mono-devel"
        )
    return found


def main() -> None:
    """Build what is asked for and print where it is."""
    parser = argparse.ArgumentParser(
        prog="python -m stim.mcs.simulator.build", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--generation", type=int, choices=GENERATIONS)
    generation = parser.parse_args().generation
    for each in (generation,) if generation else GENERATIONS:
        sys.stdout.write(f"{build(each)}\n")


if __name__ == "__main__":
    main()
