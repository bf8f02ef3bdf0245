"""Which tests of the contract a format has: what it cannot do is not asked of it."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["in_runs", "leave_out", "of_integers", "only", "written"]

DOES_NOT_APPLY = "does not apply to the format"  # in the place of a test


def only(applies: Callable[[type], bool]) -> Callable[[Any], Any]:
    """Mark a test that applies to some formats; others do not have it at all."""

    def mark(test: Any) -> Any:
        """Note the condition at a test."""
        test.conditions = (*getattr(test, "conditions", ()), applies)
        return test

    return mark


written = only(lambda cls: cls.wrapper.is_writable)
in_runs = only(
    lambda cls: cls.is_numbered and "multi-files" in cls.wrapper.is_streamable
)
of_integers = only(lambda cls: np.dtype(cls.dtype).kind != "f")


def leave_out(format_tests: type, contract: type) -> None:
    """Leave out the tests of a contract that do not apply to a format.

    Parameters
    ----------
    format_tests : class
        Tests of a format; those that it wrote itself stay.
    contract : class
        What it inherits.
    """
    for name in dir(contract):
        test = getattr(contract, name)
        conditions = getattr(test, "conditions", ())
        is_own = getattr(format_tests, name) not in (test, DOES_NOT_APPLY)
        if conditions and not is_own and hasattr(format_tests, "wrapper"):
            applies = all(condition(format_tests) for condition in conditions)
            setattr(format_tests, name, test if applies else DOES_NOT_APPLY)
