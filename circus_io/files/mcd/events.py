"""Spikes, triggers and states of the digital port in an MC_Rack file.

The vendor's headers name the fields of an event, but not where they are. That follows
from real files: the cutout of each spike is the electrode's trace around its time.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np

from circus_io.events import Events
from circus_io.files.mcd.chunks import Chunks, cut_at_gaps, find_chunks
from circus_io.files.mcd.header import Header, Stream, layout
from circus_io.files.mcd.samples import MICROVOLTS, Scale, map_file, read_frames

__all__ = ["read_events"]

logger = logging.getLogger(__name__)

NS = 1e9  # in a second

# Spikes of version 5 and 6, as in real files; then what the vendor's headers say of a
# later one, whose count of samples before the spike has 32 bits. The samples follow.
SPIKE: Mapping[str, tuple[str, int]] = {"time": ("<u8", 0), "channel": ("<u2", 8)}
SPIKES = (
    layout(20, **SPIKE, before=("<u2", 10), unit=("<u2", 12), n=("<i4", 16)),
    layout(18, **SPIKE, before=("<u2", 10), unit=("<u2", 12), n=("<i4", 14)),
    layout(22, **SPIKE, before=("<i4", 10), unit=("<u2", 14), n=("<i4", 18)),
)
# Triggers of version 4; later ones append a count of manual triggers, then the numbers
# of trial and stimulus.
TRIGGERS = tuple(
    layout(n_bytes, time=("<u8", 0), value=("<u2", 8)) for n_bytes in (10, 14, 22)
)
MOST_CHUNK_BYTES = 2**26
# a spike may be written with the chunk after it; other layouts give years
MOST_DELAY_NS = 10**10
BLOCK_FRAMES = 2**20


def read_events(
    file: BinaryIO, header: Header, n_bytes: int, origin_ns: int
) -> dict[str, Events]:
    """Return the events of a file by the tag of their stream.

    Parameters
    ----------
    file : binary file, not buffered
    header : Header
    n_bytes : int
        Length of the file.
    origin_ns : int
        When the clock of the recording shows 0, in nanoseconds since 1601.

    Returns
    -------
    dict of str to Events
        Spikes with channel, unit and cutout, triggers with their value, and each new
        state of a digital port.
    """
    readers = {"spikes": _spikes, "trigger": _triggers, "digital": _states}
    streams = [stream for stream in header.streams if stream.kind in readers]
    chunks, _ = find_chunks(file, header.stop, n_bytes, [s.tag for s in streams])
    return {
        stream.tag: readers[stream.kind](file, stream, chunks[stream.tag], origin_ns)
        for stream in streams
    }


def _spikes(file: BinaryIO, stream: Stream, chunks: Chunks, origin_ns: int) -> Events:
    spikes = _records(file, stream, chunks, SPIKES)
    labels = {channel.number: channel.label for channel in stream.channels}
    waveforms = n_before = None
    if "samples" in spikes.dtype.names:
        scale = Scale.of(stream.zero, stream.units_per_count * MICROVOLTS)
        waveforms = scale.traces(spikes["samples"])
        n_before = spikes["before"].astype(np.int64)
    return Events(
        times_s=_seconds(spikes["time"], origin_ns),
        labels=tuple(labels.get(n, str(n)) for n in spikes["channel"].tolist()),
        values=spikes["unit"].astype(np.int64),
        waveforms=waveforms,
        n_before=n_before,
    )


def _triggers(file: BinaryIO, stream: Stream, chunks: Chunks, origin_ns: int) -> Events:
    triggers = _records(file, stream, chunks, TRIGGERS)
    return Events(
        times_s=_seconds(triggers["time"], origin_ns),
        values=triggers["value"].astype(np.int64),
    )


def _states(file: BinaryIO, stream: Stream, chunks: Chunks, origin_ns: int) -> Events:
    """Return where a channel shows another number than before; at first, than 0."""
    labels = np.array([channel.label for channel in stream.channels], object)
    found: list[tuple[np.ndarray, ...]] = [(np.empty(0), labels[:0], np.empty(0, int))]
    state = np.zeros((1, len(labels)), np.uint16)
    for times_s, counts in _digital_blocks(file, stream, chunks, origin_ns):
        before = np.concatenate([state, counts[:-1]])
        rows, columns = np.nonzero(counts != before)
        found.append((times_s[rows], labels[columns], counts[rows, columns]))
        state = counts[-1:]
    times, names, values = map(np.concatenate, zip(*found, strict=True))
    return Events(times, tuple(names.tolist()), values)


def _digital_blocks(
    file: BinaryIO, stream: Stream, chunks: Chunks, origin_ns: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield times and states of a digital stream, block by block."""
    n_channels, rate_mhz = len(stream.channels), stream.rate_mhz
    if not n_channels or not rate_mhz:
        return
    mapped = map_file(file.name)
    for stretch in cut_at_gaps(chunks, n_channels, rate_mhz, stream.describe()):
        start_s = (stretch.start_ns - origin_ns) / NS
        for first in range(0, stretch.n_frames, BLOCK_FRAMES):
            frames = first, min(first + BLOCK_FRAMES, stretch.n_frames)
            counts = read_frames(mapped, stretch, frames, n_channels)
            yield start_s + np.arange(*frames) / stream.sampling_rate, counts


