"""ARF, the Advanced Recording Format: the channels of its entries.

As its specification (2.1, meliza.org) describes it, in HDF5::

    /                 attribute arf_version
      entry           attribute timestamp: s and µs since 1970
        channel       samples, frames first; attributes sampling_rate (Hz), units,
                      datatype (2 and 23: extracellular), offset (frames)
        events        times, with units "s" or "samples"
"""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.errors import FormatError
from circus_io.events import Events
from circus_io.fields import convert
from circus_io.files.hdf5_access import (
    SharedHDF5,
    hdf5_failures,
    number,
    open_hdf5,
    read_whole,
    root_attribute,
    text,
)
from circus_io.files.hdf5_parts import check_samples
from circus_io.files.parted import PartedFile
from circus_io.streams import natural_key

__all__ = ["ARFFile"]

logger = logging.getLogger(__name__)

TO_MICROVOLT = {"V": 1e6, "mV": 1e3, "uV": 1.0, "µV": 1.0, "nV": 1e-3}
TIMES = ("s", "samples")
# kinds of data, the best first: spikes can be seen, other extracellular, unknown
PREFERRED = ({2, 23}, {3, 4}, {0})


@dataclass(frozen=True)
class Entry:
    """The chosen channels of an entry.

    Attributes
    ----------
    key : str
    columns : tuple of (str, int)
        Dataset of each channel, and its column there; 0 where it is the only one.
    labels : tuple of str
    n_frames : int
    data_dtype : str
    sampling_rate : float
        Hz.
    gain : float64 array, shape (n_channels,), or None
        µV per count, where the units are voltages.
    time_us : int
        Since 1970; of the first frame.
    """

    key: str
    columns: tuple[tuple[str, int], ...]
    labels: tuple[str, ...]
    n_frames: int
    data_dtype: str
    sampling_rate: float
    gain: np.ndarray | None
    time_us: int


