"""Runs: values and how long each lasts, as two arrays of integers.

Canonical runs have no run without a length, and no neighbours that are equal; two
signals are the same exactly if their canonical runs are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from circus_io.errors import SafetyError

__all__ = ["MOST", "expand", "frozen", "merged", "starts_of", "whole_numbers"]

MOST = 1 << 62  # sums of int64 below it cannot overflow


def whole_numbers(name: str, given: ArrayLike) -> np.ndarray:
    """Return some whole numbers as an int64 array of one axis.

    Raises
    ------
    SafetyError
        Not numbers, not whole, or beyond int64.
    """
    values = np.atleast_1d(np.asarray(given))
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise SafetyError(f"{name}: expected a row of whole numbers")
    # `not all` also finds NaN, which no comparison holds for
    if not np.all(np.abs(values.astype(np.float64)) < MOST):
        raise SafetyError(f"{name}: expected numbers below 2^62")
    whole = values.astype(np.int64)
    bad = np.flatnonzero(whole != values)
    if bad.size:
        raise SafetyError(
            f"{name}[{bad[0]}] = {values[bad[0]]}: expected a whole number"
        )
    return whole


def starts_of(values: np.ndarray) -> np.ndarray:
    """Return the indices at which another value than the one before begins."""
    if not values.size:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.r_[True, values[1:] != values[:-1]])


def merged(values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return canonical runs: those of no length left out, equal neighbours as one."""
    there = lengths > 0
    if not there.all():
        values, lengths = values[there], lengths[there]
    starts = starts_of(values)
    if starts.size == values.size:
        return values, lengths
    return values[starts], np.add.reduceat(lengths, starts)


def expand(values: np.ndarray, lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return each value as often as its run is long."""
    return np.repeat(values, lengths)


def frozen(values: np.ndarray) -> Any:
    """Return an int64 copy that nobody can change, also not its owner."""
    return np.frombuffer(np.ascontiguousarray(values, np.int64).tobytes(), np.int64)
