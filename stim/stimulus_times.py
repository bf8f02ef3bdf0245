"""Stimuli on the clock of a recording, from the log of a stimulator.

The device counts its own samples, and is clocked by its own quartz. An entry ``sync``
says which frame of the recording was which sample of the device (a sync-out that is
recorded); entries ``clock`` say which frame came at which time of the host, and
``start`` when, by the same time, the device began. The first is good to a frame, the
second to the time that the start took.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.atomic import atomic_path
from circus_io.errors import ParameterError

__all__ = ["StimulusTimes", "find_stimuli", "write_time_files"]

QUARTZ = 100e-6  # how far, at the most, two quartzes differ, as a ratio of times
ENDS = ("stop", "fault", "close")  # of a run
SURE = 2.0  # times the best uncertainty, for entries to count
WANDER = 1e-6  # how much this ratio changes, while temperatures do

Event = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class StimulusTimes:
    """When stimuli began, in frames of a recording.

    Attributes
    ----------
    frames : int64 (n_stimuli,)
        Rising.
    labels : int64 (n_stimuli,)
        Which stimulus each is.
    lengths : dict of int to int
        Frames that a stimulus of each label lasts, at least 1.
    uncertainty_s : float
        Of the frames, of either sign, s.
    source : str
        What tied the device to the recording.
    n_before : int
        Stimuli before the first frame, which are left out.
    """

    frames: np.ndarray
    labels: np.ndarray
    lengths: dict[int, int]
    uncertainty_s: float
    source: str
    n_before: int = 0


@dataclass(frozen=True)
class _Line:
    """``frame = origin + slope * (x - at)``, and how sure that is."""

    at: float
    origin: float
    slope: float
    spread: float  # frames, at the anchors
    first: float  # x of the anchors
    last: float
    drift: float  # share of the distance from them that is added to the spread

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.origin + self.slope * (np.asarray(x, np.float64) - self.at)

    def uncertainty(self, x: np.ndarray) -> float:
        """Return the largest one over some places, in frames."""
        if not len(x):
            return self.spread
        outside = max(self.first - x.min(), x.max() - self.last, 0.0)
        return self.spread + self.drift * self.slope * outside


def find_stimuli(events: Sequence[Event], sampling_rate: float) -> StimulusTimes:
    """Say when stimuli began in a recording.

    Parameters
    ----------
    events : sequence of dict
        As `stim.event_log.read_events` returns them.
    sampling_rate : float
        Of the recording, Hz.

    Raises
    ------
    ParameterError
        Nothing in the log ties the device to a recording.
    """
    events = _of_last_recording(events)
    lengths: dict[int, int] = {}
    frames, labels, uncertainties, sources = [], [], [0.0], []
    for run in _runs(events):
        onsets, kinds = _onsets(run, lengths, sampling_rate)
        if not len(onsets):
            continue
        line, source = _device_to_frames(run, events, sampling_rate)
        frames.append(np.rint(line(onsets)).astype(np.int64))
        labels.append(kinds)
        # half a frame is what rounding to whole frames may add
        uncertainties.append((line.uncertainty(onsets) + 0.5) / sampling_rate)
        sources.append(source)
    all_frames = np.concatenate([*frames, np.empty(0, np.int64)])
    all_labels = np.concatenate([*labels, np.empty(0, np.int64)])
    order = np.lexsort((all_labels, all_frames))
    inside = order[all_frames[order] >= 0]
    return StimulusTimes(
        all_frames[inside],
        all_labels[inside],
        {label: lengths[label] for label in np.unique(all_labels[inside]).tolist()},
        max(uncertainties),
        " and ".join(dict.fromkeys(sources)) or "no stimulus",
        len(order) - len(inside),
    )


def write_time_files(
    times: StimulusTimes,
    trig_file: str | Path,
    trig_windows: str | Path,
    *,
    sampling_rate: float,
    padding_s: float = 0.001,
) -> None:
    """Write the two files that a sort takes artefacts out by, in frames.

    Parameters
    ----------
    times : StimulusTimes
    trig_file, trig_windows : path
        Of ``[triggers]``, with ``trig_unit = timestep``.
    sampling_rate : float
        Hz.
    padding_s : float
        How long an artefact outlasts its stimulus, s.
    """
    said = (
        f"# frames of a recording at {sampling_rate:g} Hz (trig_unit = timestep)\n"
        f"# from {times.source}, to within {times.uncertainty_s * 1e3:.3f} ms\n"
    )
    padding = int(np.ceil(padding_s * sampling_rate))
    rows = zip(times.labels.tolist(), times.frames.tolist(), strict=True)
    _write(trig_file, said + "# label frame\n", rows)
    windows = sorted((label, n + padding) for label, n in times.lengths.items())
    _write(trig_windows, said + "# label frames\n", windows)


def _write(path: str | Path, head: str, rows: Any) -> None:
    with atomic_path(path) as temporary:
        lines = "".join(f"{label} {number}\n" for label, number in rows)
        temporary.write_text(head + lines, encoding="utf-8")


def _of_last_recording(events: Sequence[Event]) -> list[Event]:
    """Leave out what ties the log to earlier recordings, and what ended with them.

    Entries ``recording`` say where one begins; frames count from there.
    """
    places = {"recording": -1, "start": -1, "end": -1}
    for number, event in enumerate(events):
        name = "end" if event["command"] in ENDS else event["command"]
        if name == "recording":
            running = places["start"] if places["start"] > places["end"] else number
            places["running"] = running
        if name in places:
            places[name] = number
    begin = places["recording"]
    if begin < 0:
        return list(events)
    stored = [event for event in events[: places["running"]] if not _is_played(event)]
    running = [e for e in events[places["running"] : begin] if not _is_anchor(e)]
    return [*stored, *running, *events[begin:]]


def _is_played(event: Event) -> bool:
    """Tell what happened in a run from what outlasts it: downloads, and the device."""
    is_download = event["command"] == "signal" and event.get("device_sample") is None
    return not (is_download or event["command"] == "open")


def _is_anchor(event: Event) -> bool:
    return event["command"] in ("sync", "clock")


# ------------------------------------------------------------ samples of the device


def _runs(events: Sequence[Event]) -> list[list[Event]]:
    """Cut a log at each start: the device counts its samples from there.

    What was downloaded before is what a start plays; it leads each run.
    """
    runs: list[list[Event]] = []
    stored: dict[tuple[int, ...], Event] = {}
    rate_hz = None
    for event in events:
        rate_hz = event.get("rate_hz", rate_hz)
        if event["command"] == "signal" and event.get("device_sample") is None:
            stored[tuple(event.get("channels", ()))] = event
        elif event["command"] == "start":
            if rate_hz is None:
                raise ParameterError("the log does not say the rate_hz of its device")
            is_download = event.get("mode") == "download"
            begun = {"rate_hz": rate_hz, **event}
            runs.append([begun, *(stored.values() if is_download else ())])
        elif runs:
            runs[-1].append(event)
    return runs


def _onsets(
    run: Sequence[Event], lengths: dict[int, int], sampling_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of the device at which stimuli begin, and their labels."""
    rate = float(run[0]["rate_hz"])
    end = _end(run, rate)
    signals = [event for event in run if event["command"] == "signal"]
    is_download = run[0].get("mode") == "download"
    onsets, labels = [np.empty(0)], [np.empty(0, np.int64)]
    for number, signal in enumerate(signals):
        first = signal.get("device_sample") or 0
        following = signals[number + 1 :] if not is_download else []
        last = min([end, *(event["device_sample"] for event in following[:1])])
        begin = _repeated(signal, first, last)
        label = int(signal["label"])
        n_frames = int(np.ceil(signal["length_samples"] / rate * sampling_rate))
        lengths[label] = max(1, n_frames, lengths.get(label, 1))
        onsets.append(begin)
        labels.append(np.full(len(begin), label))
    return np.concatenate(onsets), np.concatenate(labels)


