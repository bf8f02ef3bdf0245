"""Given values that count for less than they say, or for nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

from circus_io.params.lines import Entry

__all__ = ["Notice", "group_notices"]


@dataclass(frozen=True)
class Notice:
    """What becomes of one value; as text, a sentence.

    Attributes
    ----------
    value : str
        Section, key, value and line, as given.
    reason : str
        Why it has no effect, or what is used instead.
    """

    value: str
    reason: str

    def __str__(self) -> str:
        return f"{self.value}: {self.reason}"

    @staticmethod
    def of(entry: Entry, reason: str) -> "Notice":
        """Make the notice of an entry."""
        where = "" if entry.line is None else f" (line {entry.line})"
        return Notice(f"{entry.label} = {entry.value}{where}", reason)


def group_notices(notices: Iterable[Notice]) -> list[str]:
    """Return one message for each reason, with all the values that it holds for.

    A classic file carries some sixty keys without a meaning here.
    """
    values: dict[str, list[str]] = {}
    for notice in notices:
        values.setdefault(notice.reason, []).append(notice.value)
    return [
        f"{given[0]}: {reason}"
        if len(given) == 1
        else "\n  ".join([f"{reason}, each of these:", *given])
        for reason, given in values.items()
    ]