class ARFFile(PartedFile):
    """Advanced Recording Format: the channels of an entry, or of all.

    `h5_key` is the entry; ``auto`` takes all, as streams in the order of their time.
    `channel_name` is a part of the names of the channels; ``auto`` takes the
    extracellular ones. `gain` counts where the file has no unit of a voltage. One
    process writes.
    """

    description = "arf"
    extension = (".arf", ".hdf5", ".h5")
    is_writable = True
    _default_values = {
        "h5_key": "auto",
        "channel_name": "auto",
        "dtype_offset": "auto",
        "gain": 1.0,
    }

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell by the version of the format, an attribute of the root."""
        return root_attribute(path, "arf_version") is not None

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            chosen = _find_entries(file, self.params["h5_key"])
            names = self.params["channel_name"]
            entries = [one for one in (_describe(e, names) for e in chosen) if one]
            if not entries:
                raise FormatError(
                    f"{self._short_name()} has no channels (channel_name = {names})"
                )
            cache = max(_cache(file, entry) for entry in entries)
        entries.sort(key=lambda one: (one.time_us, natural_key(one.key)))
        self._origin_us = entries[0].time_us
        self._shared = SharedHDF5(self.file_name, rdcc_nbytes=cache)
        return self._divide(entries)

    def _become(self, part: Entry) -> Mapping[str, Any]:
        self._entry = part
        self._shape = (part.n_frames, len(part.columns))
        passed_us = part.time_us - self._origin_us
        self._t_start = round(passed_us * part.sampling_rate / 1e6) or None
        self._channel_labels = part.labels
        self._metadata = {"entry": part.key.strip("/"), "date": _date(part.time_us)}
        found = {
            "nb_channels": len(part.columns),
            "sampling_rate": part.sampling_rate,
            "data_dtype": part.data_dtype,
        }
        return found if part.gain is None else {**found, "gain": part.gain}

    def _open(self, mode: str = "r") -> None:
        file = self._shared.acquire(mode)
        self.data = {key: file[key] for key, _ in self._entry.columns}

    def _close(self) -> None:
        self.data = None
        self._shared.release()

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        columns = self._entry.columns
        chosen = columns if nodes is None else [columns[node] for node in nodes]
        frames = np.empty((t_stop - t_start, len(chosen)), self._entry.data_dtype)
        with hdf5_failures(self._short_name()):
            for i, (key, column) in enumerate(chosen):
                data = self.data[key]
                where = slice(t_start, t_stop)
                frames[:, i] = data[where] if data.ndim == 1 else data[where, column]
        return frames

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        where = slice(t_start, t_start + len(raw))
        for i, (key, column) in enumerate(self._entry.columns):
            data = self.data[key]
            data[where if data.ndim == 1 else (where, column)] = raw[:, i]

    def read_events(self) -> dict[str, Events]:
        """Return the events beside the samples, by entry and dataset."""
        if self.stream_mode == "multi-files":
            return super().read_events()
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            return {
                f"{part.key.strip('/')}/{name}": self._events(part, item)
                for part in self._parts
                for name, item in file[part.key].items()
                if _kind(item) == "events"
            }

    def _events(self, part: Entry, item: h5py.Dataset) -> Events:
        stored = read_whole(item)
        times = stored["start"] if stored.dtype.names else stored
        rate = number(item.attrs.get("sampling_rate", 1.0))
        in_samples = "samples" in _units(item)
        offset = number(item.attrs.get("offset", 0))
        times_s = (times + offset) / (rate if in_samples else 1.0)
        begin_us = _time_us(item.parent.attrs["timestamp"]) - self._origin_us
        return Events(np.sort(times_s.astype(np.float64).reshape(-1) + begin_us * 1e-6))


def _time_us(timestamp: Any) -> int:
    """Return the µs since 1970 of a time stamp: s and µs, or s alone."""
    parts = np.asarray(timestamp).reshape(-1)
    if parts.dtype.kind not in "iuf" or not 1 <= len(parts) <= 2:
        raise FormatError(f"found {timestamp!r} where a time stamp is expected")
    seconds, rest = (*parts.tolist(), 0)[:2]
    time_us = seconds * 10**6 + rest
    if not 0 <= time_us < 2**62:
        raise FormatError(f"an entry has the time stamp {timestamp}")
    return round(time_us)


def _date(time_us: int) -> str:
    try:
        return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return ""


def _find_entries(file: h5py.File, wanted: str) -> list[h5py.Group]:
    """Return the entry that is wanted, or all of them."""
    there = {
        name: item
        for name, item in file.items()
        if isinstance(item, h5py.Group) and "timestamp" in item.attrs
    }
    if wanted.strip("/") in there:
        return [there[wanted.strip("/")]]
    if wanted != "auto" or not there:
        raise FormatError(
            f"h5_key = {wanted}: the file has the entries "
            f"{', '.join(sorted(there, key=natural_key)) or 'none'}"
        )
    return list(there.values())


def _kind(item: Any) -> str:
    """Return what a member of an entry is: samples, events or something else."""
    if not isinstance(item, h5py.Dataset):
        return ""
    if item.dtype.names or set(_units(item)) & set(TIMES):
        has_times = item.dtype.kind in "iuf" or "start" in (item.dtype.names or ())
        return "events" if has_times else ""
    is_sampled = "sampling_rate" in item.attrs and item.dtype.kind in "iuf"
    return "samples" if is_sampled and item.ndim in (1, 2) else ""


def _units(item: h5py.Dataset) -> list[str]:
    return [text(unit) for unit in np.asarray(item.attrs.get("units", "")).reshape(-1)]


def _channels(entry: h5py.Group, names: str) -> list[h5py.Dataset]:
    """Return the datasets that `names` stands for, in natural order."""
    sampled = [
        entry[name]
        for name in sorted(entry, key=natural_key)
        if _kind(entry[name]) == "samples"
    ]
    if names != "auto":
        return [item for item in sampled if names in item.name.rpartition("/")[2]]
    for kinds in PREFERRED:
        found = [i for i in sampled if number(i.attrs.get("datatype", 0)) in kinds]
        if found:
            return found
    return sampled


def _describe(entry: h5py.Group, names: str) -> Entry | None:
    """Return the channels of an entry; None if it has none."""
    channels = _channels(entry, names)
    if not channels:
        return None
    for channel in channels:
        check_samples(channel, entry.name)
    rate = convert("sampling_rate", _common(channels, "sampling_rate", entry.name))
    offset = _common(channels, "offset", entry.name, 0)
    lengths = {len(channel) for channel in channels}
    if len(lengths) > 1:
        logger.warning(
            "%s: channels have %d to %d frames; the shortest counts",
            entry.name,
            min(lengths),
            max(lengths),
        )
    if len({channel.dtype for channel in channels}) > 1:
        raise FormatError(
            f"{entry.name} has channels of different types; choose some of one type "
            "with channel_name"
        )
    columns = [(c, i) for c in channels for i in range((*c.shape, 1)[1])]
    scales = [TO_MICROVOLT.get(_units(channel)[0]) for channel, _ in columns]
    return Entry(
        key=entry.name,
        columns=tuple((channel.name, i) for channel, i in columns),
        labels=tuple(_label(channel, i) for channel, i in columns),
        n_frames=min(lengths),
        data_dtype=channels[0].dtype.str,
        sampling_rate=rate,
        gain=None if None in scales else np.array(scales),
        time_us=_time_us(entry.attrs["timestamp"]) + round(offset / rate * 1e6),
    )


def _common(
    channels: list[h5py.Dataset], name: str, entry: str, otherwise: Any = None
) -> int | float:
    """Return an attribute that all channels share."""
    values = {number(channel.attrs.get(name, otherwise)) for channel in channels}
    if len(values) > 1:
        raise FormatError(
            f"{entry} has channels of different {name}: {sorted(values)}; choose some "
            "that agree with channel_name"
        )
    return values.pop()


def _label(channel: h5py.Dataset, column: int) -> str:
    name = channel.name.rpartition("/")[2]
    return name if channel.ndim == 1 else f"{name}_{column}"


def _cache(file: h5py.File, entry: Entry) -> int:
    keys = dict.fromkeys(key for key, _ in entry.columns)
    return max(check_samples(file[key], entry.key) for key in keys)
