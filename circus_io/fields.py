"""The declared parameters of a file format: conversion and precedence.

A value from a ``.params`` file is text. It is converted by the type that the wrapper
declares, or by that of its default; the parameters of the contract have their own type.

Later ones win: fixed by the format < default < given by the user < read from the
header.
"""

import ast
from collections.abc import Callable, Mapping
from operator import index as as_integer
from types import MappingProxyType
from typing import Any

import numpy as np

from circus_io.errors import FormatError, MissingParameterError
from circus_io.scaling import sample_dtype

__all__ = [
    "MANDATORY",
    "agree",
    "check_complete",
    "convert",
    "fill",
    "given_values",
    "settle_declarations",
]

MANDATORY = ("nb_channels", "sampling_rate", "data_dtype", "dtype_offset", "gain")

TRUE = {"true", "yes", "on", "1"}
FALSE = {"false", "no", "off", "0"}


def to_bool(value: Any) -> bool:
    """Return True or False for a bool, 0, 1 and the words of INI files."""
    word = str(value).strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError("expected True or False")
    return word in TRUE


def to_int(value: Any) -> int:
    """Return an integer for a number or text that is exactly one."""
    try:
        return int(value) if isinstance(value, str) else as_integer(value)
    except (TypeError, ValueError):
        if not float(value).is_integer():
            raise ValueError("expected a whole number") from None
        return int(float(value))


def to_count(value: Any) -> int:
    """Return an integer that is not negative."""
    count = to_int(value)
    if count < 0:
        raise ValueError("expected 0 or more")
    return count


def to_positive_count(value: Any) -> int:
    """Return an integer of at least 1."""
    count = to_int(value)
    if count < 1:
        raise ValueError("expected 1 or more")
    return count


def to_rate(value: Any) -> float:
    """Return a rate in Hz."""
    rate = float(value)
    if not 0 < rate < np.inf:
        raise ValueError("expected a rate in Hz above 0")
    return rate


def to_gain(value: Any) -> float | np.ndarray:
    """Return a gain in µV per count: one for all, or float64 (n_channels,)."""
    expected = "expected a number, not 0, or one per channel in brackets"
    try:
        value = ast.literal_eval(value.strip()) if isinstance(value, str) else value
        gain = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(expected) from None
    if gain.ndim > 1 or gain.size == 0 or not np.all(np.isfinite(gain) & (gain != 0)):
        raise ValueError(expected)
    return float(gain) if gain.ndim == 0 else gain


def to_type_name(value: Any) -> str:
    """Return the name of a sample type, for its name, a dtype or a numpy type."""
    name = value.strip() if isinstance(value, str) else str(np.dtype(value))
    sample_dtype(name)
    return name


CONTRACT: Mapping[str, Callable[[Any], Any]] = {
    "nb_channels": to_positive_count,
    "sampling_rate": to_rate,
    "data_dtype": to_type_name,
    "dtype_offset": lambda value: value.strip() if isinstance(value, str) else value,
    "gain": to_gain,
    "data_offset": to_count,
}
BY_TYPE: Mapping[type, Callable[[Any], Any]] = {
    bool: to_bool,
    int: to_int,
    float: float,
    str: lambda value: str(value).strip(),
}


def settle_declarations(wrapper: type) -> None:
    """Make what a wrapper class declares in its body read-only.

    ``_required_files`` is a misprint of the manual for ``_required_fields``; a text
    as `extension` or `is_streamable` is the only one of them.
    """
    declared = dict(vars(wrapper))
    if "_required_files" in declared:
        declared.setdefault("_required_fields", declared["_required_files"])
    for name in ("_required_fields", "_default_values", "_params"):
        if name in declared:
            setattr(wrapper, name, MappingProxyType(dict(declared[name])))
    for name in ("extension", "is_streamable"):
        if isinstance(text := declared.get(name), str):
            setattr(wrapper, name, (text,) if text else ())


def convert(name: str, value: Any, kind: Any = None) -> Any:
    """Return `value` in the type that the parameter `name` has.

    Parameters
    ----------
    kind : type or callable, optional
        Declared type, for names that the contract does not know.

    Raises
    ------
    FormatError
        `value` cannot be one.
    """
    converter = CONTRACT.get(name) or BY_TYPE.get(kind, kind)
    if converter is None or kind in (list, tuple, dict, set, type(None)):
        converter = CONTRACT.get(name, _as_it_is)
    try:
        return converter(value)
    except FormatError:
        raise
    except (ValueError, TypeError, SyntaxError) as error:
        raise FormatError(f"{name} = {value!r}: {error}") from None


def given_values(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the parameters that have a value; None and empty text are none."""
    return {
        name: value
        for name, value in (params or {}).items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }


def fill(
    format_name: str,
    fixed: Mapping[str, Any],
    required: Mapping[str, Any],
    defaults: Mapping[str, Any],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the parameters of a recording before its header is read.

    Parameters
    ----------
    format_name : str
        For messages.
    fixed, required, defaults
        ``_params``, ``_required_fields`` and ``_default_values`` of the wrapper.
    given : mapping
        What the user gave; only declared names count, and those of the contract that
        the format does not fix.

    Raises
    ------
    MissingParameterError
        Names every required parameter that was not given.
    FormatError
        A value is not of its type.
    """
    missing = [name for name in required if name not in given]
    if missing:
        raise MissingParameterError(_explain_missing(format_name, required, given))
    kinds = {**{n: type(v) for n, v in defaults.items()}, **required}
    undeclared = [n for n in CONTRACT if n in given and n not in kinds]
    params = {name: convert(name, given[name]) for name in undeclared}
    params.update(fixed)
    params.update({name: _own(value) for name, value in defaults.items()})
    params.update({n: convert(n, given[n], k) for n, k in kinds.items() if n in given})
    return params


def agree(name: str, given: Any, used: Any) -> bool:
    """Tell whether the value in use is what the user gave, or left open."""
    if name == "data_dtype":
        return np.dtype(given) == np.dtype(used)
    if name == "dtype_offset" and str(given).lower() in ("auto", "classic"):
        return True
    return bool(np.array_equal(given, used))


def check_complete(
    params: Mapping[str, Any],
    shape: tuple[int, ...] | None,
    file_name: str,
    format_name: str,
) -> None:
    """Check once, after the header, that a format said all it has to say.

    Raises
    ------
    FormatError
        Names what is missing; or the shape is not that of the channels.
    """
    unknown = [name for name in MANDATORY if name not in params]
    if shape is None:
        unknown.append("_shape")
    if unknown:
        raise FormatError(
            f"{file_name}: neither the parameters nor the header of {format_name} say "
            f"{', '.join(unknown)}"
        )
    n_columns = int(np.prod(shape[1:], dtype=np.int64))
    if n_columns != params["nb_channels"] or len(shape) < 2:
        raise FormatError(
            f"{file_name} has shape {tuple(shape)} (frames first), which is not that "
            f"of nb_channels = {params['nb_channels']}"
        )


def _explain_missing(
    format_name: str, required: Mapping[str, Any], given: Mapping[str, Any]
) -> str:
    needed = ", ".join(
        f"{name} ({getattr(kind, '__name__', kind)})"
        for name, kind in required.items()
        if name not in given
    )
    had = ", ".join(sorted(given)) or "none"
    return f"{format_name} files need {needed}; given: {had}"


def _own(value: Any) -> Any:
    """Return a copy of a mutable default, so that instances do not share it."""
    return type(value)(value) if isinstance(value, list | dict | set) else value


def _as_it_is(value: Any) -> Any:
    return value
