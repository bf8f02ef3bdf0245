"""The end of a sort: what was found, what it took, where it lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_cli.console import say_table, show

if TYPE_CHECKING:
    from sorting.results import Result

__all__ = ["say_result", "say_summary"]


# a run that went through one of these has left a result that belongs to it
REACH_A_RESULT = {"merging", "converting"}


def say_summary(result_path: Path) -> None:
    """Print what the last run did, and its result if its steps reached one."""
    from sorting.results import load_result, log_path

    log = json.loads(log_path(result_path).read_text(encoding="utf-8"))
    _say_steps(log)
    if REACH_A_RESULT & log["steps"].keys():
        say_result(load_result(result_path), result_path)
    else:
        show(
            f"what the steps left lies in {result_path.parent}; merging writes the "
            "result"
        )


def say_result(result: Result, result_path: Path) -> None:
    """Print how many units and spikes there are, and where they lie."""
    lines = [
        f"{len(result)} units, {len(result.spike_times):,} spikes in "
        f"{result.duration_s:,.1f} s of {len(result.channels)} channels",
        *(f"{name:<8}{place}" for name, place in _places(result_path)),
    ]
    show("\n".join(lines))


def _say_steps(log: dict[str, Any]) -> None:
    """Print the table of steps, from the log that the run has written."""
    rows = [
        (
            name,
            "from before" if step["resumed"] else "done",
            step["wall_s"],
            step["cpu_s"],
        )
        for name, step in log["steps"].items()
    ]
    total = ("all", "", *(sum(row[i] for row in rows) for i in (2, 3)))
    columns = ("step", "", "seconds", "CPU seconds")
    say_table(columns, [*rows, total], title=f"ranks: {log['ranks']}")


def _places(result_path: Path) -> list[tuple[str, Path]]:
    from sorting.results import SUFFIX

    stem = result_path.name.removesuffix(SUFFIX)
    phy = result_path.with_name(f"{stem}.GUI")
    places = [("result", result_path), ("phy", phy / "params.py")]
    return [(name, path) for name, path in places if path.exists()]
