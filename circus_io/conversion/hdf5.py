"""To HDF5: a dataset of frames × channels for each span, and what describes it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.conversion.flat_hdf5 import allocate, open_samples
from circus_io.conversion.target import Content, Room, Target
from circus_io.events import Events

__all__ = ["HDF5Target"]


class HDF5Target(Target):
    """One dataset ``/data``, or ``/data/0``, ``/data/1``, ... where there are gaps.

    The samples of a dataset lie in one piece, not compressed, so that any program can
    map them. Its attributes are `sampling_rate` (Hz), `dtype_offset` and `t_start`
    (frames). ``/channels`` holds `labels`, `gain` (µV per count) and `positions_um`;
    ``/events/NAME`` what `circus_io.Events` holds of events; ``/metadata`` JSON.
    """

    description = "hdf5"
    extension = (".h5", ".hdf5")
    parallel_write = True
    holds_events = True

    def create(self, path: Path, content: Content) -> None:
        """Make the datasets and write everything but the samples."""
        with h5py.File(path, "w") as file:
            file.attrs["source"] = content.source
            file["metadata"] = json.dumps(dict(content.metadata), default=str)
            _write_channels(file.create_group("channels"), content)
            for name, events in content.events.items():
                group = file.create_group(f"events/{name.replace('/', '_')}")
                _write_events(group, events)
            for span, name in enumerate(_names(content)):
                _make_room(file, name, span, content)

    @contextmanager
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> Iterator[Sequence[Room]]:
        """Give the dataset of each span."""
        names = _names(content)
        if mode == "r":
            with h5py.File(path, "r") as file:
                yield [file[name] for name in names]
            return
        with open_samples(path, content, [(name, 0) for name in names]) as rooms:
            yield rooms

    def reading(self, path: Path, content: Content) -> dict[str, Any]:
        """Return where the samples are, and what they are."""
        spans = {"stream_mode": "single-file"} if len(_names(content)) > 1 else {}
        return {
            "file_format": "hdf5",
            "h5_key": "data",
            **spans,
            "sampling_rate": content.sampling_rate,
            "dtype_offset": content.encoding.offset,
            "gain": content.encoding.gain,
            "time_axis": 0,
        }


def _names(content: Content) -> list[str]:
    n_spans = len(content.table.starts)
    return ["data"] if n_spans == 1 else [f"data/{span}" for span in range(n_spans)]


def _make_room(file: h5py.File, name: str, span: int, content: Content) -> None:
    shape = (content.table.lengths[span], content.n_channels)
    dataset = file.create_dataset(name, shape, content.encoding.dtype)
    dataset.attrs["sampling_rate"] = content.sampling_rate
    dataset.attrs["dtype_offset"] = content.encoding.offset
    dataset.attrs["t_start"] = content.table.starts[span]
    allocate(dataset)


def _write_channels(group: h5py.Group, content: Content) -> None:
    """Write what there is of each channel; attributes would end at 64 kB."""
    group["labels"] = list(content.channel_labels)
    group["gain"] = content.gains
    if content.channel_positions is not None:
        group["positions_um"] = content.channel_positions


def _write_events(group: h5py.Group, events: Events) -> None:
    group["times_s"] = np.asarray(events.times_s, np.float64)
    if len(events.labels):
        group["labels"] = list(events.labels)
    for name in ("values", "waveforms", "n_before"):
        if getattr(events, name) is not None:
            group[name] = getattr(events, name)
