"""`NWBFile`: an electrical series of Neurodata Without Borders as a recording."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.errors import NotWritableError
from circus_io.files.hdf5_access import (
    SharedHDF5,
    hdf5_failures,
    open_hdf5,
    root_attribute,
    text,
)
from circus_io.files.hdf5_parts import HDF5PartsFile
from circus_io.files.nwb.series import describe_series, find_series
from circus_io.files.parted import Span

__all__ = ["NWBFile"]


class NWBFile(HDF5PartsFile):
    """Neurodata Without Borders (HDF5): an electrical series.

    `h5_key` is the path or the name of a series; ``auto`` is the only one that was
    recorded. Rate, scale, labels and places are those of the file. It may also name any
    dataset, frames × channels, whose `sampling_rate` and `gain` are then given. Gaps in
    the time stamps are borders of streams. One process writes.
    """

    description = "nwb"
    extension = (".nwb", ".h5", ".hdf5")
    _default_values = {"h5_key": "auto"}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell by the version of the schema, an attribute of the root."""
        return root_attribute(path, "nwb_version") is not None

    def _read_from_header(self) -> Mapping[str, Any]:
        key, rate = self.params["h5_key"], self.params.get("sampling_rate")
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            self._series = describe_series(find_series(file, key), rate)
            self._metadata = {**_metadata(file), **self._series.metadata}
        self._key = self._series.key
        self._channel_labels = self._series.labels
        self._channel_positions = self._series.positions
        self._shared = SharedHDF5(self.file_name, rdcc_nbytes=self._series.cache_bytes)
        return self._divide(self._series.spans)

    def _become(self, part: Span) -> Mapping[str, Any]:
        self._first = part.first
        self._shape = (part.stop - part.first, self._series.n_channels)
        # a clock that starts at 0 says nothing: the file may follow another one
        self._t_start = part.t_start or None
        return {
            "nb_channels": self._series.n_channels,
            "sampling_rate": self._series.sampling_rate,
            "data_dtype": self._series.data_dtype,
            **self._scaling(),
        }

    def _scaling(self) -> Mapping[str, Any]:
        gain, zeros = self._series.gain, self._series.zeros
        self._zeros = None
        if gain is None:
            known = {"gain": 1.0, "dtype_offset": "auto"}
            return {name: self.params.get(name, value) for name, value in known.items()}
        if np.any(zeros != zeros[0]):
            self._zeros, zeros = zeros, np.zeros(1)
        one_gain = np.all(gain == gain[0])
        return {
            "gain": float(gain[0]) if one_gain else gain,
            "dtype_offset": float(zeros[0]),
        }

    def _open(self, mode: str = "r") -> None:
        if mode == "r+" and self._zeros is not None:
            raise NotWritableError(
                f"{self._short_name()} has channels with different zeros, which are "
                "only read"
            )
        super()._open(mode)

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        frames = super()._read_frames(t_start, t_stop, nodes)
        if self._zeros is None:
            return frames
        return frames - (self._zeros if nodes is None else self._zeros[nodes])


def _metadata(file: h5py.File) -> dict[str, Any]:
    names = {
        "session_start_time": "date",
        "session_description": "comment",
        "identifier": "identifier",
    }
    known = {ours: file.get(theirs) for theirs, ours in names.items()}
    return {
        name: text(item[()])
        for name, item in known.items()
        if isinstance(item, h5py.Dataset) and item.shape == ()
    }
