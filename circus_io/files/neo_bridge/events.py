"""Event, epoch and spike channels of neo → `Events` on the clock of a recording."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from circus_io.events import Events

__all__ = ["ClockPiece", "read_neo_events"]

# neo 0.14.6 leaves out what is at the very start and end of an EDF file
BOUNDS_S = {"EDFRawIO": (-np.inf, np.inf)}

# segment of neo, seconds of its first frame there, and in the recording
ClockPiece = tuple[int, float, float]


def read_neo_events(
    reader: Any, block: int, clock: Sequence[ClockPiece], since_segment: bool
) -> dict[str, Events]:
    """Return what a reader of neo holds beside signals, by the name of its channel.

    Times of an epoch are its starts, its `values` the durations in s. Spikes have the
    name of their unit; waveforms are not read.

    Parameters
    ----------
    reader : neo.rawio reader
    block : int
    clock : sequence of (int, float, float)
        Segment; second of its first frame on the clock of neo; the same on that of the
        recording.
    since_segment : bool
        neo counts events from the start of their segment.
    """
    found: dict[str, Events] = {}
    for kind, read in (("event", _events_of), ("spike", _spikes_of)):
        channels = reader.header[f"{kind}_channels"]
        for index, channel in enumerate(channels):
            name = _unused(str(channel["name"]), str(channel["id"]), kind, found)
            found[name] = _joined(read(reader, block, index), clock, since_segment)
    return found


# one segment: times in s, labels, values
_Part = tuple[np.ndarray, Sequence[str], np.ndarray | None]


def _events_of(reader: Any, block: int, channel: int) -> Callable[[int], _Part]:
    def of_segment(segment: int) -> _Part:
        bounds_s = BOUNDS_S.get(type(reader).__name__, (None, None))
        stamps, durations, labels = reader.get_event_timestamps(
            block, segment, channel, *bounds_s
        )
        times = reader.rescale_event_timestamp(
            np.asarray(stamps), "float64", event_channel_index=channel
        )
        if durations is not None:
            durations = reader.rescale_epoch_duration(
                np.asarray(durations), "float64", event_channel_index=channel
            )
        return times, [str(label) for label in labels], durations

    return of_segment


def _spikes_of(reader: Any, block: int, channel: int) -> Callable[[int], _Part]:
    def of_segment(segment: int) -> _Part:
        stamps = reader.get_spike_timestamps(block, segment, channel)
        times = reader.rescale_spike_timestamp(np.asarray(stamps), "float64")
        return times, (), None

    return of_segment


def _joined(
    read: Callable[[int], _Part], clock: Sequence[ClockPiece], since_segment: bool
) -> Events:
    """Put the segments one after another, in the order of time."""
    times, labels, values = [], [], []
    for segment, there, here in clock:
        part = read(segment)
        n_events = len(part[0])
        times.append(np.ravel(part[0]) - (0.0 if since_segment else there) + here)
        labels += list(part[1])[:n_events]
        values.append(np.zeros(n_events) if part[2] is None else np.ravel(part[2]))
        has_values = part[2] is not None
    joined = np.concatenate(times) if times else np.zeros(0)
    order = np.argsort(joined, kind="stable")
    return Events(
        times_s=joined[order],
        labels=tuple(labels[i] for i in order) if len(labels) == len(order) else (),
        values=np.concatenate(values)[order] if times and has_values else None,
    )


def _unused(name: str, key: str, kind: str, taken: dict[str, Events]) -> str:
    """Return a name that no channel before has."""
    candidates = _candidates(name or kind, key)
    return next(candidate for candidate in candidates if candidate not in taken)


def _candidates(name: str, key: str) -> Iterator[str]:
    yield name
    yield f"{name} {key}"
    number = 2
    while True:
        yield f"{name} {key} {number}"
        number += 1
