"""Correlation of templates with traces: projections once, then groups of templates."""

import numpy as np
from numba import njit

from sorting.kernels.basis import Projector
from sorting.kernels.decimation import decimate, decimated_waveforms
from sorting.kernels.interpolation import TAPS, fractional_taps
from sorting.kernels.matching import Bank
from sorting.kernels.whitening import band

__all__ = ["coarsest_stride", "correlate", "interpolate", "interpolation_error"]

GROUP_SIZE = 16  # templates of one product
STRIDES = (2, 1)
MAX_ERROR = 2.0  # noise sd: makes or hides a gain of 4, a tenth of the least of a spike


def correlate(
    traces: np.ndarray, basis: np.ndarray, coefficients: np.ndarray, stride: int = 1
) -> np.ndarray:
    """Correlation of every template with the traces at every frame.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
        Whitened.
    basis : float32 (n_components, n_template_frames)
    coefficients : float32 (n_templates, n_channels, n_components)
    stride : int
        Compute every so many frames and interpolate those between: a correlation with
        a template has no higher frequencies than the template. How well that works,
        `interpolation_error` tells.

    Returns
    -------
    float32 (n_templates, n_frames)
        At the first frame of the window; traces are taken as 0 past the end.

    Notes
    -----
    Traces are decimated if not every frame is wanted, and projected on the basis tile
    by tile. Templates are taken in groups of 16 that are near each other; a group is
    multiplied with the channels that its members use.
    """
    n_frames = traces.shape[0]
    if stride > 1:
        basis, n_lead = decimated_waveforms(basis, stride)
        traces = decimate(traces, stride, n_lead)
    n_coarse = -(-n_frames // stride)
    projector = Projector(basis, len(traces))
    groups = _template_groups(coefficients)
    coarse = np.zeros((coefficients.shape[0], n_coarse), np.float32)
    for at, projected in projector.tiles(traces, n_coarse):
        for members, channels, flat in groups:
            local = projected[channels].reshape(flat.shape[1], projector.tile_size)
            product = projector.in_time_order(flat @ local)
            coarse[members, at] = product[: members.size, : at.stop - at.start]
    if stride == 1:
        return coarse
    return interpolate(coarse, stride, n_frames)


def coarsest_stride(bank: Bank) -> int:
    """Choose how densely correlations must be computed to be interpolated well.

    Returns
    -------
    int
        The largest of `STRIDES` with errors that are small beside the noise of each
        correlation, whose standard deviation is the norm of the template.
    """
    owners = np.repeat(np.arange(bank.norms.size), np.diff(bank.ptr))
    own = bank.overlaps[owners == bank.neighbours]
    for stride in STRIDES[:-1]:
        error = interpolation_error(own, stride)
        if np.all(error <= MAX_ERROR * np.sqrt(bank.norms)):
            return stride
    return STRIDES[-1]


def _template_groups(
    coefficients: np.ndarray,
) -> list[tuple[np.ndarray, slice | np.ndarray, np.ndarray]]:
    """Members, channels and coefficients of each group of 16 templates.

    Templates are taken by the middle of the channels that they use. The last group is
    filled up with zeros, so that all have one shape.
    """
    support = np.any(coefficients != 0, axis=2)
    middle = support @ np.arange(support.shape[1]) / np.maximum(support.sum(axis=1), 1)
    order = np.argsort(middle, kind="stable")
    groups = []
    for start in range(0, order.size, GROUP_SIZE):
        members = order[start : start + GROUP_SIZE]
        channels = band(support[members].any(axis=0))
        used = coefficients[members][:, channels].reshape(members.size, -1)
        flat = np.zeros((GROUP_SIZE, used.shape[1]), np.float32)
        flat[: members.size] = used
        groups.append((members, channels, flat))
    return groups


@njit(cache=True, nogil=True)
def interpolate(coarse, stride, n_fine):
    """Read rows of band-limited values `stride` times as densely.

    Parameters
    ----------
    coarse : float32 (n_rows, n_coarse)
        Values at 0, stride, 2 stride ...; 0 outside.
    stride : int
    n_fine : int
        At most ``stride * n_coarse``.

    Returns
    -------
    float32 (n_rows, n_fine)
    """
    n_rows, n_coarse = coarse.shape
    before = TAPS // 2 - 1
    fine = np.empty((n_rows, n_fine), np.float32)
    padded = np.zeros(n_coarse + TAPS, np.float32)
    between = np.empty(n_coarse, np.float32)
    for row in range(n_rows):
        padded[before : before + n_coarse] = coarse[row]
        fine[row, ::stride] = coarse[row, : (n_fine + stride - 1) // stride]
        for phase in range(1, stride):
            taps = fractional_taps(phase / stride)[1].astype(np.float32)
            for at in range(n_coarse):
                between[at] = (
                    taps[0] * padded[at]
                    + taps[1] * padded[at + 1]
                    + taps[2] * padded[at + 2]
                    + taps[3] * padded[at + 3]
                    + taps[4] * padded[at + 4]
                    + taps[5] * padded[at + 5]
                    + taps[6] * padded[at + 6]
                    + taps[7] * padded[at + 7]
                )
            n = (n_fine - phase + stride - 1) // stride
            fine[row, phase::stride] = between[:n]
    return fine


def interpolation_error(overlaps: np.ndarray, stride: int) -> np.ndarray:
    """Largest error of interpolating the correlation of a template with itself.

    Parameters
    ----------
    overlaps : float (n_templates, 2 n_frames - 1)
        Of each template with itself, the squared norm in the middle.
    stride : int

    Returns
    -------
    float64 (n_templates,)
        In the unit of the overlaps.
    """
    n_lags = overlaps.shape[1]
    worst = np.zeros(len(overlaps))
    for start in range(stride):
        known = np.ascontiguousarray(overlaps[:, start::stride], np.float32)
        read = interpolate(known, stride, n_lags - start)
        error = np.abs(read - overlaps[:, start:]).max(axis=1, initial=0)
        worst = np.maximum(worst, error)
    return worst
