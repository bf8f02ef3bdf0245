"""How many channels a sequence of samples interleaves, from the samples alone.

Interleaved channels make a sequence whose statistics repeat every `n` samples (it is
cyclostationary; Gardner et al. 2006, Signal Processing 86:639): a channel is louder or
stiller than its neighbour, and the step from the last channel of a frame to the first
of the next one joins electrodes that are far apart. So for each `n` the mean of such a
feature is taken over every n-th sample. Where the `n` means differ by more than chance,
`n` explains something.
"""

from collections.abc import Iterator

import numpy as np

from circus_io.inspection.roughness import roughness

__all__ = ["channel_evidence", "likely_channels"]

Window = tuple[int, np.ndarray]

PENALTY = 2.0  # of each mean; chance gives 1
CHANCE = 50.0  # evidence that chance does not reach
AS_GOOD = 0.95  # a divisor with so much of the evidence is preferred
AS_SMOOTH = 1.1  # and one at which samples are nearly as much alike
SMOOTH = 0.02  # means that change so slowly are a slow wave, as of the mains
DISTINCT = 0.9  # a lag at which samples differ so much less than usual


def likely_channels(
    windows: list[Window], most: int, evidence: np.ndarray | None = None
) -> int | None:
    """Return how many channels the samples interleave; None if it cannot be told.

    Parameters
    ----------
    windows : list of (int, float64 array (n_samples,))
        Pieces of the sequence, and where in it each starts.
    most : int
        Highest number; fewer are tried if the windows are short.
    evidence : float64 array (most + 1,), optional
        That of `channel_evidence`, if it is there.
    """
    most = min(most, min(len(samples) for _, samples in windows) // 4)
    if evidence is None:
        evidence = channel_evidence(windows, most)
    best = int(np.argmax(evidence))
    if evidence[best] > CHANCE:
        good = AS_GOOD * evidence[best]
        return next(
            n for n in range(1, best + 1) if not best % n and evidence[n] >= good
        )
    return _smoothest_lag([samples for _, samples in windows], most)


def channel_evidence(windows: list[Window], most: int) -> np.ndarray:
    """Return the evidence for each number of channels, float64 (most + 1,).

    It is that of one channel, 0, plus the excess of the squared steps between the means
    over those that chance would make, less a penalty for each mean; multiples of the
    true number explain as much at a higher price.
    """
    evidence = np.zeros(most + 1)
    numbers = np.arange(2, most + 1)
    if not len(numbers):
        return evidence
    for feature in _features(windows):
        steps, spread = np.transpose([_means_of_every(feature, n) for n in numbers])
        # most numbers are wrong: a low quantile is what chance makes here
        chance = np.percentile(steps / numbers, 25)
        if chance > 0:
            jagged = np.where(steps > SMOOTH * spread, steps, 0)
            evidence[2:] += jagged / chance - PENALTY * numbers
    return evidence


def _features(windows: list[Window]) -> Iterator[list[Window]]:
    """Give the steps to the next sample and the one after it, and the loudness."""
    middle = np.median(np.concatenate([samples for _, samples in windows]))
    for measure in (
        lambda x: np.abs(x[1:] - x[:-1]),
        lambda x: np.abs(x[2:] - x[:-2]),
        lambda x: np.abs(x - middle),
    ):
        yield _standardised([(start, measure(x)) for start, x in windows])


def _standardised(windows: list[Window]) -> list[Window]:
    """Clip what is rare and give the feature mean 0 and variance 1, if it varies."""
    joined = np.concatenate([values for _, values in windows])
    low, high = np.percentile(joined, [1, 99])
    clipped = np.clip(joined, low, high)
    mean, sd = clipped.mean(), clipped.std() or 1.0
    return [(start, (np.clip(x, low, high) - mean) / sd) for start, x in windows]


def _means_of_every(windows: list[Window], n: int) -> tuple[float, float]:
    """Compare the `n` means over every n-th value, on the circle that they make.

    Returns
    -------
    steps, spread : float
        Half the sum of squared differences of neighbours, and the sum of squares about
        their mean; both are about `n` by chance.
    """
    totals, count = np.zeros(n), 0
    for start, values in windows:
        rows, shift = len(values) // n, start % n
        folded = np.add.reduce(values[: rows * n].reshape(rows, n), axis=0)
        totals[shift:] += folded[: n - shift]  # np.roll takes three times as long
        totals[:shift] += folded[n - shift :]
        count += rows
    steps, away = np.diff(totals, append=totals[0]), totals - totals.mean()
    return float(steps @ steps) / 2 / max(count, 1), float(away @ away) / max(count, 1)


def _smoothest_lag(windows: list[np.ndarray], most: int) -> int | None:
    """Return the lag at which samples are most alike, if there is one.

    Channels that are equal in all statistics and unrelated are told by this alone: the
    next sample of the same channel is nearer than all between.
    """
    curve = roughness(windows, most)
    if np.isnan(curve[0]) or curve[1:].min() > DISTINCT * np.median(curve[1:]):
        return None
    best = 1 + int(np.argmin(curve[1:]))
    good = AS_SMOOTH * curve[best]
    return next(n for n in range(1, best + 1) if not best % n and curve[n] <= good)
