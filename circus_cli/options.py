"""Options that several commands have, said once."""

from typing import Annotated

import typer

__all__ = ["Debug", "NoSummary", "Quiet"]

Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks and what libraries log.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show errors only.")]
NoSummary = Annotated[
    bool, typer.Option("--no-summary", help="Leave out what is shown at the end.")
]
