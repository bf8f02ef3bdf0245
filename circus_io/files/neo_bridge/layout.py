"""What a parsed reader of neo says of one stream: channels and segments."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io.errors import FormatError
from circus_io.files.neo_bridge.buffers import Buffer
from circus_io.files.neo_bridge.positions import positions_of
from circus_io.files.neo_bridge.units import Scale

__all__ = ["Segment", "StreamLayout", "choose_stream", "count", "read_layout"]


@dataclass(frozen=True)
class Segment:
    """A gap-free piece of a stream.

    Attributes
    ----------
    index : int
        In the block of neo.
    n_frames : int
    t_start_s : float
        On the clock of the file.
    buffer : Buffer or None
        Where the samples lie flat; None if neo has to read them.
    """

    index: int
    n_frames: int
    t_start_s: float
    buffer: Buffer | None


@dataclass(frozen=True)
class StreamLayout:
    """One stream of signals.

    Attributes
    ----------
    index : int
        In the header of neo.
    name : str
    block : int
    rate : float
        Hz.
    dtype : str
    labels : tuple of str
        One per channel, no two the same.
    units : tuple of str
        As the file has them.
    places : float64 array, shape (n_channels, 2), or None
        Where the channels are, µm.
    scale : Scale
    segments : tuple of Segment
    """

    index: int
    name: str
    block: int
    rate: float
    dtype: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    places: np.ndarray | None
    scale: Scale
    segments: tuple[Segment, ...]


def read_layout(reader: Any, block: int, stream: int) -> StreamLayout:
    """Return what a parsed `reader` says of a stream.

    Raises
    ------
    FormatError
        Channels of a stream differ in rate or type, or a size makes no sense.
    """
    header = reader.header["signal_streams"][stream]
    everything = reader.header["signal_channels"]
    channels = everything[everything["stream_id"] == header["id"]]
    _check_alike(channels, str(header["name"]))
    units = tuple(str(unit) for unit in channels["units"])
    dtype = str(channels["dtype"][0])
    return StreamLayout(
        index=stream,
        name=str(header["name"]) or str(header["id"]),
        block=block,
        rate=float(channels["sampling_rate"][0]),
        dtype=dtype,
        labels=_labels(channels),
        units=units,
        places=positions_of(reader, str(header["id"]), len(channels)),
        scale=Scale.of(channels["gain"], channels["offset"], units, dtype),
        segments=tuple(
            _segment(reader, block, index, stream, dtype, len(channels))
            for index in range(reader.segment_count(block))
        ),
    )


def choose_stream(
    streams: np.ndarray, counts: Sequence[int], wanted: str, electrodes: str, where: str
) -> int:
    """Return the index of the stream to read.

    Parameters
    ----------
    streams : array
        ``header["signal_streams"]``.
    counts : sequence of int
        Channels of each.
    wanted : str
        Name, id or number of a stream; empty for the only one, or else the one that
        `electrodes` fits.
    electrodes : str
        Regular expression of names and ids.
    where : str
        The file, for messages.

    Raises
    ------
    FormatError
        There is no such one, or a choice has to be made.
    """
    names = [str(name) for name in streams["name"]]
    ids = [str(key) for key in streams["id"]]
    offered = ", ".join(
        f"{name or key} ({n} channels)"
        for name, key, n in zip(names, ids, counts, strict=True)
    )
    if wanted:
        return _named(wanted, names, ids, f"{where}; it has {offered}")
    fits = [
        index
        for index, (name, key) in enumerate(zip(names, ids, strict=True))
        if electrodes and (re.search(electrodes, name) or re.search(electrodes, key))
    ]
    for choice in (range(len(names)), fits):
        if len(choice) == 1:
            return choice[0]
    raise FormatError(
        f"{where} holds {len(names)} streams: {offered}; choose one with stream = NAME"
    )


def count(text: str, n_items: int, what: str, where: str) -> int:
    """Return a number below `n_items` that is given as text.

    Raises
    ------
    FormatError
        It is none.
    """
    if not (text.isdecimal() and int(text) < n_items):
        raise FormatError(
            f"{what} = {text}: {where} has {what}s 0 to {n_items - 1}; choose one"
        )
    return int(text)


def _named(wanted: str, names: list[str], ids: list[str], where: str) -> int:
    for given in (names, ids):
        if given.count(wanted) == 1:
            return given.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise FormatError(f"there is no stream {wanted} in {where}")


def _check_alike(channels: np.ndarray, name: str) -> None:
    if not len(channels):
        raise FormatError(f"the stream {name} has no channels")
    for field in ("sampling_rate", "dtype"):
        values = np.unique(channels[field])
        if len(values) > 1:
            raise FormatError(
                f"the channels of the stream {name} differ in {field}: "
                f"{', '.join(map(str, values))}"
            )


def _labels(channels: np.ndarray) -> tuple[str, ...]:
    """Return the names of channels, or what tells those of one name apart."""
    names = [str(name).strip() for name in channels["name"]]
    ids = [str(key) for key in channels["id"]]
    both = [f"{name} {key}".strip() for name, key in zip(names, ids, strict=True)]
    for labels in (names, both):
        if len(set(labels)) == len(labels) and all(labels):
            return tuple(labels)
    return tuple(f"{label} {index}" for index, label in enumerate(both))


def _segment(
    reader: Any, block: int, index: int, stream: int, dtype: str, n_channels: int
) -> Segment:
    n_frames = int(reader.get_signal_size(block, index, stream))
    t_start_s = float(reader.get_signal_t_start(block, index, stream))
    if n_frames < 0 or not np.isfinite(t_start_s):
        raise FormatError(
            f"segment {index} has {n_frames} frames from {t_start_s} s on; its header "
            "is damaged"
        )
    buffer = None
    if reader.has_buffer_description_api():
        buffer = _buffer(reader, block, index, stream, dtype)
        if len(buffer.columns) != n_channels or buffer.n_frames != n_frames:
            raise FormatError(
                f"segment {index} has {n_frames} frames of {n_channels} channels in "
                f"its header, and {buffer.n_frames} of {len(buffer.columns)} stored"
            )
    return Segment(index, n_frames, t_start_s, buffer)


def _buffer(reader: Any, block: int, index: int, stream: int, dtype: str) -> Buffer:
    header: Mapping[str, Any] = reader.header["signal_streams"][stream]
    described = reader.get_analogsignal_buffer_description(
        block, index, header["buffer_id"]
    )
    columns = reader._stream_buffer_slice[header["id"]]
    return Buffer.of(described, dtype, columns)