def _end(run: Sequence[Event], rate: float) -> float:
    """Return the sample of the device at which it was stopped."""
    stops = [event for event in run if event["command"] in ENDS]
    if not stops:
        return max((event["host_s"] for event in run), default=0) * rate
    if stops[0].get("device_sample") is not None:
        return stops[0]["device_sample"]
    return (stops[0]["host_s"] - _began(run[0])[0]) * rate


def _repeated(signal: Event, first: float, last: float) -> np.ndarray:
    """Return the onsets of a signal that is repeated from `first` to `last`."""
    within = np.asarray(signal["onset_samples"], np.float64)
    period = float(signal["period_samples"])
    if not len(within) or last <= first or period <= 0:
        return np.empty(0)
    n_periods = int(np.ceil((last - first) / period))
    if signal.get("repeats"):
        n_periods = min(n_periods, int(signal["repeats"]))
    onsets = first + (np.arange(n_periods)[:, None] * period + within).ravel()
    return onsets[onsets < last]


# --------------------------------------------------------------- clocks and their fit


def _device_to_frames(
    run: Sequence[Event], events: Sequence[Event], sampling_rate: float
) -> tuple[_Line, str]:
    rate = float(run[0]["rate_hz"])
    synced = _anchors(run, "sync", "device_sample")
    if len(synced):
        line = _fit(synced[:, 0], synced[:, 1], sampling_rate / rate, 0.0)
        return line, f"{len(synced)} recorded sync-outs"
    ticks = [
        event
        for event in events
        if event["command"] == "clock" and "recording_sample" in event
    ]
    clocked = _anchors(ticks, "clock", "host_s")
    if not len(clocked):
        raise ParameterError(
            "nothing in the log ties the stimulator to a recording: it has neither "
            "sync entries (a frame of the recording for a sample of the device) nor "
            "clock entries (a frame for a time of the host). Record a sync-out, or let "
            "the program that records write its clock to the log"
        )
    unsure = np.array([float(event.get("uncertainty_s", 0)) for event in ticks])
    good = unsure <= SURE * unsure.min()  # a clock is learned: the first are worse
    clocked, spread = clocked[good], float(unsure[good].max())
    host = _fit(clocked[:, 0], clocked[:, 1], sampling_rate, spread * sampling_rate)
    began_s, within_s = _began(run[0])
    whole = host.slope / rate  # frames per sample of the device
    origin = float(host(np.array(began_s)))
    spread = host.uncertainty(np.array([began_s])) + within_s * host.slope
    # nothing measures the quartz of the device after its start
    return _Line(0.0, origin, whole, spread, 0.0, 0.0, QUARTZ), "the clock of the host"


