"""Parts of a record for training and testing that do not know each other."""

from collections.abc import Sequence
from math import ceil, floor, isclose

import numpy as np

from circus_io.errors import ParameterError

__all__ = ["check_fractions", "correlation_length", "split_blocks"]

LONGEST = 1 << 16  # samples in which correlations are looked for
BLOCK_GAPS = 20  # default length of a block: gaps then cost at most a twentieth each


def check_fractions(fractions: Sequence[float]) -> list[float]:
    """Return one to three fractions that sum up to 1.

    Raises
    ------
    ParameterError
        They do not, by more than rounding.
    """
    values = [float(fraction) for fraction in np.atleast_1d(fractions)]
    is_right = 1 <= len(values) <= 3 and all(0 <= value <= 1 for value in values)
    if not is_right or not isclose(sum(values), 1, abs_tol=1e-6):
        raise ParameterError(
            f"split_percentages = {fractions}: expected one to three fractions that "
            "sum up to 1, such as [0.8, 0.1, 0.1] for train, validation and test"
        )
    return values


def correlation_length(inputs: np.ndarray) -> int:
    """Return after how many samples inputs have forgotten what they were.

    The smallest lag at which the mean autocorrelation of the electrodes is below 1/e.

    Parameters
    ----------
    inputs : float array, shape (n_samples, n_electrodes)
    """
    values = np.asarray(inputs[:LONGEST], dtype=float)
    values = values - values.mean(axis=0)
    variance = (values**2).sum(axis=0)
    values, variance = values[:, variance > 0], variance[variance > 0]
    if not len(variance):
        return 1
    # padded, so that the end is not taken for what comes before the start
    spectrum = np.fft.rfft(values, 2 * len(values), axis=0)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: len(values)] / variance
    below = np.flatnonzero(correlation.mean(axis=1) < np.exp(-1))
    return int(below[0]) if len(below) else len(values)


def split_blocks(
    n_samples: int,
    fractions: Sequence[float],
    gap: int,
    block: int | None = None,
    seed: int = 0,
) -> list[np.ndarray]:
    """Divide a record into parts that are at least `gap` samples apart.

    The record is cut into blocks of consecutive samples, which are dealt out at random:
    train gets ⌈fraction · blocks⌉, validation ⌊fraction · blocks⌋, test the rest. Where
    the next block belongs to another part, the last `gap` samples of a block are left
    out. (Single samples dealt out at random would leave each test sample of a smooth
    wave between two that were trained on.)

    Parameters
    ----------
    n_samples : int
    fractions : sequence of float
        One to three, see `check_fractions`.
    gap, block : int
        Samples. By default a block has 20 times the gap.
    seed : int

    Returns
    -------
    list of int64 array
        Samples of each part, in the order of time.

    Raises
    ------
    ParameterError
        There are fewer blocks than parts, or a block is no longer than the gap.
    """
    fractions = check_fractions(fractions)
    if len(fractions) == 1:
        return [np.arange(n_samples)]
    block = block or max(1, BLOCK_GAPS * gap)
    n_blocks = n_samples // block
    if n_blocks < len(fractions) or block <= gap:
        raise ParameterError(
            f"{n_samples} samples in blocks of {block} with gaps of {gap} are "
            f"{n_blocks} blocks for {len(fractions)} parts; give a shorter "
            "data.split_gap or data.split_block, or record more"
        )
    n_train = min(ceil(round(fractions[0] * n_blocks, 9)), n_blocks)
    n_validation = n_blocks - n_train
    if len(fractions) == 3:
        n_validation = min(floor(round(fractions[1] * n_blocks, 9)), n_validation)
    part_of = np.full(n_blocks, 2)
    order = np.random.default_rng(seed).permutation(n_blocks)
    part_of[order[:n_train]] = 0
    part_of[order[n_train : n_train + n_validation]] = 1
    starts = np.arange(n_blocks) * block
    stops = np.append(starts[1:], n_samples)  # the last one has what is left over
    ends_part = np.append(part_of[1:] != part_of[:-1], False)
    stops = stops - gap * ends_part
    return [
        np.concatenate(
            [
                np.arange(start, stop)
                for start, stop in zip(
                    starts[part_of == part], stops[part_of == part], strict=True
                )
            ]
            or [np.empty(0, dtype=np.int64)]
        )
        for part in range(len(fractions))
    ]
