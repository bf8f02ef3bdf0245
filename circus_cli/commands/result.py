"""``circus RECORDING -r``: what a result holds, as a table and as a page."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from circus_cli.console import say_table, show
from circus_cli.job import Job, open_job_recording, prepare
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
    if job is not None and job.result_path.is_file():
        path = job.result_path
    else:
        path = find_result(request.output_dir or request.path)
    result = load_result(path)
    say_table(UNIT_COLUMNS, _unit_rows(result))
    say_result(result, path)
    with _recording(job) as recording:
        page = write_report(result, path.parent, recording)
    show(f"report  {page}")
    return 0


def _job(request: Request) -> Job | None:
    """Return what was sorted, if it is still there beside its parameters."""
    try:
        return prepare(request)
    except (CircusError, OSError):
        return None


def _recording(job: Job | None) -> AbstractContextManager[Any]:
    if job is None:
        return nullcontext()
    return open_job_recording(job.recording_path, job.parameters)


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
