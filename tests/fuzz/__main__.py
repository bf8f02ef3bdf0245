"""Reads damaged recordings: each ends in values or in one of our errors.

::

    python -m tests.fuzz                                  500 of each format
    python -m tests.fuzz --format mcd --count 10000
    python -m tests.fuzz --format mcd --count 10000 --keep

Sound files of a format are damaged at random: bits flipped, numbers made huge or
negative, pieces lost, repeated or exchanged, cut off anywhere. Each damaged file is
opened and read in a process of its own, with 1 s of computing and 200 MB of memory,
what is imported before not counted. It has to end in values or in a `CircusError`;
anything else is printed, with ``--keep`` its file goes to the corpus, and the exit
status is 1. Crashes inside of a library that parses the format are listed, but are not
ours. The corpus, what was found before, is tried first.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from circus_io.threads import set_thread_variables

set_thread_variables()  # before numpy is loaded: a process that forks has one thread

from tests.fuzz.runs import CORPUS, DAMAGED, Trial, run  # noqa: E402
from tests.fuzz.seeds import FORMATS  # noqa: E402
from tests.fuzz.trial import FOUND, LIBRARY, READ, REFUSED  # noqa: E402


def main() -> int:
    """Fuzz the formats that are asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", action="append", choices=sorted(FORMATS))
    parser.add_argument("--count", type=int, default=500, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="what is found, as corpus")
    given = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("memory is limited and read the way Linux does it")
    n_found = 0
    for name in given.format or sorted(FORMATS):
        with tempfile.TemporaryDirectory() as folder:
            trials = run(name, given.count, given.seed, Path(folder))
            n_found += report(name, trials, given.keep)
    return 1 if n_found else 0


def report(name: str, trials: Iterable[Trial], keep: bool) -> int:
    """Print what was found, and a line of counts; return how much was found."""
    kinds, slowest, largest = Counter(), 0.0, 0.0
    for trial in trials:
        outcome = trial.outcome
        kinds[outcome.kind] += 1
        slowest = max(slowest, outcome.seconds)
        largest = max(largest, outcome.megabytes)
        if outcome.kind in (FOUND, LIBRARY):
            print(f"{name} {trial.name} ({trial.file}): {outcome.kind}: {outcome.why}")
        if outcome.kind == FOUND and keep and trial.is_new:
            keep_in_corpus(name, trial)
    library = FORMATS[name].library
    theirs = f", {kinds[LIBRARY]} in {library} {version(library)}" if library else ""
    print(
        f"{name}: {kinds.total()} damaged files: {kinds[READ]} read, {kinds[REFUSED]} "
        f"refused, {kinds[FOUND]} found{theirs}; at most {slowest:.2f} s, "
        f"{largest:.0f} MB"
    )
    return kinds[FOUND]


def keep_in_corpus(name: str, trial: Trial) -> None:
    """Write the damaged file to the corpus of its format."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    file = trial.file.replace("/", "+")
    (folder / f"{trial.name}@{file}{DAMAGED}").write_bytes(trial.content)


if __name__ == "__main__":
    sys.exit(main())
