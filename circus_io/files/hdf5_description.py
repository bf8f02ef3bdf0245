"""What `circus convert` says in an HDF5 file beside the samples.

Each dataset has the attributes `t_start` (an integer, frames) and `sampling_rate` (a
float, Hz); ``/channels`` holds `labels` and `positions_um`, ``/events/NAME`` the fields
of `circus_io.Events`, ``/metadata`` JSON. Other files have none of it, or something
else by these names, which is left alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from circus_io.events import Events
from circus_io.files.hdf5_access import check_bytes, number, read_whole, text

__all__ = ["Description", "read_events", "start_of"]

MOST_T_START = 2**62
FIELDS = ("values", "waveforms", "n_before")


@dataclass(frozen=True)
class Description:
    """What a file says of its channels, and of the recording.

    Attributes
    ----------
    labels : tuple of str, or None
    positions_um : float64 array, shape (n_channels, 2), or None
    metadata : mapping
    """

    labels: tuple[str, ...] | None = None
    positions_um: np.ndarray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, file: h5py.File, n_channels: int) -> "Description":
        """Return what a file says of so many channels.

        Raises
        ------
        FormatError
            What it says is far larger than the file.
        """
        labels = _dataset(file, "channels/labels")
        positions = _dataset(file, "channels/positions_um")
        if labels is None or labels.shape != (n_channels,) or labels.dtype.kind != "O":
            return cls()
        fits = positions is not None and positions.shape == (n_channels, 2)
        return cls(
            tuple(text(label) for label in read_whole(labels)),
            read_whole(positions) if fits and positions.dtype.kind == "f" else None,
            _metadata(_dataset(file, "metadata")),
        )


def start_of(dataset: h5py.Dataset, sampling_rate: float) -> int | None:
    """Return the first frame on the clock of the recording; None if it is not said."""
    start, rate = (dataset.attrs.get(name) for name in ("t_start", "sampling_rate"))
    if not isinstance(start, np.integer) or not isinstance(rate, np.floating):
        return None
    said = 0 <= start < MOST_T_START and number(rate) == sampling_rate
    # a clock that starts at 0 says nothing: the file may follow another one
    return (int(start) or None) if said else None


def read_events(file: h5py.File) -> dict[str, Events]:
    """Return the events of a file by name.

    Raises
    ------
    FormatError, ValueError
        They are not what they should be.
    """
    groups = file.get("events")
    if not isinstance(groups, h5py.Group):
        return {}
    return {
        name: _events(group)
        for name, group in groups.items()
        if isinstance(group, h5py.Group) and _dataset(group, "times_s") is not None
    }


def _events(group: h5py.Group) -> Events:
    labels = _dataset(group, "labels")
    arrays = {name: _dataset(group, name) for name in FIELDS}
    return Events(
        read_whole(group["times_s"]).astype(np.float64),
        () if labels is None else tuple(text(label) for label in read_whole(labels)),
        **{name: None if a is None else read_whole(a) for name, a in arrays.items()},
    )


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset | None:
    item = group.get(name)
    return item if isinstance(item, h5py.Dataset) else None


def _metadata(dataset: h5py.Dataset | None) -> Mapping[str, Any]:
    if dataset is None or dataset.shape != () or dataset.dtype.kind != "O":
        return {}
    check_bytes(dataset, (), 64)
    try:
        found = json.loads(text(dataset[()]))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
