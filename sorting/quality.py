"""How good a unit is: pure functions of its spike times and its template.

Times are int64 frames, ascending. Durations are frames as well, so that counts stay
exact whatever the sampling rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = [
    "REFRACTORY_S",
    "LabelRule",
    "contamination",
    "contamination_of",
    "correlogram",
    "count_bins",
    "count_close_pairs",
    "firing_rate_hz",
    "isi_violations",
    "peak_and_snr",
    "presence_ratio",
    "template_similarity",
]


REFRACTORY_S = 0.0015  # of violations
RATE_EXPONENT = 4  # measured: residues of this size are that much rarer


@dataclass(frozen=True)
class LabelRule:
    """Thresholds between ``good``, ``mua`` and ``noise``.

    A unit is *noise* if it has no spikes or its template does not stand out of the
    noise, or if it fires at a rate that residues of spikes and chance coincidences of
    those too small to be sorted reach: the larger a template, the rarer are these.
    Where it is small it also has to be no fragment of another unit, and not to fire
    within its own refractory period more often than unrelated spikes would: residues of
    spikes that come together do. It is *good* if it
    is large, frequent and steady enough to be judged, little contaminated, nearly
    complete and not to be confused with another one; all else is multi-unit activity.
    What is not known of a unit (NaN) does not count against it.

    Attributes
    ----------
    min_snr, min_norm : float
        Below either a unit is noise.
    clear_norm : float
        From here on a template is clear of the noise.
    min_rate_hz : float
        A unit at `min_norm` fires at this rate at least; the limit falls with the
        fourth power of the norm.
    doubtful_isolation : float
        A unit between `min_norm` and `clear_norm` has at least this.
    residue_violations, residue_excess : int, float
        A unit below `good_snr` with so many short intervals, and more than so many
        times those of unrelated spikes, is made of residues.
    good_snr, good_n_spikes, good_presence : float, int, float
        A good unit has at least this.
    good_isolation : float
        And this: at a distance of 4 noise sd one spike in 44 is confused.
    good_contamination, good_cutoff, good_drift : float
        A good unit has at most this.
    """

    min_snr: float = 1.0
    min_norm: float = 0.0
    clear_norm: float = 0.0
    min_rate_hz: float = 2.0
    doubtful_isolation: float = 3.0
    residue_violations: int = 3
    residue_excess: float = 4.0
    good_snr: float = 4.0
    good_n_spikes: int = 50
    good_presence: float = 0.5
    good_isolation: float = 4.0
    good_contamination: float = 0.1
    good_cutoff: float = 0.2
    good_drift: float = 0.5

    def label(self, metrics: Mapping[str, float]) -> str:
        """Return ``good``, ``mua`` or ``noise`` for a unit with these metrics.

        Parameters
        ----------
        metrics : mapping
            Columns of the unit table, by name.
        """
        if self._is_noise(metrics):
            return "noise"
        doubts = (
            metrics["norm"] < self.clear_norm,
            metrics["snr"] < self.good_snr,
            metrics["n_spikes"] < self.good_n_spikes,
            metrics["presence"] < self.good_presence,
            metrics["isolation"] < self.good_isolation,
            metrics["contamination"] > self.good_contamination,
            metrics["amplitude_cutoff"] > self.good_cutoff,
            metrics["amplitude_drift"] > self.good_drift,
        )
        return "mua" if any(doubts) else "good"

    def _is_noise(self, metrics: Mapping[str, float]) -> bool:
        if metrics["n_spikes"] == 0 or not metrics["snr"] >= self.min_snr:
            return True
        if metrics["snr"] < self.good_snr and self._is_residue(metrics):
            return True
        norm = metrics["norm"]
        fragment = metrics["isolation"] < self.doubtful_isolation
        if norm < self.min_norm or (norm < self.clear_norm and fragment):
            return True
        smallness = self.min_norm / norm if self.min_norm > 0 else 0.0
        least_rate_hz = self.min_rate_hz * smallness**RATE_EXPONENT
        return bool(metrics["firing_rate_hz"] < least_rate_hz)

    def _is_residue(self, metrics: Mapping[str, float]) -> bool:
        short = round(metrics["isi_violations"] * (metrics["n_spikes"] - 1))
        by_chance = metrics["n_spikes"] * metrics["firing_rate_hz"] * REFRACTORY_S
        return short >= max(self.residue_violations, self.residue_excess * by_chance)


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
    return contamination_of(len(times), n_pairs, n_frames, refractory, censored)


def contamination_of(
    n_spikes: int, n_pairs: int, n_frames: int, refractory: int, censored: int
) -> float:
    """Return the `contamination` that a number of violating pairs stands for."""
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
    n_bins = count_bins(n_frames, bin_frames)
    occupied = np.unique(np.minimum(recorded // bin_frames, n_bins - 1))
    return len(occupied) / n_bins


def count_bins(n_frames: int, bin_frames: int) -> int:
    """Return into how many bins `presence_ratio` divides a recording."""
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
    n_units, n_frames = len(pointer) - 1, waveforms.shape[1]
    owners = np.repeat(np.arange(n_units), np.diff(pointer))
    order = np.argsort(channels, kind="stable")
    ends = np.flatnonzero(np.diff(channels[order])) + 1
    shared = [rows for rows in np.split(order, ends) if rows.size]
    energy = (waveforms.astype(np.float64) ** 2).sum(axis=1)
    norms = np.sqrt(np.bincount(owners, energy, n_units))
    best = np.full((n_units, n_units), -np.inf)
    for lag in range(min(max_lag, n_frames - 1) + 1):
        overlap = np.zeros((n_units, n_units))
        for rows in shared:
            local = waveforms[rows].astype(np.float64)
            product = local[:, lag:] @ local[:, : n_frames - lag].T
            overlap[np.ix_(owners[rows], owners[rows])] += product
        best = np.maximum(best, np.maximum(overlap, overlap.T))
    scale = np.outer(norms, norms)
    similar = np.divide(best, scale, out=np.zeros_like(best), where=scale > 0)
    return np.clip(similar, -1, 1).astype(np.float32)
