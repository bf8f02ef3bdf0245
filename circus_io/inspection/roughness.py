"""How much samples differ from those a few places on: signals are smooth."""

import numpy as np

__all__ = ["roughness"]

MOST_EXTREME = 0.1  # percent at either end that is clipped: a spike is not the rule


def roughness(windows: list[np.ndarray], most: int) -> np.ndarray:
    """Return the mean squared difference at each lag, in units of unrelated samples.

    ``E[(x[i + lag] - x[i])²] / (2 var x)``: 0 where samples repeat, 1 where they have
    nothing in common. It is one minus the autocorrelation (the normalised variogram).

    Parameters
    ----------
    windows : list of float64 arrays, each (n_samples,)
        Pieces of a sequence.
    most : int
        Highest lag; smaller than any window is long.

    Returns
    -------
    float64 array, shape (most + 1,)
        By lag; NaN if all samples are equal.
    """
    joined = np.concatenate(windows)
    low, high = np.percentile(joined, [MOST_EXTREME, 100 - MOST_EXTREME])
    middle = np.clip(joined, low, high).mean()
    differences, counts, power = np.zeros(most + 1), np.zeros(most + 1), 0.0
    for window in windows:
        samples = np.clip(window, low, high) - middle
        differences += _squared_differences(samples, most)
        counts += len(samples) - np.arange(most + 1)
        power += float(samples @ samples)
    if power == 0:
        return np.full(most + 1, np.nan)
    return differences / counts / (2 * power / len(joined))


def _squared_differences(samples: np.ndarray, most: int) -> np.ndarray:
    """Return the sum of squared differences at the lags 0 to `most`, by FFT."""
    n = len(samples)
    spectrum = np.fft.rfft(samples, 2 * n)
    products = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[: most + 1]
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    lags = np.arange(most + 1)
    sums = energy[n - lags] + energy[n] - energy[lags]
    return np.maximum(sums - 2 * products, 0.0)
