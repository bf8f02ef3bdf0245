"""The library call behind ``circus sort``."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import circus_io
from circus_io.abort import abort_on_error
from circus_io.errors import ParameterError
from circus_io.parallel import broadcast, get_comm, limit_threads
from circus_io.params import Parameters
from circus_io.probe import Probe, read_probe
from sorting.checks import check_input
from sorting.front_end import FrontEnd
from sorting.lock import sole_run
from sorting.pipeline import STEPS, Run
from sorting.results import SUFFIX, Result, load_result, result_folder

__all__ = ["open_front_end", "sort"]


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
    with limit_threads(), _opened(recording, parameters, comm) as source:
        checked = check_input(source, probe, parameters)
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


def _opened(recording: Any, parameters: Parameters, comm: Any) -> circus_io.DataFile:
    """Return the recording of a path, opened by rank 0 for all: it travels closed."""
    if isinstance(recording, circus_io.DataFile):
        return recording
    outcome: circus_io.DataFile | Exception | None = None
    if comm.rank == 0:
        try:
            outcome = circus_io.open_from_parameters(recording, parameters)
        except Exception as error:  # the other ranks wait for any word
            outcome = error
    outcome = broadcast(comm, outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def open_front_end(
    recording: circus_io.DataFile, probe: Probe, parameters: Parameters
) -> FrontEnd:
    """Filter as a sort with these parameters does, for pictures and checks."""
    probe, config = check_input(recording, probe, parameters)
    return FrontEnd(recording, probe, config.filtering)


def _check_steps(steps: Sequence[str] | None) -> None:
    unknown = [step for step in steps or () if step not in STEPS]
    if unknown:
        raise ParameterError(
            f"no step is named {', '.join(unknown)}; steps are: {', '.join(STEPS)}"
        )


def _paths(source, parameters, output_dir) -> tuple[Path, Path]:
    """Return the result file and the folder of the steps; variants keep apart."""
    name = Path(source.file_name) if source.file_name else Path("recording")
    if output_dir is not None:
        folder = Path(output_dir)
    elif parameters.data.output_dir:
        folder = Path(parameters.data.output_dir) / name.stem
    else:
        folder = result_folder(name)
    variant = parameters.data.suffix or ""
    return folder / f"{name.stem}{variant}{SUFFIX}", folder / f"steps{variant}"
