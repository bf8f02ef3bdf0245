"""Lines of a parameter file → entries that remember where they stand.

The layout is that of classic files: ``[section]``, ``key = value``; a value ends at the
first ``#``, tabs are blanks, quotes around a value are dropped, keys are the same in
any case. Nothing is interpolated.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circus_io.errors import ParameterError

__all__ = ["Entry", "Problem", "parse_lines", "read_text", "unquote"]

MOST_BYTES = 1_000_000  # of a parameter file; more is a recording given in its place


@dataclass(frozen=True)
class Entry:
    """One value as it was given; without a line, it was not given in a file."""

    section: str
    name: str
    value: Any
    line: int | None = None

    @property
    def label(self) -> str:
        """Section and key, as messages name them."""
        return f"[{self.section}] {self.name}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where: on a line, or in a value given besides."""

    text: str
    line: int | None = None
    given: bool = False

    def rank(self) -> tuple[bool, int]:
        """Sort key: given values, then lines, then what is absent."""
        return self.line is None and not self.given, self.line or 0

    def __str__(self) -> str:
        if self.line is not None:
            return f"line {self.line}: {self.text}"
        return f"given value: {self.text}" if self.given else self.text


def read_text(path: Path) -> str:
    """Read a parameter file as UTF-8, else as the Latin-1 of older Windows editors.

    Raises
    ------
    ParameterError
        There is none, it may not be read, or it holds something else.
    """
    if not path.is_file():
        raise ParameterError(
            f"no parameter file at {path}; copy one from another recording, or start "
            "from the template"
        )
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ParameterError(
            f"cannot read {path}: {error.strerror}; check who may read it"
        ) from error
    if len(content) > MOST_BYTES or b"\0" in content:
        what = "is larger than 1 MB" if len(content) > MOST_BYTES else "holds NUL bytes"
        raise ParameterError(
            f"{path} {what}: that is no parameter file; give one of lines key = value"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def parse_lines(text: str) -> tuple[list[Entry], list[Problem]]:
    """Split the text of a parameter file into its entries.

    Returns
    -------
    entries : list of Entry
        In the order of the file; a key given twice appears once, with a problem.
    problems : list of Problem
        Lines that are no section, key or comment; sections and keys given twice.
    """
    parser = _LineParser()
    for number, line in enumerate(text.splitlines(), start=1):
        parser.take(number, line)
    return list(parser.entries.values()), parser.problems


class _LineParser:
    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}
        self.problems: list[Problem] = []
        self._sections: dict[str, int] = {}
        self._section: str | None = None
        self._open: Entry | None = None  # its brackets close on a later line

    def take(self, number: int, line: str) -> None:
        content = line.split("#", 1)[0].replace("\t", " ").strip()
        if not content or content.startswith(";"):
            return
        if self._open is not None and line[0].isspace():
            self._continue(content)
        elif content.startswith("["):
            self._take_section(number, content)
        elif "=" in content or ":" in content:
            self._take_key(number, content)
        else:
            self.problems.append(
                Problem(f"{content!r} is neither [section] nor key = value", number)
            )

    def _take_section(self, number: int, content: str) -> None:
        name = content.strip("[] ").lower()
        if name in self._sections:
            first = self._sections[name]
            self.problems.append(
                Problem(f"[{name}] was opened before, on line {first}", number)
            )
        self._sections.setdefault(name, number)
        self._section = name
        self._open = None

    def _take_key(self, number: int, content: str) -> None:
        separator = "=" if "=" in content else ":"
        name, value = (part.strip() for part in content.split(separator, 1))
        if self._section is None:
            self.problems.append(Problem(f"{name} stands before any section", number))
            return
        identity = (self._section, name.lower())
        entry = Entry(self._section, name, unquote(value), number)
        if identity in self.entries:
            first = self.entries[identity].line
            self.problems.append(
                Problem(f"{entry.label} was given before, on line {first}", number)
            )
            return
        self._keep(entry)

    def _continue(self, content: str) -> None:
        entry = self._open
        self._keep(
            Entry(entry.section, entry.name, f"{entry.value} {content}", entry.line)
        )

    def _keep(self, entry: Entry) -> None:
        self.entries[entry.section, entry.name.lower()] = entry
        brackets = [entry.value.count(bracket) for bracket in "{[(}])"]
        self._open = entry if sum(brackets[:3]) > sum(brackets[3:]) else None


def unquote(value: str) -> str:
    """Drop one pair of quotes around a value."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].strip()
    return value
