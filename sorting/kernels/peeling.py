"""Template matching at the peaks of the traces: fast, blind to what hides under others.

The model and the gain of a spike are those of `matching`. Templates are tried only
where the traces have a peak, aligned to it, and spikes are subtracted from the traces
themselves: the work grows with the number of peaks, and not with templates times frames
(as the peak-by-peak fit of Yger et al. 2018 does, on the residual of the traces).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from sorting.kernels.interpolation import TAPS, fractional_taps, parabola_vertex
from sorting.kernels.matching import objective, ordered

__all__ = ["PeakBank", "find_peaks", "peel"]

BLOCK = 64  # frames that are searched again together
MAX_STEPS = 4  # frames that noise moves a peak of the traces from that of its template
SLACK = 4.0  # noise sd, of the height of a peak beside what its template allows
SIGNS = {"negative": (-1.0, -1.0), "positive": (1.0, 1.0), "both": (-1.0, 1.0)}


class PeakBank(NamedTuple):
    """Templates as they are tried at peaks.

    Attributes
    ----------
    waveforms : float32 (n_entries, n_template_frames)
        Of each template on each channel of its support, template by template.
    channels, owners : int64 (n_entries,)
        Channel and template of each.
    peaks : int64 (n_entries,)
        Frame of the extremum.
    heights : float64 (n_entries,)
        What it measures, a positive number.
    ptr : int64 (n_templates + 1,)
        Entries of template k are ``ptr[k]:ptr[k + 1]``.
    candidate_ptr : int64 (n_channels + 1,)
    candidates : int64 (n_candidates,)
        Entries that may explain a peak on channel c are
        ``candidates[candidate_ptr[c]:candidate_ptr[c + 1]]``.
    norms, lams, floors, a_min, a_max : float64 (n_templates,)
        As in `matching.Bank`.
    """

    waveforms: np.ndarray
    channels: np.ndarray
    owners: np.ndarray
    peaks: np.ndarray
    heights: np.ndarray
    ptr: np.ndarray
    candidate_ptr: np.ndarray
    candidates: np.ndarray
    norms: np.ndarray
    lams: np.ndarray
    floors: np.ndarray
    a_min: np.ndarray
    a_max: np.ndarray


@njit(cache=True, nogil=True)
def peel(
    traces,
    bank,
    near_ptr,
    near,
    threshold,
    signs,
    exclude_frames,
    refractory_frames,
    n_passes,
):
    """Explain peaks by templates, the highest first; subtract; look again.

    Parameters
    ----------
    traces : float32 (n_channels, n_frames)
        Whitened. Changed in place: what remains is the residual.
    bank : PeakBank
    near_ptr, near : int64
        Channels on which a larger peak hides a smaller one, from `neighbour_lists`.
    threshold : float
        Least height of a peak, in noise sd.
    signs : (float, float)
        Which peaks count, from `SIGNS`.
    exclude_frames : int
        Around a peak, within which it hides smaller ones until the next pass.
    refractory_frames : int
        A unit does not fire again within this.
    n_passes : int

    Returns
    -------
    frames, templates : int64 (n_spikes,)
        First frame of the window, sorted by (frame, template).
    shifts, amplitudes, gains : float64 (n_spikes,)
        Sub-sample shift in [-0.5, 0.5], amplitude and objective.
    """
    n_channels, n_frames = traces.shape
    n_templates = bank.norms.size
    stale = np.ones((n_channels, n_frames // BLOCK + 1), np.bool_)
    forbidden = np.zeros((n_templates, n_frames), np.bool_)
    frames = [0 for _ in range(0)]
    templates = [0 for _ in range(0)]
    values = [(0.0, 0.0, 0.0) for _ in range(0)]
    for _ in range(n_passes):
        at, channels = find_peaks(
            traces, stale, near_ptr, near, threshold, signs, exclude_frames
        )
        stale[:] = False
        for peak in range(at.size):
            k, frame, b, shift = _best_template(
                traces, bank, forbidden, at[peak], channels[peak]
            )
            if k < 0:
                continue
            norm, lam = bank.norms[k], bank.lams[k]
            amplitude = (b + lam) / (norm + lam)
            amplitude = min(max(amplitude, bank.a_min[k]), bank.a_max[k])
            gain = objective(b, norm, lam, bank.a_min[k], bank.a_max[k])
            frames.append(frame)
            templates.append(k)
            values.append((shift, amplitude, gain))
            _subtract(traces, bank, k, frame, shift, amplitude, stale)
            first = max(0, at[peak] - exclude_frames) // BLOCK
            last = min(n_frames - 1, at[peak] + exclude_frames) // BLOCK
            for other in near[near_ptr[channels[peak]] : near_ptr[channels[peak] + 1]]:
                stale[other, first : last + 1] = True  # what the peak hid
            start = max(0, frame - refractory_frames)
            forbidden[k, start : frame + refractory_frames + 1] = True
    return ordered(frames, templates, values, n_templates)


@njit(cache=True, nogil=True)
def find_peaks(traces, stale, near_ptr, near, threshold, signs, exclude_frames):
    """Find extrema that nothing near exceeds, in the blocks that are stale.

    Parameters
    ----------
    traces : float32 (n_channels, n_frames)
    stale : bool (n_channels, n_frames // BLOCK + 1)
    near_ptr, near, threshold, signs, exclude_frames
        As for `peel`.

    Returns
    -------
    frames, channels : int64 (n_peaks,)
        By falling height, then frame, then channel.
    """
    n_channels = traces.shape[0]
    low, high = np.float32(signs[0]), np.float32(signs[1])
    frames = [0 for _ in range(0)]
    channels = [0 for _ in range(0)]
    heights = [0.0 for _ in range(0)]
    least = np.float32(threshold)
    for channel in range(n_channels):
        row = traces[channel]
        around = near[near_ptr[channel] : near_ptr[channel + 1]]
        for block in range(stale.shape[1]):
            if not stale[channel, block]:
                continue
            part = row[block * BLOCK : (block + 1) * BLOCK]
            n_above = 0
            for i in range(part.size):
                n_above += max(low * part[i], high * part[i]) > least
            if n_above == 0:
                continue
            for frame in range(block * BLOCK, block * BLOCK + part.size):
                height = max(low * row[frame], high * row[frame])
                if height > least and _is_first(
                    traces, frame, channel, height, around, low, high, exclude_frames
                ):
                    frames.append(frame)
                    channels.append(channel)
                    heights.append(np.float64(height))
    # found channel by channel, in the order of time: stable sorts keep ties in order
    found_frames, found_channels = np.array(frames), np.array(channels)
    by_time = np.argsort(found_frames, kind="mergesort")
    falling = np.argsort(-np.array(heights)[by_time], kind="mergesort")
    return found_frames[by_time][falling], found_channels[by_time][falling]


@njit(cache=True, nogil=True)
def _is_first(traces, frame, channel, height, around, low, high, exclude_frames):
    """Tell whether no height near is larger, nor equal and earlier."""
    n_frames = traces.shape[1]
    row = traces[channel]
    if frame + 1 < n_frames and max(low * row[frame + 1], high * row[frame + 1]) > (
        height
    ):
        return False
    if frame > 0 and max(low * row[frame - 1], high * row[frame - 1]) >= height:
        return False
    start = max(0, frame - exclude_frames)
    stop = min(n_frames, frame + exclude_frames + 1)
    for other in around:
        part = traces[other, start:stop]
        n_larger = 0
        for i in range(part.size):
            n_larger += max(low * part[i], high * part[i]) >= height
        if n_larger == 0:
            continue
        for i in range(part.size):
            rival = max(low * part[i], high * part[i])
            if rival > height:
                return False
            before = start + i < frame or (start + i == frame and other < channel)
            if rival == height and before:
                return False
    return True


@njit(cache=True, nogil=True)
def _best_template(traces, bank, forbidden, frame, channel):
    """Template that gains most at a peak: index (-1 for none), frame, B and shift."""
    width = bank.waveforms.shape[1]
    n_frames = traces.shape[1]
    work = np.empty(width, np.float32)
    height = abs(traces[channel, frame])
    best, chosen, found, best_b, best_shift = 0.0, -1, 0, 0.0, 0.0
    for at in range(bank.candidate_ptr[channel], bank.candidate_ptr[channel + 1]):
        entry = bank.candidates[at]
        k = bank.owners[entry]
        if height > bank.a_max[k] * bank.heights[entry] + SLACK:
            continue
        if height < bank.a_min[k] * bank.heights[entry] - SLACK:
            continue
        start = frame - bank.peaks[entry]
        if start < MAX_STEPS + 1 or start + width + MAX_STEPS + 1 > n_frames:
            continue
        norm, lam = bank.norms[k], bank.lams[k]
        centre = _correlate(traces, bank, k, start, work)
        if objective(centre, norm, lam, bank.a_min[k], bank.a_max[k]) <= best / 2:
            continue
        start, before, centre, after = _climb(traces, bank, k, start, centre, work)
        shift = parabola_vertex(before, centre, after)
        b = centre + 0.25 * (after - before) * shift  # the parabola, at its vertex
        gain = objective(b, norm, lam, bank.a_min[k], bank.a_max[k])
        if gain > max(best, bank.floors[k]) and not forbidden[k, start]:
            best, chosen, found, best_b, best_shift = gain, k, start, b, shift
    return chosen, found, best_b, best_shift


@njit(cache=True, nogil=True)
def _climb(traces, bank, k, start, centre, work):
    """Move to the frame of the largest correlation; it and those on either side."""
    before = _correlate(traces, bank, k, start - 1, work)
    after = _correlate(traces, bank, k, start + 1, work)
    for _ in range(MAX_STEPS - 1):
        if after > centre and after >= before:
            start += 1
            before, centre = centre, after
            after = _correlate(traces, bank, k, start + 1, work)
        elif before > centre:
            start -= 1
            after, centre = centre, before
            before = _correlate(traces, bank, k, start - 1, work)
        else:
            break
    return start, before, centre, after


@njit(cache=True, nogil=True)
def _correlate(traces, bank, k, start, work):
    """Correlation of template k with the traces from `start` on.

    Summed over channels first, frame by frame, which compiles to vector instructions.
    """
    width = work.size
    work[:] = 0
    for entry in range(bank.ptr[k], bank.ptr[k + 1]):
        window = traces[bank.channels[entry], start : start + width]
        waveform = bank.waveforms[entry]
        for frame in range(width):
            work[frame] += waveform[frame] * window[frame]
    total = 0.0
    for frame in range(width):
        total += work[frame]
    return total


@njit(cache=True, nogil=True)
def _subtract(traces, bank, k, frame, shift, amplitude, stale):
    """Take a spike out of the traces; note where they changed."""
    n_frames = traces.shape[1]
    width = bank.waveforms.shape[1]
    whole, taps = fractional_taps(-shift)
    first = frame - whole - TAPS // 2  # where the interpolated template begins
    row = np.zeros(width + 2 * TAPS, np.float32)
    w = (amplitude * taps).astype(np.float32)
    start, stop = max(0, first), min(n_frames, first + width + TAPS)
    for entry in range(bank.ptr[k], bank.ptr[k + 1]):
        row[TAPS : TAPS + width] = bank.waveforms[entry]
        channel = bank.channels[entry]
        target = traces[channel, start:stop]
        near = row[start - first + 1 :]
        for at in range(target.size):
            target[at] -= (
                (w[0] * near[at] + w[1] * near[at + 1])
                + (w[2] * near[at + 2] + w[3] * near[at + 3])
            ) + (
                (w[4] * near[at + 4] + w[5] * near[at + 5])
                + (w[6] * near[at + 6] + w[7] * near[at + 7])
            )
        stale[channel, start // BLOCK : (stop - 1) // BLOCK + 1] = True
