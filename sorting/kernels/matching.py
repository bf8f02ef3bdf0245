"""Template matching: which templates, when and how large, explain the traces.

The model is x = sum_i a_i U_{k_i}(. - s_i) + noise, with white noise of variance 1 and
amplitudes a ~ N(1, 1 / lambda_k). Placing template k at s with its best amplitude
a = (B + lambda) / (n + lambda) lowers the penalised residual by

    o = (B + lambda)^2 / (n + lambda) - lambda,

where B is the correlation of the template with the residual and n = |U|^2. A spike that
fits perfectly has o = n; the threshold on o is a squared norm in noise sd.
"""

import numpy as np
from numba import njit

from sorting.kernels.basis import project

__all__ = ["correlate", "find_spikes"]

GROUP_SIZE = 16
TILE_FRAMES = 4096  # projections of one tile stay in cache
TAPS = 8  # of the band-limited interpolation of overlaps between frames


def correlate(
    traces: np.ndarray, basis: np.ndarray, coefficients: np.ndarray
) -> np.ndarray:
    """Correlation of every template with the traces at every frame.

    Parameters
    ----------
    traces : float32 (n_frames, n_channels)
        Whitened.
    basis : float32 (n_components, n_template_frames)
    coefficients : float32 (n_templates, n_channels, n_components)

    Returns
    -------
    float32 (n_templates, n_frames)
        At the first frame of the window; traces are taken as 0 past the end.

    Notes
    -----
    Traces are projected on the basis tile by tile. Templates are taken in groups of 16;
    a group is multiplied with the band of channels that its members use, which is
    contiguous in the projection because channel is its slowest axis.
    """
    n_frames = traces.shape[0]
    result = np.empty((coefficients.shape[0], n_frames), np.float32)
    groups = _template_groups(coefficients)
    for start in range(0, n_frames, TILE_FRAMES):
        stop = min(start + TILE_FRAMES, n_frames)
        window = traces[start : stop + basis.shape[1] - 1]
        projected = project(window, basis)[:, :, : stop - start]
        for rows, band, flat in groups:
            local = projected[band].reshape(flat.shape[1], -1)
            result[rows, start:stop] = flat @ local
    return result


def _template_groups(
    coefficients: np.ndarray,
) -> list[tuple[slice, slice, np.ndarray]]:
    """Rows, channel band and coefficients of each group of 16 templates."""
    support = np.any(coefficients != 0, axis=2)
    groups = []
    for start in range(0, coefficients.shape[0], GROUP_SIZE):
        rows = slice(start, start + GROUP_SIZE)
        used = np.flatnonzero(support[rows].any(axis=0))
        band = slice(used[0], used[-1] + 1) if used.size else slice(0, 0)
        members = coefficients[rows, band]
        groups.append((rows, band, members.reshape(members.shape[0], -1)))
    return groups


@njit(cache=True, nogil=True)
def _objective(b, norm, lam, a_min, a_max):
    """Gain of placing a template, with the amplitude held in its bounds."""
    shifted = b + lam
    if shifted <= 0:
        return -1.0
    a = shifted / (norm + lam)
    if a < a_min:
        a = a_min
    elif a > a_max:
        a = a_max
    return 2 * a * shifted - a * a * (norm + lam) - lam


@njit(cache=True, nogil=True)
def _update_best(
    correlation, forbidden, norms, lams, floors, a_min, a_max, start, stop, best, which
):
    """Largest objective over templates for the frames start:stop; lower index wins."""
    for frame in range(start, stop):
        best[frame] = 0.0
        which[frame] = -1
    for k in range(norms.size):
        norm, lam, floor = norms[k], lams[k], floors[k]
        low, high = a_min[k], a_max[k]
        # below this correlation the objective cannot reach the floor
        least = np.sqrt((floor + lam) * (norm + lam)) - lam
        for frame in range(start, stop):
            b = correlation[k, frame]
            if b <= least or forbidden[k, frame]:
                continue
            gain = _objective(b, norm, lam, low, high)
            if gain > floor and gain > best[frame]:
                best[frame] = gain
                which[frame] = k


