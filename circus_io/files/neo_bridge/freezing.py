"""A parsed neo reader as bytes: its maps and open files go along as places on disk.

A reader of neo keeps memory maps and open files, which no pickle takes (a map would go
along as a copy of the whole file). Here they become their path and place, and are
opened again where the bytes land. A reader that keeps other things of a library, such
as NIX, cannot be frozen.
"""

import contextlib
import io
import mmap
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Frozen", "Thawed", "freeze", "thaw"]

QUICK = 1  # level of zlib: tables of fixed-width text shrink well at any


class _Freezer(pickle.Pickler):
    """Writes places instead of maps and open files, and notes what it met."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=5)
        self.handles: list[Any] = []
        self.paths: set[str] = set()

    def persistent_id(self, item: Any) -> tuple[Any, ...] | None:
        place = _place(item)
        if place is not None:
            self.paths.add(place[1])
            if place[0] in ("file", "hdf5"):
                self.handles.append(item)
        return place


class _Thawer(pickle.Unpickler):
    """Opens again what `_Freezer` wrote as a place; each file once."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.handles: list[Any] = []
        self._opened: dict[tuple[str, str], Any] = {}

    def persistent_load(self, place: tuple[Any, ...]) -> Any:
        kind, path, *rest = place
        if kind == "map":
            return self._map(path, *rest)
        if kind == "file":
            return self._keep(Path(path).open("rb"))
        root = self._hdf5(path)
        return root[rest[0]] if kind == "hdf5 item" else root

    def _map(
        self, path: str, dtype: np.dtype, offset: int, shape: Any, strides: Any
    ) -> np.ndarray:
        if ("map", path) not in self._opened:
            self._opened["map", path] = np.memmap(path, np.uint8, "r")
        whole = self._opened["map", path]
        return np.ndarray(shape, dtype, whole, offset, strides)

    def _hdf5(self, path: str) -> Any:
        import h5py

        if ("hdf5", path) not in self._opened:
            self._opened["hdf5", path] = self._keep(h5py.File(path, "r"))
        return self._opened["hdf5", path]

    def _keep(self, handle: Any) -> Any:
        self.handles.append(handle)
        return handle


@dataclass
class Frozen:
    """A reader as bytes.

    Attributes
    ----------
    content : bytes or None
        None if the reader holds what no pickle takes.
    handles : list
        Files that the reader holds open; those inside of such things are not found.
    paths : set of str
        Files that it maps or holds open.
    """

    content: bytes | None
    handles: list[Any]
    paths: set[str]


class Thawed:
    """A reader that lives, and the files that it holds open.

    Attributes
    ----------
    reader : neo.rawio.baserawio.BaseRawIO
    """

    def __init__(self, reader: Any, handles: list[Any]) -> None:
        self.reader = reader
        self._handles = handles

    def close(self) -> None:
        """Close the files; maps go with the last array that uses them."""
        opened_later = [] if self.reader is None else _files_in(vars(self.reader))
        for handle in [*self._handles, *opened_later]:
            handle.close()
        self.reader, self._handles = None, []

    def __del__(self) -> None:
        """Close what a recording that was never closed leaves open."""
        self.close()


def freeze(reader: Any) -> Frozen:
    """Return a parsed reader as bytes, with the files it holds."""
    buffer = io.BytesIO()
    freezer = _Freezer(buffer)
    try:
        freezer.dump(reader)
    except Exception:  # whatever the objects of a library raise
        return Frozen(None, *_look_through(reader))
    content = zlib.compress(buffer.getvalue(), QUICK)
    return Frozen(content, freezer.handles, freezer.paths)


def thaw(content: bytes) -> Thawed:
    """Return the reader that `freeze` made bytes of, its files opened again.

    Raises
    ------
    OSError
        A file is gone.
    """
    thawer = _Thawer(io.BytesIO(zlib.decompress(content)))
    return Thawed(thawer.load(), thawer.handles)


def _look_through(reader: Any) -> tuple[list[Any], set[str]]:
    """Return handles and paths of the attributes that a pickle takes."""
    freezer = _Freezer(io.BytesIO())
    for value in vars(reader).values():
        with contextlib.suppress(Exception):  # what no pickle takes
            freezer.dump(value)
    return freezer.handles, freezer.paths


def _files_in(value: Any) -> Iterator[Any]:
    """Give the open files in attributes, such as those that reading has opened."""
    if isinstance(value, io.IOBase):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _files_in(item)


def _place(item: Any) -> tuple[Any, ...] | None:
    """Return where a map or an open file is; None for anything else."""
    if isinstance(item, np.ndarray):
        return _place_of_map(item)
    if isinstance(item, io.BufferedReader):
        return ("file", str(item.name))
    if type(item).__module__.startswith("h5py"):
        return _place_of_hdf5(item)
    return None


def _place_of_map(array: np.ndarray) -> tuple[Any, ...] | None:
    owner = array
    while isinstance(owner, np.ndarray) and getattr(owner, "_mmap", None) is None:
        owner = owner.base
    if not isinstance(owner, np.memmap) or owner.filename is None:
        return None
    # a slice of a map keeps the offset of the whole: count from the mapped pages
    page = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY
    first = np.frombuffer(owner._mmap, np.uint8).__array_interface__["data"][0]
    offset = page + array.__array_interface__["data"][0] - first
    path = str(owner.filename)
    return ("map", path, array.dtype, offset, array.shape, array.strides)


def _place_of_hdf5(item: Any) -> tuple[Any, ...] | None:
    kind = type(item).__name__
    if kind == "File":
        return ("hdf5", item.filename)
    if kind in ("Dataset", "Group"):
        return ("hdf5 item", item.file.filename, item.name)
    return None
