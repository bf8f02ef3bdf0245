"""From rest to a wave and back: pure functions of arrays."""

from math import isfinite

import numpy as np

__all__ = ["down_from", "ramped"]

DEFAULT_RAMP_S = 0.1  # where no limit says how fast outputs may change


def ramped(values: np.ndarray, n_ramp: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a wave with a linear ramp before and after it, and where it itself is.

    Parameters
    ----------
    values : float array, shape (n_samples, n_electrodes)
    n_ramp : int
        Samples of each ramp. Both of its ends are among them: a ramp up begins with 0
        and ends with the first sample of the wave.

    Returns
    -------
    wave : float64 array, shape (n_samples + 2 * n_ramp, n_electrodes)
    is_batch : bool array, shape (n_samples + 2 * n_ramp,)
        False on the ramps.
    """
    values = np.asarray(values, dtype=float)
    up = np.linspace(0, values[0], n_ramp)
    down = np.linspace(values[-1], 0, n_ramp)
    wave = np.concatenate([up, values, down])
    is_batch = np.zeros(len(wave), dtype=bool)
    is_batch[n_ramp : n_ramp + len(values)] = True
    return wave, is_batch


def down_from(values: np.ndarray, rate_hz: float, max_slew_per_s: float) -> np.ndarray:
    """Return the way of all outputs to 0, no faster than allowed.

    Parameters
    ----------
    values : float array, shape (n_electrodes,)
        What the outputs are now.
    rate_hz : float
    max_slew_per_s : float
        Infinite: the ramp takes a tenth of a second.

    Returns
    -------
    float64 array, shape (n_samples, n_electrodes)
        Without `values` themselves; the last row is 0.
    """
    values = np.asarray(values, dtype=float)
    largest = np.abs(values).max(initial=0.0)
    seconds = largest / max_slew_per_s if isfinite(max_slew_per_s) else DEFAULT_RAMP_S
    n_samples = max(1, int(np.ceil(seconds * rate_hz)))
    left = np.arange(n_samples - 1, -1, -1) / n_samples
    return left[:, np.newaxis] * values
