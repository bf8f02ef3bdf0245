"""How good a record is: coverage of the inputs, drift, noise, what is clipped."""

from dataclasses import dataclass

import numpy as np

from stim.sampling.clipping import is_clipped
from stim.sampling.store import SampleStore

__all__ = ["RecordQuality", "coverage", "drift", "measure", "snr_db"]

MAX_POINTS = 1000  # of the discrepancy, which takes the square of their number


@dataclass(frozen=True)
class RecordQuality:
    """What a record is worth.

    Attributes
    ----------
    discrepancy : float
        Of the inputs, scaled to their ranges: 0 is an even filling; see `coverage`.
    clipped : tuple of float
        Share of the samples of each output that is clipped.
    drift : tuple of float, or None
        Of each output, see `drift`; without repeated reference batches, None.
    snr_db : tuple of float, or None
        Of each output, see `snr_db`.
    n_not_compliant : int
        Samples in which electrodes did not get what they were driven with.
    """

    discrepancy: float
    clipped: tuple[float, ...]
    drift: tuple[float, ...] | None
    snr_db: tuple[float, ...] | None
    n_not_compliant: int


def coverage(inputs: np.ndarray, ranges: np.ndarray) -> float:
    """Return the centred discrepancy of inputs in the box of their ranges.

    `scipy.stats.qmc.discrepancy`, of at most 1000 samples spread over the record.

    Parameters
    ----------
    inputs : float array, shape (n_samples, n_electrodes)
    ranges : float array, shape (n_electrodes, 2)
    """
    from scipy.stats import qmc

    step = -(-len(inputs) // MAX_POINTS)
    low, high = np.asarray(ranges, float).T
    unit = (np.asarray(inputs[::step], float) - low) / np.where(
        high > low, high - low, 1
    )
    return float(qmc.discrepancy(np.clip(unit, 0, 1), method="CD"))


def drift(repeats: np.ndarray) -> np.ndarray:
    """Return how far the last repeat of a batch is from the first.

    The root mean square of the difference over the standard deviation of the first.

    Parameters
    ----------
    repeats : float array, shape (n_repeats, n_samples, n_outputs)

    Returns
    -------
    float64 array, shape (n_outputs,)
    """
    first, last = np.asarray(repeats[0], float), np.asarray(repeats[-1], float)
    spread = first.std(axis=0)
    difference = np.sqrt(np.mean((last - first) ** 2, axis=0))
    return difference / np.where(spread > 0, spread, 1)


def snr_db(repeats: np.ndarray) -> np.ndarray:
    """Return the variance of what repeats have in common over that of what they do not.

    Parameters
    ----------
    repeats : float array, shape (n_repeats, n_samples, n_outputs)
        At least two.

    Returns
    -------
    float64 array, shape (n_outputs,)
        In dB; infinite if they are all equal.
    """
    repeats = np.asarray(repeats, float)
    noise = repeats.var(axis=0, ddof=1).mean(axis=0)
    # the mean of n repeats still has an n-th of the noise
    signal = repeats.mean(axis=0).var(axis=0, ddof=1) - noise / len(repeats)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(np.maximum(signal, 0) / noise)


def measure(store: SampleStore, limits: np.ndarray | None = None) -> RecordQuality:
    """Measure a record, a batch in memory at a time but for the repeated ones.

    Parameters
    ----------
    store : SampleStore
        With at least one batch.
    limits : float array, shape (n_outputs, 2), optional
        At which outputs are clipped.
    """
    is_repeated = store.batches["is_reference"].astype(bool)
    per_batch = -(-MAX_POINTS // max(1, store.n_batches))
    points, n_clipped = [], np.zeros(store.n_outputs, dtype=np.int64)
    for index in range(store.n_batches):
        inputs, outputs = store.batch(index)
        if not is_repeated[index]:
            points.append(inputs[:: -(-len(inputs) // per_batch)])
        if limits is not None:
            n_clipped += is_clipped(outputs, limits).sum(axis=0)
    whole = np.concatenate(points)
    repeats = [store.batch(int(index))[1] for index in np.flatnonzero(is_repeated)]
    has_repeats = len(repeats) > 1
    return RecordQuality(
        coverage(whole, np.stack([whole.min(axis=0), whole.max(axis=0)], axis=1)),
        tuple((n_clipped / max(1, store.n_samples)).tolist()),
        tuple(drift(np.array(repeats)).tolist()) if has_repeats else None,
        tuple(snr_db(np.array(repeats)).tolist()) if has_repeats else None,
        int(store.batches["n_not_compliant"].sum()),
    )
