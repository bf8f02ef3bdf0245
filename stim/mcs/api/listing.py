"""`Listing`: the public members of an assembly, one line of text each.

A member is a line such as ``method SendStart(UInt32) Void``; two members are the same
if their lines are. Lists are read from a file here, and made from a loaded assembly by
`stim.mcs.api.reflection`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files

__all__ = ["Call", "Listing", "Type", "read_calls", "read_listing"]


@dataclass
class Type:
    """A class, an enumeration (of ``NAME=1``) or a delegate (with ``invoke(...)``)."""

    kind: str
    base: str | None = None
    members: set[str] = field(default_factory=set)


class Listing(dict[str, Type]):
    """Types by their name."""

    def inherited(self, name: str) -> Iterator[str]:
        """Yield the members of a type and of what it is derived from."""
        current = self.get(name)
        while current is not None:
            yield from current.members
            current = self.get(current.base) if current.base else None

    def has(self, name: str, member: str) -> bool:
        """Return whether a type has a member, as in `Call`."""
        found = set(self.inherited(name))
        if member.startswith("= "):
            return any(each.partition("=")[0] == member[2:] for each in found)
        # a getter is used, whether or not there is a setter too
        variants = [member, f"static {member}", f"{member} get", f"{member} get set"]
        return any(each in found for each in variants)


@dataclass(frozen=True)
class Call:
    """A member that the driver uses.

    Attributes
    ----------
    type_name, member : str
        ``= NAME`` is a value of an enumeration, ``new(...)`` a constructor.
    generations : frozenset of int
        Where it is.
    """

    type_name: str
    member: str
    generations: frozenset[int]

    @property
    def name(self) -> str:
        """The name that is written in the program."""
        if self.member.startswith(("new(", "invoke(")):
            return self.type_name
        words = self.member.removeprefix("static ").split(" ", 1)[1]
        return words.partition("(")[0].partition(" ")[0]


def read_listing(generation: int) -> Listing:
    """Return the public API of a generation of the vendor's assembly."""
    listing, current = Listing(), Type("")
    for line in _lines(f"generation_{generation}.txt"):
        if line.startswith("  "):
            members = line.split() if current.kind == "enum" else [_fact(line)]
            current.members.update(members)
            continue
        kind, _, rest = line.partition(" ")
        name, _, signature = rest.partition("(")
        name, _, base = name.partition(" : ")
        current = listing[name.strip()] = Type(kind, base or None)
        if kind == "delegate":
            current.members.add(f"invoke({signature}")
    return listing


def read_calls() -> list[Call]:
    """Return what the driver uses, of any generation."""
    calls = []
    for line in _lines("calls.txt"):
        old, new, type_name, member = line.split(None, 3)
        marks = (("3", old), ("5", new))
        generations = frozenset(int(number) for number, mark in marks if number == mark)
        calls.append(Call(type_name, member, generations))
    return calls


def _fact(line: str) -> str:
    """Return a member without the documented value of a field."""
    return line.strip().partition(" = ")[0]


def _lines(name: str) -> list[str]:
    text = (files(__package__) / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
