"""The library call behind ``circus sort``."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import circus_io
from circus_io.dead_times import read_intervals
from circus_io.errors import ParameterError
from circus_io.parallel import abort_on_error, get_comm, limit_threads
from circus_io.params import Parameters, to_samples
from circus_io.probe import Probe, read_probe
from sorting.config import SortingConfig
from sorting.front_end import FrontEnd
from sorting.lock import sole_run
from sorting.pipeline import STEPS, Run
from sorting.results import SUFFIX, Result, load_result

__all__ = ["open_front_end", "sort"]

MIN_TEMPLATE_FRAMES = 5


def sort(
    recording: Any,
    *,
    parameters: Parameters,
    probe: Probe | None = None,
    output_dir: str | Path | None = None,
    steps: Sequence[str] | None = None,
    comm: Any = None,
    progress: Callable[[str, int, int], None] | None = None,
    abort: bool = True,
) -> Result | None:
    """Sort a recording into units.

    Parameters
    ----------
    recording : DataFile or path
        A path is opened with the format and fields of `parameters`. Never changed.
    parameters : circus_io.params.Parameters
    probe : Probe, optional
        By default the one that ``[data] mapping`` names.
    output_dir : path, optional
        Holds the result, the phy folder and what steps leave for a resumed run. By
        default a folder beside the data, named as the file without its suffix.
    steps : sequence of str, optional
        Some of the steps, in any order; all by default. A step that is done already,
        on the same recording with the same settings, is not repeated.
    comm : SerialComm or mpi4py.MPI.Comm, optional
        The ranks that take part; by default those that were launched.
    progress : callable, optional
        Called on rank 0 with (step, done, total).
    abort : bool
        With several ranks, end them all when one fails once work has begun: the others
        would wait for it for ever. False where the caller sees to that.

    Returns
    -------
    Result or None
        On every rank, its spikes mapped from the file; None if the steps that ran do
        not reach the result.

    Raises
    ------
    CircusError
        With what is wrong; input is checked before any work starts.
    """
    _check_steps(steps)
    comm = get_comm() if comm is None else comm
    probe = _probe(parameters) if probe is None else probe
    with limit_threads(), _opened(recording, parameters) as source:
        checked = _check(source, probe, parameters)
        path, steps_path = _paths(source, parameters, output_dir)
        guard = abort_on_error(comm) if abort else nullcontext()
        with guard, sole_run(steps_path, comm):
            run = Run(
                source,
                *checked,
                parameters.to_dict(),
                path,
                steps_path,
                comm,
                progress,
            )
            run.run(steps)
            has_result = run.has_result()
    return load_result(path, mapped=True) if has_result else None


def _probe(parameters: Parameters) -> Probe:
    if not parameters.data.mapping:
        raise ParameterError(
            "no probe: name a .prb or probeinterface file as [data] mapping, or pass "
            "probe="
        )
    return read_probe(parameters.data.mapping)


def _opened(recording: Any, parameters: Parameters) -> circus_io.DataFile:
    if isinstance(recording, circus_io.DataFile):
        return recording
    return circus_io.open_from_parameters(recording, parameters)


def _check(source, probe, parameters) -> tuple[Probe, SortingConfig]:
    """Hold probe and parameters against the recording."""
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
    )
    return probe, config


def open_front_end(
    recording: circus_io.DataFile, probe: Probe, parameters: Parameters
) -> FrontEnd:
    """Filter as a sort with these parameters does, for pictures and checks."""
    probe, config = _check(recording, probe, parameters)
    return FrontEnd(recording, probe, config.filtering)


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


def _check_steps(steps: Sequence[str] | None) -> None:
    unknown = [step for step in steps or () if step not in STEPS]
    if unknown:
        raise ParameterError(
            f"no step is named {', '.join(unknown)}; steps are: {', '.join(STEPS)}"
        )


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


def _paths(source, parameters, output_dir) -> tuple[Path, Path]:
    """Return the result file and the folder of the steps; variants keep apart."""
    name = Path(source.file_name) if source.file_name else Path("recording")
    if output_dir is not None:
        folder = Path(output_dir)
    elif parameters.data.output_dir:
        folder = Path(parameters.data.output_dir) / name.stem
    else:
        folder = name.with_suffix("")
    variant = parameters.data.suffix or ""
    return folder / f"{name.stem}{variant}{SUFFIX}", folder / f"steps{variant}"


def _dead_intervals(parameters, sampling_rate) -> tuple[tuple[int, int], ...]:
    triggers = parameters.triggers
    if not (triggers.ignore_times and triggers.dead_file):
        return ()
    intervals = read_intervals(triggers.dead_file, triggers.dead_unit, sampling_rate)
    return tuple((int(a), int(b)) for a, b in intervals)
