"""HDF5: any dataset, in either axis order; groups as streams."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import fnmatch
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.events import Events
from circus_io.files.axes import Axes
from circus_io.files.hdf5_access import (
    cache_bytes,
    check_chunks,
    hdf5_failures,
    open_hdf5,
)
from circus_io.files.hdf5_description import Description, read_events, start_of
from circus_io.streams import follow_each_other, natural_key

__all__ = ["HDF5File"]


class HDF5File(DataFile):
    """HDF5: any dataset, in either axis order; groups as streams.

    `h5_key` names a dataset. With ``stream_mode = single-file`` it may also name a
    group, all of whose datasets of numbers with two or three axes are streams, or hold
    ``*`` for part of a name (``recordings/*/data``); streams are in natural order.
    `time_axis` is ``auto`` (the longest axis), 0, 1 or 2. What `circus convert` says
    beside the samples is read: when each dataset starts, channels, events. One process
    writes: HDF5 has no two writers.
    """

    description = "hdf5"
    extension = (".h5", ".hdf5")
    is_writable = True
    is_streamable = ("multi-files", "single-file")
    _required_fields = {"h5_key": str, "sampling_rate": float}
    _default_values = {"dtype_offset": "auto", "gain": 1.0, "time_axis": "auto"}

    def _read_from_header(self) -> Mapping[str, Any]:
        self.h5_file = self.data = None
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            keys = self._find_datasets(file)
            if len(keys) > 1 and self.stream_mode != "single-file":
                raise FormatError(
                    f"h5_key = {self.params['h5_key']} names {len(keys)} datasets of "
                    f"{self._short_name()}: {_shorten(keys)}; choose one, or read each "
                    "as a stream with stream_mode = single-file"
                )
            self.keys = keys
            described = self._describe(file[keys[0]])
            said = Description.of(file, described["nb_channels"])
        self._channel_labels, self._metadata = said.labels, said.metadata
        self._channel_positions = said.positions_um
        return described

    def _describe(self, dataset: h5py.Dataset) -> Mapping[str, Any]:
        if dataset.dtype.kind not in "iuf":
            raise FormatError(
                f"{dataset.name} of {self._short_name()} holds {dataset.dtype}, not "
                "samples of a number type"
            )
        where = f"{dataset.name} of {self._short_name()}"
        check_chunks(dataset)
        self._axes = Axes.of(dataset.shape, self.params["time_axis"], where)
        self._shape = self._axes.shape
        self._t_start = start_of(dataset, self.params["sampling_rate"])
        self._cache_bytes = cache_bytes(dataset, self._axes.time_axis)
        return {"nb_channels": self._axes.n_channels, "data_dtype": dataset.dtype.str}

    def _open(self, mode: str = "r") -> None:
        self.h5_file = open_hdf5(self.file_name, mode, rdcc_nbytes=self._cache_bytes)
        self.data = self.h5_file[self.keys[0]]

    def _close(self) -> None:
        self.h5_file.close()
        self.h5_file = self.data = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        # HDF5 reads hyperslabs: take the columns from the first to the last node, then
        # pick. Its own lists of columns must be sorted, unique, and are slower.
        first, stop = 0, self._axes.n_channels
        flat = len(self._axes.stored_shape) == 2
        if flat and nodes is not None and len(nodes):
            first, stop = int(nodes.min()), int(nodes.max()) + 1
        frames = self._read_slab(t_start, t_stop, slice(first, stop) if flat else ...)
        frames = frames.reshape(t_stop - t_start, stop - first)
        return frames if nodes is None else np.take(frames, nodes - first, axis=1)

    def _read_slab(self, t_start: int, t_stop: int, channels: Any) -> np.ndarray:
        with hdf5_failures(f"{self.keys[0]} of {self._short_name()}"):
            slab = self.data[self._index(t_start, t_stop, channels)]
        return self._axes.frames_first(slab)

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        frames = self._axes.unflatten(raw)
        index = self._index(t_start, t_start + len(raw))
        self.data[index] = np.moveaxis(frames, 0, self._axes.time_axis)

    def _index(self, t_start: int, t_stop: int, channels: Any = ...) -> tuple[Any, ...]:
        """Return the index of frames (and, with two axes, channels) as stored."""
        index = [slice(None)] * len(self._axes.stored_shape)
        if channels is not ...:
            index[1 - self._axes.time_axis] = channels
        index[self._axes.time_axis] = slice(t_start, t_stop)
        return tuple(index)

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Return the datasets as streams for ``single-file``; see `DataFile`."""
        if stream_mode != "single-file":
            return super().set_streams(stream_mode)
        sources = [
            type(self)(self.file_name, {**self._given, "h5_key": key})
            for key in self.keys
        ]
        follow_each_other(sources)
        return sources

    def read_events(self) -> dict[str, Events]:
        """Return the events that `circus convert` has written beside the samples."""
        if self.stream_mode == "multi-files":
            return super().read_events()
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            return read_events(file)

    def _find_datasets(self, file: h5py.File) -> list[str]:
        """Return the names of the datasets that `h5_key` stands for."""
        key = self.params["h5_key"].strip("/")
        if key in file and isinstance(file[key], h5py.Dataset):
            return [key]
        pattern = key if "*" in key else f"{key}/*"
        found = [
            name for name in _list_datasets(file) if _matches(name, pattern, "*" in key)
        ]
        if not found:
            raise FormatError(
                f"{self._short_name()} has no dataset {self.params['h5_key']}; it has "
                f"{_shorten(_list_datasets(file)) or 'none with numbers'}"
            )
        return sorted(found, key=natural_key)


def _list_datasets(file: h5py.File) -> list[str]:
    """Return the names of all datasets that may hold traces."""
    names: list[str] = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if (
            isinstance(item, h5py.Dataset)
            and item.dtype.kind in "iuf"
            and item.ndim > 1
        ):
            names.append(name)

    file.visititems(visit)
    return names


def _matches(name: str, pattern: str, level_by_level: bool) -> bool:
    """Tell whether a name fits; a ``*`` that the user wrote stays within one level."""
    if level_by_level and name.count("/") != pattern.count("/"):
        return False
    return fnmatch.fnmatchcase(name, pattern)


def _shorten(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
