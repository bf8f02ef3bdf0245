"""Which outputs an amplifier has clipped: a mask of each output, nothing deleted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from circus_io.errors import ParameterError

__all__ = ["clipping_limits", "is_clipped"]

DEFAULT_RANGE_V = (-4.0, 4.0)  # in which the converters of the readout are linear


def clipping_limits(
    clipping_value: str | float | Sequence[Any] | None, amplification: Sequence[float]
) -> np.ndarray | None:
    """Return the limits of each output, in its unit.

    Parameters
    ----------
    clipping_value : 'default', None, number, or sequence
        ``'default'``: ±4 V times the amplification, in nA. None: no limits. A number c:
        ±c. ``[low, high]`` of all outputs, or one pair for each.
    amplification : sequence of float
        nA per V of each output.

    Returns
    -------
    float64 array, shape (n_outputs, 2), or None

    Raises
    ------
    ParameterError
        It is something else.
    """
    if clipping_value is None:
        return None
    gains = np.asarray(amplification, dtype=float)
    if isinstance(clipping_value, str):
        if clipping_value != "default":
            raise ParameterError(f"clipping_value = {clipping_value!r}: {ALLOWED}")
        return np.sort(np.multiply.outer(gains, DEFAULT_RANGE_V), axis=1)
    try:
        given = np.asarray(clipping_value, dtype=float)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"clipping_value = {clipping_value!r}: {ALLOWED}"
        ) from error
    if given.ndim == 0:
        given = np.array([-abs(given), abs(given)])
    if (
        given.shape not in ((2,), (len(gains), 2))
        or not (given[..., 0] < given[..., 1]).all()
    ):
        raise ParameterError(f"clipping_value = {clipping_value!r}: {ALLOWED}")
    return np.array(np.broadcast_to(given, (len(gains), 2)))


ALLOWED = (
    "expected 'default', None, a number, [low, high], or such a pair for each output, "
    "low below high"
)


def is_clipped(outputs: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return where outputs are at their limits or beyond, bool of their shape.

    Parameters
    ----------
    outputs : float array, shape (n_samples, n_outputs)
    limits : float array, shape (n_outputs, 2)
    """
    return (outputs <= limits[:, 0]) | (outputs >= limits[:, 1])
