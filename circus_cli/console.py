"""What the terminal shows: messages, errors, progress and tables, on rank 0 only.

Results go to the standard output, everything about the run to the standard error. When
that is no terminal, progress is plain lines without control codes.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from circus_cli.errors import INTERRUPTED, as_input_error
from circus_cli.interrupt import raise_if_interrupted
from circus_io.errors import CircusError
from circus_io.parallel import launched_rank

__all__ = [
    "StepProgress",
    "logs_muted",
    "logs_shown",
    "say",
    "say_error",
    "say_table",
    "show",
    "stderr",
    "stdout",
]

LOGGERS = tuple(
    logging.getLogger(name) for name in ("circus_io", "sorting", "stim", "circus_live")
)
PLAIN_WIDTH = 10_000  # no wrapping where the reader may be a program
PLAIN_LINE_S = 10.0  # a plain progress line at least so far from the one before


def stdout() -> Console:
    """Return the console of results; silent on ranks other than 0."""
    return _console(False, sys.stdout.isatty(), "", launched_rank() != 0)


def stderr() -> Console:
    """Return the console of messages; silent on ranks other than 0."""
    # set for ranks, whose output goes to the terminal through a pipe of mpiexec
    columns = os.environ.get("CIRCUS_TERMINAL_COLUMNS", "")
    return _console(True, sys.stderr.isatty(), columns, launched_rank() != 0)


@cache
def _console(to_stderr: bool, at_terminal: bool, columns: str, quiet: bool) -> Console:
    """Return the one console of a stream, through which bars and lines keep apart."""
    settings: dict[str, Any] = {"highlight": False, "quiet": quiet}
    if columns.isdigit() and not at_terminal:
        settings |= {"force_terminal": True, "width": int(columns)}
    elif not at_terminal:
        settings |= {
            "force_terminal": False,
            "color_system": None,
            "width": PLAIN_WIDTH,
        }
    return _Console(stderr=to_stderr, **settings)


class _Console(Console):
    """A console whose reader may leave, as ``head`` does: the work goes on."""

    def on_broken_pipe(self) -> None:
        """Fall silent, also for what is still in the buffer when the program ends."""
        self.quiet = True
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- a device, not a path
            os.dup2(nowhere.fileno(), self.file.fileno())


@contextmanager
def logs_shown(*, debug: bool = False, quiet: bool = False) -> Iterator[None]:
    """Show what the libraries log: from notices on; with `quiet`, from errors on."""
    level = logging.ERROR if quiet else logging.DEBUG if debug else logging.INFO
    handler = _ConsoleHandler()
    for logger in LOGGERS:
        logger.addHandler(handler)
    try:
        with _log_level(level):
            yield
    finally:
        for logger in LOGGERS:
            logger.removeHandler(handler)


def logs_muted() -> AbstractContextManager[None]:
    """Show nothing of what the libraries log: what is done here is done again."""
    return _log_level(logging.CRITICAL + 1)


@contextmanager
def _log_level(level: int) -> Iterator[None]:
    levels = [logger.level for logger in LOGGERS]
    for logger in LOGGERS:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, former in zip(LOGGERS, levels, strict=True):
            logger.setLevel(former)


class _ConsoleHandler(logging.Handler):
    """Print records through the console that also draws the progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        say(
            record.getMessage()
            if level == "info"
            else f"{level}: {record.getMessage()}"
        )


def show(text: str) -> None:
    """Print a result."""
    stdout().print(text, markup=False, soft_wrap=True)


def say(message: str) -> None:
    """Print a message about the run."""
    stderr().print(message, markup=False, soft_wrap=True)


def say_error(error: BaseException, *, debug: bool = False, rank: int = 0) -> None:
    """Print an error, one line per problem, with its traceback if `debug`.

    Speaks on any rank, since it is called only by the one that reports.
    """
    if debug:
        sys.stderr.write("".join(traceback.format_exception(error)))
    if isinstance(error, KeyboardInterrupt):
        sys.stderr.write(f"{INTERRUPTED}\n")
        return
    error = as_input_error(error)
    name = "" if isinstance(error, CircusError) else f"{type(error).__name__}: "
    where = f" (rank {rank})" if rank else ""
    for problem in _problems(str(error)):
        sys.stderr.write(f"error{where}: {name}{problem}\n")
    sys.stderr.flush()


def _problems(message: str) -> list[str]:
    """Split ``FILE: 2 problems`` and its list into lines that each name the file."""
    first, *others = [
        line.strip() for line in message.splitlines() if line.strip()
    ] or ["no message"]
    counted = re.fullmatch(r"(.*): \d+ problems?", first)
    if counted and others:
        return [f"{counted[1]}: {line.removeprefix('- ')}" for line in others]
    return [first, *others]


def say_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
) -> None:
    """Print a table of results; numbers stand right-aligned."""
    rows = [tuple(row) for row in rows]
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = rows and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(
            Text(column), justify="right" if numeric else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    stdout().print(table)


def _cell(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


class StepProgress:
    """Show how far each step is: ``progress(step, done, total)``, on rank 0.

    Use as a context manager around the work. `step` tells which one runs.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.step: str | None = None
        self._console = stderr()
        self._silent = quiet or self._console.quiet
        self._bars = _bars(self._console) if self._console.is_terminal else None
        self._tasks: dict[str, int] = {}
        self._started_s: dict[str, float] = {}
        self._last_line: tuple[str, int, int] | None = None
        self._last_line_s = time.monotonic()

    def __enter__(self) -> StepProgress:
        if self._bars and not self._silent:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars and not self._silent:
            self._bars.stop()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take note that `done` of the `total` work items of `step` are done.

        Raises
        ------
        KeyboardInterrupt
            The user interrupted the step, and a library did not let it through.
        """
        raise_if_interrupted()
        self.step = step
        self._started_s.setdefault(step, time.monotonic())
        if self._silent:
            return
        if self._bars:
            self._move_bar(step, done, total)
        else:
            self._print_line(step, done, total)

    def _move_bar(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._tasks[step], completed=done, total=total)

    def _print_line(self, step: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        is_news = done == total or now_s - self._last_line_s >= PLAIN_LINE_S
        if not is_news or self._last_line == (step, done, total):
            return
        self._last_line_s, self._last_line = now_s, (step, done, total)
        elapsed_s = now_s - self._started_s[step]
        self._console.print(f"{step}: {done} of {total}, {elapsed_s:.1f} s")


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