def _anchors(events: Sequence[Event], command: str, x: str) -> np.ndarray:
    """Return (n, 2): a place on another clock, and the frame of the recording."""
    pairs = [
        (event[x], event["recording_sample"])
        for event in events
        if event["command"] == command and "recording_sample" in event
    ]
    return np.array(pairs, np.float64).reshape(-1, 2)


def _began(start: Event) -> tuple[float, float]:
    """Return when the device began by the host's time, and within what, s."""
    before, after = start.get("host_span_s") or (start["host_s"], start["host_s"])
    return (before + after) / 2 + start.get("latency_s", 0.0), (after - before) / 2


def _fit(x: np.ndarray, frames: np.ndarray, slope: float, spread: float) -> _Line:
    """Lay a line through anchors, by least squares where they tell the slope."""
    middle, origin = x.mean(), frames.mean()
    length, drift = np.ptp(x), QUARTZ
    away = x - middle
    fitted = float(away @ (frames - origin) / (away @ away)) if length else slope
    # anchors close together would measure their own rounding
    is_measured = length > 0 and abs(fitted / slope - 1) <= QUARTZ
    slope = fitted if is_measured else slope
    worst = float(np.abs(frames - origin - slope * away).max())
    if is_measured:
        drift = min(QUARTZ, WANDER + 2 * worst / (slope * length))
    return _Line(middle, origin, slope, spread + worst, x.min(), x.max(), drift)
