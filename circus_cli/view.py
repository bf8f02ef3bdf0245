"""The options of ``--view``, and the view that they ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circus_cli.console import say

if TYPE_CHECKING:
    from circus_live.view import View

__all__ = [
    "ViewAddress",
    "ViewHighPass",
    "ViewPort",
    "ViewTokenFile",
    "ViewWanted",
    "make_view",
]

ViewWanted = Annotated[
    bool,
    typer.Option("--view", help="Show the stream in a browser, without slowing it."),
]
ViewPort = Annotated[
    int, typer.Option("--view-port", metavar="N", help="0 takes one that is free.")
]
ViewAddress = Annotated[
    str,
    typer.Option(
        "--view-address",
        metavar="ADDRESS",
        help="Where it can be reached; any but this machine needs a token.",
    ),
]
ViewTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--view-token-file",
        metavar="FILE",
        help="What a browser must show; by default CIRCUS_VIEW_TOKEN, if set.",
    ),
]
ViewHighPass = Annotated[
    float | None,
    typer.Option(
        "--view-high-pass",
        metavar="HZ",
        help="Of what is shown; 0 shows traces as they are. By default 300.",
    ),
]


def make_view(
    port: int, address: str, token_file: Path | None, high_pass_hz: float | None
) -> View:
    """Make the view, and say where it is.

    Raises
    ------
    MissingDependencyError, FormatError, DeviceError
        As `circus_live.view.View`.
    """
    from circus_live.view import View

    view = View(port, address, token_file=token_file, high_pass_hz=high_pass_hz)
    say(f"view: {view.url}" + (" (asks for the token)" if view.has_token else ""))
    return view
