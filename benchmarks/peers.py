"""How well sorters find spikes that are known, and what that costs.

::

    python benchmarks/peers.py                             all sets, the default sorters
    python benchmarks/peers.py --sets mea,drift --seeds 1,2,3 --ranks 4
    python benchmarks/peers.py --sorters circus-toolkit,spikesift,mountainsort5
    python benchmarks/peers.py --quick                     20 s, this sorter alone

Recordings are made with `circus_io.synthetic`. Each other sorter is installed into a
virtual environment of its own, once. Each sort is a command of its own; its CPU time
and memory are those of all processes that it starts. Finished sorts are kept and not
repeated unless something they depend on has changed; a sort that fails becomes a row
that says so, and is tried again by the next call.

The tables go to the standard output, as Markdown; what happens, to the standard error.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from environments import cache_folder
from known_sets import QUICK, SETS, make
from machine import describe, load
from peer_runs import Runs
from peer_tables import Outcome, table
from sorters import DEFAULT, OURS, SORTERS


def main() -> None:
    """Run what has not been run, and print a table of each set and one of all."""
    given = parse_arguments()
    if sys.platform != "linux":
        raise SystemExit("this benchmark asks Linux what processes use")
    print(f"{describe()}\nprocesses  {given.ranks} of each sorter", flush=True)
    runs = Runs(given.environments.resolve(), given.ranks, given.timeout)
    everything: list[Outcome] = []
    for name in given.sets:
        outcomes = sort_set(name, given, runs)
        print(table(SETS[name].about, outcomes), flush=True)
        everything += outcomes
    if len(given.sets) > 1:
        print(table("All sets", everything))
    print(f"\nload afterwards  {load()}")


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for; this project's sorter comes first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add, cache = parser.add_argument, cache_folder()
    add("--sorters", type=names_of("sorter", SORTERS), help=f"of {', '.join(SORTERS)}")
    add("--sets", type=names_of("set", SETS), help=f"of {', '.join(SETS)}; else all")
    add("--seeds", type=numbers, default=[0], help="one recording each, such as 1,2,3")
    add("--ranks", type=int, default=2, help="processes of each sorter")
    add("--quick", action="store_true", help="a small set, and no other sorter")
    add("--timeout", type=float, default=3600.0, help="of a sort, s")
    add("--environments", type=Path, default=cache / "environments")
    add("--folder", type=Path, default=cache / "peers", help="of recordings and runs")
    given = parser.parse_args()
    given.sets = given.sets or (
        [QUICK] if given.quick else [s for s in SETS if s != QUICK]
    )
    chosen = given.sorters or ([OURS] if given.quick else DEFAULT)
    given.sorters = sorted(dict.fromkeys(chosen), key=lambda name: name != OURS)
    return given


def names_of(what: str, known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what reads an option that lists names."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(
                f"no {what} is called {', '.join(sorted(unknown))}; choose from "
                f"{', '.join(known)}"
            )
        return names

    return parse


def numbers(text: str) -> list[int]:
    """Read ``1,2,3``."""
    return [int(number) for number in text.split(",")]


def sort_set(name: str, given: argparse.Namespace, runs: Runs) -> list[Outcome]:
    """Sort all recordings of a set with all sorters."""
    outcomes = []
    for seed in given.seeds:
        known = SETS[name].with_seed(seed)
        recording = make(known, given.folder.resolve() / f"{name}-{seed}")
        for sorter in given.sorters:
            outcomes.append(runs.outcome(sorter, known, recording))
    return outcomes


if __name__ == "__main__":
    main()
