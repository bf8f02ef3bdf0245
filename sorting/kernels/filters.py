"""Zero-phase band-pass of one chunk, equal to filtering the whole stream at once."""

import numpy as np
from numba import njit

from sorting.kernels.butterworth import steady_states

__all__ = ["band_pass", "subtract_median"]

SECTIONS = 3  # filtered at once: those of the default, a band-pass of order 3
LANES = 64  # channels of a block: its states stay in the first level of the cache


def band_pass(
    traces: np.ndarray, sos: np.ndarray, extend_before: int = 0, extend_after: int = 0
) -> np.ndarray:
    """Filter forward and backward in time, each pass from the steady state.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
        A chunk with its margin; not changed.
    sos : float64 (n_sections, 6)
        From `butterworth.butter_sos`.
    extend_before, extend_after : int
        Frames of odd extension (reflection through the end point), for the edges of
        the chunk that are ends of the stream; 0 where real margin follows.

    Returns
    -------
    float32 (n_frames, n_channels)

    Notes
    -----
    With both extensions on a whole stream this is `scipy.signal.sosfiltfilt` with
    `padtype="odd"`. States are float64 (an offset of thousands of counts must leave no
    trace in microvolts); the time loop is outside and the channel loop inside, which
    the compiler turns into vector instructions.
    """
    n_frames = traces.shape[0]
    if n_frames == 0:
        return traces.astype(np.float32)
    before = min(extend_before, n_frames - 1)
    after = min(extend_after, n_frames - 1)
    extended = _extend_odd(traces, before, after) if before or after else traces
    filtered = np.empty(extended.shape, np.float32)
    source = extended
    for backward in (False, True):
        for sections in _threes(sos):
            _filter(source, filtered, sections, steady_states(sections), backward)
            source = filtered
    return filtered[before : before + n_frames]


def _threes(sos: np.ndarray) -> list[np.ndarray]:
    """Part sections in threes; ones that change nothing fill up the last three."""
    n_idle = -len(sos) % SECTIONS
    idle = np.tile([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], (n_idle, 1))
    return np.split(np.concatenate([sos, idle]), (len(sos) + n_idle) // SECTIONS)


def _extend_odd(traces: np.ndarray, before: int, after: int) -> np.ndarray:
    n_frames, n_channels = traces.shape
    extended = np.empty((before + n_frames + after, n_channels), np.float32)
    extended[before : before + n_frames] = traces
    extended[:before] = 2 * traces[0] - traces[before:0:-1]
    if after:
        extended[before + n_frames :] = (
            2 * traces[-1] - traces[n_frames - 2 : n_frames - 2 - after : -1]
            if after < n_frames - 1
            else 2 * traces[-1] - traces[n_frames - 2 :: -1]
        )
    return extended


@njit(cache=True, nogil=True)
def _filter(traces, filtered, sos, steady, backward):
    """One pass of three direct-form-II-transposed biquads, which may be in place.

    Two frames go through all sections at once, so that states are loaded and stored
    half as often. All that the inner loop touches lies in one array, a fixed number of
    entries apart: only so the compiler knows that it may use vector instructions.
    """
    n_frames, n_channels = traces.shape
    step = -1 if backward else 1
    first = n_frames - 1 if backward else 0
    states = _first_states(traces[first], steady)
    for pair in range((n_frames + 1) // 2):
        frame = first + 2 * step * pair
        following = frame + step if 2 * pair + 1 < n_frames else frame
        for block in range(states.shape[0]):
            work = states[block]
            start = block * LANES
            n = min(LANES, n_channels - start)
            for lane in range(n):
                work[lane] = traces[frame, start + lane]
            for lane in range(n):
                work[LANES + lane] = traces[following, start + lane]
            _filter_two_frames(work, n, sos)
            for lane in range(n):
                filtered[following, start + lane] = work[LANES + lane]
            for lane in range(n):  # last: the last frame of an odd number is both
                filtered[frame, start + lane] = work[lane]


@njit(cache=True, nogil=True)
def _first_states(row, steady):
    """Room for two frames, and the steady states, of each block of channels."""
    n_blocks = (row.size + LANES - 1) // LANES
    states = np.zeros((n_blocks, (2 + 2 * SECTIONS) * LANES))
    for channel in range(row.size):
        work = states[channel // LANES]
        for section in range(SECTIONS):
            at = (2 + 2 * section) * LANES + channel % LANES
            work[at] = steady[section, 0] * row[channel]
            work[at + LANES] = steady[section, 1] * row[channel]
    return states


@njit(cache=True, nogil=True)
def _filter_two_frames(work, n, sos):
    first, second, third = _row(sos, 0), _row(sos, 1), _row(sos, 2)
    for lane in range(n):
        x0, x1 = work[lane], work[LANES + lane]
        z1, z2 = work[2 * LANES + lane], work[3 * LANES + lane]
        x0, x1, z1, z2 = _biquad(first, x0, x1, z1, z2)
        work[2 * LANES + lane], work[3 * LANES + lane] = z1, z2
        z1, z2 = work[4 * LANES + lane], work[5 * LANES + lane]
        x0, x1, z1, z2 = _biquad(second, x0, x1, z1, z2)
        work[4 * LANES + lane], work[5 * LANES + lane] = z1, z2
        z1, z2 = work[6 * LANES + lane], work[7 * LANES + lane]
        x0, x1, z1, z2 = _biquad(third, x0, x1, z1, z2)
        work[6 * LANES + lane], work[7 * LANES + lane] = z1, z2
        work[lane], work[LANES + lane] = x0, x1


@njit(cache=True, nogil=True)
def _row(sos, section):
    row = sos[section]
    return row[0], row[1], row[2], row[4], row[5]


@njit(cache=True, nogil=True)
def _biquad(row, x0, x1, z1, z2):
    """Two frames through one section: what comes out, and its states after them."""
    b0, b1, b2, a1, a2 = row
    y0 = b0 * x0 + z1
    z1 = b1 * x0 - a1 * y0 + z2
    z2 = b2 * x0 - a2 * y0
    y1 = b0 * x1 + z1
    return y0, y1, b1 * x1 - a1 * y1 + z2, b2 * x1 - a2 * y1


def subtract_median(traces: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Subtract from each frame the median over the channels of each group.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
        Not changed.
    groups : (n_channels,)
        Shank of each channel; a group of fewer than three channels is left alone, its
        median would remove the signal itself.

    Returns
    -------
    float32 (n_frames, n_channels)
    """
    cleaned = traces.copy()
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        if members.size >= 3:
            cleaned[:, members] -= np.median(traces[:, members], axis=1, keepdims=True)
    return cleaned
