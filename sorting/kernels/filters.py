"""Zero-phase band-pass of one chunk, equal to filtering the whole stream at once."""

import numpy as np
from numba import njit
from scipy import signal

__all__ = ["band_pass", "butter_sos", "settling_frames", "subtract_median"]

NYQUIST_FRACTION = 0.95  # what a cut-off of `auto` means, as in the classic tool


def butter_sos(
    cut_off_hz: tuple[float, float | None], sampling_rate: float, order: int = 3
) -> np.ndarray:
    """Design the Butterworth band-pass as second-order sections.

    Sections, not polynomial coefficients: at 1 % of the Nyquist frequency the
    polynomial form of the same filter is numerically weak.

    Parameters
    ----------
    cut_off_hz : (float, float or None)
        Band edges in Hz. None for the upper edge means 0.95 of the Nyquist
        frequency; an upper edge above that gives a pure high-pass.
    sampling_rate : float
        In Hz.
    order : int
        Order of the prototype; run forward and backward it counts twice.

    Returns
    -------
    float64 (n_sections, 6)
    """
    low, high = cut_off_hz
    nyquist = sampling_rate / 2
    high = NYQUIST_FRACTION * nyquist if high is None else high
    if high > NYQUIST_FRACTION * nyquist:
        return signal.butter(order, low, "highpass", fs=sampling_rate, output="sos")
    return signal.butter(order, [low, high], "band", fs=sampling_rate, output="sos")


def settling_frames(sos: np.ndarray, residue: float = 1e-8) -> int:
    """Frames after which the slowest pole has decayed to `residue`.

    This is the margin a chunk needs on each side for its core to equal the whole
    stream filtered at once.
    """
    _, poles, _ = signal.sos2zpk(sos)
    slowest = np.abs(poles).max(initial=0.0)
    return 1 if slowest == 0 else int(np.ceil(np.log(residue) / np.log(slowest)))


def band_pass(
    traces: np.ndarray, sos: np.ndarray, extend_before: int = 0, extend_after: int = 0
) -> np.ndarray:
    """Filter forward and backward in time, each pass from the steady state.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
        A chunk with its margin; not changed.
    sos : float64 (n_sections, 6)
        From `butter_sos`.
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
    steady = signal.sosfilt_zi(sos)
    filtered = np.empty(extended.shape, np.float32)
    _filter(extended, filtered, sos, steady, False)
    _filter(filtered, filtered, sos, steady, True)
    return filtered[before : before + n_frames]


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
    """One pass of direct-form-II-transposed biquads, which may be in place."""
    n_frames, n_channels = traces.shape
    n_sections = sos.shape[0]
    z1 = np.empty((n_sections, n_channels))
    z2 = np.empty((n_sections, n_channels))
    x = np.empty(n_channels)
    first = n_frames - 1 if backward else 0
    for section in range(n_sections):
        for channel in range(n_channels):
            z1[section, channel] = steady[section, 0] * traces[first, channel]
            z2[section, channel] = steady[section, 1] * traces[first, channel]
    for step in range(n_frames):
        frame = n_frames - 1 - step if backward else step
        for channel in range(n_channels):
            x[channel] = traces[frame, channel]
        for section in range(n_sections):
            b0, b1, b2 = sos[section, 0], sos[section, 1], sos[section, 2]
            a1, a2 = sos[section, 4], sos[section, 5]
            for channel in range(n_channels):
                y = b0 * x[channel] + z1[section, channel]
                z1[section, channel] = b1 * x[channel] - a1 * y + z2[section, channel]
                z2[section, channel] = b2 * x[channel] - a2 * y
                x[channel] = y
        for channel in range(n_channels):
            filtered[frame, channel] = x[channel]


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
