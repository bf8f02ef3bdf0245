"""``circus convert IN OUT``: a recording in another format."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_cli import convert_options as option
from circus_cli.console import StepProgress, logs_muted, say, say_error, show
from circus_cli.errors import UsageError, as_input_error
from circus_cli.interrupt import was_interrupted
from circus_cli.job import of_rank_0
from circus_cli.launch import run_ranks
from circus_cli.options import Debug, NoSummary, Quiet
from circus_cli.source import Source
from circus_io.abort import abort_on_error
from circus_io.parallel import check_world, get_comm, launched_size

if TYPE_CHECKING:
    from circus_io.datafile import DataFile

__all__ = ["EXAMPLES", "convert"]

EXAMPLES = """\b
Examples:
  circus convert rec.mcd rec.dat                      raw binary, samples as stored
  circus convert rec.dat rec.npy --channels 0-31      half of the channels
  circus convert rec.dat part.nwb --from 60 --to 120  one minute
  circus convert rec.h5 rec.dat --dtype int16 --gain auto -c 4
  circus convert rec.raw rec.npy --params rig.params --set nb_channels=4
"""


@dataclass(frozen=True)
class Request:
    """What to convert, and to what.

    Attributes
    ----------
    source : Source
    path : Path
        The file to be.
    options : dict
        Values of the options ``--NAME``; None where one is not given.
    overwrite, debug, quiet, summary : bool
        As of the command.
    """

    source: Source
    path: Path
    options: dict[str, Any]
    overwrite: bool = False
    debug: bool = False
    quiet: bool = False
    summary: bool = True

    def arguments(self, n_ranks: int) -> list[str]:
        """Return the command line that asks for the same on `n_ranks` ranks."""
        given = {**self.options, "cpu": n_ranks}
        flags = {"overwrite": self.overwrite, "debug": self.debug, "quiet": self.quiet}
        return [
            "convert",
            *(f"--{key}={value}" for key, value in given.items() if value is not None),
            *(f"--{flag}" for flag, on in flags.items() if on),
            "--no-summary",
            *self.source.arguments(),
            "--",
            str(self.source.path),
            str(self.path),
        ]


def convert(
    recording: option.Recording,
    path: option.Out,
    file_format: option.Format = None,
    channels: option.Channels = None,
    start: option.From = None,
    stop: option.To = None,
    dtype: option.Dtype = None,
    gain: option.Gain = None,
    cpu: option.Cpu = 1,
    parameter_file: option.ParameterFile = None,
    settings: option.Settings = None,
    overwrite: option.Overwrite = False,
    debug: Debug = False,
    quiet: Quiet = False,
    no_summary: NoSummary = False,
) -> int:
    """Write a recording, or a part of it, in another format.

    IN is only read. OUT appears when it is complete and was read back, with
    OUT.conversion.json, which says what it holds and its checksum. If it is
    interrupted or killed, the same command goes on where it stopped.
    """
    request = Request(
        source=Source(Path(recording), parameter_file, tuple(settings or ())),
        path=path,
        options={
            "format": file_format,
            "channels": channels,
            "from": start,
            "to": stop,
            "dtype": dtype,
            "gain": gain,
        },
        overwrite=overwrite,
        debug=debug,
        quiet=quiet,
        summary=not no_summary,
    )
    try:
        return _run(request, cpu)
    except (Exception, KeyboardInterrupt) as error:
        if not (isinstance(error, KeyboardInterrupt) or was_interrupted()):
            raise
        say(_interrupted(path))
        return 130


def _run(request: Request, n_ranks: int) -> int:
    """Convert on the ranks this process belongs to, or start as many as asked."""
    if launched_size() is None and n_ranks > 1:
        status = _convert_elsewhere(request, n_ranks)
    else:
        comm = get_comm()
        check_world(comm, n_ranks if n_ranks > 1 else comm.size)
        status = _convert_on(comm, request)
    if status == 0 and request.summary and not request.quiet:
        _say_report(request.path)
    return status


def _convert_elsewhere(request: Request, n_ranks: int) -> int:
    """Start ranks; what they leave is removed here, unless one can go on with it."""
    from circus_io.conversion.workplace import can_go_on, discard_unfinished

    with logs_muted(), request.source.open() as recording:  # one line if it is wrong
        _arguments(request.options, recording)
    try:
        return run_ranks(n_ranks, request.arguments(n_ranks))
    finally:
        if not can_go_on(request.path):
            discard_unfinished(request.path)


def _convert_on(comm: Any, request: Request) -> int:
    from circus_io.conversion import convert

    recording = of_rank_0(comm, request.source.open)
    arguments = _arguments(request.options, recording)
    report = partial(_say_failure, request, comm.rank)
    with (
        abort_on_error(comm, report),
        _system_errors_named(),
        StepProgress(quiet=request.quiet) as progress,
        recording,
    ):
        convert(
            recording,
            request.path,
            **arguments,
            overwrite=request.overwrite,
            comm=comm,
            progress=progress,
        )
    return 0


def _arguments(options: dict[str, Any], recording: DataFile) -> dict[str, Any]:
    """Return options as `circus_io.conversion.convert` takes them."""
    from circus_io.conversion import parse_channels

    channels = options["channels"]
    if channels is not None:
        channels = parse_channels(channels, recording.channel_labels)
    return {
        "file_format": options["format"],
        "channels": channels,
        "t_start": _frame(options["from"], recording),
        "t_stop": _frame(options["to"], recording),
        "dtype": options["dtype"],
        "gain": options["gain"],
    }


def _frame(second: float | None, recording: DataFile) -> int | None:
    """Return the frame at a second of the clock of the recording.

    Raises
    ------
    UsageError
        The recording does not reach there.
    """
    if second is None:
        return None
    rate = recording.sampling_rate
    frame = round(second * rate) if abs(second) < math.inf else None
    if frame is None or not recording.t_start <= frame <= recording.t_stop:
        raise UsageError(
            f"second {second:g} is outside of the recording, which goes from "
            f"{recording.t_start / rate:.9g} to {recording.t_stop / rate:.9g} s"
        )
    return frame


@contextmanager
def _system_errors_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise as_input_error(error) from error


def _say_failure(request: Request, rank: int, error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.stderr.write(f"{_interrupted(request.path)}\n")
    else:
        say_error(error, debug=request.debug, rank=rank)


def _interrupted(path: Path) -> str:
    """Return what is said after an interrupt."""
    from circus_io.conversion.workplace import can_go_on

    said = f"interrupted; {path} was not written"
    return f"{said}; the same command goes on with it" if can_go_on(path) else said


def _say_report(path: Path) -> None:
    """Print what was written, from the report beside it."""
    from circus_io.conversion.report import report_path

    place = report_path(path)
    report = json.loads(place.read_text(encoding="utf-8"))
    duration_s = report["n_frames"] / report["sampling_rate"]
    gain = report["gain"]
    scale = (
        f"{gain:g} µV per count" if isinstance(gain, float) else "a gain per channel"
    )
    n_gaps = len(report["spans"]) - 1
    lines = [
        f"file     {path} ({report['file_format']})",
        f"samples  {report['data_dtype']}, {report['n_frames']:,} frames × "
        f"{report['n_channels']} channels, {duration_s:,.3f} s",
        f"scale    {scale}, 0 µV at {report['dtype_offset']:g}",
        f"clipped  {report['n_clipped']}",
        *(
            [f"gaps     {n_gaps}; the report has the start of each span"]
            if n_gaps
            else []
        ),
        f"sha256   {report['sha256']} (of the samples)",
        f"report   {place}",
    ]
    if report["reading"]:
        reading = report["reading"].items()
        lines += ["", "[data]", *(f"{name} = {value}" for name, value in reading)]
    show("\n".join(lines))
