"""Stimulation artefacts: their shape, the size of each one, and traces without them."""

import numpy as np

__all__ = ["artefact_amplitude", "artefact_shape", "subtract_artefacts"]

AMPLITUDES = (0.0, 3.0)  # an artefact is not turned over, nor many times the usual


def artefact_shape(windows: np.ndarray, baseline_frames: int) -> np.ndarray:
    """Return the median of artefacts, each measured from the level before its onset.

    Parameters
    ----------
    windows : float32 (n_events, baseline_frames + n_frames, n_channels)
        In µV.
    baseline_frames : int
        Frames before the onset.

    Returns
    -------
    float32 (n_frames, n_channels)
    """
    return np.median(_from_baseline(windows, baseline_frames), axis=0)


def artefact_amplitude(
    window: np.ndarray, shape: np.ndarray, baseline_frames: int
) -> float:
    """Return how large one artefact is, 1 for the usual size, by least squares.

    Parameters
    ----------
    window : float32 (baseline_frames + n, n_channels)
        It may end before the shape does.
    shape : float32 (n_frames, n_channels)
    baseline_frames : int
    """
    traces = _from_baseline(window[None], baseline_frames)[0].astype(np.float64)
    shape = shape[: len(traces)].astype(np.float64)
    energy = (shape**2).sum()
    amplitude = (traces * shape).sum() / energy if energy > 0 else 0.0
    return float(np.clip(amplitude, *AMPLITUDES))


def _from_baseline(windows: np.ndarray, baseline_frames: int) -> np.ndarray:
    """Cut the baseline off and take its mean from what follows."""
    if not baseline_frames:
        return windows
    level = windows[:, :baseline_frames].mean(axis=1, keepdims=True)
    return windows[:, baseline_frames:] - level


def subtract_artefacts(
    traces: np.ndarray,
    onsets: np.ndarray,
    amplitudes: np.ndarray,
    shapes: list[np.ndarray],
) -> np.ndarray:
    """Return traces without artefacts that lie in them, wholly or in part.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
    onsets : int64 (n_events,)
        Rows of the traces; they may lie before the first or after the last.
    amplitudes : float (n_events,)
    shapes : list of float32 (n, n_channels)
        Of each event.
    """
    cleaned = traces.copy()
    for onset, amplitude, shape in zip(onsets, amplitudes, shapes, strict=True):
        first, stop = max(onset, 0), min(onset + len(shape), len(traces))
        if first < stop:
            part = shape[first - onset : stop - onset]
            cleaned[first:stop] -= np.float32(amplitude) * part
    return cleaned
