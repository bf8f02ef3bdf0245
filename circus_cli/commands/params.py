"""``circus params``: explain, start or check a parameter file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circus_cli.console import say, show
from circus_cli.errors import UsageError
from circus_io.parallel import launched_rank

__all__ = ["EXAMPLES", "params"]

EXAMPLES = """\b
Examples:
  circus params --explain spike_thresh
  circus params --explain detection.N_t
  circus params --init recording.params
  circus params --check recording.params
"""


def params(
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="KEY", help="Say what a key does."),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option("--init", metavar="FILE", help="Write a commented file to edit."),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="FILE", help="Name all problems of a file."),
    ] = None,
) -> int:
    """Explain, start or check a parameter file."""
    given = [option for option in (explain, init, check) if option is not None]
    if len(given) != 1:
        raise UsageError("give one of --explain KEY, --init FILE, --check FILE")
    if launched_rank():
        return 0  # one rank is enough to write a file
    if explain is not None:
        _explain(explain)
    elif init is not None:
        _init(init)
    else:
        _check(check)
    return 0


def _explain(key: str) -> None:
    from circus_io.params import explain

    show(explain(key))


def _init(path: Path) -> None:
    """Write a template; an existing file stays as it is."""
    from circus_io.params import TO_FILL_IN, template_text

    text = template_text(*TO_FILL_IN)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} exists and is not written to; choose another name, or "
            f"check it with: circus params --check {path}"
        ) from None
    except FileNotFoundError:
        raise UsageError(
            f"there is no folder {path.parent}; make it first, or name another"
        ) from None
    say(f"wrote {path}; set [data] in it, then: circus params --check {path}")


def _check(path: Path) -> None:
    from circus_cli.job import read_parameters
    from circus_io.params import group_notices
    from circus_io.probe import read_probe

    parameters = read_parameters(path)
    probe = read_probe(parameters.data.mapping)
    probe.without(parameters.detection.dead_channels)
    for notice in group_notices(parameters.notices):
        say(f"notice: {notice}")
    show(f"{path} is good")
