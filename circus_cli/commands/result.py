"""``circus RECORDING -r``: what a result holds, as a table and as a page."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_cli.console import say, say_table, show
from circus_cli.errors import UsageError, as_input_error
from circus_cli.job import Job, prepare
from circus_cli.request import Request
from circus_cli.summary import say_result
from circus_io.errors import CircusError

if TYPE_CHECKING:
    from sorting.results import Result

__all__ = ["show_result"]

UNIT_COLUMNS = ("unit", "label", "spikes", "rate (Hz)", "SNR", "channel", "violations")


def show_result(request: Request) -> int:
    """Print the units of a result and write its report page.

    `request.path` is the recording, its parameter file, the result file or its folder.
    """
    from circus_cli.report import write_report
    from sorting.results import find_result, load_result

    job = _job(request)
    if isinstance(job, Job) and job.result_path.is_file():
        path = job.result_path
    else:
        path = find_result(_place(request))
    result = load_result(path)
    say_table(UNIT_COLUMNS, _unit_rows(result))
    say_result(result, path)
    with _recording(job) as recording:
        page = write_report(result, path.parent, recording)
    show(f"report  {page}")
    return 0


def _place(request: Request) -> Path:
    path = request.output_dir or request.path
    path = path if path.name else path.absolute()  # of the current folder
    if not path.name:
        raise UsageError(f"{path} holds no result; name the recording or the result")
    return path


def _job(request: Request) -> Job | str:
    """Return what was sorted, or why the report cannot show it.

    Raises
    ------
    CircusError
        What was given on the command line, besides the path, is wrong.
    """
    from sorting.results import SUFFIX

    path = request.path
    holds_it = path.is_dir() and any(path.glob(f"*{SUFFIX}"))
    if holds_it or path.name.endswith(SUFFIX):
        return "that needs the recording; name it instead of its result"
    try:
        return prepare(request)
    except (CircusError, OSError) as error:
        if request.parameter_file or request.overrides:
            raise
        return str(as_input_error(error))


def _recording(job: Job | str) -> AbstractContextManager[Any]:
    if isinstance(job, str):
        say(f"the report shows no traces: {job}")
        return nullcontext()
    return job.recording


def _unit_rows(result: Result) -> list[tuple]:
    columns = result.channels.column
    return [
        (
            int(unit["unit_id"]),
            str(unit["label"]),
            int(unit["n_spikes"]),
            float(unit["firing_rate_hz"]),
            float(unit["snr"]),
            int(columns[unit["peak_channel"]]) if unit["peak_channel"] >= 0 else -1,
            f"{unit['isi_violations']:.2%}",
        )
        for unit in result.unit_table()
    ]