@njit(cache=True, nogil=True)
def _fractional_taps(delta):
    """Windowed-sinc weights that read a sequence `delta` frames earlier."""
    taps = np.empty(TAPS)
    total = 0.0
    for i in range(TAPS):
        x = i - (TAPS // 2 - 1) - delta
        sinc = 1.0 if abs(x) < 1e-9 else np.sin(np.pi * x) / (np.pi * x)
        window = np.cos(np.pi * x / (TAPS + 1)) ** 2
        taps[i] = sinc * window
        total += taps[i]
    return taps / total


@njit(cache=True, nogil=True)
def _interpolate(row, index, taps):
    """Value of a row at ``index + delta`` for the taps of delta in [0, 1)."""
    value = 0.0
    for i in range(TAPS):
        at = index + i - (TAPS // 2 - 1)
        if 0 <= at < row.size:
            value += taps[i] * row[at]
    return value


@njit(cache=True, nogil=True)
def _parabola(before, centre, after):
    curvature = before - 2 * centre + after
    if curvature >= 0:
        return 0.0
    return max(-0.5, min(0.5, 0.5 * (before - after) / curvature))


@njit(cache=True, nogil=True)
def find_spikes(
    correlation,
    norms,
    lams,
    floors,
    a_min,
    a_max,
    overlap_ptr,
    overlap_neighbours,
    overlap_values,
    refractory_frames,
    max_rounds,
):
    """Place templates greedily, largest gain first, until none gains enough.

    In each round every frame that holds the largest gain within a template length is
    taken; such picks cannot change each other's gain, so the order among them does not
    matter. Their contributions are subtracted from the correlations of all overlapping
    templates, at sub-sample precision.

    Parameters
    ----------
    correlation : float32 (n_templates, n_frames)
        Changed in place: what remains is the correlation with the residual.
    norms, lams, floors, a_min, a_max : float64 (n_templates,)
        Squared norm, inverse amplitude variance, least gain, bounds of the amplitude.
    overlap_ptr, overlap_neighbours, overlap_values
        From `overlaps.OverlapTable`.
    refractory_frames : int
        A unit does not fire again within this.
    max_rounds : int

    Returns
    -------
    frames, templates : int64 (n_spikes,)
        First frame of the window, sorted by (frame, template).
    shifts, amplitudes, gains : float64 (n_spikes,)
        Sub-sample shift in [-0.5, 0.5], amplitude and objective.
    """
    n_templates, n_frames = correlation.shape
    reach = (overlap_values.shape[1] + 1) // 2
    best = np.zeros(n_frames)
    which = np.full(n_frames, -1, np.int64)
    forbidden = np.zeros((n_templates, n_frames), np.bool_)
    _update_best(
        correlation,
        forbidden,
        norms,
        lams,
        floors,
        a_min,
        a_max,
        0,
        n_frames,
        best,
        which,
    )
    frames = [0 for _ in range(0)]
    templates = [0 for _ in range(0)]
    shifts = [0.0 for _ in range(0)]
    amplitudes = [0.0 for _ in range(0)]
    gains = [0.0 for _ in range(0)]
    for _ in range(max_rounds):
        picks = _local_maxima(best, reach)
        if picks.size == 0:
            break
        for frame in picks:
            k = which[frame]
            row = correlation[k]
            delta = 0.0
            if 0 < frame < n_frames - 1:
                delta = _parabola(row[frame - 1], row[frame], row[frame + 1])
            whole = int(np.floor(delta))
            taps = _fractional_taps(delta - whole)
            b = max(_interpolate(row, frame + whole, taps), row[frame])
            a = (b + lams[k]) / (norms[k] + lams[k])
            a = min(max(a, a_min[k]), a_max[k])
            frames.append(frame)
            templates.append(k)
            shifts.append(delta)
            amplitudes.append(a)
            gains.append(_objective(b, norms[k], lams[k], a_min[k], a_max[k]))
            _subtract(
                correlation,
                frame,
                -delta,
                a,
                k,
                overlap_ptr,
                overlap_neighbours,
                overlap_values,
            )
            start = max(0, frame - refractory_frames)
            forbidden[k, start : frame + refractory_frames + 1] = True
        for frame in picks:
            start = max(0, frame - reach)
            stop = min(n_frames, frame + reach + 1)
            _update_best(
                correlation,
                forbidden,
                norms,
                lams,
                floors,
                a_min,
                a_max,
                start,
                stop,
                best,
                which,
            )
    return (
        np.array(frames, dtype=np.int64),
        np.array(templates, dtype=np.int64),
        np.array(shifts, dtype=np.float64),
        np.array(amplitudes, dtype=np.float64),
        np.array(gains, dtype=np.float64),
    )


@njit(cache=True, nogil=True)
def _local_maxima(best, reach):
    """Frames whose value is positive and first in (value, -frame) within reach."""
    picks = []
    n = best.size
    frame = 0
    while frame < n:
        value = best[frame]
        if value <= 0:
            frame += 1
            continue
        is_peak = True
        for other in range(max(0, frame - reach), frame):
            if best[other] >= value:
                is_peak = False
                break
        if is_peak:
            for other in range(frame + 1, min(n, frame + reach + 1)):
                if best[other] > value:
                    is_peak = False
                    break
        if is_peak:
            picks.append(frame)
            frame += reach
        frame += 1
    return np.array(picks, dtype=np.int64)


@njit(cache=True, nogil=True)
def _subtract(correlation, frame, delta, amplitude, k, ptr, neighbours, values):
    """Take a placed template out of the correlations around it."""
    n_frames = correlation.shape[1]
    centre = values.shape[1] // 2
    whole = int(np.floor(delta))
    taps = _fractional_taps(delta - whole)
    start = max(0, frame - centre - 1)
    stop = min(n_frames, frame + centre + 2)
    for entry in range(ptr[k], ptr[k + 1]):
        j = neighbours[entry]
        row = values[entry]
        for at in range(start, stop):
            lag = at - frame + centre + whole
            correlation[j, at] -= amplitude * _interpolate(row, lag, taps)
