"""From what a user asks to a sorted recording, on the ranks that run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from circus_cli.console import StepProgress, logs_shown, say, say_error
from circus_cli.errors import UsageError
from circus_cli.request import Request
from circus_cli.summary import say_summary
from circus_io.errors import (
    CircusError,
    NotWritableError,
    ParameterError,
    RecordingNotFoundError,
    StepError,
)
from circus_io.parallel import abort_on_error

if TYPE_CHECKING:
    from circus_io.datafile import DataFile
    from circus_io.params import Parameters
    from circus_io.probe import Probe

__all__ = [
    "Job",
    "check_required",
    "open_job_recording",
    "parse_override",
    "prepare",
    "read_parameters",
    "sort_on",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """A request that was found good.

    Attributes
    ----------
    recording_path : Path
    parameters : circus_io.params.Parameters
    probe : circus_io.probe.Probe
    output_dir : Path
        Where results go; may not exist yet.
    """

    recording_path: Path
    parameters: Parameters
    probe: Probe
    output_dir: Path

    @property
    def result_path(self) -> Path:
        """The result file that this job makes."""
        from sorting.results import SUFFIX

        suffix = self.parameters.data.suffix or ""
        return self.output_dir / f"{self.recording_path.stem}{suffix}{SUFFIX}"


def prepare(request: Request) -> Job:
    """Read and check everything a run needs, before any work starts.

    Raises
    ------
    RecordingNotFoundError, ParameterError, ProbeError, FormatError, NotWritableError
        Whatever is wrong with the input or with the folder for results.
    """
    from circus_io.probe import read_probe

    parameter_path, recording_path = _find_files(request)
    parameters = read_parameters(parameter_path, request.overrides, request.seed)
    if recording_path is None:
        recording_path = _named_recording(parameter_path, parameters)
    check_required(parameters)
    probe = read_probe(parameters.data.mapping)
    probe.without(parameters.detection.dead_channels)  # refuses what does not exist
    with open_job_recording(recording_path, parameters) as recording:
        probe.check(recording.nb_channels)
    output_dir = _output_dir(request, recording_path, parameters)
    _check_writable(output_dir)
    return Job(recording_path, parameters, probe, output_dir)


def _find_files(request: Request) -> tuple[Path, Path | None]:
    """Return the parameter file, and the recording unless the former names it."""
    path = request.path
    if not path.exists():
        raise RecordingNotFoundError(f"there is no recording at {path}")
    if path.suffix.lower() == ".params":
        return path, None
    parameter_path = request.parameter_file or path.with_suffix(".params")
    if not parameter_path.is_file():
        raise ParameterError(
            f"{path} has no parameter file {parameter_path}; write one with: "
            f"circus params --init {path.with_suffix('.params')}, or name another "
            "with --params FILE"
        )
    return parameter_path, path


def read_parameters(
    path: Path, overrides: Sequence[str] = (), seed: int | None = None
) -> Parameters:
    """Read a parameter file; ``section.key=value`` overrides and a seed come first."""
    from circus_io.params import read_params

    values: dict[str, Any] = dict(parse_override(text) for text in overrides)
    if seed is not None:
        values["circus.seed"] = seed
    return read_params(path, values, known_fields=partial(_fields, path.parent))


def parse_override(text: str) -> tuple[str, str]:
    """Split ``section.key=value``.

    Raises
    ------
    UsageError
        It has another form.
    """
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and section and key):
        raise UsageError(
            f"--set {text}: expected section.key=value, as in "
            "--set detection.spike_thresh=5"
        )
    return name.strip(), value.strip()


def _fields(folder: Path, file_format: str | None) -> list[str] | None:
    """Return the keys of ``[data]`` that a file format declares."""
    from circus_io.registry import get_format

    if file_format is None:
        return None
    wrapper = get_format(file_format, folder)
    return [*wrapper._required_fields, *wrapper._default_values]


def _named_recording(parameter_path: Path, parameters: Parameters) -> Path:
    """Return the recording that ``[data] file_name`` of a parameter file names."""
    path = parameters.data.file_name
    if path is None:
        raise ParameterError(
            f"{parameter_path} does not say which recording it belongs to: give the "
            "recording instead, or set [data] file_name"
        )
    if not path.exists():
        raise RecordingNotFoundError(
            f"there is no recording at {path}, which {parameter_path} names as "
            "[data] file_name"
        )
    return path


def check_required(parameters: Parameters) -> None:
    """Refuse parameters without a probe, or without what the file format needs.

    Raises
    ------
    ParameterError
        Names all that is missing.
    """
    needed = [("mapping", "the probe file: .prb, or probeinterface .json")]
    given = {"mapping": parameters.data.mapping, **parameters.data.format_fields}
    wrapper = _wrapper(parameters)
    needed += [
        (
            name,
            f"{getattr(kind, '__name__', kind)}; {wrapper.description} files need it",
        )
        for name, kind in wrapper._required_fields.items()
    ]
    lines = [
        f"[data] {name} is required ({what})"
        for name, what in needed
        if given.get(name) is None
    ]
    if lines:
        problems = f"{len(lines)} problem" + "s" * (len(lines) > 1)
        raise ParameterError("\n  ".join([f"{parameters.path}: {problems}", *lines]))


def _wrapper(parameters: Parameters) -> type[DataFile]:
    from circus_io.registry import get_format

    folder = parameters.path.parent if parameters.path else Path()
    return get_format(parameters.data.file_format, folder)


def open_job_recording(path: Path, parameters: Parameters) -> DataFile:
    """Open a recording by what its parameters say about the format."""
    import circus_io

    return circus_io.open_recording(
        path,
        file_format=_wrapper(parameters),
        stream_mode=parameters.data.stream_mode,
        **parameters.data.format_fields,
    )


def _output_dir(request: Request, path: Path, parameters: Parameters) -> Path:
    if request.output_dir is not None:
        return request.output_dir
    if parameters.data.output_dir is not None:
        return parameters.data.output_dir / path.stem
    return path.with_suffix("")


def _check_writable(folder: Path) -> None:
    """Refuse a folder for results that cannot be made or written."""
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise NotWritableError(
            f"results cannot go to {folder}: {existing} is a file; name another folder "
            "with --output-dir DIR"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise NotWritableError(
            f"results cannot go to {folder}: {existing} is not writable for you; name "
            "another folder with --output-dir DIR"
        )


def sort_on(comm: Any, request: Request, steps: Sequence[str] | None) -> int:
    """Sort on the ranks of `comm` and say what was found.

    Returns
    -------
    int
        0; what fails is raised, or ends all ranks with the exit status of the error.
    """
    job = _of_rank_0(comm, partial(prepare, request))
    report = partial(say_error, debug=request.debug, rank=comm.rank)
    with (
        logs_shown(debug=request.debug, quiet=request.quiet),
        abort_on_error(comm, report),
    ):
        result = _sort(comm, job, steps, request.quiet)
    if comm.rank == 0 and not request.quiet:
        say_summary(result, job.result_path)
    return 0


def _of_rank_0(comm: Any, function: Callable[[], T]) -> T:
    """Call a function on rank 0, and return or raise on all ranks what came of it.

    Files are read once: what rank 0 sees on a shared disk others may see later.
    """
    outcome: T | CircusError | None = None
    if comm.rank == 0:
        try:
            outcome = function()
        except CircusError as error:
            outcome = error
        except Exception as error:  # the other ranks wait, whatever it is
            outcome = CircusError(f"{type(error).__name__}: {error}")
            outcome.__cause__ = error
    outcome = comm.bcast(outcome)
    if isinstance(outcome, CircusError):
        raise outcome
    return outcome


def _sort(comm: Any, job: Job, steps: Sequence[str] | None, quiet: bool) -> Any:
    import sorting

    for notice in job.parameters.notices if comm.rank == 0 and not quiet else ():
        say(notice)
    with (
        open_job_recording(job.recording_path, job.parameters) as recording,
        StepProgress(quiet=quiet) as progress,
        _failures_named(progress),
    ):
        return sorting.sort(
            recording,
            parameters=job.parameters,
            probe=job.probe,
            output_dir=job.output_dir,
            steps=steps,
            comm=comm,
            progress=progress,
        )


@contextmanager
def _failures_named(progress: StepProgress) -> Iterator[None]:
    """Turn an error that nobody foresaw into a failed step, named as far as known."""
    try:
        yield
    except CircusError:
        raise
    except Exception as error:
        step = progress.step or "sorting"
        reason = str(error) or "no message"
        raise StepError(
            f"{step} failed: {type(error).__name__}: {reason}; --debug shows where"
        ) from error
