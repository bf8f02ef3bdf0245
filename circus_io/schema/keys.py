"""How one key of a parameter file is declared, and what can be said about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import annotated_types
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

__all__ = ["CLASSIC", "Key", "Section", "TypeName", "format_value", "key", "keys_of"]

CLASSIC = "SpyKING CIRCUS"
"""``since`` of the keys that classic parameter files know."""


class Section(BaseModel):
    """One ``[section]``: immutable, typed, every key with a default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True
    )


@dataclass(frozen=True)
class TypeName:
    """A type in words, its range included, put in its ``Annotated``."""

    words: str


@dataclass(frozen=True)
class Key:
    """Everything the schema says about one key.

    Attributes
    ----------
    section, name : str
        As written in a file.
    attribute : str
        Name on the section model; differs from ``name`` only by a hyphen.
    type_words, range_words, unit : str
        What is allowed.
    default : object
        Value of an absent key.
    help : str
        One sentence.
    used : bool
        False: accepted, without effect here.
    hidden : bool
        Read by the classic program, but not in the file that it ships.
    notice : str
        What an unused key is told, where "no effect" says too little.
    most, least : float or None
        The sorter takes no more and no less, whatever more the file allows.
    since : str
        `CLASSIC`, or the version of this toolkit that brought it.
    """

    section: str
    name: str
    attribute: str
    type_words: str
    range_words: str
    unit: str
    default: Any
    help: str
    used: bool
    hidden: bool
    since: str
    notice: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def allowed(self) -> str:
        """Type, range and unit in one phrase."""
        words = f"{self.type_words} {self.range_words}".strip()
        return f"{words} ({self.unit})" if self.unit else words

    @property
    def without_use(self) -> str:
        """What is said of a key that is not used."""
        return self.notice or "no effect here"

    def notice_of(self, value: Any) -> str | None:
        """Say how a value is bent or ignored; None where it counts as it is."""
        if not self.used:
            return self.without_use
        if value == self.default:
            return None
        unit = f" {self.unit}" if self.unit else ""
        if self.most is not None and value > self.most:
            return f"at most {self.most:g}{unit} are used"
        if self.least is not None and value < self.least:
            return f"at least {self.least:g}{unit} are used"
        return None


def key(
    default: Any,
    help: str,
    *,
    unit: str = "",
    used: bool = False,
    hidden: bool = False,
    since: str = CLASSIC,
    notice: str = "",
    most: float | None = None,
    least: float | None = None,
    **limits: Any,
) -> Any:
    """Declare a key of a section: a pydantic field with the facts `Key` reports."""
    facts = {
        "unit": unit,
        "used": used,
        "hidden": hidden,
        "since": since,
        "notice": notice,
        "most": most,
        "least": least,
    }
    return Field(default, description=help, json_schema_extra=facts, **limits)


def keys_of(section: str, model: type[Section]) -> Iterator[Key]:
    """Report the keys of a section in their order of declaration."""
    for attribute, field in model.model_fields.items():
        facts = field.json_schema_extra
        if not isinstance(facts, dict):  # not a key of the file: format_fields
            continue
        yield Key(
            section=section,
            name=field.alias or attribute,
            attribute=attribute,
            type_words=_type_words(field),
            range_words=_range_words(field),
            default=field.get_default(),
            help=field.description or "",
            **facts,
        )


def format_value(value: Any) -> str:
    """Write a value the way a parameter file holds it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        text = ", ".join(format_value(item) for item in value)
        return text if "auto" in value else f"({text})"
    return str(value)


_PLAIN_TYPES = {
    bool: "True or False",
    float: "number",
    int: "whole number",
    str: "text",
}
_COMPARISONS = {
    annotated_types.Gt: (">", "gt"),
    annotated_types.Ge: ("≥", "ge"),
    annotated_types.Lt: ("<", "lt"),
    annotated_types.Le: ("≤", "le"),
}


def _type_words(field: FieldInfo) -> str:
    for extra in field.metadata:
        if isinstance(extra, TypeName):
            return extra.words
    return _PLAIN_TYPES[field.annotation]


def _range_words(field: FieldInfo) -> str:
    if any(isinstance(extra, TypeName) for extra in field.metadata):
        return ""
    limits = []
    for extra in field.metadata:
        if type(extra) in _COMPARISONS:
            sign, name = _COMPARISONS[type(extra)]
            limits.append(f"{sign} {getattr(extra, name):g}")
    return " and ".join(limits)
