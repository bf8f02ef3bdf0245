"""Events, spike times and cutouts in a file of the Multi Channel DataManager.

They lie beside ``AnalogStream`` in each recording (see `layout`), in entities that an
info table describes by their number; times are µs on the clock of the samples::

    EventStream/Stream_0       EventEntity_0 (2, n): time, duration
    TimeStampStream/Stream_0   TimeStampEntity_0 (1, n)
    SegmentStream/Stream_0     SegmentData_0 (n_samples, n), SegmentData_ts_0 (1, n)
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import h5py
import numpy as np

from circus_io.errors import FormatError
from circus_io.events import Events, in_order
from circus_io.files.hdf5_access import read_whole, text
from circus_io.files.mcs_hdf5.layout import column, gain_uv, numbered, recordings

__all__ = ["read_events"]


def read_events(file: h5py.File, recording: str) -> dict[str, Events]:
    """Return the events of the chosen recordings by the label of their stream.

    Parameters
    ----------
    file : h5py.File
    recording : str
        A number or ``auto``.

    Returns
    -------
    dict of str to Events
        For digital events, `values` are their durations in s; cutouts have
        `waveforms`. A label is that of a channel, where the file names it.
    """
    found: dict[str, list[Events]] = {}
    for group in recordings(file, recording).values():
        for name, events in _read_recording(group).items():
            found.setdefault(name, []).append(events)
    return {name: in_order(parts) for name, parts in found.items()}


def _read_recording(recording: h5py.Group) -> dict[str, Events]:
    found: dict[str, Events] = {}
    for kind, read in READERS.items():
        for number, stream in numbered(recording.get(kind, {})).items():
            name = text(stream.attrs.get("Label", ""))
            if not name or name in found:
                name = f"{kind}/Stream_{number}"
            found[name] = in_order(read(stream))
    return found


def _read_marks(stream: h5py.Group) -> list[Events]:
    parts = []
    for label, entity in _entities(stream, "InfoEvent", "EventID", "EventEntity"):
        times_us, durations_us = read_whole(entity)[:2]
        parts.append(_events(times_us, label, values=durations_us * 1e-6))
    return parts


def _read_times(stream: h5py.Group) -> list[Events]:
    table, key = "InfoTimeStamp", "TimeStampEntityID"
    return [
        _events(read_whole(entity).reshape(-1), label)
        for label, entity in _entities(stream, table, key, "TimeStampEntity")
    ]


def _read_cutouts(stream: h5py.Group) -> list[Events]:
    """Return cutouts; those of several channels at once, and averages, are left out."""
    sources = {int(entry["ChannelID"]): entry for entry in _sources(stream)}
    parts = []
    for info in read_whole(stream["InfoSegment"]):
        number, source = info["SegmentID"], text(info["SourceChannelIDs"])
        samples = stream.get(f"SegmentData_{number}")
        if samples is None or samples.ndim != 2 or not source.isdecimal():
            continue
        channel = sources[int(source)]
        zero = int(channel["ADZero"])
        volts = (read_whole(samples).T - zero) * gain_uv(channel, stream.name)
        times_us = read_whole(stream[f"SegmentData_ts_{number}"]).reshape(-1)
        n_before = _samples_before(info, channel, volts.shape[1])
        parts.append(
            _events(
                times_us,
                text(channel["Label"]),
                waveforms=volts.astype("f4"),
                n_before=np.full(len(times_us), n_before),
            )
        )
    return parts


def _samples_before(info: np.void, channel: np.void, n_samples: int) -> int:
    """Return how many samples of a cutout are ahead of its time."""
    before_us, tick_us = int(info["PreInterval"]), int(channel["Tick"])
    if not 0 <= before_us <= n_samples * max(tick_us, 0):
        raise FormatError(
            f"a cutout of {n_samples} samples of {tick_us} µs cannot begin {before_us} "
            "µs before its event"
        )
    return round(before_us / tick_us) if tick_us else 0


def _sources(stream: h5py.Group) -> np.ndarray:
    return read_whole(stream["SourceInfoChannel"])


READERS: Mapping[str, Callable[[h5py.Group], list[Events]]] = MappingProxyType(
    {
        "EventStream": _read_marks,
        "TimeStampStream": _read_times,
        "SegmentStream": _read_cutouts,
    }
)


def _entities(
    stream: h5py.Group, table: str, key: str, head: str
) -> list[tuple[str, h5py.Dataset]]:
    """Return label and dataset of the entities that an info table lists."""
    info = read_whole(stream[table])
    channels = column(info, "SourceChannelLabels", "Label")
    found = []
    for number, own, channel in zip(
        info[key], column(info, "Label", key), channels, strict=True
    ):
        # an entity without events has no dataset
        if f"{head}_{number}" in stream:
            label = text(channel) or text(own) or str(number)
            found.append((label, stream[f"{head}_{number}"]))
    return found


def _events(times_us: np.ndarray, label: str, **arrays: np.ndarray) -> Events:
    return Events(times_us * 1e-6, (label,) * len(times_us), **arrays)
