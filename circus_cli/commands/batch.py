"""``circus -b FILE``: run the command lines of a file, one after the other."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from circus_cli.console import say, say_table
from circus_cli.errors import UsageError
from circus_cli.launch import run_child
from circus_io.errors import RecordingNotFoundError
from circus_io.parallel import launched_size

__all__ = ["BatchLine", "read_batch", "run_batch"]

INTERRUPTED = 130
MOST_BYTES = 2**20  # more than anyone types


@dataclass(frozen=True)
class BatchLine:
    """One command of a batch file: the arguments that would follow ``circus``."""

    number: int
    text: str
    arguments: tuple[str, ...]


def read_batch(path: Path) -> list[BatchLine]:
    """Read a batch file: a command per line, quoted as in a shell.

    Blank lines and lines that begin with ``#`` are skipped, and so is the word
    ``circus`` (or ``spyking-circus``) in front of a command.

    Raises
    ------
    RecordingNotFoundError
        There is no such file.
    UsageError
        A line has an open quote or runs a batch itself, or the file has no commands.
    """
    if not path.is_file():
        raise RecordingNotFoundError(
            f"no batch file {path}; it holds the arguments of one command per line"
        )
    lines = enumerate(_read_text(path).splitlines(), start=1)
    batch = [
        _parse_line(path, number, text.strip())
        for number, text in lines
        if text.strip() and not text.strip().startswith("#")
    ]
    if not batch:
        raise UsageError(f"{path} has no command lines, such as: recording.dat -c 4")
    return batch


def _read_text(path: Path) -> str:
    if path.stat().st_size <= MOST_BYTES:
        content = path.read_bytes()
        if b"\0" not in content:
            with suppress(UnicodeDecodeError):
                return content.decode("utf-8-sig")
    raise UsageError(
        f"{path} is not a file of command lines; -b takes a text file (UTF-8) with the "
        "arguments of one command per line; to sort a recording leave out -b"
    )


def _parse_line(path: Path, number: int, text: str) -> BatchLine:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if os.name == "nt":
        lexer.escape = ""  # the backslash separates folders
    try:
        words = list(lexer)
    except ValueError as error:
        raise UsageError(f"{path}, line {number}: {error}: {text}") from error
    if words[0] in ("circus", "spyking-circus"):
        words = words[1:]
    if {"-b", "--batch"} & set(words):
        raise UsageError(
            f"{path}, line {number}: -b within a batch could start itself for ever; "
            f"copy the lines of that file here: {text}"
        )
    return BatchLine(number, text, tuple(words))


def run_batch(path: Path, *, keep_going: bool = False) -> int:
    """Run the commands of a batch file and print what became of each.

    Each runs in a process of its own, so none can take the others down with it.
    Relative paths count from the current folder, as in a shell.

    Returns
    -------
    int
        0, or the exit status of the first command that failed.

    Raises
    ------
    UsageError
        Under an MPI launcher: the commands start their own ranks.
    """
    if (launched_size() or 1) > 1:
        raise UsageError(
            "a batch file is run by one process, and each of its lines starts its own "
            "ranks: start circus -b without mpiexec, and give -c N in the lines"
        )
    batch = read_batch(path)
    outcomes: list[tuple[BatchLine, int, float]] = []
    for line in batch:
        say(f"line {line.number}: circus {line.text}")
        outcomes.append((line, *_run_line(line)))
        status = outcomes[-1][1]
        if status == INTERRUPTED or (status and not keep_going):
            break
    _say_outcomes(outcomes, n_left=len(batch) - len(outcomes))
    return next((status for _, status, _ in outcomes if status), 0)


def _run_line(line: BatchLine) -> tuple[int, float]:
    started_s = time.monotonic()
    status = run_child([sys.executable, "-m", "circus_cli", *line.arguments])
    return status, time.monotonic() - started_s


def _say_outcomes(outcomes: list[tuple[BatchLine, int, float]], n_left: int) -> None:
    rows = [
        (
            line.number,
            "done" if status == 0 else f"failed ({status})",
            seconds,
            line.text,
        )
        for line, status, seconds in outcomes
    ]
    say_table(("line", "outcome", "seconds", "command"), rows)
    if n_left:
        say(f"stopped at the first failure; {n_left} left (--keep-going runs them all)")
