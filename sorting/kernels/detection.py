"""Matched-filter detection: energy of spike-like waveforms, and its local maxima."""

import numpy as np
from numba import njit

from sorting.kernels.basis import Projector
from sorting.kernels.correlation import interpolate, interpolation_error
from sorting.kernels.decimation import decimate, decimated_waveforms
from sorting.kernels.whitening import BandedMatrix

__all__ = [
    "coarsest_stride",
    "local_peaks",
    "matched_energy",
    "spatial_filters",
]

MAX_ERROR = 0.02  # of the energy of a peak


def spatial_filters(
    contact_positions: np.ndarray,
    groups: np.ndarray,
    widths_um: tuple[float, ...],
    alive: np.ndarray,
) -> list[BandedMatrix]:
    """Gaussian weights over the neighbourhood of each channel, of unit norm.

    Unit norm keeps the noise standard deviation at 1 on whitened traces.

    Parameters
    ----------
    contact_positions : float64 (n_channels, n_dimensions)
        In µm.
    groups : (n_channels,)
        Weights stay within a shank.
    widths_um : tuple of float
        One filter for each width.
    alive : bool (n_channels,)
    """
    difference = contact_positions[:, None] - contact_positions[None]
    distance = np.sqrt((difference**2).sum(axis=-1))
    usable = (groups[:, None] == groups[None]) & alive[:, None] & alive[None]
    filters = []
    for width in widths_um:
        weights = np.exp(-0.5 * (distance / width) ** 2)
        weights = np.where(usable & (weights > 0.1), weights, 0)
        norm = np.sqrt((weights**2).sum(axis=1, keepdims=True))
        filters.append(
            BandedMatrix.from_dense(
                (weights / np.maximum(norm, 1e-9)).astype(np.float32)
            )
        )
    return filters


def matched_energy(
    traces: np.ndarray,
    prototypes: np.ndarray,
    filters: list[BandedMatrix],
    polarity: str,
    stride: int = 1,
) -> np.ndarray:
    """Largest response to any prototype, of a channel alone or through any filter.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
        Whitened.
    prototypes : float32 (n_prototypes, n_prototype_frames)
        Negative-going waveforms of unit norm.
    filters : list of BandedMatrix
        From `spatial_filters`.
    polarity : {"negative", "positive", "both"}
    stride : int
        Compute every so many frames, from `coarsest_stride`, and interpolate.

    Returns
    -------
    float32 (n_channels, n_frames)
        In noise sd, at the first frame of the window.
    """
    signed = -prototypes if polarity == "positive" else prototypes
    n_frames, n_channels = traces.shape
    if stride > 1:
        signed, n_lead = decimated_waveforms(signed, stride)
        traces = decimate(traces, stride, n_lead)
    projector = Projector(signed)
    shape = (n_channels, -(-n_frames // stride))
    best = np.empty(shape, np.float32)
    energy = np.empty((shape[0], projector.tile_size), np.float32)
    for at, projected in projector.tiles(traces, shape[1]):
        if polarity == "both":
            largest = np.abs(projected).max(axis=1)
        else:
            largest = projected.max(axis=1)
        for response in projected.transpose(1, 0, 2):
            for spatial in filters:
                spatial.apply_rows(response, energy)
                if polarity == "both":
                    np.abs(energy, out=energy)
                np.maximum(largest, energy, out=largest)
        best[:, at] = projector.in_time_order(largest)[:, : at.stop - at.start]
    return best if stride == 1 else interpolate(best, stride, n_frames)


def coarsest_stride(prototypes: np.ndarray) -> int:
    """Choose how densely energy must be computed to be interpolated well: 1 or 2.

    Parameters
    ----------
    prototypes : float32 (n_prototypes, n_prototype_frames)
        Of unit norm.
    """
    own = np.array([np.correlate(w, w, "full") for w in prototypes.astype(np.float64)])
    return 2 if np.all(interpolation_error(own, 2) <= MAX_ERROR) else 1


@njit(cache=True, nogil=True)
def local_peaks(energy, threshold, neighbour_ptr, neighbour_list, exclude_frames):
    """Frames and channels above threshold that nothing near exceeds.

    A peak comes first in the order (value falling, frame rising, channel rising)
    within `exclude_frames` on its channel and its neighbours: ties have one winner.

    Parameters
    ----------
    energy : float32 (n_channels, n_frames)
    threshold : float
    neighbour_ptr : int64 (n_channels + 1,)
    neighbour_list : int64 (n_pairs,)
        Neighbours of channel c, itself included, are
        ``neighbour_list[neighbour_ptr[c]:neighbour_ptr[c + 1]]``.
    exclude_frames : int

    Returns
    -------
    frames, channels : int64 (n_peaks,)
        Sorted by frame, then channel.
    """
    n_channels, n_frames = energy.shape
    frames = []
    channels = []
    for channel in range(n_channels):
        row = energy[channel]
        near = neighbour_list[neighbour_ptr[channel] : neighbour_ptr[channel + 1]]
        for frame in range(n_frames):
            value = row[frame]
            if value <= threshold:
                continue
            if _has_larger_beside(row, frame, exclude_frames):
                continue
            if _is_first(energy, frame, channel, near, exclude_frames):
                frames.append(frame)
                channels.append(channel)
    found_frames = np.array(frames, dtype=np.int64)
    found_channels = np.array(channels, dtype=np.int64)
    order = np.argsort(found_frames * n_channels + found_channels)
    return found_frames[order], found_channels[order]


@njit(cache=True, nogil=True)
def _has_larger_beside(row, frame, exclude_frames):
    """Quick look at the two next frames, which rule out most candidates."""
    if exclude_frames < 1:
        return False
    if frame > 0 and row[frame - 1] >= row[frame]:
        return True
    return frame + 1 < row.size and row[frame + 1] > row[frame]


@njit(cache=True, nogil=True)
def _is_first(energy, frame, channel, neighbours, exclude_frames):
    value = energy[channel, frame]
    start = max(0, frame - exclude_frames)
    stop = min(energy.shape[1], frame + exclude_frames + 1)
    for other in neighbours:
        for other_frame in range(start, stop):
            rival = energy[other, other_frame]
            if rival > value:
                return False
            if rival == value and (
                other_frame < frame or (other_frame == frame and other < channel)
            ):
                return False
    return True
