"""The .NET runtime of this process: chosen once, loaded once.

Mono comes with Debian's packages; .NET comes from its own packages or, for tests, from
the wheel ``dotnetcore2``; the .NET Framework is part of Windows, and what the vendor's
assembly needs. One process can have one of them.
"""

import atexit
import importlib.util
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from circus_io.errors import DeviceError, MissingDependencyError

__all__ = [
    "RUNTIMES",
    "available_runtimes",
    "is_over",
    "loaded_runtime",
    "start_runtime",
]

RUNTIMES = ("mono", "coreclr", "netfx")
VARIABLE = "CIRCUS_DOTNET"
MONO_PACKAGES = "mono-devel and libmonosgen-2.0-1"

_loaded: str | None = None
_is_over = False


def loaded_runtime() -> str | None:
    """Return the name of the runtime of this process, None if there is none yet."""
    return _loaded


def is_over() -> bool:
    """Whether the interpreter ends: nothing of .NET may be called any more."""
    return _is_over


def start_runtime(name: str | None = None) -> ModuleType:
    """Start a runtime, if this process has none, and return the module ``clr``.

    Parameters
    ----------
    name : {'mono', 'coreclr', 'netfx'}, optional
        By default what the environment variable ``CIRCUS_DOTNET`` names, else the
        first one that is there.

    Raises
    ------
    MissingDependencyError
        pythonnet or the runtime is not installed.
    DeviceError
        This process runs on another runtime already.
    """
    global _loaded
    pythonnet = _import_pythonnet()
    name = name or os.environ.get(VARIABLE) or _loaded or _first_available()
    if name not in RUNTIMES:
        raise DeviceError(f".NET runtime {name}: choose from {', '.join(RUNTIMES)}")
    if _loaded is None:
        _loaded = _adopt(pythonnet) or _load(pythonnet, name)
        atexit.register(_end)  # called before what pythonnet has registered
    if _loaded != name:
        raise DeviceError(
            f"this process runs on {_loaded}, and cannot run on {name} too: a process "
            "has one .NET runtime; use another process"
        )
    import clr

    return clr


def _end() -> None:
    global _is_over
    _is_over = True


def available_runtimes() -> list[str]:
    """Return the runtimes that can be started here, the best first."""
    if importlib.util.find_spec("clr_loader") is None:
        return []
    order = ("netfx",) if sys.platform == "win32" else ("mono",)
    finders = {"netfx": lambda: True, "mono": _find_mono, "coreclr": _dotnet_root}
    return [name for name in (*order, "coreclr") if finders[name]()]


def _import_pythonnet() -> ModuleType:
    try:
        import pythonnet
    except ImportError as error:
        raise MissingDependencyError(
            "stimulators behind .NET need pythonnet: pip install 'circus-toolkit[stg]'"
        ) from error
    return pythonnet


def _first_available() -> str:
    found = available_runtimes()
    if not found:
        raise MissingDependencyError(
            f"no .NET runtime is installed: on Debian, apt-get install "
            f"{MONO_PACKAGES}; or pip install dotnetcore2; or .NET with DOTNET_ROOT set"
        )
    return found[0]


def _adopt(pythonnet: ModuleType) -> str | None:
    """Return the runtime that other code of this process has started."""
    info = pythonnet.get_runtime_info()
    if info is None:
        return None
    kind = info.kind.lower().replace(" ", "")
    return {".netframework": "netfx", ".netcore": "coreclr"}.get(kind, kind)


def _load(pythonnet: ModuleType, name: str) -> str:
    try:
        pythonnet.load(_runtime(name))
    except Exception as error:
        raise MissingDependencyError(
            f"the .NET runtime {name} does not start: {error}; available here: "
            f"{', '.join(available_runtimes()) or 'none'}"
        ) from error
    return name


def _runtime(name: str) -> Any:
    import clr_loader

    if name == "netfx":
        return clr_loader.get_netfx()
    if name == "coreclr":
        return _coreclr(clr_loader)
    # A thread that waits for Python's lock inside of a call from .NET looks busy to
    # Mono, which otherwise waits for it to come by before it collects garbage; and the
    # thread that collects may be a callback that holds the lock. Both wait for ever.
    os.environ.setdefault("MONO_THREADS_SUSPEND", "preemptive")
    with warnings.catch_warnings():
        # it warns of Mono before 6.12; Debian's 6.8 passes all tests of this package
        warnings.simplefilter("ignore", UserWarning)
        # else Mono's handlers replace those that Python has set
        return clr_loader.get_mono(set_signal_chaining=True)


def _coreclr(clr_loader: ModuleType) -> Any:
    root = _dotnet_root()
    if root is None:
        raise MissingDependencyError(
            "there is no .NET: pip install dotnetcore2, or set DOTNET_ROOT"
        )
    versions = (root / "shared" / "Microsoft.NETCore.App").iterdir()
    newest = max(versions, key=lambda path: _version_key(path.name)).name
    major_minor = ".".join(newest.split(".")[:2])
    options = {
        "tfm": f"net{major_minor}" if newest >= "5" else f"netcoreapp{major_minor}",
        # without this it ends the process where ICU's libraries are not installed
        "configProperties": {"System.Globalization.Invariant": True},
        "framework": {"name": "Microsoft.NETCore.App", "version": f"{major_minor}.0"},
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "runtimeconfig.json"
        config.write_text(json.dumps({"runtimeOptions": options}), "utf-8")
        return clr_loader.get_coreclr(runtime_config=config, dotnet_root=root)


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(
        int(part) for part in version.split("-")[0].split(".") if part.isdigit()
    )


def _find_mono() -> bool:
    from clr_loader import find_libmono

    try:
        return find_libmono() is not None
    except (RuntimeError, OSError):
        return False


def _dotnet_root() -> Path | None:
    """Return the folder of .NET: installed, or of the wheel."""
    from clr_loader import find_dotnet_root

    try:
        root = Path(find_dotnet_root())
        if (root / "shared" / "Microsoft.NETCore.App").is_dir():
            return root
    except (RuntimeError, OSError):
        pass
    wheel = importlib.util.find_spec("dotnetcore2")
    return Path(wheel.origin).parent / "bin" if wheel and wheel.origin else None
