"""Closed forms of waves: arrays in, arrays out, no state.

Times are whole samples, so that a wave is the same whether it is computed at once,
batch by batch, or after a resume. Angles are counted in turns and reduced to one turn
before they are multiplied by 2π: after an hour the phase is as exact as at the start.
"""

from decimal import Decimal, localcontext
from math import frexp, ldexp, log

import numpy as np

__all__ = [
    "biphasic_train",
    "chirp",
    "held_levels",
    "multisine",
    "sine",
    "staircase",
    "triangle",
    "turns",
]

DIGITS = 40
HIGH_BITS = 26  # of a step; times an index below 2**27 it is exact in a float


def turns(input_frequency: float, factor: float, samples: np.ndarray) -> np.ndarray:
    """Return how far a wave of √`input_frequency` · `factor` turns per sample has come.

    Parameters
    ----------
    input_frequency : float
        At least 0. Square roots of primes have irrational ratios: waves of such
        frequencies never come back to where they were together, and fill the space
        of all inputs evenly.
    factor : float
    samples : int array
        Indices, counted from the start of the record, below 2**27.

    Returns
    -------
    float64 array
        Whole turns are left out.
    """
    with localcontext() as context:
        context.prec = DIGITS
        step = Decimal(str(input_frequency)).sqrt() * Decimal(str(factor))
        high = _rounded_to_bits(float(step), HIGH_BITS)
        low = float(step - Decimal(high))
    return (np.mod(high * samples, 1.0) + low * samples) % 1.0


def _rounded_to_bits(value: float, n_bits: int) -> float:
    mantissa, exponent = frexp(value)
    return ldexp(round(ldexp(mantissa, n_bits)), exponent - n_bits)


def sine(at_turns: np.ndarray, phase: float | np.ndarray) -> np.ndarray:
    """Return sin(2π `at_turns` + `phase`), the phase in radians."""
    return np.sin(2 * np.pi * at_turns + phase)


def triangle(at_turns: np.ndarray, phase: float | np.ndarray) -> np.ndarray:
    """Return the triangle between -1 and 1 that crosses 0 upwards where a sine does.

    It spends as much time at each level, and covers the edges of a range better than a
    sine. Equal to ``scipy.signal.sawtooth(2π at_turns + phase + π/2, width=0.5)``.
    """
    position = (at_turns + (phase + np.pi / 2) / (2 * np.pi)) % 1.0
    return np.where(position < 0.5, 4 * position - 1, 3 - 4 * position)


def multisine(
    harmonics: np.ndarray, phases: np.ndarray, period_samples: int, samples: np.ndarray
) -> np.ndarray:
    """Return a sum of harmonics of one period, with a largest value of 1.

    Parameters
    ----------
    harmonics : int array, shape (n,)
        Whole numbers of turns in a period, below half of `period_samples`.
    phases : float array, shape (n,)
        Radians.
    period_samples : int
    samples : int array

    Returns
    -------
    float64 array, of the shape of `samples`
        Σ sin(2π h t / period + phase), over its largest magnitude in a period.
    """
    # h * t modulo the period is an exact integer
    in_period = np.arange(period_samples)
    turned = np.multiply.outer(in_period, harmonics) % period_samples / period_samples
    period = np.sin(2 * np.pi * turned + phases).sum(axis=1)
    period /= np.abs(period).max()
    return period[np.asarray(samples) % period_samples]


def chirp(
    start_hz: float, stop_hz: float, n_samples: int, rate_hz: float, *, is_log: bool
) -> np.ndarray:
    """Return a sine whose frequency goes from one value to another.

    Linearly, sin 2π(f₀t + (f₁-f₀)t²/2T), or geometrically,
    sin 2πf₀T((f₁/f₀)^(t/T) - 1)/ln(f₁/f₀); T is the length.

    Returns
    -------
    float64 array, shape (n_samples,)
    """
    time_s = np.arange(n_samples) / rate_hz
    length_s = n_samples / rate_hz
    if is_log and start_hz != stop_hz:
        ratio = stop_hz / start_hz
        cycles = start_hz * length_s / log(ratio) * (ratio ** (time_s / length_s) - 1)
    else:
        slope = (stop_hz - start_hz) / length_s
        cycles = start_hz * time_s + slope * time_s**2 / 2
    return np.sin(2 * np.pi * cycles)


def held_levels(levels: np.ndarray, n_hold: int, n_rise: int) -> np.ndarray:
    """Return levels that are held one after another, joined by straight lines.

    Parameters
    ----------
    levels : float array, shape (n_levels, n_electrodes)
    n_hold, n_rise : int
        Samples at a level, and on the way to it from the one before; the first level
        is there from the start, and held for both.

    Returns
    -------
    float64 array, shape (n_levels * (n_hold + n_rise), n_electrodes)
    """
    before = np.concatenate([levels[:1], levels[:-1]])
    rise = (np.arange(1, n_rise + 1) / (n_rise + 1))[:, np.newaxis]
    pieces = np.empty((len(levels), n_rise + n_hold, levels.shape[1]))
    pieces[:, :n_rise] = before[:, np.newaxis] + rise * (levels - before)[:, np.newaxis]
    pieces[:, n_rise:] = levels[:, np.newaxis]
    return pieces.reshape(-1, levels.shape[1])


def staircase(low: float, high: float, n_steps: int, *, up_first: bool) -> np.ndarray:
    """Return the levels of a current-voltage curve: 0, one end, the other end, 0.

    Parameters
    ----------
    low, high : float
        The ends, on either side of 0.
    n_steps : int
        Equal steps from one end to the other; to and from 0 there are as many as fit.
    up_first : bool
        To `high` first.

    Returns
    -------
    float64 array, shape (n_levels,)
        Begins and ends with 0; both ways pass the same levels: hysteresis shows.
    """
    grid = np.linspace(low, high, n_steps + 1)
    positive, negative = grid[grid > 0], grid[grid < 0][::-1]
    first, second = (positive, negative) if up_first else (negative, positive)
    zero = np.zeros(1)
    return np.concatenate(
        [zero, first, first[-2::-1], zero, second, second[-2::-1], zero]
    )


def biphasic_train(
    amplitudes: np.ndarray, n_phase: int, n_gap: int, n_period: int
) -> np.ndarray:
    """Return pulses of two equal and opposite phases, one in each period.

    Parameters
    ----------
    amplitudes : float array, shape (n_pulses,)
        Of the first phase.
    n_phase, n_gap, n_period : int
        Samples of a phase, between the two, and from pulse to pulse.

    Returns
    -------
    float64 array, shape (n_pulses * n_period,)
        Each pulse sums up to exactly 0.
    """
    shape = np.zeros(n_period)
    shape[:n_phase] = 1
    shape[n_phase + n_gap : 2 * n_phase + n_gap] = -1
    return np.multiply.outer(np.asarray(amplitudes, dtype=float), shape).reshape(-1)
