"""Typical spike waveforms: what detection looks for."""

import numpy as np

__all__ = ["default_waveforms", "prototypes", "snippets"]

N_PROTOTYPES = 3  # narrow, average and broad spikes


def snippets(
    traces: np.ndarray,
    starts: np.ndarray,
    channels: np.ndarray,
    neighbour_ptr: np.ndarray,
    neighbour_list: np.ndarray,
    n_frames: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut waveforms around peaks, on the peak's channel and on those near it.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
    starts, channels : int64 (n_peaks,)
        First frame of each window, and peak channel. Windows that reach over an edge
        are left out.
    neighbour_ptr, neighbour_list
        From `neighbours.neighbour_lists`.
    n_frames : int
        Length of a window.

    Returns
    -------
    waveforms : float32 (n_waveforms, n_frames)
        One for each peak and neighbouring channel.
    peaks : float32 (n_kept_peaks, n_frames)
        On the peak's channel alone.
    """
    inside = (starts >= 0) & (starts + n_frames <= traces.shape[0])
    starts, channels = starts[inside], channels[inside]
    counts = neighbour_ptr[channels + 1] - neighbour_ptr[channels]
    peak = np.repeat(np.arange(starts.size), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    offset = np.arange(peak.size) - first
    near = neighbour_list[neighbour_ptr[channels[peak]] + offset]
    window = np.arange(n_frames)
    return (
        traces[starts[peak][:, None] + window, near[:, None]],
        traces[starts[:, None] + window, channels[:, None]],
    )


def default_waveforms(
    n_frames: int, frames_before: int, sampling_rate: float
) -> np.ndarray:
    """Model waveforms for a recording too quiet to show its own.

    A trough and a slower, smaller repolarisation, over the widths that neurons have.

    Returns
    -------
    float32 (n_waveforms, n_frames)
    """
    time_ms = (np.arange(n_frames) - frames_before) / sampling_rate * 1000
    family = [
        -np.exp(-0.5 * (time_ms / width) ** 2)
        + 0.3 * np.exp(-0.5 * ((time_ms - 4 * width) / (2 * width)) ** 2)
        for width in np.linspace(0.06, 0.2, 15)
    ]
    return np.array(family, np.float32)


def prototypes(peaks: np.ndarray, basis: np.ndarray, frames_before: int) -> np.ndarray:
    """Average the waveforms of each third of trough widths.

    Parameters
    ----------
    peaks : float32 (n_peaks, n_frames)
        Waveforms with their extremum at `frames_before`.
    basis : float32 (n_components, n_frames)
    frames_before : int

    Returns
    -------
    float32 (n_prototypes, n_components)
        Of unit norm, with a negative extremum.
    """
    upright = peaks * -np.sign(peaks[:, frames_before : frames_before + 1])
    norms = np.linalg.norm(upright, axis=1, keepdims=True)
    upright = upright / np.maximum(norms, 1e-9)
    widths = _half_widths(upright, frames_before)
    order = np.argsort(widths, kind="stable")
    groups = np.array_split(order, min(N_PROTOTYPES, len(peaks)))
    means = np.array([upright[group].mean(axis=0) for group in groups])
    coefficients = means @ basis.T
    norms = np.linalg.norm(coefficients, axis=1, keepdims=True)
    return (coefficients / np.maximum(norms, 1e-9)).astype(np.float32)


def _half_widths(waveforms: np.ndarray, frames_before: int) -> np.ndarray:
    """Frames around the trough that stay below half of it."""
    half = waveforms < 0.5 * waveforms[:, frames_before : frames_before + 1]
    after = _run_length(half[:, frames_before:])
    return after + _run_length(half[:, frames_before::-1])


def _run_length(flags: np.ndarray) -> np.ndarray:
    """Length of the run of True from the first column."""
    return np.where(flags.all(axis=1), flags.shape[1], (~flags).argmax(axis=1))
