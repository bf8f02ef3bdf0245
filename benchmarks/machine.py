"""What a benchmark ran on: numbers mean little without it."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe", "load"]

LIBRARIES = ("circus-toolkit", "numpy", "scipy", "numba", "h5py")


def describe() -> str:
    """Return processor, system, versions and load, a line each."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"processor  {_processor()}, {os.cpu_count()} in this machine\n"
        f"system     {platform.platform()}, Python {sys.version.split()[0]}\n"
        f"versions   {versions}\n"
        f"load       {load()}"
    )


def load() -> str:
    """Return how many processes were running over the last minutes."""
    if not hasattr(os, "getloadavg"):
        return "unknown on this system"
    one, five, fifteen = os.getloadavg()
    return f"{one:.2f} (1 min), {five:.2f} (5 min), {fifteen:.2f} (15 min)"


def _processor() -> str:
    """Return the model name; Linux tells it in a file only."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.processor() or "unknown processor"
