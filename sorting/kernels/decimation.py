"""Traces at every second frame that still tell how much of a waveform is in them."""

from functools import cache

import numpy as np
from numba import njit

__all__ = ["decimate", "decimated_waveforms"]

DEGREE = 5  # of the splines; a third-degree basis loses twice as much of sharp spikes


def decimate(traces: np.ndarray, stride: int, n_lead: int = 0) -> np.ndarray:
    """Weigh traces with a B-spline around every `stride`-th frame.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
        Taken as 0 outside.
    stride : int
    n_lead : int
        Rows before frame 0.

    Returns
    -------
    float32 (n_rows, n_channels)
        Row m belongs to frame ``stride * (m - n_lead)``; the last row is the last one
        that the traces reach into.
    """
    weights = _spline(stride).astype(np.float32)
    reach = weights.size // 2
    n_rows = n_lead + (len(traces) - 1 + reach) // stride + 1 if len(traces) else n_lead
    rows = np.zeros((n_rows, traces.shape[1]), np.float32)
    _decimate(traces, weights, stride, n_lead, rows)
    return rows


@njit(cache=True, nogil=True)
def _decimate(traces, weights, stride, n_lead, rows):
    reach = weights.size // 2
    for m in range(rows.shape[0]):
        row = rows[m]
        first = stride * (m - n_lead) - reach
        for tap in range(weights.size):
            if 0 <= first + tap < traces.shape[0]:
                frame = traces[first + tap]
                for channel in range(row.size):
                    row[channel] += weights[tap] * frame[channel]


def decimated_waveforms(waveforms: np.ndarray, stride: int) -> tuple[np.ndarray, int]:
    """Find what to correlate decimated traces with instead of waveforms.

    Parameters
    ----------
    waveforms : float32 (n_waveforms, n_frames)
    stride : int

    Returns
    -------
    coarse : float32 (n_waveforms, n_rows)
    n_lead : int
        ``sum_m coarse[m] decimated[s + m]``, with as many rows before frame 0, is
        nearly ``sum_t waveform[t] traces[stride * s + t]``.

    Notes
    -----
    A waveform of few high frequencies is nearly a sum of splines `stride` frames apart
    (Unser 1999, IEEE Signal Processing Magazine 16:22); `coarse` holds the weights of
    the best such sum. What it misses is at right angles to all splines, so it is also
    missed in the traces: the error of a correlation is of second order.
    """
    solution, n_lead = _solution(waveforms.shape[1], stride)
    return (waveforms @ solution).astype(np.float32), n_lead


@cache
def _solution(n_frames: int, stride: int) -> tuple[np.ndarray, int]:
    """Waveforms of `n_frames`, times this, are weights of splines, least squares."""
    weights = _spline(stride)
    reach = weights.size // 2
    n_lead = reach // stride
    last = (n_frames - 1 + reach) // stride
    splines = np.zeros((n_lead + last + 1, n_frames + 4 * reach))
    for row, centre in zip(splines, range(-n_lead, last + 1), strict=True):
        start = stride * centre + reach
        row[start : start + weights.size] = weights
    cut = splines[:, 2 * reach : 2 * reach + n_frames]
    return np.linalg.solve(splines @ splines.T, cut).T, n_lead


def _spline(stride: int) -> np.ndarray:
    """Return a B-spline with knots `stride` frames apart: boxes folded with boxes."""
    spline = box = np.ones(stride) / stride
    for _ in range(DEGREE):
        spline = np.convolve(spline, box)
    return spline
