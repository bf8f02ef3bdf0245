"""`Assembly`: one loaded assembly of the vendor's API, and what differs between them.

Versions differ in names. Which one is there is asked for by name, so that versions in
between, which have some of either, work too.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from circus_io.errors import DeviceError
from stim.mcs.runtime import start_runtime

__all__ = ["Assembly", "load_assembly"]

_loaded: "Assembly | None" = None


@dataclass(frozen=True)
class Assembly:
    """The vendor's assembly, or the simulator of it.

    Attributes
    ----------
    path : Path
    version : str
        Four numbers.
    types : module
        The namespace ``Mcs.Usb``.
    """

    path: Path
    version: str
    types: ModuleType

    @property
    def generation(self) -> int:
        """The first number of the version: 3, or 5 from 2020 on."""
        return int(self.version.partition(".")[0])

    @property
    def is_simulator(self) -> bool:
        """Whether no current can come of it."""
        return hasattr(self.types, "SimBench")

    # ------------------------------------------------------------ where versions differ

    def device_list(self) -> Any:
        """Return the list of stimulators."""
        kind = self.types.DeviceEnumNet.MCS_STG_DEVICE
        if not hasattr(self.types.CMcsUsbListNet, "Initialize"):
            return self.types.CMcsUsbListNet(kind)
        devices = self.types.CMcsUsbListNet()
        devices.Initialize(kind)
        return devices

    def destination(self, name: str) -> Any:
        """Return where downloads go: ``'current'``, ``'voltage'`` or ``'syncout'``."""
        names = {
            "current": "channeldata_current",
            "voltage": "channeldata_voltage",
            "syncout": "syncoutdata",
        }
        if name not in names:
            raise DeviceError(f"destination {name}: choose from {', '.join(names)}")
        return getattr(self.types.STG_DestinationEnumNet, names[name])

    @property
    def has_loops(self) -> bool:
        """Whether entries of 0 µs mark loops in downloads."""
        return self.generation >= 5


def load_assembly(path: str | Path, runtime: str | None = None) -> Assembly:
    """Load an assembly into the runtime of this process, and start that if need be.

    Raises
    ------
    DeviceError
        It cannot be loaded, or another one is.
    """
    global _loaded
    path = Path(path).resolve()
    if _loaded is not None:
        if _loaded.path != path:
            raise DeviceError(
                f"this process has loaded {_loaded.path}, and cannot load {path} too: "
                "a process has one assembly; use another process"
            )
        if runtime is not None:
            start_runtime(runtime)  # refuses another one
        return _loaded
    clr = start_runtime(runtime)
    try:
        found = clr.AddReference(str(path))
        types = importlib.import_module("Mcs.Usb")
    except Exception as error:
        raise DeviceError(f"{path}: not loaded: {error}") from error
    version = found.GetName().Version
    _loaded = Assembly(path, version.ToString(), types)
    return _loaded
