"""How good a unit is: pure functions of its spike times and its template.

Times are int64 frames, ascending. Durations are frames as well, so that counts stay
exact whatever the sampling rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from sorting.kernels.trains import TrainCounts
from sorting.result_tables import StreamTable, UnitTable
from sorting.spike_file import slices

__all__ = [
    "LabelRule",
    "contamination",
    "correlogram",
    "count_close_pairs",
    "firing_rate_hz",
    "isi_violations",
    "peak_and_snr",
    "presence_ratio",
    "template_similarity",
    "unit_table",
]

REFRACTORY_MS = 1.5
CENSORED_MS = 0.3
PRESENCE_BIN_S = 10.0


@dataclass(frozen=True)
class LabelRule:
    """Thresholds between ``good``, ``mua`` and ``noise``.

    A unit is *noise* if it has no spikes or its template does not stand out of the
    noise; it is *good* if it is large, frequent and steady enough to be judged and
    little contaminated; all else is multi-unit activity.

    Attributes
    ----------
    min_snr, min_norm : float
        Below either a unit is noise; `min_norm` counts only where the norm is known.
    good_snr, good_n_spikes, good_presence : float, int, float
        A good unit has at least this.
    good_contamination : float
        A good unit has at most this.
    """

    min_snr: float = 1.0
    min_norm: float = 0.0
    good_snr: float = 4.0
    good_n_spikes: int = 50
    good_presence: float = 0.5
    good_contamination: float = 0.1

    def label(self, metrics: Mapping[str, float]) -> str:
        """Return ``good``, ``mua`` or ``noise`` for a unit with these metrics.

        Parameters
        ----------
        metrics : mapping
            With ``snr``, ``n_spikes``, ``presence`` and ``contamination``; with
            ``norm`` if the template's norm in noise sd is known.
        """
        if metrics["n_spikes"] == 0 or not metrics["snr"] >= self.min_snr:
            return "noise"
        if metrics.get("norm", self.min_norm) < self.min_norm:
            return "noise"
        good = (
            metrics["snr"] >= self.good_snr
            and metrics["n_spikes"] >= self.good_n_spikes
            and metrics["presence"] >= self.good_presence
            and metrics["contamination"] <= self.good_contamination
        )
        return "good" if good else "mua"


def firing_rate_hz(n_spikes: int, n_frames: int, sampling_rate: float) -> float:
    """Return spikes per recorded second, 0 for a recording of no frames."""
    return n_spikes * sampling_rate / n_frames if n_frames else 0.0


def isi_violations(times: np.ndarray, refractory: int) -> float:
    """Return the fraction of inter-spike intervals shorter than ``refractory``.

    Parameters
    ----------
    times : (n,) int64
        Frames, ascending.
    refractory : int
        In frames.

    Returns
    -------
    float
        In [0, 1]; 0 with fewer than two spikes.
    """
    intervals = np.diff(times)
    return float(np.mean(intervals < refractory)) if len(intervals) else 0.0


def count_close_pairs(times: np.ndarray, distance: int) -> int:
    """Return how many pairs of spikes lie at most ``distance`` frames apart."""
    followers = np.searchsorted(times, times + distance, side="right")
    return int(np.sum(followers - np.arange(1, len(times) + 1)))


def contamination(
    times: np.ndarray, n_frames: int, refractory: int, censored: int = 0
) -> float:
    """Estimate which fraction of a unit's spikes belongs to other neurons.

    The foreign spikes are taken to be independent of the unit's own and of each other,
    so pairs closer than the refractory period count how many there are (Llobet et al.
    2022, bioRxiv 2022.02.08.479192).

    Parameters
    ----------
    times : (n,) int64
        Frames, ascending.
    n_frames : int
        Length of the recording.
    refractory : int
        In frames; the unit's own spikes are never closer.
    censored : int
        In frames; closer spikes cannot be told apart, and are not counted.

    Returns
    -------
    float
        In [0, 1]; 0 with fewer than two spikes, 1 if there are more violations than
        independent spikes would make.
    """
    n_pairs = count_close_pairs(times, refractory) - count_close_pairs(times, censored)
    return _contamination(len(times), n_pairs, n_frames, refractory, censored)


def _contamination(
    n_spikes: int, n_pairs: int, n_frames: int, refractory: int, censored: int
) -> float:
    """Return the contamination that so many violating pairs stand for."""
    if n_spikes < 2 or refractory <= censored:
        return 0.0
    observed = n_frames - 2 * n_spikes * censored
    root = 1 - n_pairs * observed / (n_spikes**2 * (refractory - censored))
    return 1.0 if root < 0 else min(1.0, float(1 - np.sqrt(root)))


def presence_ratio(recorded: np.ndarray, n_frames: int, bin_frames: int) -> float:
    """Return the fraction of time bins that hold a spike.

    Parameters
    ----------
    recorded : (n,) int64
        Spike times, counted without the gaps between streams.
    n_frames, bin_frames : int
        Lengths of the recording and of a bin; a last bin of less than half the length
        joins the one before.
    """
    n_bins = _n_bins(n_frames, bin_frames)
    occupied = np.unique(np.minimum(recorded // bin_frames, n_bins - 1))
    return len(occupied) / n_bins


def _n_bins(n_frames: int, bin_frames: int) -> int:
    return max(1, round(n_frames / bin_frames))


def peak_and_snr(
    waveform: np.ndarray, channels: np.ndarray, noise_levels: np.ndarray
) -> tuple[int, float]:
    """Return where a template is largest, and how far it stands out of the noise there.

    Parameters
    ----------
    waveform : (T, n) float32
        Template on its channels.
    channels : (n,) int
        Rows of ``noise_levels``.
    noise_levels : (C,) float32
        Noise sd in the unit of the template.

    Returns
    -------
    peak_channel : int
        -1 for a template without channels; the first of equals.
    snr : float
        Largest ``|waveform|`` over the noise sd of that channel, 0 without noise.
    """
    if waveform.size == 0:
        return -1, 0.0
    height = np.abs(waveform).max(axis=0)
    best = int(np.argmax(height))
    noise = float(noise_levels[channels[best]])
    return int(channels[best]), float(height[best]) / noise if noise > 0 else 0.0


def correlogram(
    times: np.ndarray, others: np.ndarray | None, n_bins: int, bin_frames: int
) -> np.ndarray:
    """Count the lags ``other - time`` of all pairs of spikes, exactly.

    Parameters
    ----------
    times : (n,) int64
        Frames, ascending.
    others : (m,) int64, optional
        Frames, ascending; None for the auto-correlogram, which leaves out the pairs of
        a spike with itself.
    n_bins : int
        Bins on each side of zero.
    bin_frames : int
        Width of a bin; bin ``i`` holds lags from ``(i - n_bins) * bin_frames`` up to,
        not including, the next.

    Returns
    -------
    (2 * n_bins,) int64
    """
    counts = np.zeros(2 * n_bins, dtype=np.int64)
    own = others is None
    others = times if own else others
    reach = n_bins * bin_frames
    first = np.searchsorted(others, times - reach, side="left")
    stop = np.searchsorted(others, times + reach, side="left")
    # The k-th neighbour of every spike at once: memory stays O(n) at any rate.
    for k in range(int(np.max(stop - first, initial=0))):
        (spikes,) = np.nonzero(first + k < stop)
        neighbours = first[spikes] + k
        if own:
            apart = neighbours != spikes
            spikes, neighbours = spikes[apart], neighbours[apart]
        lags = others[neighbours] - times[spikes]
        counts += np.bincount(lags // bin_frames + n_bins, minlength=2 * n_bins)
    return counts


def template_similarity(
    pointer: np.ndarray, channels: np.ndarray, waveforms: np.ndarray, max_lag: int
) -> np.ndarray:
    """Return the cosine similarity of templates at the best of some lags.

    Parameters
    ----------
    pointer : (K + 1,) int64
        Unit k owns the rows ``pointer[k]:pointer[k + 1]``.
    channels : (P,) int
        Channel of each row.
    waveforms : (P, T) float32
    max_lag : int
        Largest lag in frames, to both sides.

    Returns
    -------
    (K, K) float32
        Symmetric, in [-1, 1], 1 on the diagonal but for an empty template, which is 0.
    """
    n_frames = waveforms.shape[1]
    n_channels = int(np.max(channels, initial=-1)) + 1

    def flat(lag: int) -> sparse.csr_array:
        """Templates as rows, (channel, frame) as columns, shifted by ``lag``."""
        padded = n_frames + max_lag
        columns = (
            channels[:, None].astype(np.int64) * padded + np.arange(n_frames) + lag
        )
        shape = (len(pointer) - 1, n_channels * padded)
        data = waveforms.astype(np.float64).ravel()
        return sparse.csr_array(
            (data, columns.ravel(), pointer * n_frames), shape=shape
        )

    resting = flat(0)
    norms = np.sqrt(np.asarray(resting.multiply(resting).sum(axis=1))).ravel()
    best = np.full((len(norms), len(norms)), -np.inf)
    for lag in range(max_lag + 1):
        overlap = (resting @ flat(lag).T).toarray()
        best = np.maximum(best, np.maximum(overlap, overlap.T))
    scale = np.outer(norms, norms)
    similar = np.divide(best, scale, out=np.zeros_like(best), where=scale > 0)
    return np.clip(similar, -1, 1).astype(np.float32)


def unit_table(
    spike_times: np.ndarray,
    spike_units: np.ndarray,
    *,
    template_ptr: np.ndarray,
    template_channels: np.ndarray,
    template_waveforms: np.ndarray,
    noise_levels: np.ndarray,
    streams: StreamTable,
    sampling_rate: float,
    rule: LabelRule | None = None,
    norms: np.ndarray | None = None,
) -> UnitTable:
    """Measure and label every unit.

    Parameters
    ----------
    spike_times : (N,) int64
        Global frames, ascending.
    spike_units : (N,) int32
        Row of the unit, 0 to K - 1.
    template_ptr, template_channels, template_waveforms : (K + 1,), (P,), (P, T)
        Sparse templates in µV, as in ``Result``.
    noise_levels : (C,) float32
        Noise sd in µV.
    streams : StreamTable
        Where there are data.
    sampling_rate : float
        In Hz.
    rule : LabelRule, optional
    norms : (K,) float64, optional
        Of the whitened templates, in noise sd: how clearly a unit can be detected.

    Returns
    -------
    UnitTable
    """
    rule = rule or LabelRule()
    counts = _count(
        spike_times, spike_units, len(template_ptr) - 1, streams, sampling_rate
    )
    n_frames = int(streams.n_frames.sum())
    rows = []
    for unit in range(len(template_ptr) - 1):
        pairs = slice(template_ptr[unit], template_ptr[unit + 1])
        peak, snr = peak_and_snr(
            template_waveforms[pairs].T, template_channels[pairs], noise_levels
        )
        row = _train_metrics(counts, unit, n_frames, sampling_rate)
        row |= {"peak_channel": peak, "snr": snr}
        known = {} if norms is None else {"norm": float(norms[unit])}
        rows.append(row | {"label": rule.label(row | known)})
    return UnitTable(
        **{name: np.array([row[name] for row in rows]) for name in UnitTable.layout}
    )


def _count(
    spike_times: np.ndarray,
    spike_units: np.ndarray,
    n_units: int,
    streams: StreamTable,
    sampling_rate: float,
) -> TrainCounts:
    """Count what the metrics need, a block of spikes at a time."""
    bin_frames = round(PRESENCE_BIN_S * sampling_rate)
    counts = TrainCounts(
        n_units,
        refractory=round(REFRACTORY_MS * sampling_rate / 1000),
        censored=round(CENSORED_MS * sampling_rate / 1000),
        bin_frames=bin_frames,
        n_bins=_n_bins(int(streams.n_frames.sum()), bin_frames),
    )
    for piece in slices(len(spike_times)):
        times = np.asarray(spike_times[piece])
        counts.add(times, spike_units[piece], streams.to_recorded(times))
    return counts


def _train_metrics(
    counts: TrainCounts, unit: int, n_frames: int, sampling_rate: float
) -> dict[str, Any]:
    """Return the metrics that need no template."""
    n_spikes = int(counts.n_spikes[unit])
    return {
        "n_spikes": n_spikes,
        "firing_rate_hz": firing_rate_hz(n_spikes, n_frames, sampling_rate),
        "isi_violations": int(counts.n_short[unit]) / max(n_spikes - 1, 1),
        "contamination": _contamination(
            n_spikes,
            int(counts.n_refractory[unit] - counts.n_censored[unit]),
            n_frames,
            counts.refractory,
            counts.censored,
        ),
        "presence": int(counts.n_occupied[unit]) / (counts.last_bin + 1),
    }
