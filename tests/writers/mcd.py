"""Writes MC_Rack files with `struct` alone, sharing nothing with the reader.

What it writes is what MC_Rack 3 wrote, byte for byte: `header` makes the headers of the
real sample files when it is told what they say (tests/circus_io/test_mcd_samples.py).
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "START_NS",
    "Channel",
    "Chunk",
    "Recording",
    "Stream",
    "header",
    "sampled",
    "spike",
    "write",
]

START_NS = 12_810_648_427_821_875_000  # 2006-12-15 09:27:07.821875, since 1601


@dataclass(frozen=True)
class Channel:
    """A channel; with `place`, its header has version 2, else 1.

    `place` is the electrode's type, x, y, z, extents in x and y, diameter (µm), x, y,
    width and height on the screen, and the amplifier's band (mHz).
    """

    number: int
    label: str
    hardware_id: int
    gain_thousandths: int = 1000
    place: tuple[int, ...] = ()
    references: tuple[tuple[int, int], ...] = ()  # buffer, channel


@dataclass(frozen=True)
class Stream:
    """A stream and the format of its samples; `more` follows the latter."""

    tag: str
    kind: str
    name: str
    channels: tuple[Channel, ...]
    rate_hz: float = 10000.0
    version: int = 0
    unit: str = "V"
    zero: int = 32768
    units_per_count: float = 0.000125
    bits: int = 16
    sample_bytes: int = 2
    segment_frames: int = 1000
    unused: int = 0x12
    more: bytes = b""


@dataclass(frozen=True)
class Recording:
    """What the header of a file says.

    `fill` is what the C library of the program put behind the end of a text. Version 10
    says what the samples came from.
    """

    streams: tuple[Stream, ...]
    version: int = 9
    software: tuple[int, int, int, int] = (3, 4, 81, 0)
    file_name: str = "C:\\Example.mcd"
    comment: str = ""
    button_ns: int = START_NS - 40_625_000
    start_ns: int = START_NS
    stop_ns: int = START_NS
    n_chunks: int = 0
    window: tuple[int, float, float] = (0, 1000.0, 1000.0)
    source: int = 1
    channel_counts: tuple[int, ...] = (60, 0, 3, 60, 1, 63, 64)
    with_index: int = 1
    segment_ns: int = 100_000_000
    driver: tuple[int, int] = (3, 21)
    trigger_tags: tuple[str, str] = ("", "")
    second_counts: tuple[int, ...] = (0, 63, 0, 63)
    converter_mv: int = 4096
    source_kind: int = 0
    source_name: tuple[str, str] = ("", "")  # and serial number
    bus: tuple[int, int, int] = (0, 0, 0)
    layout: bytes | None = None
    fill: int = 0xFD


@dataclass(frozen=True)
class Chunk:
    """A chunk of a stream: the samples from one time to another, or the events."""

    tag: str
    start_ns: int
    stop_ns: int
    content: bytes


def header(recording: Recording) -> bytes:
    """Return everything before the first chunk but the place of the index."""
    items = item("MCSHDR", _recording(recording))
    if recording.layout is not None:
        items += item("LAYOUT", recording.layout)
    for stream in recording.streams:
        items += item("STRMHDR", _stream(stream, recording.fill))
        items += item("STRMFMT", _format(stream))
    return b"MCSSTRM " + struct.pack("<q", -1) + item("LISThdr", items)


def write(
    path: Path, recording: Recording, chunks: Iterable[Chunk], closed: bool = True
) -> None:
    """Write a file; one that is not `closed` has no index, as after a crash."""
    start = header(recording)
    with Path(path).open("wb") as file:
        file.write(start)
        file.write(item("IDX1POS", struct.pack("<q", 0)))
        index, sweeps = [], []
        for chunk in chunks:
            place = file.tell()
            if not index or place - index[-1][1] > 250_000:
                index.append((chunk.start_ns, place))
            if not sweeps or chunk.start_ns > sweeps[-1][1]:
                sweeps.append([chunk.start_ns, chunk.stop_ns])
            sweeps[-1][1] = chunk.stop_ns
            times = struct.pack("<QQ", chunk.start_ns, chunk.stop_ns)
            file.write(item(chunk.tag, times + chunk.content))
        if closed:
            place = file.tell()
            file.write(item("IDX1MCS", bytes(303)))
            file.write(item("IDXIDX", b"".join(struct.pack("<QQ", *i) for i in index)))
            file.write(
                item("IDXSWEEP", b"".join(struct.pack("<QQ", *s) for s in sweeps))
            )
            file.seek(len(start))
            file.write(item("IDX1POS", struct.pack("<q", place)))


def sampled(
    tag: str,
    samples: bytes,
    n_channels: int,
    rate_hz: float,
    start_ns: int = START_NS,
    chunk_frames: Sequence[int] = (),
) -> list[Chunk]:
    """Return chunks of samples (uint16, little-endian) without a gap between them.

    They have `chunk_frames` in turn, then 100 ms each.
    """
    n_frames, at, chunks = len(samples) // (2 * n_channels), 0, []
    lengths = iter(chunk_frames)
    while at < n_frames:
        end = min(at + next(lengths, round(rate_hz / 10)), n_frames)
        times = [start_ns + round(frame * 1e9 / rate_hz) for frame in (at, end)]
        content = samples[2 * n_channels * at : 2 * n_channels * end]
        chunks.append(Chunk(tag, *times, content))
        at = end
    return chunks


def item(tag: str, content: bytes) -> bytes:
    """Return an item: its tag, padded with blanks, its length, its content."""
    return struct.pack("<8sq", tag.ljust(8).encode("cp1252"), len(content)) + content


def text(words: str, n_bytes: int, fill: int) -> bytes:
    """Return a text with its NUL, and what lies behind it."""
    return (words.encode("cp1252") + b"\0").ljust(n_bytes, bytes([fill]))


def spike(
    time_ns: int, channel: int, samples: bytes, version: int, **fields: int
) -> bytes:
    """Return a spike of version 5, 6 or 7; `samples` are uint16, little-endian."""
    before, unit = fields.get("before", 10), fields.get("unit", 0)
    hardware_id = fields.get("hardware_id", 0)
    start = struct.pack("<QH", time_ns, channel)
    if version == 5:
        start += struct.pack("<HH", before, unit)
    elif version == 6:
        start += struct.pack("<HHH", before, unit, hardware_id)
    else:
        start += struct.pack("<iHH", before, unit, hardware_id)
    return start + struct.pack("<i", len(samples) // 2) + samples


def _recording(of: Recording) -> bytes:
    major, minor, build, last = of.software
    fill = of.fill
    parts = struct.pack("<H2xHHHH", of.version, minor, major, last, build)
    parts += text(of.file_name, 260, fill) + text(of.comment, 513, 0) + bytes(7)
    rate = round(max((s.rate_hz for s in of.streams), default=1) * 1000)
    parts += struct.pack("<QII", of.button_ns, len(of.streams), rate)
    parts += struct.pack("<iff", *of.window) + struct.pack("<HH", 0xFFFF, 0xFFFF)
    parts += struct.pack("<i7H6x", of.source, *of.channel_counts)
    parts += struct.pack("<QQi", of.stop_ns, of.n_chunks, of.with_index)
    parts += struct.pack("<IQ", of.segment_ns, of.start_ns)
    parts += struct.pack("<II", *of.driver)
    for tag in of.trigger_tags:
        parts += text(tag, 9, fill)
    parts += bytes(6)
    for _ in range(4):  # images of the electrode array: none
        parts += bytes(24) + bytes(32) + text("", 259, fill) + bytes(5)
    parts += struct.pack("<4Hii", *of.second_counts, of.converter_mv, of.source_kind)
    if of.version < 10:
        return parts
    source, serial_number = of.source_name
    parts += text(source, 80, fill) + text(serial_number, 20, fill)
    return parts + struct.pack("<3i", *of.bus)


def _stream(stream: Stream, fill: int) -> bytes:
    parts = struct.pack("<H", stream.version) + text(stream.kind, 9, fill)
    parts += text(stream.name, 257, fill) + text("", 513, 0) + bytes(1)
    rate, n_channels = round(stream.rate_hz * 1000), len(stream.channels)
    parts += struct.pack("<HII", 0, rate, n_channels)
    parts += text(stream.tag, 9, fill) + bytes(3)
    return parts + b"".join(_channel(channel, fill) for channel in stream.channels)


def _channel(channel: Channel, fill: int) -> bytes:
    version = 2 if channel.place else 1
    parts = struct.pack("<H2xII", version, channel.number, channel.hardware_id)
    parts += text(channel.label, 257, fill) + text("", 513, 0) + bytes(2)
    parts += struct.pack("<IH", len(channel.references), 0)
    parts += text(channel.label, 257, fill) + bytes(1)
    parts += struct.pack("<i", channel.gain_thousandths)
    parts += struct.pack(f"<{len(channel.place)}i", *channel.place)
    for buffer, number in channel.references:
        parts += struct.pack("<HHI", buffer, 0xCDCD, number)  # memory not set
    return parts


def _format(stream: Stream) -> bytes:
    unit = stream.unit.encode("cp1252")
    parts = struct.pack("<Hcc", 0, unit, b"x")
    parts += struct.pack("<HHd", stream.bits, stream.zero, stream.units_per_count)
    parts += struct.pack("<HH", stream.sample_bytes, stream.segment_frames)
    return parts + struct.pack("<HH", 40, stream.unused) + stream.more
