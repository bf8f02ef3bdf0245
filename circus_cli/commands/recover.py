"""``circus recover FILE ...``: complete recordings that were cut short."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circus_cli.console import show
from circus_cli.options import Debug

__all__ = ["EXAMPLES", "recover"]

EXAMPLES = """\b
Examples:
  circus recover rec.h5          add what is in rec.h5.journal, and close the file
  circus recover rec_*.h5        the files of a recording that rotates
"""


def recover(
    recordings: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Recordings of circus live."),
    ],
    debug: Debug = False,
) -> int:
    """Complete recordings whose recorder was killed.

    What the journal beside a file has, and the file has not, is added to it; the file
    then opens in every program, and the journal is removed. A recording that is whole,
    or that goes on, is left as it is.
    """
    from circus_io.files.mcs_hdf5 import complete

    for path in recordings:
        done = complete(path)
        if not done.did_something:
            show(f"{path}: was whole")
            continue
        lost = f", {done.n_lost} frames are lost" if done.n_lost else ""
        lost += f", {done.n_events} events" if done.n_events else ""
        show(
            f"{path}: {done.n_frames} frames, {done.n_added} of them from its journal"
            f"{lost}"
        )
    return 0