def _records(
    file: BinaryIO, stream: Stream, chunks: Chunks, layouts: Sequence[np.dtype]
) -> np.ndarray:
    """Return the records of all chunks, in the order of time."""
    parts: list[np.ndarray] = []
    n_unread = 0
    columns = (chunks.offsets, chunks.n_bytes, chunks.start_ns, chunks.stop_ns)
    for offset, n_bytes, *span_ns in zip(*map(np.ndarray.tolist, columns), strict=True):
        file.seek(offset)
        block = file.read(min(n_bytes, MOST_CHUNK_BYTES))
        found = [
            records for kind in layouts if len(records := _fit(block, kind, span_ns))
        ]
        if found and (not parts or found[0].dtype == parts[0].dtype):
            parts.append(found[0])
        elif block:
            n_unread += 1
    if n_unread:
        logger.warning(
            "%s: %d chunks of %s are not read, their events have an unknown layout",
            file.name,
            n_unread,
            stream.describe(),
        )
    records = np.concatenate(parts) if parts else np.empty(0, layouts[0])
    return records[np.argsort(records["time"], kind="stable")]


def _fit(block: bytes, kind: np.dtype, span_ns: Sequence[int]) -> np.ndarray:
    """Return the records of a chunk; none if it does not hold records of this kind."""
    none = np.empty(0, kind)
    if len(block) < kind.itemsize:
        return none
    if "n" in kind.names:
        n_samples = int(np.frombuffer(block, kind, 1)["n"][0])
        if not 0 <= n_samples <= len(block):
            return none
        kind = _with_samples(kind, n_samples)
    if len(block) % kind.itemsize:
        return none
    records = np.frombuffer(block, kind)
    start_ns, stop_ns = span_ns
    after_ns = (records["time"] - np.uint64(start_ns)).view(np.int64)
    near = (after_ns >= -MOST_DELAY_NS) & (
        after_ns <= stop_ns - start_ns + MOST_DELAY_NS
    )
    equal = "n" not in kind.names or np.all(records["n"] == n_samples)
    return records if near.all() and equal else none


def _with_samples(kind: np.dtype, n_samples: int) -> np.dtype:
    """Return a record that is followed by samples."""
    fields = {
        name: (kind.fields[name][0].str, kind.fields[name][1]) for name in kind.names
    }
    samples = (f"({n_samples},)<u2", kind.itemsize)
    return layout(kind.itemsize + 2 * n_samples, **fields, samples=samples)


def _seconds(times_ns: np.ndarray, origin_ns: int) -> np.ndarray:
    # the times themselves are beyond int64, their differences are not
    return (times_ns - np.uint64(origin_ns % 2**64)).view(np.int64) / NS
