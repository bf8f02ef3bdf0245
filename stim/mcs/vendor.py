"""The vendor's assembly itself: found, checked, loaded; on Windows only."""

import hashlib
import os
import struct
import sys
from pathlib import Path

from circus_io.errors import DeviceError
from stim.mcs.assembly import load_assembly
from stim.mcs.bus import McsBus

__all__ = ["vendor_bus"]

PATH_VARIABLE = "CIRCUS_MCSUSBNET"
HASH_VARIABLE = "CIRCUS_MCSUSBNET_SHA256"
MACHINES = {0x014C: 32, 0x8664: 64}


def vendor_bus(path: str | Path | None = None, sha256: str | None = None) -> McsBus:
    """Return the bus ``stg4000``: devices of Multi Channel Systems.

    Parameters
    ----------
    path : path, optional
        Of ``McsUsbNet.dll``; else what the environment variable ``CIRCUS_MCSUSBNET``
        says.
    sha256 : str, optional
        What the file has to be, in hexadecimal digits; else what
        ``CIRCUS_MCSUSBNET_SHA256`` says, else anything.

    Raises
    ------
    DeviceError
        This is not Windows, or the file is absent, of another bitness than this
        Python, or not the one that was asked for.
    """
    # constructing its classes elsewhere ends the process: most of it is not .NET
    if sys.platform != "win32":
        raise DeviceError(
            "the vendor's assembly runs on Windows only, and this is "
            f"{sys.platform}; without a device use the bus 'simulated' or "
            "'mcs-simulated'"
        )
    found = _find(path)
    _check_bitness(found)
    _check_hash(found, sha256 or os.environ.get(HASH_VARIABLE))
    reach = f"stg4000@{found.resolve()}"
    return McsBus("stg4000", load_assembly(found, "netfx"), reach=reach)


def _find(path: str | Path | None) -> Path:
    given = path or os.environ.get(PATH_VARIABLE)
    if not given:
        raise DeviceError(
            f"where is McsUsbNet.dll? Give its path, or set {PATH_VARIABLE}; it comes "
            "from Multi Channel Systems: github.com/multichannelsystems/McsUsbNet"
        )
    found = Path(given)
    if not found.is_file():
        raise DeviceError(f"{found}: there is no such file; it should be McsUsbNet.dll")
    return found


def _check_bitness(path: Path) -> None:
    of_python = 64 if sys.maxsize > 2**32 else 32
    of_file = _bitness(path)
    if of_file != of_python:
        folder = "x64" if of_python == 64 else "x86"
        raise DeviceError(
            f"{path}: for programs of {of_file} bits, and this Python has {of_python}; "
            f"take the file of the vendor's folder {folder}"
        )


def _bitness(path: Path) -> int:
    """Return the bits of a library of Windows, from its COFF header."""
    with path.open("rb") as file:
        head = file.read(0x40)
        if len(head) < 0x40 or head[:2] != b"MZ":
            raise DeviceError(f"{path}: not a library of Windows")
        file.seek(struct.unpack_from("<I", head, 0x3C)[0])
        header = file.read(6)
    if len(header) < 6 or header[:4] != b"PE\0\0":
        raise DeviceError(f"{path}: not a library of Windows")
    (machine,) = struct.unpack_from("<H", header, 4)
    if machine not in MACHINES:
        raise DeviceError(f"{path}: for machines of type 0x{machine:04X}, not for PCs")
    return MACHINES[machine]


def _check_hash(path: Path, expected: str | None) -> None:
    if not expected:
        return
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != expected.strip().lower():
        raise DeviceError(f"{path}: its SHA-256 is {actual}, not {expected}")
