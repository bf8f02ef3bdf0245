"""Types of values that need more than a number or a word."""

import ast
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from circus_io.schema.keys import TypeName

__all__ = [
    "AutoOrNumber",
    "AutoOrPositive",
    "AutoOrWhole",
    "Band",
    "DimensionCount",
    "FilePath",
    "GroupChannel",
    "GroupChannels",
    "ImageFormat",
    "OptionalPositive",
    "OptionalText",
    "Pair",
    "choice",
    "empty_to_none",
    "lower",
]


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in ("", "none")


def empty_to_none(value: Any) -> Any:
    """Read an empty value, or ``None``, as None."""
    return None if _is_empty(value) else value


def lower(value: Any) -> Any:
    """Read words in any case."""
    return value.strip().lower() if isinstance(value, str) else value


def _split(value: Any) -> Any:
    """Split ``(a, b)`` or ``a, b`` into its parts."""
    if not isinstance(value, str):
        return value
    return tuple(lower(part) for part in value.strip("()[] \t").split(","))


def _band(value: Any) -> Any:
    """Complete a single band edge with ``auto``."""
    parts = _split(value)
    if isinstance(parts, int | float):
        parts = (parts,)
    return (*parts, "auto") if isinstance(parts, tuple) and len(parts) == 1 else parts


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _is_empty(value):
        return {}
    try:
        return ast.literal_eval(value)
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"not a dictionary: {error}") from None


def _path(value: Any, info: ValidationInfo) -> Any:
    """Resolve a path against the folder of the file that names it, if one does."""
    if _is_empty(value):
        return None
    if not isinstance(value, str):
        return value
    path = Path(value).expanduser()
    folder = (info.context or {}).get("folders", {}).get(info.field_name)
    return path.absolute() if folder is None else folder / path


def choice(*words: str, empty: str | None = None) -> Any:
    """Make the type of a key that takes one of some words, in any case.

    Parameters
    ----------
    *words : str
        Allowed values.
    empty : str, optional
        What an empty value means; without it, an empty value is refused.
    """

    def choose(value: Any) -> Any:
        return empty if empty is not None and value in ("", None) else lower(value)

    spelled = f"{', '.join(words[:-1])} or {words[-1]}"
    return Annotated[Literal[words], BeforeValidator(choose), TypeName(spelled)]


_Positive = Annotated[float, Field(gt=0)]
_Auto = Literal["auto"]

OptionalText = Annotated[
    str | None, BeforeValidator(empty_to_none), TypeName("text, or empty")
]
OptionalPositive = Annotated[
    _Positive | None,
    BeforeValidator(empty_to_none),
    TypeName("number > 0, or empty for off"),
]
AutoOrPositive = Annotated[
    _Positive | _Auto, BeforeValidator(lower), TypeName("auto, or a number > 0")
]
AutoOrNumber = Annotated[
    float | _Auto, BeforeValidator(lower), TypeName("auto, or a number")
]
AutoOrWhole = Annotated[
    Annotated[int, Field(gt=0)] | _Auto,
    BeforeValidator(lower),
    TypeName("auto, or a whole number > 0"),
]
DimensionCount = Annotated[
    _Positive,
    TypeName("number > 0; below 1 it is a fraction of the variance"),
]
Pair = Annotated[
    tuple[float, float], BeforeValidator(_split), TypeName("two numbers (low, high)")
]
Band = Annotated[
    tuple[_Positive, _Positive | _Auto],
    BeforeValidator(_band),
    TypeName("low, high; high may be auto, 0.95 of the Nyquist frequency"),
]
FilePath = Annotated[
    Path | None, BeforeValidator(_path), TypeName("path, relative to this file")
]
GroupChannels = Annotated[
    dict[int | str, tuple[int, ...]],
    BeforeValidator(_literal),
    TypeName("{group: [channels]}, or empty"),
]
GroupChannel = Annotated[
    dict[int | str, int],
    BeforeValidator(_literal),
    TypeName("{group: channel}, or empty"),
]
ImageFormat = choice("png", "pdf", "eps", "jpg", "none", empty="none")
