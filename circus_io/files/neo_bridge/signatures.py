"""Is a file of this format? Told from its first bytes, without neo.

Each function takes a path and returns True, False, or None where the content does not
tell. Layouts are those of the vendors' format notes.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from circus_io.files.first_bytes import first_bytes

__all__ = [
    "Signature",
    "any_of",
    "files_below",
    "has_neighbour",
    "hdf5_with",
    "in_folder",
    "is_nix",
    "is_oebin",
    "is_spikeglx",
    "is_tdt",
    "safely",
    "starts_with",
    "text_with",
]

Signature = Callable[[Path], bool | None]

HEAD_BYTES = 4096
MOST_ENTRIES = 2000  # of a folder that are looked at
HDF5 = b"\x89HDF\r\n\x1a\n"


def starts_with(*magics: bytes, offset: int = 0) -> Signature:
    """Recognise files with one of `magics` at `offset`."""

    def recognise(path: Path) -> bool:
        head = first_bytes(path, HEAD_BYTES)[offset:]
        return any(head.startswith(magic) for magic in magics)

    return recognise


def text_with(*words: bytes) -> Signature:
    """Recognise files with all `words` in their first bytes."""

    def recognise(path: Path) -> bool:
        head = first_bytes(path, HEAD_BYTES)
        return all(word in head for word in words)

    return recognise


def hdf5_with(*names: str) -> Signature:
    """Recognise HDF5 files with all objects `names` (``a|b`` is either)."""

    def recognise(path: Path) -> bool:
        if not first_bytes(path, HEAD_BYTES).startswith(HDF5):
            return False
        import h5py

        with h5py.File(path, "r") as file:
            return all(any(n in file for n in name.split("|")) for name in names)

    return recognise


def is_nix(path: Path) -> bool:
    """Recognise NIX: HDF5 with the attribute ``format = "nix"``."""
    if not first_bytes(path, HEAD_BYTES).startswith(HDF5):
        return False
    import h5py

    with h5py.File(path, "r") as file:
        return str(file.attrs.get("format", "")) == "nix"


def is_oebin(path: Path) -> bool:
    """Recognise ``structure.oebin`` of Open Ephys: JSON that lists streams."""
    found = json.loads(path.read_text("utf-8"))
    return isinstance(found, dict) and "continuous" in found


def is_spikeglx(path: Path) -> bool:
    """Recognise a ``.bin`` with its ``.meta``, by what the latter says."""
    meta = path.with_suffix(".meta")
    if not (meta.is_file() and path.with_suffix(".bin").is_file()):
        return False
    text = meta.read_bytes()
    return b"nSavedChans=" in text and b"typeThis=" in text


def is_tdt(path: Path) -> bool:
    """Recognise a file of a TDT block by the index and the list of stores beside it."""
    suffixes = {file.suffix.lower() for file in path.parent.iterdir()}
    return {".tbk", ".tsq"} <= suffixes


def has_neighbour(suffix: str) -> Signature:
    """Recognise files that have one of the same name with `suffix` added."""
    return lambda path: path.with_name(path.name + suffix).is_file()


def any_of(*signatures: Signature) -> Signature:
    """Recognise what one of `signatures` does; None if one of them cannot tell."""

    def recognise(path: Path) -> bool | None:
        answers = [safely(signature, path) for signature in signatures]
        return True if True in answers else (None if None in answers else False)

    return recognise


def in_folder(folder: Path, suffixes: tuple[str, ...], signature: Signature) -> bool:
    """Tell whether a folder, or one below it, holds a file that is recognised."""
    return any(safely(signature, file) for file in files_below(folder, suffixes))


def files_below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Give the files with one of `suffixes`; only so many entries are looked at."""
    n_seen = 0
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            n_seen += 1
            if n_seen > MOST_ENTRIES:
                return
            if name.lower().endswith(suffixes):
                yield Path(parent) / name


def safely(signature: Signature, path: Path) -> bool | None:
    """Ask a signature; what cannot be read is not recognised."""
    with suppress(Exception):
        return signature(path)
    return False
