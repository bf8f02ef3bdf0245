"""Durations as whole samples, and how long the rest of a run will take."""

from fractions import Fraction

from circus_io.errors import ParameterError

__all__ = ["convert", "count_samples"]


def count_samples(duration_s: float, rate_hz: float) -> int:
    """Return how many samples a duration has, to the nearest, halves upwards.

    Computed from the decimals that were written: 0.29 s at 100 Hz are 29 samples,
    although the product of the two floats is below 29.

    Parameters
    ----------
    duration_s : float
        At least 0.
    rate_hz : float
        Above 0.

    Raises
    ------
    ParameterError
        Either is not a number, or has the wrong sign.
    """
    for name, value in (("duration", duration_s), ("rate", rate_hz)):
        if not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise ParameterError(f"{name} = {value!r}: expected a number")
    if duration_s < 0 or rate_hz <= 0:
        raise ParameterError(
            f"{duration_s} s at {rate_hz} Hz: expected at least 0 s, and above 0 Hz"
        )
    exact = Fraction(str(duration_s)) * Fraction(str(rate_hz))
    return int(exact + Fraction(1, 2))


def convert(num_batches: int, total_batches: int, time_taken: float) -> str:
    """Return the time that the remaining batches take, as ``H:MM:SS``.

    Parameters
    ----------
    num_batches : int
        Done.
    total_batches : int
    time_taken : float
        By a batch, s.
    """
    seconds = int(max(total_batches - num_batches, 0) * time_taken)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
