"""Values that a ``.prb`` file may hold, and what may be done with them.

Every function here takes bounded time: scalars only where nested values could make
hashing or comparing explode, numbers only within a machine word.
"""

import ast
import operator
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "BUILTINS",
    "COMPARISONS",
    "METHODS",
    "SCALARS",
    "SEQUENCES",
    "RefusedError",
    "calculate",
    "describe",
    "dictionary_key",
    "number",
    "one_of",
    "pairs",
]

_MAX_NUMBER = 1e18  # keeps powers and products within a machine word

SCALARS = (bool, int, float, str, type(None))
SEQUENCES = (list, tuple)
_NUMBER_OPERATORS: dict[type[ast.operator], Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
COMPARISONS: dict[type[ast.cmpop], Callable] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, values: item in values,
    ast.NotIn: lambda item, values: item not in values,
}
METHODS = {
    list: ("append", "extend"),
    dict: ("items", "keys", "update", "values"),
}


class RefusedError(Exception):
    """A value or construct outside of the subset; the line is added on the way up."""


def calculate(op: ast.operator, left: Any, right: Any) -> float:
    """Apply an arithmetic operator to two numbers."""
    if type(op) not in _NUMBER_OPERATORS:
        raise RefusedError(f"the operator {type(op).__name__} is refused")
    if isinstance(op, ast.Pow) and abs(number(right)) > 64:
        raise RefusedError(f"the power {right} is refused")
    result = _NUMBER_OPERATORS[type(op)](number(left), number(right))
    if abs(number(result)) > _MAX_NUMBER:
        raise RefusedError(f"a number beyond {_MAX_NUMBER:g}")
    return result


def one_of(value: Any, types: tuple[type, ...]) -> Any:
    """Pass a value of exactly these types."""
    if type(value) not in types:
        raise RefusedError(f"the value {reprlib.repr(value)} is refused here")
    return value


def number(value: Any) -> float:
    """Pass an integer, a float or a truth value."""
    return one_of(value, (int, float, bool))


def dictionary_key(value: Any) -> Any:
    """Pass a scalar or flat tuple: hashing nested tuples could take for ever."""
    if isinstance(value, tuple):
        return tuple(one_of(item, SCALARS) for item in value)
    return one_of(value, SCALARS)


def pairs(value: Any) -> Iterable:
    """List the items of a dictionary, or pass what already is a list of pairs."""
    return value.items() if isinstance(value, dict) else value


def _scalars(*arguments: Any) -> list:
    values = arguments[0] if len(arguments) == 1 else arguments
    return [one_of(value, SCALARS) for value in values]


def _dict(*arguments: Any, **keywords: Any) -> dict:
    items = [item for given in arguments for item in pairs(given)]
    return {**{dictionary_key(key): value for key, value in items}, **keywords}


BUILTINS: dict[str, Callable] = {
    "abs": lambda value: abs(number(value)),
    "dict": _dict,
    "enumerate": enumerate,
    "float": lambda value: float(number(value)),
    "int": lambda value: int(number(value)),
    "len": len,
    "list": lambda values=(): values,
    "max": lambda *values: max(_scalars(*values)),
    "min": lambda *values: min(_scalars(*values)),
    "range": range,
    "reversed": lambda values: reversed(list(values)),
    "round": lambda value, digits=0: round(number(value), digits or None),
    "set": lambda values=(): values,
    "sorted": lambda values: sorted(_scalars(values)),
    "sum": lambda values: sum(number(value) for value in values),
    "tuple": lambda values=(): values,
    "xrange": range,
    "zip": lambda *values: zip(*values, strict=False),
}


def describe(node: ast.AST) -> str:
    """Name a node in words, for a refusal."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = ", ".join(alias.name for alias in node.names)
        return f"import of {names}"
    if isinstance(node, ast.Attribute):
        return f"the attribute '.{node.attr}'"
    return f"'{type(node).__name__.lower()}'"
