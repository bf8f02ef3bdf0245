"""From what a user asks to a sorted recording, on the ranks that run."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from circus_cli.console import StepProgress, say, say_error
from circus_cli.errors import UsageError, as_input_error
from circus_cli.first_try import open_with_care
from circus_cli.request import Request
from circus_cli.summary import say_summary
from circus_io.abort import abort_on_error
from circus_io.errors import (
    CircusError,
    NotWritableError,
    ParameterError,
    RecordingNotFoundError,
    StepError,
)
from circus_io.parallel import broadcast, wait_for_all

if TYPE_CHECKING:
    from circus_io.datafile import DataFile
    from circus_io.params import Parameters
    from circus_io.probe import Probe

__all__ = [
    "Job",
    "named_files",
    "named_recording",
    "of_rank_0",
    "open_job_recording",
    "parse_override",
    "prepare",
    "read_parameters",
    "refuse_probes",
    "sort_on",
]

T = TypeVar("T")

ELSEWHERE = "name another folder with --output-dir DIR"
# what the system says of a folder that results cannot go to
UNWRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.ENOSPC,
}


@dataclass(frozen=True)
class Job:
    """A request that was found good.

    Attributes
    ----------
    files : tuple of Path
        The recording; several files are its streams, in this order.
    parameters : circus_io.params.Parameters
    probe : circus_io.probe.Probe
    recording : DataFile
        Its header is read, once for all ranks; closed.
    output_dir : Path
        Where results go; may not exist yet.
    """

    files: tuple[Path, ...]
    parameters: Parameters
    probe: Probe
    recording: DataFile
    output_dir: Path

    @property
    def recording_path(self) -> Path:
        """The first file, after which results are named."""
        return self.files[0]

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

    parameter_path, files = _find_files(request)
    parameters = read_parameters(parameter_path, request.overrides, request.seed)
    files = files or named_recording(parameter_path, parameters)
    refuse_probes(files, parameters.data.mapping)
    probe = read_probe(parameters.data.mapping)
    probe.without(parameters.detection.dead_channels)  # refuses what does not exist
    with open_job_recording(files, parameters) as recording:
        probe.check(recording.nb_channels)
    output_dir = _output_dir(request, files[0], parameters)
    _check_writable(output_dir)
    return Job(files, parameters, probe, recording, output_dir)


def _find_files(request: Request) -> tuple[Path, tuple[Path, ...]]:
    """Return the parameter file, and the recording unless the former names it."""
    path = request.path
    if path.name in ("", ".."):
        raise UsageError(f"{path} is a folder; name the recording in it")
    if path.suffix.lower() == ".params" and path.exists():
        return path, ()
    files = named_files(path)
    if not files:
        raise RecordingNotFoundError(f"there is no recording at {path}")
    refuse_probes(files)
    parameter_path = request.parameter_file or files[0].with_suffix(".params")
    if not parameter_path.is_file():
        raise ParameterError(
            f"{path} has no parameter file {parameter_path}; write one with: "
            f"circus params --init {parameter_path}, or name another with --params FILE"
        )
    return parameter_path, files


def named_files(path: Path) -> tuple[Path, ...]:
    """Return what a path or a pattern names, sorted naturally; nothing if none."""
    from circus_io.streams import resolve_paths

    found = resolve_paths(path)
    if found is not None:
        return tuple(map(Path, found))
    return (path,) if path.exists() else ()


def refuse_probes(files: Sequence[Path], mapping: Path | None = None) -> None:
    """Refuse a probe in place of a recording: raw formats would read its text as data.

    Raises
    ------
    UsageError
        A file is a probe by its name or content, or is the mapping in use.
    """
    for path in files:
        if (
            path.suffix.lower() == ".prb"
            or (mapping is not None and mapping.exists() and path.samefile(mapping))
            or (path.suffix.lower() == ".json" and _describes_probe(path))
        ):
            raise UsageError(
                f"{path} is a probe file, not a recording; name the recording, and the "
                "probe as [data] mapping in its .params file"
            )


def _describes_probe(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"probeinterface"' in file.read(4096)


def read_parameters(
    path: Path, overrides: Sequence[str] = (), seed: int | None = None
) -> Parameters:
    """Read a parameter file; ``section.key=value`` overrides and a seed come first."""
    from circus_io.params import read_params

    values: dict[str, Any] = dict(parse_override(text) for text in overrides)
    if seed is not None:
        values["circus.seed"] = seed
    return read_params(path, values, required=("mapping",))


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


def named_recording(parameter_path: Path, parameters: Parameters) -> tuple[Path, ...]:
    """Return the recording that ``[data] file_name`` of a parameter file names."""
    path = parameters.data.file_name
    if path is None:
        raise ParameterError(
            f"{parameter_path} does not say which recording it belongs to: give the "
            "recording instead, or set [data] file_name"
        )
    files = named_files(path)
    if not files:
        raise RecordingNotFoundError(
            f"there is no recording at {path}, which {parameter_path} names as "
            "[data] file_name"
        )
    return files


def open_job_recording(files: Sequence[Path], parameters: Parameters) -> DataFile:
    """Open a recording by what its parameters say about the format."""
    import circus_io

    path = files if len(files) > 1 else files[0]
    opening = partial(circus_io.open_from_parameters, path, parameters)
    return open_with_care(files[0], parameters.data.file_format, opening)


def _output_dir(request: Request, path: Path, parameters: Parameters) -> Path:
    from sorting.results import result_folder

    if request.output_dir is not None:
        return request.output_dir
    if parameters.data.output_dir is not None:
        return parameters.data.output_dir / path.stem
    return result_folder(path)


def _check_writable(folder: Path) -> None:
    """Refuse a folder for results that cannot be made or written."""
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise NotWritableError(
            f"results cannot go to {folder}: {existing} is a file; {ELSEWHERE}"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise NotWritableError(
            f"results cannot go to {folder}: {existing} is not writable for you; "
            f"{ELSEWHERE}"
        )


def sort_on(comm: Any, request: Request, steps: Sequence[str] | None) -> int:
    """Sort on the ranks of `comm` and say what was found.

    Returns
    -------
    int
        0; what fails is raised, or ends all ranks with the exit status of the error.
    """
    job = of_rank_0(comm, partial(prepare, request))
    report = partial(say_error, debug=request.debug, rank=comm.rank)
    with abort_on_error(comm, report):
        _sort(comm, job, steps, request.quiet)
    if comm.rank == 0 and request.summary and not request.quiet:
        say_summary(job.result_path)
    wait_for_all(comm)  # asleep; the end of MPI would keep the processor busy
    return 0


def of_rank_0(comm: Any, function: Callable[[], T]) -> T:
    """Call a function on rank 0, and return or raise on all ranks what came of it.

    Files are read once: what rank 0 sees on a shared disk others may see later.
    """
    outcome: T | CircusError | None = None
    if comm.rank == 0:
        try:
            outcome = function()
        except CircusError as error:
            outcome = error
        except (Exception, SystemExit) as error:  # the other ranks wait for any word
            outcome = as_input_error(error)
            if not isinstance(outcome, CircusError):
                outcome = CircusError(f"{type(error).__name__}: {error}")
            outcome.__cause__ = error
    outcome = broadcast(comm, outcome)
    if isinstance(outcome, CircusError):
        raise outcome
    return outcome


def _sort(comm: Any, job: Job, steps: Sequence[str] | None, quiet: bool) -> None:
    import sorting
    from circus_io.params import group_notices
    from sorting.compilation import FIRST_RUN, is_compiled

    if comm.rank == 0 and not quiet:
        for notice in group_notices(job.parameters.notices):
            say(notice)
        if not is_compiled():
            say(FIRST_RUN)
    with (
        job.recording as recording,
        StepProgress(quiet=quiet) as progress,
        _failures_named(progress),
    ):
        sorting.sort(
            recording,
            parameters=job.parameters,
            probe=job.probe,
            output_dir=job.output_dir,
            steps=steps,
            comm=comm,
            progress=progress,
            abort=False,
        )


@contextmanager
def _failures_named(progress: StepProgress) -> Iterator[None]:
    """Turn an error that nobody foresaw into a failed step, named as far as known."""
    try:
        yield
    except CircusError:
        raise
    except SystemExit as error:
        raise StepError(
            f"{progress.step or 'sorting'} failed: {as_input_error(error)}"
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename:
            raise as_input_error(error) from error
        step = progress.step or "sorting"
        reason = str(error) or "no message"
        raise StepError(
            f"{step} failed: {type(error).__name__}: {reason}; --debug shows where"
        ) from error
