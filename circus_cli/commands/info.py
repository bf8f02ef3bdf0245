"""``circus info FILE``: what a recording is, and whether that can be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from circus_cli.console import StepProgress, say, say_table, show
from circus_cli.options import Debug
from circus_cli.source import Source, told_format
from circus_io.errors import CircusError, FormatError, MissingParameterError
from circus_io.parallel import launched_rank

__all__ = ["EXAMPLES", "info"]

EXAMPLES = """\b
Examples:
  circus info rec.mcd                  all there is to know
  circus info rec.dat                  by rec.params beside it; without it, a guess
  circus info rec.dat --set nb_channels=32
  circus info rec.h5 --all --json      ranges of all samples, for a program
"""

MOST_TEXT = 100  # characters of what a file says of itself; --json has all
MOST_ROWS = 64  # of the table of channels; --json has all


def info(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Recording, 'rec_*.dat' in quotes, or its .params file.",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it all as JSON.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("--all", help="Measure all samples, not some of them.")
    ] = False,
    parameter_file: Annotated[
        Path | None,
        typer.Option(
            "--params",
            metavar="FILE",
            help="Parameter file, if not beside the recording; its [data] is read.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a key of [data]; may be given several times.",
        ),
    ] = None,
    debug: Debug = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show the result and errors only.")
    ] = False,
) -> int:
    """Describe a recording: rate, channels, ranges, gaps, events, and doubts.

    The samples of a flat binary file are also read in other ways, to see whether type,
    byte order, offset and number of channels can be right. Where nothing is known of
    them, a guess is shown.
    """
    if launched_rank():
        return 0  # one rank is enough to look
    source = Source(Path(recording), parameter_file, tuple(settings or ()))
    try:
        opened = source.open()
    except (FormatError, MissingParameterError) as error:
        return _guess(source, error, as_json)
    from circus_io.inspection import summarise

    with opened, StepProgress(quiet=quiet or not whole) as progress:
        summary = summarise(opened, whole=whole, progress=progress)
    if as_json:
        show(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _say_summary(summary)
    return 0


def _guess(source: Source, error: CircusError, as_json: bool) -> int:
    """Show with which parameters the file makes sense, or raise the error."""
    from circus_io.inspection import guess_flat

    file_format = source.values().get("file_format", "raw_binary")
    path, *others = source.files()
    guess = None
    if (
        path.is_file()
        and not others
        and file_format == "raw_binary"
        and told_format(path) is None
    ):
        guess = guess_flat(path)
    if guess is None:
        raise error
    if as_json:
        show(json.dumps({"file": str(path), "error": str(error), "guess": guess}))
        return 0
    missing = isinstance(error, MissingParameterError)
    lines = [
        str(error) if missing else f"nothing tells which format {path} has",
        "",
        f"a guess: as a flat binary file, {path} makes sense with",
        "",
        "[data]",
        "file_format = raw_binary",
        *(f"{name} = {value}" for name, value in guess.items()),
        "sampling_rate = ...",
    ]
    if "nb_channels" not in guess:
        lines.append("nb_channels = ...")
    show("\n".join(lines))
    return 0


def _say_summary(summary: dict[str, Any]) -> None:
    facts = _facts(summary)
    width = max(11, *(len(name) for name, _ in facts))
    show("\n".join(f"{name:<{width}} {text}" for name, text in facts))
    _say_channels(summary["channels"], _unit(summary["metadata"].get("units")))
    for finding in summary["findings"]:
        advice = f"; {finding['advice']}" if finding["advice"] else ""
        show(f"{finding['verdict']:<12}{finding['text']}{advice}")


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and texts of everything but channels and findings."""
    gain = summary["gain_uv_per_count"]
    unit = _unit(summary["metadata"].get("units"))
    scale = (
        f"{gain:g} {unit} per count" if isinstance(gain, float) else "one per channel"
    )
    facts = [
        ("file", summary["file"] or ""),
        ("format", summary["file_format"]),
        ("rate", f"{summary['sampling_rate_hz']:.9g} Hz"),
        ("channels", str(summary["n_channels"])),
        ("frames", f"{summary['n_frames']:,}"),
        ("duration", f"{summary['duration_s']:.9g} s"),
        ("clock", f"{summary['start_s']:.9g} to {summary['stop_s']:.9g} s"),
        ("samples", f"{_type(summary)}, 0 µV at {summary['dtype_offset']}"),
        ("gain", scale),
    ]
    if len(summary["streams"]) > 1:
        facts.append(("streams", str(len(summary["streams"]))))
    facts += [("gap", _span(gap)) for gap in summary["gaps"]]
    facts += [("events", _events(events)) for events in summary["events"]]
    said = ((name, _short(value)) for name, value in summary["metadata"].items())
    facts += [(name, text) for name, text in said if text]
    dead = [str(c["channel"]) for c in summary["channels"] if c["is_dead"]]
    part = summary["n_frames_read"] / max(summary["n_frames"], 1)
    seen = "" if part == 1 else f", in {part:.1%} of the frames; --all reads the rest"
    return [*facts, ("dead", (", ".join(dead) or "none") + seen)]


def _type(summary: dict[str, Any]) -> str:
    """Return the type of samples in words: ``<u2`` is uint16."""
    import numpy as np

    dtype = np.dtype(summary["data_dtype"])
    return dtype.name + (", big-endian" if dtype.str.startswith(">") else "")


def _short(value: object) -> str:
    if isinstance(value, list) and all(item is None for item in value):
        return ""  # the file says nothing of any channel
    text = " ".join(str(value).split())
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 4]} ..."


def _span(gap: dict[str, float]) -> str:
    return f"{gap['duration_s']:.9g} s, from {gap['start_s']:.9g} s on"


def _events(events: dict[str, Any]) -> str:
    if events["n_events"] == 0:
        return f"{events['name']}: none"
    return (
        f"{events['name']}: {events['n_events']}, {events['first_s']:.9g} to "
        f"{events['last_s']:.9g} s"
    )


def _unit(units: object) -> str:
    """Return the unit of values: neo's formats also hold what is no voltage."""
    from circus_io.files.neo_bridge.units import is_voltage

    named = {units} if isinstance(units, str) else set(units or ())
    if all(is_voltage(unit) for unit in named):
        return "µV"
    return named.pop() if len(named) == 1 else "µV or its own unit"


def _say_channels(channels: list[dict[str, Any]], unit: str) -> None:
    columns = ("channel", "label", f"lowest ({unit})", f"highest ({unit})", "")
    rows = [
        (
            channel["channel"],
            channel["label"],
            _number(channel["lowest_uv"]),
            _number(channel["highest_uv"]),
            _remark(channel),
        )
        for channel in channels
    ]
    say_table(columns, rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        say(f"{len(rows) - MOST_ROWS} more channels; --json shows all")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _remark(channel: dict[str, Any]) -> str:
    absent = channel["n_not_finite"]
    words = ["dead"] if channel["is_dead"] else []
    return ", ".join([*words, *([f"{absent} not finite"] if absent else [])])
