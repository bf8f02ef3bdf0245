"""The header list of an MC_Rack file: the recording, its streams, their channels.

A file is a row of items: a tag of 8 characters, a length (int64) and as many bytes. It
starts with ``MCSSTRM `` of length -1 and ``LISThdr ``, whose items are the headers:
``MCSHDR  `` once, then ``STRMHDR `` with its channels and ``STRMFMT `` for each stream.
Everything is little-endian. The layouts are those of the structures in the vendor's
public ``MCStream.h`` of 2011, which newer versions only append to.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO

import numpy as np

from circus_io.errors import FormatError

__all__ = ["SIGNATURE", "Channel", "Header", "Stream", "read_header"]

ITEM = struct.Struct("<8sq")
SIGNATURE = b"MCSSTRM " + b"\xff" * 8 + b"LISThdr "
FIRST_ITEM = 32
# headers of 256 channels in ten streams take 3 MB
MOST_HEADER_BYTES = 2**24
MOST_ITEMS = 1000  # two for each stream
EPOCH = datetime(1601, 1, 1)  # of no time zone: the file names none


def layout(n_bytes: int, **fields: tuple[str, int]) -> np.dtype:
    """Return a structure of `n_bytes` from ``name=(type, offset)``."""
    return np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": n_bytes,
        }
    )


RECORDING = layout(
    880,
    version=("<u2", 0),
    software_high=("<u4", 4),
    software_low=("<u4", 8),
    file_name=("S260", 12),
    comment=("S513", 272),
    window=("<i4", 808),
    window_start_ms=("<f4", 812),
    window_stop_ms=("<f4", 816),
    data_start_ns=("<u8", 872),
)
STREAM = layout(
    804,
    kind=("S9", 2),
    name=("S257", 11),
    version=("<u2", 0),
    rate_mhz=("<u4", 784),
    n_channels=("<u4", 788),
    tag=("S9", 792),
)
CHANNEL = layout(
    1052,
    version=("<u2", 0),
    number=("<u4", 4),
    hardware_id=("<u4", 8),
    name=("S257", 12),
    n_references=("<u4", 784),
    decorated_name=("S257", 790),
    gain_thousandths=("<i4", 1048),
)
PLACE = layout(
    52, x_um=("<i4", 4), y_um=("<i4", 8), low_mhz=("<i4", 44), high_mhz=("<i4", 48)
)
# of a channel, by its version; from version 2 on the place of the electrode follows
CHANNEL_BYTES = {1: CHANNEL.itemsize, 2: CHANNEL.itemsize + PLACE.itemsize}
REFERENCE_BYTES = 8
SAMPLES = layout(
    24,
    unit=("S1", 2),
    bits=("<u2", 4),
    zero=("<u2", 6),
    units_per_count=("<f8", 8),
    bytes_per_sample=("<u2", 16),
)


@dataclass(frozen=True)
class Channel:
    """One channel of a stream.

    Attributes
    ----------
    number : int
        Column in the samples of a continuous stream; name of the channel in events.
    hardware_id : int
        Of the amplifier input.
    label : str
        What MC_Rack shows: ``"21"`` of an 8 × 8 array, ``"A1"`` of the analog inputs.
    amplifier_gain : float
    position_um : (int, int) or None
        From version 2 of the layout on.
    band_hz : (float, float) or None
        Of the amplifier.
    """

    number: int
    hardware_id: int
    label: str
    amplifier_gain: float
    position_um: tuple[int, int] | None = None
    band_hz: tuple[float, float] | None = None


@dataclass(frozen=True)
class Stream:
    """What the header says of one stream.

    Attributes
    ----------
    tag : str
        Name of its chunks, such as ``elec0001``; no two streams have the same.
    kind : str
        ``analog``, ``filter``, ``chat``, ``digital``, ``spikes``, ``trigger``, ...
    name : str
        As the user of MC_Rack called it.
    version : int
        Of its events.
    rate_mhz : int
        Samples per 1000 s: exact, where Hz would be rounded.
    channels : tuple of Channel
    unit : str
        ``"V"`` but for digital streams.
    bits, zero : int
        Of the converter, and its count for 0 V.
    units_per_count : float
    bytes_per_sample : int
        As the header says; samples of a digital stream have 2 where it says 1.
    """

    tag: str
    kind: str
    name: str
    version: int
    rate_mhz: int
    channels: tuple[Channel, ...]
    unit: str
    bits: int
    zero: int
    units_per_count: float
    bytes_per_sample: int

    @property
    def sampling_rate(self) -> float:
        """Frames per second."""
        return self.rate_mhz / 1000

    @property
    def columns(self) -> tuple[Channel, ...]:
        """The channels in the order of their samples, which their numbers say."""
        ordered = sorted(self.channels, key=lambda channel: channel.number)
        numbers = [channel.number for channel in ordered]
        return tuple(ordered) if numbers == [*range(len(numbers))] else self.channels

    def describe(self) -> str:
        """Say what it is, in a line."""
        return (
            f"{self.tag} ({self.kind}, {self.name!r}, {len(self.channels)} channels, "
            f"{self.sampling_rate:g} Hz)"
        )


@dataclass(frozen=True)
class Header:
    """What the header list says.

    Attributes
    ----------
    metadata : dict
        What it says for people: date, comment, software, ...
    streams : tuple of Stream
    data_start_ns : int
        Nanoseconds since 1601; 0 if it does not say.
    stop : int
        Where the list ends and the other items start.
    """

    metadata: dict[str, Any]
    streams: tuple[Stream, ...]
    data_start_ns: int
    stop: int


def read_header(file: BinaryIO, n_bytes: int, name: str) -> Header:
    """Read the header list.

    Parameters
    ----------
    file : binary file
        Read from its start, whatever its position.
    n_bytes : int
        Length of the file.
    name : str
        Of the file, for messages.

    Raises
    ------
    FormatError
        It is no MC_Rack file, or its header is broken or cut off.
    """
    file.seek(0)
    start = file.read(FIRST_ITEM)
    if not start.startswith(SIGNATURE):
        raise FormatError(
            f"{name} is no MC_Rack file: it does not start with MCSSTRM and LISThdr"
        )
    length = int.from_bytes(start[24:], "little", signed=True)
    stop = FIRST_ITEM + length
    if not 0 < length <= MOST_HEADER_BYTES or stop > n_bytes:
        raise FormatError(
            f"the header of {name} is said to have {length} bytes, in a file of "
            f"{n_bytes}; the file is damaged or was cut off within its header"
        )
    items = list(islice(_items(file.read(length), name), MOST_ITEMS))
    recording = _first_of(items, b"MCSHDR  ", name)
    fields = _unpack(RECORDING, recording, f"the file header of {name}")
    return Header(
        metadata=_metadata(fields),
        streams=tuple(_streams(items, name)),
        data_start_ns=int(fields["data_start_ns"]),
        stop=stop,
    )


def _items(block: bytes, name: str) -> Iterator[tuple[bytes, memoryview]]:
    """Yield tag and content of each item of the header list."""
    view, at = memoryview(block), 0
    while at < len(block):
        if len(block) - at < ITEM.size:
            raise FormatError(
                f"the header of {name} ends within an item; it is damaged"
            )
        tag, length = ITEM.unpack_from(block, at)
        at += ITEM.size
        if not 0 <= length <= len(block) - at:
            raise FormatError(
                f"the header of {name} has an item {_text(tag)!r} of {length} bytes "
                f"where {len(block) - at} are left; it is damaged"
            )
        yield tag, view[at : at + length]
        at += length


def _first_of(
    items: Sequence[tuple[bytes, memoryview]], tag: bytes, name: str
) -> memoryview:
    for found, content in items:
        if found == tag:
            return content
    raise FormatError(f"the header of {name} has no {_text(tag)}; it is damaged")


def _streams(items: Sequence[tuple[bytes, memoryview]], name: str) -> Iterator[Stream]:
    """Yield the streams; the format of each follows it."""
    pending = None
    for tag, content in items:
        if tag == b"STRMHDR ":
            pending = content
        elif tag == b"STRMFMT " and pending is not None:
            yield _stream(pending, content, name)
            pending = None


def _stream(content: memoryview, samples: memoryview, name: str) -> Stream:
    fields = _unpack(STREAM, content, f"a stream header of {name}")
    tag = _text(fields["tag"])
    where = f"stream {tag!r} of {name}"
    format_ = _unpack(SAMPLES, samples, f"the sample format of {where}")
    channels = _channels(content[STREAM.itemsize :], int(fields["n_channels"]), where)
    return Stream(
        tag=tag,
        kind=_text(fields["kind"]),
        name=_text(fields["name"]),
        version=int(fields["version"]),
        rate_mhz=int(fields["rate_mhz"]),
        channels=tuple(channels),
        unit=_text(format_["unit"]),
        bits=int(format_["bits"]),
        zero=int(format_["zero"]),
        units_per_count=float(format_["units_per_count"]),
        bytes_per_sample=int(format_["bytes_per_sample"]),
    )


def _channels(block: memoryview, n_channels: int, where: str) -> Iterator[Channel]:
    at = 0
    for _ in range(n_channels):
        fields = _unpack(CHANNEL, block[at:], f"a channel header of {where}")
        size = CHANNEL_BYTES.get(int(fields["version"]))
        if size is None or at + size > len(block):
            raise FormatError(
                f"a channel header of {where} has version {fields['version']} and "
                f"{len(block) - at} bytes left; known are versions with their bytes "
                f"{CHANNEL_BYTES}"
            )
        yield _channel(fields, block[at + CHANNEL.itemsize : at + size])
        at += size + REFERENCE_BYTES * int(fields["n_references"])


def _channel(fields: np.void, rest: memoryview) -> Channel:
    label = _text(fields["decorated_name"]) or _text(fields["name"])
    position = band = None
    if len(rest):
        place = np.frombuffer(rest, PLACE, 1)[0]
        position = int(place["x_um"]), int(place["y_um"])
        band = int(place["low_mhz"]) / 1000, int(place["high_mhz"]) / 1000
    return Channel(
        number=int(fields["number"]),
        hardware_id=int(fields["hardware_id"]),
        label=label,
        amplifier_gain=int(fields["gain_thousandths"]) / 1000,
        position_um=position,
        band_hz=band,
    )


def _metadata(fields: np.void) -> dict[str, Any]:
    high, low = int(fields["software_high"]), int(fields["software_low"])
    parts = (high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF)
    metadata = {
        "date": _date(int(fields["data_start_ns"])),
        "comment": _text(fields["comment"]),
        "recorded_as": _text(fields["file_name"]),
        "software": "MC_Rack " + ".".join(map(str, parts)),
        "header_version": int(fields["version"]),
    }
    if fields["window"]:
        window = float(fields["window_start_ms"]), float(fields["window_stop_ms"])
        metadata["trigger_window_ms"] = window
    return metadata


def _date(ns_since_1601: int) -> str:
    """Return a date in ISO 8601, to the microsecond; empty if it is no date."""
    try:
        moment = EPOCH + timedelta(microseconds=ns_since_1601 // 1000)
    except OverflowError:
        return ""
    return moment.isoformat() if ns_since_1601 else ""


def _unpack(kind: np.dtype, content: memoryview, what: str) -> np.void:
    if len(content) < kind.itemsize:
        raise FormatError(
            f"{what} has {len(content)} bytes where {kind.itemsize} are expected; the "
            "file is damaged, or older than MC_Rack 2"
        )
    return np.frombuffer(content, kind, 1)[0]


def _text(raw: bytes) -> str:
    """Return the text before the first NUL; behind it lies what memory held."""
    return bytes(raw).partition(b"\0")[0].decode("cp1252", "replace").strip()
