"""How long the segments of a stream are, read off its samples.

Nothing on the wire says it, and a server that was configured before keeps the length of
its first client. Channel after channel, a segment that is decoded with a wrong length
mixes channels and times. Two traces of the true length L are left in the samples: the
defect of the last sample puts a 0 at every L-th of them, and where one channel ends and
the next begins, a step is larger than within a channel.
"""

import numpy as np

__all__ = ["find_segment_frames"]

N_BORDERS = 24  # borders of channels that a length is judged by, at least
TIMES_LARGER = 3.0  # a step between channels, over the usual one
# half of the borders of a length are borders of twice that length as well
PART_LARGE = 0.8


def find_segment_frames(samples: np.ndarray, most: int = 5000) -> int | None:
    """Return the length of the segments that samples came in.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        In the order of the wire, from the start of a segment; at least 24 times the
        length.
    most : int
        Longest length that is looked for.

    Returns
    -------
    int or None
        None where nothing tells: samples without such zeros, and without steps. Where
        only the step from the last channel to the first is large, it is the length of
        all channels together.
    """
    samples = np.asarray(samples)
    most = min(most, len(samples) // N_BORDERS)
    if most < 2:
        return None
    by_zeros = _by_zeros(samples == 0, most)
    return _by_steps(samples, most) if by_zeros is None else by_zeros


def _by_zeros(is_zero: np.ndarray, most: int) -> int | None:
    """Return the least length at whose ends all samples are 0, most of them alone."""
    is_alone = is_zero.copy()
    is_alone[1:] &= ~is_zero[:-1]  # a dead channel is 0 before its end, too
    for length in range(2, most + 1):
        ends = slice(length - 1, None, length)
        if is_zero[ends].all() and is_alone[ends].mean() > PART_LARGE:
            return length
    return None


def _by_steps(samples: np.ndarray, most: int) -> int | None:
    """Return the least length at whose borders most steps are large."""
    steps = np.abs(np.diff(samples.astype(np.float64)))
    is_dead = (samples[1:] == 0) & (samples[:-1] == 0)
    live = steps[~is_dead]
    if not len(live):
        return None
    is_large = steps > TIMES_LARGER * np.median(live)
    for length in range(2, most + 1):
        at_borders = slice(length - 1, None, length)
        counted = ~is_dead[at_borders]
        if counted.sum() > N_BORDERS / 2 and (
            is_large[at_borders][counted].mean() > PART_LARGE
        ):
            return length
    return None
