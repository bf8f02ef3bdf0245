"""``circus stim preflight``: how late this computer is, and what buffers it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from circus_cli.console import show
from circus_cli.options import Debug

__all__ = ["EXAMPLES", "preflight"]

EXAMPLES = """\b
Examples:
  circus stim preflight                   ten seconds, as the computer is now
  circus stim preflight --seconds 600 --out lateness.npz
"""


def preflight(
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="How long to measure.")
    ] = 10.0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="NPZ", help="Keep every lateness that was measured."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print figures as JSON.")
    ] = False,
    debug: Debug = False,
) -> int:
    """Measure how late this computer gets to what is due every millisecond.

    Buffers have to last for as long as it may be held up. Measure while the computer
    does what it will do during the experiment, and for longer than a moment.
    """
    from circus_io.atomic import atomic_path
    from stim.stg.lateness import preflight as measure

    found = measure(seconds)
    if out is not None:
        with atomic_path(out.with_suffix(".npz")) as temporary:
            found.save(temporary)
    if as_json:
        figures = {
            "n_calls": int(found.lateness_s.size),
            "p50_s": found.percentile_s(50),
            "p99_s": found.percentile_s(99),
            "p99_9_s": found.percentile_s(99.9),
            "max_s": found.max_s,
            "buffer_in_s": found.fill_s,
            "capacity_in_s": found.capacity_s,
            "latency_s": found.latency_s,
        }
        show(json.dumps(figures, indent=2))
    else:
        show(str(found))
    return 0
