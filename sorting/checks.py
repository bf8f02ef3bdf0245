"""Probe, parameters and files of times, held against the recording before any work."""

from itertools import pairwise

from circus_io import DataFile
from circus_io.errors import ParameterError
from circus_io.params import Parameters, to_samples
from circus_io.probe import Probe
from circus_io.time_files import read_durations, read_intervals, read_triggers
from sorting.artefacts import ArtefactTimes
from sorting.config import SortingConfig

__all__ = ["check_input"]

MIN_TEMPLATE_FRAMES = 5
BASELINE_MS = 1.0  # before a stimulus, from which its artefact is measured


def check_input(
    source: DataFile, probe: Probe, parameters: Parameters
) -> tuple[Probe, SortingConfig]:
    """Hold probe and parameters against the recording.

    Returns
    -------
    probe : Probe
        Without the dead channels.
    config : SortingConfig

    Raises
    ------
    ParameterError, ProbeError
        What does not fit.
    """
    probe = probe.without(parameters.detection.dead_channels)
    probe.check(source.nb_channels)
    _check_grounds(probe, parameters)
    _check_rate(parameters, source.sampling_rate)
    config = SortingConfig.from_parameters(
        parameters,
        sampling_rate=source.sampling_rate,
        n_channels=probe.n_channels,
        probe_radius_um=probe.radius_um,
        dead_intervals=_dead_intervals(parameters, source.sampling_rate),
        artefacts=_artefact_times(parameters, source),
    )
    return probe, config


def _check_rate(parameters: Parameters, sampling_rate: float) -> None:
    """Hold what is given in Hz and ms against a rate that only the file knows."""
    problems = []
    low, high = parameters.filtering.cut_off
    edges = [float(e) for e in (low, high) if e != "auto"]
    if parameters.filtering.filter and max(edges) >= sampling_rate / 2:
        problems.append(
            f"[filtering] cut_off = {low}, {high}: edges must lie below half of the "
            f"sampling rate of {sampling_rate:g} Hz, or set filter = False"
        )
    if to_samples(parameters.detection.N_t, sampling_rate) < MIN_TEMPLATE_FRAMES:
        problems.append(
            f"[detection] N_t = {parameters.detection.N_t} ms is less than "
            f"{MIN_TEMPLATE_FRAMES} frames at {sampling_rate:g} Hz"
        )
    if problems:
        raise ParameterError("; ".join(problems))


def _check_grounds(probe: Probe, parameters: Parameters) -> None:
    """Refuse a ground that is not an analysed channel, or of a group that is not."""
    grounds = parameters.filtering.common_ground or {}
    labels = {str(label) for label in probe.group_labels}
    problems = [
        f"group {group} of common_ground is not on the probe; groups are: "
        f"{', '.join(sorted(labels))}"
        for group in grounds
        if str(group) not in labels
    ]
    problems += [
        f"channel {channel} of common_ground is not an analysed channel of the probe"
        for channel in grounds.values()
        if channel not in probe.channels
    ]
    if problems:
        raise ParameterError("[filtering] common_ground: " + "; ".join(problems))


def _dead_intervals(parameters, sampling_rate) -> tuple[tuple[int, int], ...]:
    triggers = parameters.triggers
    if not (triggers.ignore_times and triggers.dead_file):
        return ()
    intervals = read_intervals(triggers.dead_file, triggers.dead_unit, sampling_rate)
    return tuple((int(a), int(b)) for a, b in intervals)


def _artefact_times(parameters: Parameters, source: DataFile) -> ArtefactTimes | None:
    """Read when artefacts begin and how long they last, if they are to be subtracted.

    Raises
    ------
    ParameterError
        A label has no duration, an artefact begins before the last one is over, or none
        lies in the recording.
    """
    section, rate = parameters.triggers, source.sampling_rate
    if not section.clean_artefact:
        return None
    triggers = read_triggers(section.trig_file, section.trig_unit, rate)
    durations = read_durations(section.trig_windows, section.trig_unit, rate)
    used = sorted({label for label, _ in triggers})
    absent = [f"{label:g}" for label in used if label not in durations]
    if absent:
        raise ParameterError(
            f"{section.trig_windows}: no duration for the label {', '.join(absent)} of "
            f"{section.trig_file}"
        )
    _check_apart(triggers, durations, rate)
    inside = [s.t_start <= t < s.t_stop for s in source.streams for _, t in triggers]
    if not any(inside):
        raise ParameterError(
            f"{section.trig_file}: no trigger lies in the recording; is trig_unit = "
            f"{section.trig_unit} right?"
        )
    return ArtefactTimes(
        onsets=tuple(frame for _, frame in triggers),
        kinds=tuple(used.index(label) for label, _ in triggers),
        widths=tuple(durations[label] for label in used),
        baseline_frames=to_samples(BASELINE_MS, rate),
    )


def _check_apart(triggers: list, durations: dict, rate: float) -> None:
    for (label, frame), (_, following) in pairwise(triggers):
        if following < frame + durations[label]:
            raise ParameterError(
                f"the trigger at {following / rate:.4f} s comes before the artefact of "
                f"the one at {frame / rate:.4f} s is over "
                f"({durations[label] / rate * 1000:g} ms); shorten trig_windows"
            )
