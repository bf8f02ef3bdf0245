"""Template sorting of extracellular recordings on any number of MPI ranks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sorting.api import sort
    from sorting.results import Result, load_result

__all__ = ["Result", "load_result", "sort"]

_HOMES = {
    "Result": "sorting.results",
    "load_result": "sorting.results",
    "sort": "sorting.api",
}


def __getattr__(name: str) -> Any:
    """Import on first use: to read a result, no kernel has to be loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
